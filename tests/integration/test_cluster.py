"""A cluster in its daily life: caches, cancelling, pictures of all kinds, errors, metrics, the command line."""

import io
import json
import os
import shutil
import signal
import subprocess

import grpc
import pytest
from PIL import Image

from cluster import http_status, scrape, wait_until


def text_prompt(api, text):
    return api.Prompt(raw=api.RawPrompt(parts=[api.Part(text=text)]))


def image_prompt(api, data, text="what is it"):
    return api.Prompt(raw=api.RawPrompt(parts=[api.Part(image=api.Image(data=data)), api.Part(text=text)]))


def png(color=(200, 30, 30), size=(37, 21)):
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, "PNG")
    return file.getvalue()


def worker_metric(cluster, name, **labels):
    return sum(cluster.metric(name, w["metrics_address"], **labels) for w in cluster.status()["workers"])


@pytest.mark.parametrize("encoders", [1, 3])
def test_a_picture_sent_twice_is_encoded_once(start_cluster, api, tiny, encoders):
    cluster = start_cluster(tiny.folder, "--encoders", encoders, "--decoders", "2")
    for i in range(4):
        cluster.generate(image_prompt(api, png(), f"question {i}"), stopping=api.Stopping(max_new_tokens=2))
    wait_until(lambda: worker_metric(cluster, "triptych_worker_images_total", outcome="encoded") >= 1, 10, "the metrics")
    assert worker_metric(cluster, "triptych_worker_images_total", outcome="encoded") == 1


def test_an_uploaded_picture_is_named_by_its_digest(shared_cluster, api):
    data = png((1, 2, 3))
    reply = shared_cluster.stub.UploadImage(iter([api.UploadImageRequest(chunk=data[:50]), api.UploadImageRequest(chunk=data[50:])]))
    assert (reply.width, reply.height) == (37, 21)
    named = api.Prompt(raw=api.RawPrompt(parts=[api.Part(image=api.Image(sha256=reply.sha256)), api.Part(text="what is it")]))
    stopping = api.Stopping(max_new_tokens=6)
    assert shared_cluster.generate(named, stopping=stopping).ids == shared_cluster.generate(image_prompt(api, data), stopping=stopping).ids


def test_cancelling_frees_the_blocks(shared_cluster, api):
    call = shared_cluster.stub.Generate(api.GenerateRequest(prompt=text_prompt(api, "count " * 40),
                                                            stopping=api.Stopping(max_new_tokens=3000, ignore_eos=True)))
    for event in call:
        if event.WhichOneof("event") == "delta":
            break
    assert wait_until(lambda: worker_metric(shared_cluster, "triptych_worker_kv_blocks", state="used") > 0, 10, "blocks in use")
    call.cancel()
    wait_until(lambda: worker_metric(shared_cluster, "triptych_worker_kv_blocks", state="used") == 0, 5, "free blocks")
    wait_until(lambda: worker_metric(shared_cluster, "triptych_worker_live_requests") == 0, 5, "no live request")


def test_cancelled_requests_stop_within_two_steps(shared_cluster, api):
    """Among requests that go on, so that the engine never rests."""
    def cancelled():
        return worker_metric(shared_cluster, "triptych_worker_requests_total", outcome="cancelled")

    steps_before, cancelled_before = worker_metric(shared_cluster, "triptych_worker_cancel_steps_total"), cancelled()
    lasting = shared_cluster.stub.Generate(api.GenerateRequest(prompt=text_prompt(api, "and on"), stopping=api.Stopping(max_new_tokens=3000, ignore_eos=True)))
    next(lasting)
    for i in range(20):
        call = shared_cluster.stub.Generate(api.GenerateRequest(prompt=text_prompt(api, f"{i} " * 40), stopping=api.Stopping(max_new_tokens=3000, ignore_eos=True)))
        next(event for event in call if event.WhichOneof("event") == "delta")
        call.cancel()
    lasting.cancel()
    wait_until(lambda: cancelled() == cancelled_before + 21, 10, "21 cancelled requests")
    wait_until(lambda: worker_metric(shared_cluster, "triptych_worker_kv_blocks", state="used") == 0, 5, "free blocks")
    assert worker_metric(shared_cluster, "triptych_worker_cancel_steps_total") - steps_before <= 2 * 21


def test_reflection_and_health_answer(shared_cluster):
    from google.protobuf import descriptor_pool
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
    for address in [shared_cluster.grpc, shared_cluster.coordinator()] + [w["address"] for w in shared_cluster.status()["workers"]]:
        with grpc.insecure_channel(address) as channel:
            health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
            assert health.status == health_pb2.HealthCheckResponse.SERVING, address
            database = ProtoReflectionDescriptorDatabase(channel)
            ours = [s for s in database.get_services() if s.startswith("triptych.")]
            assert ours, address
            pool = descriptor_pool.DescriptorPool(database)
            assert all(pool.FindServiceByName(s).methods for s in ours), address


def test_the_trace_context_reaches_the_log(shared_cluster, api):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    call = shared_cluster.stub.Generate(api.GenerateRequest(prompt=text_prompt(api, "x"), stopping=api.Stopping(max_new_tokens=1), request_id="traced-1"),
                                        metadata=[("traceparent", trace)])
    list(call)
    lines = wait_until(lambda: [line for line in list(shared_cluster.log) if trace in line], 10, "the trace in the log")
    assert "traced-1" in lines[0]


def formats():
    rgb = Image.effect_noise((61, 47), 80).convert("RGB")
    rgb.paste((10, 200, 30), (5, 5, 30, 30))
    alpha = rgb.copy()
    alpha.putalpha(Image.linear_gradient("L").resize(rgb.size))
    cases = {"png": (rgb, "PNG", {}), "png-alpha": (alpha, "PNG", {}), "png-palette": (rgb.convert("P"), "PNG", {}),
             "png-16": (Image.effect_noise((61, 47), 80).convert("I;16"), "PNG", {}), "png-grey": (rgb.convert("L"), "PNG", {}),
             "jpeg": (rgb, "JPEG", {}), "jpeg-progressive": (rgb, "JPEG", {"progressive": True}), "jpeg-grey": (rgb.convert("L"), "JPEG", {}),
             "jpeg-cmyk": (rgb.convert("CMYK"), "JPEG", {}), "webp": (rgb, "WEBP", {}), "webp-lossless": (alpha, "WEBP", {"lossless": True}),
             "gif": (rgb.convert("P"), "GIF", {}), "bmp": (rgb, "BMP", {})}
    for name, (image, kind, options) in cases.items():
        file = io.BytesIO()
        image.save(file, kind, **options)
        yield pytest.param(file.getvalue(), id=name)
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    rgb.save(file, "JPEG", exif=exif)
    yield pytest.param(file.getvalue(), id="jpeg-exif-rotated")


@pytest.mark.parametrize("data", formats())
def test_every_format_is_what_the_reference_makes_of_it(shared_cluster, api, data):
    """The same answer, log-probabilities included, as the pixels that Pillow's convert("RGB") gives, sent as a plain PNG."""
    file = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").save(file, "PNG")
    fields = dict(stopping=api.Stopping(max_new_tokens=8, ignore_eos=True), top_logprobs=1)
    ours = shared_cluster.generate(image_prompt(api, data), **fields)
    reference = shared_cluster.generate(image_prompt(api, file.getvalue()), **fields)
    assert ours.ids == reference.ids
    assert [p.logprob for p in ours.logprobs[0]] == [p.logprob for p in reference.logprobs[0]]


def bad_requests():
    bomb = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + (30000).to_bytes(4, "big") * 2 + bytes.fromhex("0802000000") + b"\0" * 40
    good = png()
    C = grpc.StatusCode
    yield "empty picture", lambda a: dict(prompt=image_prompt(a, b"")), C.INVALID_ARGUMENT, "image"
    yield "truncated picture", lambda a: dict(prompt=image_prompt(a, good[:len(good) - 20])), C.INVALID_ARGUMENT, "image"
    yield "no picture at all", lambda a: dict(prompt=image_prompt(a, b"hello, world, I am a text")), C.INVALID_ARGUMENT, "image"
    yield "30000 x 30000", lambda a: dict(prompt=image_prompt(a, bomb)), C.INVALID_ARGUMENT, "30000"
    yield "corrupt inside", lambda a: dict(prompt=image_prompt(a, good[:45] + bytes([good[45] ^ 0x5a, good[46] ^ 0x33]) + good[47:])), C.INVALID_ARGUMENT, "image"
    yield "picture by url", lambda a: dict(prompt=a.Prompt(raw=a.RawPrompt(parts=[a.Part(image=a.Image(url="https://example.com/a.png"))]))), C.INVALID_ARGUMENT, "url"
    yield "unknown model", lambda a: dict(model="nobody", prompt=text_prompt(a, "x")), C.NOT_FOUND, "nobody"
    yield "unknown digest", lambda a: dict(prompt=a.Prompt(raw=a.RawPrompt(parts=[a.Part(image=a.Image(sha256="0" * 64))]))), C.NOT_FOUND, "sha256"
    yield "beyond the context", lambda a: dict(prompt=text_prompt(a, "x y " * 20000)), C.INVALID_ARGUMENT, "4096"
    yield "contradictory sampling", lambda a: dict(prompt=text_prompt(a, "x"), sampling=a.Sampling(num_beams=4, temperature=1.0)), C.INVALID_ARGUMENT, "beam"
    yield "not a number", lambda a: dict(prompt=text_prompt(a, "x"), sampling=a.Sampling(temperature=float("nan"))), C.INVALID_ARGUMENT, "temperature"
    yield "no prompt", lambda a: dict(), C.INVALID_ARGUMENT, "prompt"
    yield "id out of range", lambda a: dict(prompt=a.Prompt(tokens=a.TokenPrompt(ids=[1 << 30]))), C.INVALID_ARGUMENT, "ids"
    yield "regex", lambda a: dict(prompt=text_prompt(a, "x"), constraint=a.Constraint(regex="a*")), C.UNIMPLEMENTED, "regex"


@pytest.mark.parametrize("make, code, word", [pytest.param(*case[1:], id=case[0]) for case in bad_requests()])
def test_bad_input_is_refused_by_name_and_harms_nobody(shared_cluster, api, make, code, word):
    pids = shared_cluster.processes()
    with pytest.raises(grpc.RpcError) as error:
        shared_cluster.generate(timeout=20, **{"prompt": None, **make(api)})
    assert error.value.code() == code, error.value.details()
    assert word in error.value.details()
    assert shared_cluster.generate(text_prompt(api, "still here"), stopping=api.Stopping(max_new_tokens=2)).finished
    assert shared_cluster.processes() == pids


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x0a\x02\xff\xfe"], ids=["no message", "a name that is not UTF-8"])
def test_malformed_requests_are_refused_with_a_word(shared_cluster, api, data):
    for method in ("unary_stream", "unary_unary"):
        path = "/triptych.v1.Inference/" + ("Generate" if method == "unary_stream" else "CountTokens")
        with pytest.raises(grpc.RpcError) as error:
            reply = getattr(shared_cluster.channel, method)(path, request_serializer=bytes)(data, timeout=20)
            list(reply)
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "malformed" in error.value.details() and "UTF-8" in error.value.details()


def test_choices_constrain_the_answer(shared_cluster, api):
    answer = shared_cluster.generate(text_prompt(api, "yes or no?"), constraint=api.Constraint(choices=api.Choices(choices=["yes", "no"])))
    assert answer.text[0] in ("yes", "no")


def test_every_process_shows_its_health_and_metrics(shared_cluster):
    addresses = [shared_cluster.metrics] + [w["metrics_address"] for w in shared_cluster.status()["workers"]]
    for address in addresses:
        assert http_status(address, "/healthz") == 200
        assert http_status(address, "/readyz") == 200
        assert "triptych_" in scrape(address)
    accepted, completed, failed, cancelled = (shared_cluster.metric("triptych_router_requests_total", outcome=o)
                                              for o in ("accepted", "completed", "failed", "cancelled"))
    assert accepted == completed + failed + cancelled + shared_cluster.metric("triptych_router_live_requests")


def test_the_command_line_answers(shared_cluster, bin_dir, tmp_path):
    picture = tmp_path / "picture.png"
    picture.write_bytes(png())
    run = subprocess.run([bin_dir / "triptych", "generate", "--router", shared_cluster.grpc, "--image", picture, "--max-new-tokens", "5", "--json", "Hello"],
                         capture_output=True, text=True, timeout=60, check=True)
    answer = json.loads(run.stdout)
    assert {"text", "token_ids", "prompt_tokens", "image_tokens", "finish_reason", "timings"} <= answer.keys()
    assert len(answer["token_ids"]) <= 5 and answer["image_tokens"] > 0
    stages = [v for k, v in answer["timings"].items() if k not in ("total", "migrations")]
    assert abs(sum(stages) - answer["timings"]["total"]) <= 0.01 * answer["timings"]["total"]
    chat = subprocess.run([bin_dir / "triptych", "chat", "--router", shared_cluster.grpc, "--max-new-tokens", "3"],
                          input=f"hello\n/image {picture}\nand this?\n", capture_output=True, text=True, timeout=60)
    assert chat.returncode == 0, chat.stderr
    wrong = subprocess.run([bin_dir / "triptych", "generate", "--router", shared_cluster.grpc, "--image", "/no/such.png", "x"],
                           capture_output=True, text=True, timeout=60)
    assert wrong.returncode == 1 and "/no/such.png" in wrong.stderr


def test_a_drained_worker_finishes_and_comes_back(start_cluster, bin_dir, api, tiny):
    cluster = start_cluster(tiny.folder, "--decoders", "2")
    before = {w["id"]: w["incarnation"] for w in cluster.status()["workers"]}
    subprocess.run([bin_dir / "triptych", "drain", "--coordinator", cluster.coordinator(), "decoder-0"], check=True, timeout=20)
    for _ in range(5):
        assert cluster.generate(text_prompt(api, "hello"), stopping=api.Stopping(max_new_tokens=3)).finished

    def returned():
        now = {w["id"]: w for w in cluster.status()["workers"]}
        return "decoder-0" in now and now["decoder-0"]["state"] == "ready" and now["decoder-0"]["incarnation"] != before["decoder-0"]

    wait_until(returned, 30, "the new decoder-0")


def test_a_stopping_router_finishes_its_streams_and_refuses_new_ones(start_cluster, api, tiny):
    cluster = start_cluster(tiny.folder)
    call = cluster.stub.Generate(api.GenerateRequest(prompt=text_prompt(api, "go on"), stopping=api.Stopping(max_new_tokens=600, ignore_eos=True)))
    ids = []
    next(call)  # it has begun
    os.kill(cluster.pids("router")["router"], signal.SIGTERM)
    refused = False
    for event in call:
        if event.WhichOneof("event") == "delta":
            ids.extend(event.delta.token_ids)
            if refused:
                continue
            try:
                cluster.generate(text_prompt(api, "x"), stopping=api.Stopping(max_new_tokens=1))
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.UNAVAILABLE
                refused = True
    assert len(ids) == 600 and refused


def test_status_shows_a_table(shared_cluster, bin_dir):
    run = subprocess.run([bin_dir / "triptych", "status", "--coordinator", shared_cluster.coordinator()], capture_output=True, text=True, timeout=20, check=True)
    assert "encoder-0" in run.stdout and "decoder-0" in run.stdout and "ready" in run.stdout
    models = subprocess.run([bin_dir / "triptych", "models", "--router", shared_cluster.grpc], capture_output=True, text=True, timeout=20, check=True)
    assert "tiny" in models.stdout and "4096" in models.stdout


def test_a_broken_checkpoint_is_named(bin_dir, tiny, tmp_path):
    model = tmp_path / "broken"
    shutil.copytree(tiny.folder, model, ignore=shutil.ignore_patterns("cases", "images"))
    weights = model / "model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data.replace(b'"model.norm.weight"', b'"model.morn.weight"'))
    run = subprocess.run([bin_dir / "triptych", "serve", "--model", model, "--port", "0", "--http-port", "0"], capture_output=True, text=True, timeout=60)
    assert run.returncode == 1 and run.stdout == ""
    assert "model.morn.weight" in run.stderr
    weights.write_bytes(data[:-100])
    run = subprocess.run([bin_dir / "triptych", "serve", "--model", model, "--port", "0", "--http-port", "0"], capture_output=True, text=True, timeout=60)
    assert run.returncode == 1 and "model.safetensors" in run.stderr


def test_more_ranks_than_query_heads_are_refused(bin_dir, tiny):
    run = subprocess.run([bin_dir / "triptych", "serve", "--model", tiny.folder, "--tensor-parallel", "5", "--port", "0", "--http-port", "0"],
                         capture_output=True, text=True, timeout=60)
    assert run.returncode == 1 and run.stdout == ""
    assert "tensor_parallel" in run.stderr and "4 query heads" in run.stderr


def test_a_port_in_use_and_a_dead_peer_are_named(shared_cluster, bin_dir, tiny):
    port = shared_cluster.grpc.rsplit(":", 1)[1]
    run = subprocess.run([bin_dir / "triptych", "serve", "--model", tiny.folder, "--port", port, "--http-port", "0"], capture_output=True, text=True, timeout=60)
    assert run.returncode == 1 and port in run.stderr and "in use" in run.stderr
    run = subprocess.run([bin_dir / "triptych", "generate", "--router", "127.0.0.1:1", "--timeout", "5", "x"], capture_output=True, text=True, timeout=60)
    assert run.returncode == 1 and "127.0.0.1:1" in run.stderr


def test_a_bad_configuration_is_named(bin_dir, tmp_path):
    config = tmp_path / "worker.yaml"
    config.write_text("model: /x\nkv_block: 3\n")
    run = subprocess.run([bin_dir / "triptych-worker", "--config", config], capture_output=True, text=True, timeout=20)
    assert run.returncode == 1
    assert f"{config}:2" in run.stderr and "kv_block" in run.stderr and "kv_blocks" in run.stderr
