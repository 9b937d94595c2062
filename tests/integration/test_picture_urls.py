"""Pictures by https URL, from a host of this machine with a certificate that only the test's own authority vouches for."""

import http.server
import os
import ssl
import subprocess
import threading

import grpc
import pytest

from conftest import ROOT

PICTURE = (ROOT / "models/pictogram/examples/watermelon.png").read_bytes()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        moved = {"/moved": "/watermelon.png", "/away": "https://127.0.0.1:1/watermelon.png"}.get(self.path)
        self.send_response(302 if moved else 200 if self.path == "/watermelon.png" else 404)
        if moved:
            self.send_header("Location", moved)
        body = PICTURE if self.path == "/watermelon.png" else b""
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """(https://localhost:PORT, the file of its certificate)"""
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem", "-out", folder / "certificate.pem"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_address[1]}", folder / "certificate.pem"
    server.shutdown()


def serve(bin_dir, api, tiny, flags, certificate=None):
    from cluster import Cluster
    before = dict(os.environ)
    if certificate:
        os.environ["SSL_CERT_FILE"] = str(certificate)
    try:
        return Cluster(bin_dir, api, tiny.folder, flags)
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def cluster(bin_dir, api, tiny, host):
    cluster = serve(bin_dir, api, tiny, ["--image-host", "localhost", "--private-image-addresses"], host[1])
    yield cluster
    cluster.stop()


def count(cluster, api, image):
    parts = [api.Part(image=image), api.Part(text="?")]
    return cluster.stub.CountTokens(api.CountTokensRequest(prompt=api.Prompt(raw=api.RawPrompt(parts=parts))), timeout=60)


def refusal(cluster, api, url):
    with pytest.raises(grpc.RpcError) as error:
        count(cluster, api, api.Image(url=url))
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "prompt.images[0]" in error.value.details()
    return error.value.details()


def test_a_url_is_the_picture_behind_it(cluster, api, host):
    inlined = count(cluster, api, api.Image(data=PICTURE))
    for path in ("/watermelon.png", "/moved"):
        assert count(cluster, api, api.Image(url=host[0] + path)) == inlined


def test_the_chat_api_takes_it_too(cluster, host):
    import openai
    client = openai.OpenAI(base_url=f"http://{cluster.http}/v1", api_key="anything")
    content = [{"type": "image_url", "image_url": {"url": host[0] + "/watermelon.png"}}, {"type": "text", "text": "?"}]
    answer = client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": content}], max_tokens=4)
    assert answer.usage.completion_tokens > 0
    content[0]["image_url"]["url"] = host[0] + "/none"
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": content}])
    assert error.value.param == "messages[0].content[0].image_url" and error.value.code == "url_fetch"


def test_what_is_not_allowed_is_refused(cluster, api, host):
    assert "https only" in refusal(cluster, api, host[0].replace("https", "http") + "/watermelon.png")
    assert "fetched from localhost, not from '127.0.0.1'" in refusal(cluster, api, "https://127.0.0.1:1/watermelon.png")
    assert "not from '127.0.0.1'" in refusal(cluster, api, host[0] + "/away")
    assert "status 404" in refusal(cluster, api, host[0] + "/none")


def test_private_addresses_and_unknown_certificates_are_refused(bin_dir, api, tiny, host):
    for flags, why in ((["--image-host", "localhost"], "public internet"),
                       (["--image-host", "localhost", "--private-image-addresses"], "cannot be trusted"),
                       ([], "fetches no pictures")):
        cluster = serve(bin_dir, api, tiny, flags)
        try:
            assert why in refusal(cluster, api, host[0] + "/watermelon.png")
        finally:
            cluster.stop()
