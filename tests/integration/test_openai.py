"""The HTTP interface as OpenAI's own client sees it, over a golden model whose words mean nothing: what counts is that they are those of
the gRPC interface."""

import base64
import hashlib
import http.client
import io
import json
import os
import signal

import openai
import pytest
from PIL import Image

from cluster import http_status, wait_until


def png(color=(200, 30, 30)):
    file = io.BytesIO()
    Image.new("RGB", (37, 21), color).save(file, "PNG")
    return file.getvalue()


def client_of(cluster, **options):
    return openai.OpenAI(base_url=f"http://{cluster.http}/v1", api_key="nobody", max_retries=0, **options)


@pytest.fixture
def client(shared_cluster):
    return client_of(shared_cluster)


def image_message(text, data):
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": text}]}


def grpc_answer(cluster, api, text, data=None, **stopping):
    """What gRPC answers to the same user message, greedily."""
    parts = ([api.Part(image=api.Image(data=data))] if data else []) + [api.Part(text=text)]
    prompt = api.Prompt(conversation=api.Conversation(messages=[api.Message(role=api.ROLE_USER, parts=parts)]))
    return cluster.generate(prompt, stopping=api.Stopping(**stopping))


def test_a_chat_about_a_picture_answers_as_grpc_does(shared_cluster, api, client):
    expected = grpc_answer(shared_cluster, api, "what is it", png(), max_new_tokens=24)
    fields = {"model": "tiny", "messages": [image_message("what is it", png())], "max_tokens": 24, "temperature": 0}
    whole = client.chat.completions.create(**fields)
    assert whole.choices[0].message.content == expected.text[0]
    assert whole.choices[0].finish_reason in ("stop", "length")
    assert whole.usage.prompt_tokens == expected.started.prompt_tokens
    assert whole.usage.completion_tokens == expected.finished[0].output_tokens
    assert whole.usage.prompt_tokens_details.image_tokens == expected.started.image_tokens > 0
    stream = client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **fields)
    chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == expected.text[0]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_the_same_seed_gives_the_same_samples(client):
    def sample():
        answer = client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "tell me"}], n=2, seed=7, temperature=1, top_p=0.9,
                                                max_tokens=12, extra_body={"top_k": 40, "ignore_eos": True})
        return [c.message.content for c in answer.choices]

    first = sample()
    assert len(first) == 2 and first == sample()


def test_a_completion_answers_to_a_raw_prompt(shared_cluster, api, client):
    prompt = api.Prompt(raw=api.RawPrompt(parts=[api.Part(text="count to ten: one")]))
    expected = shared_cluster.generate(prompt, stopping=api.Stopping(max_new_tokens=10), top_logprobs=3)
    answer = client.completions.create(model="tiny", prompt="count to ten: one", max_tokens=10, temperature=0, logprobs=3)
    assert answer.choices[0].text == expected.text[0]
    logprobs = answer.choices[0].logprobs
    assert logprobs.token_logprobs == pytest.approx([l.logprob for l in expected.logprobs[0]])
    assert len(logprobs.tokens) == len(logprobs.text_offset) == len(expected.ids[0])
    stream = client.completions.create(model="tiny", prompt="count to ten: one", max_tokens=10, temperature=0, stream=True)
    assert "".join(c.choices[0].text for c in stream) == expected.text[0]


def test_log_probabilities_name_tokens_and_alternatives(client):
    answer = client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "hello"}], max_tokens=4, temperature=0, logprobs=True,
                                            top_logprobs=2, extra_body={"ignore_eos": True})
    content = answer.choices[0].logprobs.content
    assert len(content) == 4
    for token in content:
        assert token.logprob <= 0 and len(token.top_logprobs) == 2
        assert token.top_logprobs[0].logprob == pytest.approx(token.logprob)
        assert bytes(token.bytes).decode(errors="replace") == token.token


def test_a_stop_string_ends_the_answer(shared_cluster, api, client):
    whole = grpc_answer(shared_cluster, api, "hello", max_new_tokens=40, ignore_eos=True).text[0]
    stop = whole[len(whole) // 2:][:3]
    answer = client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "hello"}], max_tokens=40, temperature=0, stop=stop,
                                            extra_body={"ignore_eos": True})
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content == whole[:whole.index(stop)]


def test_models_are_listed(client):
    model = client.models.list().data[0]
    assert model.id == "tiny" and model.accepts_images and model.ready_decoders == 1
    assert client.models.retrieve("tiny") == model
    with pytest.raises(openai.NotFoundError) as refused:
        client.models.retrieve("large")
    assert refused.value.code == "model_not_found"


def chat(**fields):
    return json.dumps({"messages": [{"role": "user", "content": "hello"}], "max_tokens": 2, **fields})


def picture(url):
    return chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}])


MALFORMED = [
    ("", 400, None, "not the JSON"),
    ("{", 400, None, "parse error"),
    ("[]", 400, None, "no object"),
    ("[" * 100000, 400, None, "levels"),
    ('{"messages": [' + "1," * 100000 + "1]}", 400, None, "values"),
    (b'{"messages": "\xff"}', 400, None, "invalid string"),
    ("{}", 400, "messages", "at least one message"),
    (chat(messages="hello"), 400, "messages", "a list"),
    (chat(messages=[{"role": "robot", "content": "x"}]), 400, "messages[0].role", "system, user or assistant"),
    (chat(messages=[{"role": "user", "content": 7}]), 400, "messages[0].content", "a string or a list"),
    (chat(messages=[{"role": "assistant", "content": "x"}]), 400, "messages", ""),
    (chat(messages=[{"role": "user", "content": [{"type": "video"}]}]), 400, "messages[0].content[0].type", "text or image_url"),
    (picture("https://example.org/cat.png"), 400, "messages[0].content[0].image_url", "fetches no pictures"),
    (picture("data:image/png;base64,!!!!"), 400, "messages[0].content[0].image_url.url", "not Base64"),
    (picture("data:image/png;base64,aGVsbG8="), 400, "messages[0].content[0].image_url", ""),
    (picture("data:image/png;base64," + base64.b64encode(png()[:20]).decode()), 400, "messages[0].content[0].image_url", ""),
    (picture("/v1/pictures/" + "0" * 64), 404, "messages[0].content[0].image_url", "forgotten"),
    (picture("/v1/pictures/../../etc"), 400, "messages", "64 hexadecimal digits"),
    (chat(model="gpt-4o"), 404, "model", "there are: tiny"),
    (chat(model=4), 400, "model", "a string"),
    (chat(temperature=-1), 400, "temperature", ""),
    (chat(temperature="warm"), 400, "temperature", "a number"),
    (chat(top_p=1.5), 400, "top_p", ""),
    (chat(n=1000), 400, "n", "8"),
    (chat(n=0), 400, "n", "between 1"),
    (chat(max_tokens=10**9), 400, "max_tokens", ""),
    (chat(max_tokens=10**30), 400, "max_tokens", "an integer"),
    (chat(max_tokens=-1), 400, "max_tokens", "between 1"),
    (chat(stop=["a"] * 9), 400, "stop", "8"),
    (chat(stop=""), 400, "stop", "1 to 64 bytes"),
    (chat(seed="x"), 400, "seed", "an integer"),
    (chat(logit_bias={"999999999": 1}), 400, "logit_bias", ""),
    (chat(top_logprobs=5), 400, "top_logprobs", "logprobs is true"),
    (chat(logprobs=True, top_logprobs=500), 400, "top_logprobs", "20"),
    (chat(stream_options={"include_usage": True}), 400, "stream_options", "stream is true"),
    (chat(tools=[{"type": "function", "function": {"name": "f"}}]), 400, "tools", "does not support"),
    (chat(response_format={"type": "json_object"}), 400, "response_format", "text"),
    (chat(audio={"voice": "alloy"}), 400, "audio", "does not support"),
    (chat(adapter="web"), 400, "adapter", ""),
    (chat(temprature=1), 400, "temprature", "no such field"),
    (chat(messages=[{"role": "user", "content": "x y " * 20000}]), 400, "messages", "context"),
]


@pytest.mark.parametrize("body,status,param,word", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_body_is_refused_with_a_word(shared_cluster, body, status, param, word):
    connection = http.client.HTTPConnection(*shared_cluster.http.split(":"), timeout=30)
    connection.request("POST", "/v1/chat/completions", body=body, headers={"Content-Type": "application/json"})
    reply = connection.getresponse()
    error = json.loads(reply.read())["error"]
    assert (reply.status, error["param"]) == (status, param), error
    assert word in error["message"]
    assert error["type"] == "invalid_request_error" and set(error) == {"message", "type", "param", "code"}
    assert http_status(shared_cluster.http, "/healthz") == 200


def test_a_body_that_is_too_large_is_refused_before_it_is_read(shared_cluster):
    connection = http.client.HTTPConnection(*shared_cluster.http.split(":"), timeout=30)
    connection.putrequest("POST", "/v1/chat/completions")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(1 << 40))
    connection.endheaders()
    assert connection.getresponse().status == 413


def test_a_client_that_leaves_is_noticed(shared_cluster):
    before = shared_cluster.metric("triptych_router_requests_total", outcome="cancelled")
    stream = client_of(shared_cluster).chat.completions.create(model="tiny", messages=[{"role": "user", "content": "count " * 30}], max_tokens=1500,
                                                               stream=True, extra_body={"ignore_eos": True})
    next(iter(stream))
    stream.close()
    wait_until(lambda: shared_cluster.metric("triptych_router_requests_total", outcome="cancelled") == before + 1, 10, "the cancel")
    assert shared_cluster.metric("triptych_router_live_requests") == 0


def test_credentials_are_the_tenant(shared_cluster):
    data = png((9, 8, 7))

    def ask(key, url):
        message = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}
        client = client_of(shared_cluster).with_options(api_key=key)
        return client.chat.completions.create(model="tiny", messages=[message], max_tokens=2)

    digest = hashlib.sha256(data).hexdigest()
    ask("alice", "data:image/png;base64," + base64.b64encode(data).decode())
    ask("alice", f"/v1/pictures/{digest}")
    with pytest.raises(openai.NotFoundError):
        ask("bob", f"/v1/pictures/{digest}")


def test_the_page_is_served_with_a_policy(shared_cluster):
    connection = http.client.HTTPConnection(*shared_cluster.http.split(":"), timeout=30)
    connection.request("GET", "/")
    reply = connection.getresponse()
    assert reply.status == 200 and b"</html>" in reply.read()
    assert reply.getheader("Content-Type") == "text/html; charset=utf-8"
    assert reply.getheader("Content-Security-Policy").startswith("default-src 'none'; script-src 'self'")
    connection.request("GET", "/", headers={"If-None-Match": reply.getheader("ETag")})
    assert connection.getresponse().status == 304


def test_an_article_comes_as_events(shared_cluster):
    connection = http.client.HTTPConnection(*shared_cluster.http.split(":"), timeout=240)
    body = json.dumps({"instruction": "a red square", "max_new_tokens": 40, "sampling": {"seed": 3}})
    connection.request("POST", "/v1/articles", body=body, headers={"Content-Type": "application/json"})
    reply = connection.getresponse()
    assert reply.status == 200 and reply.getheader("Content-Type").startswith("text/event-stream")
    events = [event.removeprefix("data: ") for event in reply.read().decode().split("\n\n") if event]
    assert events.pop() == "[DONE]"
    events = [json.loads(event) for event in events]
    assert events[0]["started"]["seed"] == "3"
    assert events[-1]["finished"]["title"] == "a red square"
    assert "".join(event["article"]["text"] for event in events if "article" in event)


def test_a_stopping_router_finishes_its_answers(start_cluster, tiny):
    cluster = start_cluster(tiny.folder)
    stream = client_of(cluster).chat.completions.create(model="tiny", messages=[{"role": "user", "content": "go on"}], max_tokens=400, stream=True,
                                                        temperature=0, extra_body={"ignore_eos": True})
    chunks = iter(stream)
    next(chunks)
    router = cluster.pids("router")["router"]
    os.kill(router, signal.SIGTERM)
    assert [c.choices[0].finish_reason for c in chunks][-1] == "length"
