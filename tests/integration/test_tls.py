"""TLS and API keys, over real processes: who is let in, and that certificates and keys are exchanged under running streams."""

import concurrent.futures
import hashlib
import importlib
import io
import json
import os
import pathlib
import re
import ssl
import subprocess
import time

import grpc
import httpx
import openai
import pytest
from PIL import Image

from authority import Authority
from cluster import Answer, Cluster, ManualCluster, scrape, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALICE, ALICE_TOO, BOB = "alice-0123456789abcdef", "alice-fedcba9876543210", "bob-0123456789abcdef"
INTERNAL_NAMES = "DNS:triptych-coordinator,DNS:triptych-router,DNS:triptych-worker,DNS:triptych-admin"


def keys_text():
    return f"# who may\nalice:{ALICE}\nalice:{ALICE_TOO}\nbob:sha256:{hashlib.sha256(BOB.encode()).hexdigest()}\n"


def put(path, text):
    """A file that is exchanged as a whole."""
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    os.replace(draft, path)


def credentials(ca, key=None):
    trust = grpc.ssl_channel_credentials(ca.read_bytes())
    return grpc.composite_channel_credentials(trust, grpc.access_token_call_credentials(key)) if key else trust


class Secured:
    """A cluster with everything: TLS and keys for clients, TLS between the processes."""

    def __init__(self, bin_dir, api, model, folder):
        self.api = api
        self.public, self.internal = Authority(folder / "public"), Authority(folder / "internal")
        self.certificate, self.key, self.keys = folder / "tls.crt", folder / "tls.key", folder / "keys"
        self.public.issue("DNS:localhost,IP:127.0.0.1", self.certificate, self.key)
        own = folder / "internal.crt", folder / "internal.key"
        self.internal.issue(INTERNAL_NAMES, *own)
        self.keys.write_text(keys_text())
        self.admin_flags = ["--tls-ca", self.internal.ca, "--tls-certificate", own[0], "--tls-key", own[1]]
        flags = ["--tls-certificate", self.certificate, "--tls-key", self.key, "--api-keys", self.keys,
                 "--internal-tls-certificate", own[0], "--internal-tls-key", own[1], "--internal-tls-ca", self.internal.ca]
        self.cluster = Cluster(bin_dir, api, model, flags, credentials=credentials(self.public.ca, ALICE), admin_flags=self.admin_flags)

    def http(self, key=ALICE, ca=None):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        context = ssl.create_default_context(cafile=str(ca or self.public.ca))
        return httpx.Client(base_url=f"https://{self.cluster.http}", verify=context, headers=headers, timeout=60)

    def openai(self, **options):
        return openai.OpenAI(base_url=f"https://{self.cluster.http}/v1", max_retries=0, api_key=options.pop("api_key", ALICE),
                             http_client=self.http(key=None, **options))

    def list_models(self, key, ca=None):
        """The code of one call over a connection of its own; OK where it is answered."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.secure_channel(self.cluster.grpc, credentials(ca or self.public.ca, key), options=options) as channel:
            try:
                self.api.stub(channel).ListModels(self.api.ListModelsRequest(), timeout=20)
            except grpc.RpcError as error:
                return error.code()
        return grpc.StatusCode.OK


@pytest.fixture(scope="module")
def secured(bin_dir, api, tiny, tmp_path_factory):
    secured = Secured(bin_dir, api, tiny.folder, tmp_path_factory.mktemp("secured"))
    yield secured
    secured.cluster.stop()


def png(color=(200, 30, 30)):
    file = io.BytesIO()
    Image.new("RGB", (37, 21), color).save(file, "PNG")
    return file.getvalue()


def test_chat_with_a_picture_over_grpc(secured, api, tiny):
    """By all hops: router, coordinator, encoder, decoder, and the rows between the last two."""
    call = dict(prompt=tiny.case(has_images=True).prompt(api), stopping=api.Stopping(max_new_tokens=8, ignore_eos=True))
    first, second = secured.cluster.generate(**call), secured.cluster.generate(**call)
    assert len(first.ids[0]) == 8
    assert first.outcome() == second.outcome()


def test_chat_by_openais_client(secured):
    client = secured.openai()
    question = dict(model="tiny", messages=[{"role": "user", "content": "Good morning"}], max_tokens=8, temperature=0)
    whole = client.chat.completions.create(**question)
    pieces = [chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(**question, stream=True)]
    assert "".join(pieces) == whole.choices[0].message.content
    with pytest.raises(openai.AuthenticationError) as refused:
        secured.openai(api_key="nobody-0123456789").chat.completions.create(**question)
    assert refused.value.code == "invalid_api_key" and refused.value.type == "authentication_error"


def test_a_wrong_authority_is_refused(secured):
    assert secured.list_models(ALICE, secured.internal.ca) == grpc.StatusCode.UNAVAILABLE
    with pytest.raises(openai.APIConnectionError):
        secured.openai(ca=secured.internal.ca).models.list()


def test_without_tls_nothing_is_said(secured, api):
    with grpc.insecure_channel(secured.cluster.grpc) as channel, pytest.raises(grpc.RpcError) as refused:
        api.stub(channel).ListModels(api.ListModelsRequest(), timeout=20)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{secured.cluster.http}/healthz")


def test_every_method_needs_a_key(secured, api):
    vectors = importlib.import_module("triptych.v1.text_vectors_pb2").DESCRIPTOR
    methods = [m for file in (api.DESCRIPTOR, vectors) for service in file.services_by_name.values() for m in service.methods]
    assert len(methods) >= 6
    with grpc.secure_channel(secured.cluster.grpc, credentials(secured.public.ca)) as channel:
        def call(method, metadata, body):
            name = f"/{method.containing_service.full_name}/{method.name}"
            kind = ("stream" if method.client_streaming else "unary", "stream" if method.server_streaming else "unary")
            made = getattr(channel, "_".join(kind))(name)
            answer = made(iter([body]) if method.client_streaming else body, metadata=metadata, timeout=60)
            return list(answer) if method.server_streaming else answer

        wrong = [(), [("authorization", "Bearer nobody-0123456789")], [("authorization", f"Basic {ALICE}")], [("authorization", f"Bearer {ALICE[:-1]}")]]
        for method in methods:
            for metadata in wrong:
                for body in (b"", b"\xff"):
                    with pytest.raises(grpc.RpcError) as refused:
                        call(method, metadata, body)
                    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED, (method.name, metadata, body)
        listed = call(api.DESCRIPTOR.services_by_name["Inference"].methods_by_name["ListModels"], [("authorization", f"bearer {BOB}")], b"")
        assert api.ListModelsResponse.FromString(listed).models[0].name == "tiny"


def test_health_is_open(secured):
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    with grpc.secure_channel(secured.cluster.grpc, credentials(secured.public.ca)) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def documented_routes():
    """(method, path) of all that docs/openai.md lists."""
    for line in (ROOT / "docs/openai.md").read_text().splitlines():
        if re.match(r"\| `(GET|POST) /", line):
            yield from re.findall(r"`(GET|POST) (/[^`]*)`", line.split("|")[1])


def test_every_route_needs_a_key(secured):
    """Of those that are documented; a test of the router's has them from its table."""
    routes = list(documented_routes())
    assert len(routes) >= 9
    with secured.http(key=None) as nobody, secured.http(key=ALICE + "x") as wrong:
        for method, path in routes:
            path = path.replace("SHA256", hashlib.sha256(b"").hexdigest()).replace("NAME", "tiny")
            options = {"json": {}} if method == "POST" else {}
            for client, code in ((nobody, "no_api_key"), (wrong, "invalid_api_key")):
                answer = client.request(method, path, **options)
                if path in ("/", "/healthz", "/readyz"):
                    assert answer.status_code == 200, path
                    continue
                assert answer.status_code == 401, path
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                error = answer.json()["error"]
                assert error["code"] == code and set(error) == {"message", "type", "param", "code"}
                assert ALICE not in answer.text


def test_a_tenant_is_whose_the_key_is(secured, api):
    """Pictures are those of the key's name: of all its keys, and of no other's, whatever else a client sends."""
    data = png((1, 2, 3))
    channel = grpc.secure_channel(secured.cluster.grpc, credentials(secured.public.ca, ALICE))
    with channel:
        sha256 = api.stub(channel).UploadImage(iter([api.UploadImageRequest(chunk=data)]), timeout=20).sha256
    path = f"/v1/pictures/{sha256}"
    for key, status in ((ALICE, 200), (ALICE_TOO, 200), (BOB, 404)):
        with secured.http(key=key) as client:
            assert client.get(path).status_code == status, key
    with secured.http(key=BOB) as client:
        claims = {"X-Tenant": "alice", "X-Api-Key": ALICE, "Proxy-Authorization": f"Bearer {ALICE}"}
        assert client.get(path, headers=claims).status_code == 404


def test_the_command_line(secured, bin_dir):
    def run(*arguments, key=None):
        environment = {k: v for k, v in os.environ.items() if k != "TRIPTYCH_API_KEY"} | ({"TRIPTYCH_API_KEY": key} if key else {})
        return subprocess.run([str(bin_dir / "triptych"), *map(str, arguments)], capture_output=True, text=True, timeout=60, env=environment)

    router = ["--router", secured.cluster.grpc, "--tls-ca", secured.public.ca]
    assert "tiny" in run("models", *router, key=ALICE).stdout
    assert "tiny" in run("models", *router, "--api-key", BOB).stdout
    assert run("generate", *router, "--max-new-tokens", 4, "Hello", key=ALICE).returncode == 0
    refused = run("models", *router)
    assert refused.returncode == 1 and "API key" in refused.stderr
    refused = run("models", *router, "--tls-name", "elsewhere.example.org", key=ALICE)
    assert refused.returncode == 1 and "UNAVAILABLE" in refused.stderr
    refused = run("models", "--router", secured.cluster.grpc, "--tls-ca", secured.keys, key=ALICE)
    assert refused.returncode == 1 and f"{secured.keys}: no certificate in PEM" in refused.stderr
    assert "decoder-0" in run("status", "--coordinator", secured.cluster.coordinator(), *secured.admin_flags).stdout
    assert run("status", "--coordinator", secured.cluster.coordinator(), "--tls-ca", secured.internal.ca).returncode == 1


def test_no_key_is_logged(secured):
    log = "".join(secured.cluster.log)
    assert log and not any(key in log for key in (ALICE, ALICE_TOO, BOB))


def test_keys_are_exchanged_without_a_restart(secured):
    new = "carol-0123456789abcdef"
    try:
        put(secured.keys, keys_text() + f"carol:{new}\n")
        wait_until(lambda: secured.list_models(new) == grpc.StatusCode.OK, what="the new key")
        with secured.http(key=new) as client:
            assert client.get("/v1/models").status_code == 200
        put(secured.keys, f"carol:{new}\n")
        wait_until(lambda: secured.list_models(ALICE) == grpc.StatusCode.UNAUTHENTICATED, what="the old key's end")
        with secured.http() as client:
            assert client.get("/v1/models").status_code == 401
        put(secured.keys, "carol:\n")
        def complains():  # the file is looked at when somebody calls
            assert secured.list_models(new) == grpc.StatusCode.OK
            return any("the former API keys stay" in line for line in secured.cluster.log)
        wait_until(complains, what="the complaint")
    finally:
        put(secured.keys, keys_text())
        wait_until(lambda: secured.list_models(ALICE) == grpc.StatusCode.OK, what="the first keys")


def test_a_certificate_is_exchanged_under_running_streams(secured, api, tiny, tmp_path):
    """New connections have the new one, also of another authority; the streams that run lose nothing."""
    call = dict(prompt=tiny.case(has_images=False).prompt(api), stopping=api.Stopping(max_new_tokens=3000, ignore_eos=True))
    question = {"model": "tiny", "messages": [{"role": "user", "content": "Good morning"}], "max_tokens": 3000, "temperature": 0,
                "stream": True, "ignore_eos": True}

    def ask_grpc(began):
        answer = Answer()
        for event in secured.cluster.stub.Generate(api.GenerateRequest(**call), timeout=300):
            answer.add(event)
            if answer.ids and not began.done():
                began.set_result(None)
        return answer.outcome()

    def ask_http(began):
        with secured.http() as client, client.stream("POST", "/v1/chat/completions", json=question, timeout=300) as answer:
            data = []
            for line in filter(None, answer.iter_lines()):
                data.append(line.removeprefix("data: "))
                if len(data) == 1:
                    began.set_result(None)
        choices = [json.loads(event)["choices"][0] for event in data[:-1]]
        text = "".join(choice["delta"].get("content") or "" for choice in choices)
        return text, choices[-1]["finish_reason"], data[-1]

    asked = [ask_grpc, ask_grpc, ask_grpc, ask_http, ask_http]
    began = [concurrent.futures.Future() for _ in asked]
    next_authority = Authority(tmp_path / "next")
    with concurrent.futures.ThreadPoolExecutor(len(asked)) as pool:
        streams = [pool.submit(ask, first) for ask, first in zip(asked, began)]
        for first in began:
            first.result(timeout=60)
        first_expiry = expiry(secured, "router")["public"]
        next_authority.issue("DNS:localhost,IP:127.0.0.1", secured.certificate, secured.key, days=9)
        try:
            wait_until(lambda: secured.list_models(ALICE, next_authority.ca) == grpc.StatusCode.OK, what="the new certificate over gRPC")
            with secured.http(ca=next_authority.ca) as client:
                assert client.get("/v1/models").status_code == 200
            assert secured.list_models(ALICE) == grpc.StatusCode.UNAVAILABLE
            assert expiry(secured, "router")["public"] > first_expiry
            with pytest.raises(httpx.ConnectError), secured.http() as client:
                client.get("/v1/models")
            assert not any(stream.done() for stream in streams), "they ended before the certificate was another"
            outcomes = [stream.result() for stream in streams]
        finally:
            secured.public.issue("DNS:localhost,IP:127.0.0.1", secured.certificate, secured.key)
            wait_until(lambda: secured.list_models(ALICE) == grpc.StatusCode.OK, what="a certificate of the first authority")
    assert outcomes[0] == outcomes[1] == outcomes[2] and len(outcomes[0][0][0]) == 3000
    assert outcomes[3] == outcomes[4] and outcomes[3][1:] == ("length", "[DONE]")


def expiry(secured, process):
    """Seconds until the certificates of a process expire, by their use."""
    text = scrape(secured.cluster.metrics_of(process))
    found = re.findall(r'^triptych_certificate_expiry_timestamp_seconds\{use="(\w+)"\} (\S+)$', text, re.MULTILINE)
    return {use: float(at) - time.time() for use, at in found}


def test_when_certificates_expire_is_exported(secured):
    for process, uses in (("router", {"public", "internal"}), ("coordinator", {"internal"}), ("decoder-0", {"internal"})):
        left = expiry(secured, process)
        assert set(left) == uses
        assert all(0 < seconds < 20 * 86400 for seconds in left.values())


def test_processes_take_none_but_each_other(secured, api, tmp_path):
    """The coordinator and the workers by grpcio: without a certificate, and with one that bears no role."""
    stranger = tmp_path / "stranger.crt", tmp_path / "stranger.key"
    secured.internal.issue("DNS:stranger", *stranger)
    servers = {secured.cluster.coordinator(): "triptych-coordinator"} | {w["address"]: "triptych-worker" for w in secured.cluster.status()["workers"]}
    assert len(servers) == 3
    for address, name in servers.items():
        def code(trusted):
            with grpc.secure_channel(address, trusted, options=[("grpc.ssl_target_name_override", name)]) as channel:
                call = channel.unary_unary("/grpc.health.v1.Health/Check")
                try:
                    call(b"", timeout=20)
                except grpc.RpcError as error:
                    return error.code()
            return grpc.StatusCode.OK

        assert code(grpc.ssl_channel_credentials(secured.internal.ca.read_bytes())) == grpc.StatusCode.UNAVAILABLE
        known = grpc.ssl_channel_credentials(secured.internal.ca.read_bytes(), stranger[1].read_bytes(), stranger[0].read_bytes())
        assert code(known) == grpc.StatusCode.PERMISSION_DENIED


def test_a_shard_group_over_processes_with_tls(bin_dir, api, tiny, tmp_path):
    """The plans of a leader reach its follower; each process bears its own role alone."""
    authority = Authority(tmp_path / "authority")
    files = tmp_path / "all.crt", tmp_path / "all.key"
    authority.issue("DNS:triptych-coordinator,DNS:triptych-router,DNS:triptych-worker", *files)
    tls = {"tls": f"{{certificate: {files[0]}, key: {files[1]}, ca: {authority.ca}}}"}
    cluster = ManualCluster(bin_dir, api, tiny.folder, tmp_path, tensor_parallel=2, num_processes=2, common_keys=tls)
    try:
        call = dict(prompt=tiny.case(has_images=True).prompt(api), stopping=api.Stopping(max_new_tokens=8, ignore_eos=True))
        assert len(cluster.generate(**call).ids[0]) == 8
    finally:
        cluster.stop()


@pytest.mark.parametrize("section", ["public_tls", "tls"])
@pytest.mark.parametrize("wrong, said", [("absent", r"tls\.crt: No such file"), ("text", r"tls\.crt: no certificate in PEM"),
                                         ("other key", r"tls\.key: the key is not that of the certificate in .*tls\.crt"),
                                         ("no key", r"\.key: the file is not given")])
def test_bad_files_are_refused_at_start(bin_dir, tiny, tmp_path, section, wrong, said):
    authority = Authority(tmp_path / "authority")
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    authority.issue("DNS:localhost", certificate, key)
    if wrong == "absent":
        certificate.unlink()
    elif wrong == "text":
        certificate.write_text("a certificate")
    elif wrong == "other key":
        authority.issue("DNS:localhost", tmp_path / "other.crt", key)
    ca = {"public_tls": "client_ca", "tls": "ca"}[section]
    lines = [f"models: [{{name: tiny, path: {tiny.folder}}}]", "listen: 127.0.0.1:0", "http_listen: 127.0.0.1:0", "metrics_listen: 127.0.0.1:0",
             f"{section}:", f"  certificate: {certificate}", f"  {ca}: {authority.ca}"] + ([f"  key: {key}"] if wrong != "no key" else [])
    (tmp_path / "router.yaml").write_text("\n".join(lines) + "\n")
    ended = subprocess.run([str(bin_dir / "triptych-router"), "--config", str(tmp_path / "router.yaml")], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert re.search(rf"triptych-router: {section}\S* .*{said}|{section}{said}", ended.stderr), ended.stderr


def test_a_bad_key_file_is_refused_at_start(bin_dir, tiny, tmp_path):
    (tmp_path / "keys").write_text("alice:0123456789abcdef\nbob:a short secret\n")
    (tmp_path / "router.yaml").write_text(f"models: [{{name: tiny, path: {tiny.folder}}}]\napi_keys: {tmp_path / 'keys'}\n")
    ended = subprocess.run([str(bin_dir / "triptych-router"), "--config", str(tmp_path / "router.yaml")], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert re.search(r"api_keys: \S*keys: line 2: the key of 'bob'", ended.stderr) and "secret" not in ended.stderr
