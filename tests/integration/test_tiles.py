"""What only models that cut pictures into tiles have, through a whole cluster: tile limits, defaults by the number of pictures, adapters."""

import io
import subprocess

import grpc
import openai
import pytest
from PIL import Image

from cluster import Cluster
from conftest import golden_sets
from golden import GoldenSet


@pytest.fixture(scope="module")
def golden():
    return GoldenSet(next(f for f in golden_sets() if f.name.startswith("xcomposer2d5")))


@pytest.fixture(scope="module")
def cluster(bin_dir, api, golden):
    cluster = Cluster(bin_dir, api, golden.folder, ["--tensor-parallel", "2", "--kv-blocks", "2048"])
    yield cluster
    cluster.stop()


def png(width, height):
    file = io.BytesIO()
    Image.new("RGB", (width, height), (90, 10, 200)).save(file, "PNG")
    return file.getvalue()


def pictures(api, *images):
    return api.Prompt(raw=api.RawPrompt(parts=[*[api.Part(image=image) for image in images], api.Part(text="?")]))


def rows(tiles_high, tiles_wide):
    return (tiles_high * tiles_wide + 1) * 400 + 1 + (tiles_high + 1) * 20


def test_several_pictures_share_the_context_unless_they_ask_for_tiles(cluster, api):
    def count(*images):
        return cluster.stub.CountTokens(api.CountTokensRequest(prompt=pictures(api, *images))).image_tokens

    large = png(2240, 2240)
    assert count(api.Image(data=large)) == rows(4, 4)
    assert count(api.Image(data=large), api.Image(data=large)) == 2 * rows(2, 2)
    assert count(api.Image(data=large, max_tiles=9), api.Image(data=large)) == rows(3, 3) + rows(2, 2)


def test_pictures_of_every_shape_take_the_rows_that_were_counted(cluster, api):
    images = [api.Image(data=png(*size), max_tiles=tiles) for size, tiles in [((1, 1), 0), ((1200, 7), 3), ((30, 1100), 2), ((1121, 1121), 9)]]
    answer = cluster.generate(pictures(api, *images), stopping=api.Stopping(max_new_tokens=3, ignore_eos=True))
    assert len(answer.ids[0]) == 3
    assert answer.started.image_tokens == rows(1, 1) + rows(1, 3) + rows(2, 1) + rows(3, 3)


def test_max_tiles_out_of_range_is_refused_by_name(cluster, api):
    for max_tiles in [129, 2**32 - 1]:
        with pytest.raises(grpc.RpcError) as error:
            cluster.stub.CountTokens(api.CountTokensRequest(prompt=pictures(api, api.Image(data=png(9, 9), max_tiles=max_tiles))))
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "prompt.images[0]" in error.value.details() and "128" in error.value.details()


def test_adapters_are_chosen_by_request_and_share_no_prefix(cluster, api, golden):
    cases = {case.adapter: case for case in golden.cases if not case.images}
    prompt = cases[""].prompt(api)
    assert prompt == cases["write"].prompt(api), "the same prompt, so that only the adapter tells"

    def run(adapter):
        return cluster.generate(prompt, adapter=adapter, stopping=api.Stopping(max_new_tokens=32, ignore_eos=True))

    base, write, web = run(""), run("write"), run("web")
    assert base.ids[0] == cases[""].greedy and write.ids[0] == cases["write"].greedy
    assert len({tuple(answer.ids[0]) for answer in (base, write, web)}) == 3
    assert [answer.started.cached_tokens for answer in (base, write, web)] == [0, 0, 0]
    again = run("base")
    assert again.ids[0] == base.ids[0] and again.started.cached_tokens > 0
    assert run("write").started.cached_tokens > 0


def test_an_unknown_adapter_is_refused_with_those_there_are(cluster, api, golden):
    with pytest.raises(grpc.RpcError) as error:
        cluster.generate(pictures(api), adapter="Web")
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "base, web, write" in error.value.details()
    client = openai.OpenAI(base_url=f"http://{cluster.http}/v1", api_key="nobody", max_retries=0)
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model="tiny", prompt="x", extra_body={"adapter": "Web"})
    assert refused.value.param == "adapter" and "base, web, write" in refused.value.message


def test_adapters_are_listed_and_each_that_is_listed_is_taken(cluster, api, bin_dir):
    listed = cluster.stub.ListModels(api.ListModelsRequest()).models[0]
    client = openai.OpenAI(base_url=f"http://{cluster.http}/v1", api_key="nobody")
    over_http = client.models.retrieve(listed.name)
    assert list(listed.adapters) == over_http.adapters == ["base", "web", "write"]
    assert (listed.max_tiles, listed.default_max_tiles) == (over_http.max_tiles, over_http.default_max_tiles) == (128, 24)
    table = subprocess.run([bin_dir / "triptych", "models", "--router", cluster.grpc], capture_output=True, text=True, timeout=20, check=True)
    assert "base,web,write" in table.stdout
    for adapter in listed.adapters:
        answer = client.completions.create(model=listed.name, prompt="x", max_tokens=2, temperature=0, extra_body={"adapter": adapter, "ignore_eos": True})
        assert answer.usage.completion_tokens == 2
