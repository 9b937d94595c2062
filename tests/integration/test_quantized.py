"""Quantised weights through the whole cluster: stored ones, against the same model in floating point, and ones made at load."""

import re
import subprocess

import numpy as np
import pytest

import quantized_checkpoint
from cluster import wait_until
from test_load_format import bare_model, log_has  # noqa: F401 (a fixture)

STOPPING = dict(ignore_eos=True)


def tokens_and_scores(cluster, api, golden):
    """Of every case: greedy tokens as many as the golden ones, and the log-probabilities of its prompt's tokens."""
    found = []
    for case in golden.cases:
        if case.greedy:
            answer = cluster.generate(case.prompt(api), stopping=api.Stopping(max_new_tokens=len(case.greedy), **STOPPING))
            scored = cluster.generate(case.prompt(api), score_only=True)
            found.append((case.id, answer.ids[0], [p.logprob for p in scored.finished[0].prompt_logprobs]))
    assert found
    return found


def weight_bytes(cluster, ranks=1):
    """What each rank says that its weights take."""
    def found():
        log = "".join(list(cluster.log))
        sizes = [re.search(rf"rank {rank} of {ranks}: (\d+) bytes of weights", log) for rank in range(ranks)]
        return all(sizes) and [int(size.group(1)) for size in sizes]
    return wait_until(found, 10, "the log")


@pytest.fixture(scope="module", params=["gptq", "awq"])
def twins(request, tiny, tmp_path_factory):
    return quantized_checkpoint.make(tiny.folder, tmp_path_factory.mktemp(request.param), request.param)


def test_a_quantised_checkpoint_is_the_model_that_its_numbers_are(start_cluster, api, tiny, twins):
    quantized, plain = twins
    reference = start_cluster(plain)
    wanted = tokens_and_scores(reference, api, tiny)
    (whole,) = weight_bytes(reference)
    for ranks in (1, 2, 4):
        cluster = start_cluster(quantized, "--tensor-parallel", ranks)
        for (case, tokens, scores), (_, found, found_scores) in zip(wanted, tokens_and_scores(cluster, api, tiny)):
            assert found == tokens, (case, ranks)
            assert np.abs(np.array(found_scores) - scores).max() < (1e-3 if ranks > 1 else 1e-9), (case, ranks)
        assert log_has(cluster, "linear layers: (gptq|awq), 4 bits, groups of 32")
        assert sum(weight_bytes(cluster, ranks)) < whole, ranks
        cluster.stop()


def test_weights_rounded_at_load_are_the_same_on_one_rank_and_two(start_cluster, api, tiny):
    sizes, scores = {}, {}
    for weights in ("stored", "int8", "int4"):
        runs = []
        for ranks in (1, 2):
            cluster = start_cluster(tiny.folder, "--weights", weights, "--tensor-parallel", ranks)
            runs.append(tokens_and_scores(cluster, api, tiny))
            sizes[weights, ranks] = weight_bytes(cluster, ranks)
            numerics = {worker["numerics"] for worker in cluster.status()["workers"] if worker["id"].startswith("decoder")}
            assert numerics == {f"cpu-f32{'' if weights == 'stored' else '-' + weights}-tp{ranks}"}
            cluster.stop()
        for (case, tokens, alone), (_, found, split) in zip(*runs):
            assert found == tokens, (weights, case)
            assert np.abs(np.array(split) - alone).max() < 1e-3, (weights, case)
        scores[weights] = runs[0]
    linear = quantized_bytes(tiny)
    assert sizes["stored", 1][0] - sizes["int8", 1][0] == linear[16] - linear[8]
    assert sizes["stored", 1][0] - sizes["int4", 1][0] == linear[16] - linear[4]
    assert all(a > b > c for a, b, c in zip(*(sizes[weights, 2] for weights in ("stored", "int8", "int4"))))

    def change(weights):
        return max(np.abs(np.array(a[2]) - b[2]).max() for a, b in zip(scores[weights], scores["stored"]))
    assert 0 < change("int8") < change("int4")


def quantized_bytes(golden):
    """Of all linear layers: stored in bfloat16, and by the bits of their codes with a scale, a zero for 64 inputs, and each input's group."""
    sizes = dict.fromkeys((4, 8, 16), 0)
    for name, raw in quantized_checkpoint.read(golden.folder / "model.safetensors").items():
        if any(name.endswith(f".{linear}.weight") for linear in quantized_checkpoint.LINEARS):
            out, inputs = raw.shape
            assert out % 16 == 0
            sizes[16] += 2 * out * inputs
            for bits in (4, 8):
                sizes[bits] += out * inputs * bits // 8 + 5 * out * -(-inputs // 64) + 4 * inputs
    return sizes


def test_dummy_weights_are_rounded_too(start_cluster, api, bare_model):  # noqa: F811
    prompt = api.Prompt(raw=api.RawPrompt(parts=[api.Part(text="count " * 20)]))
    sizes = {}
    for weights in ("stored", "int4"):
        cluster = start_cluster(bare_model, "--load-format", "dummy", "--weights", weights)
        assert len(cluster.generate(prompt, stopping=api.Stopping(max_new_tokens=8, **STOPPING)).ids[0]) == 8
        (sizes[weights],) = weight_bytes(cluster)
        cluster.stop()
    assert sizes["int4"] < sizes["stored"]


def refusal(bin_dir, folder, tmp_path, keys=""):
    config = tmp_path / "worker.yaml"
    config.write_text(f"model: {folder}\nlisten: 127.0.0.1:0\nmetrics_listen: 127.0.0.1:0\n{keys}")
    done = subprocess.run([bin_dir / "triptych-worker", "--config", config], capture_output=True, text=True, timeout=60)
    assert done.returncode > 0, done
    return done.stderr


def test_bad_quantisations_are_refused(bin_dir, twins, tmp_path):
    quantized, _ = twins
    assert "quantised already" in refusal(bin_dir, quantized, tmp_path, "weights: int4\n")
    assert "not one of stored, int8, int4" in refusal(bin_dir, quantized, tmp_path, "weights: int3\n")
    path = quantized / ("quantize_config.json" if (quantized / "quantize_config.json").exists() else "config.json")
    text = path.read_text()
    try:
        path.write_text(text.replace('"bits": 4', '"bits": 3'))
        assert "bits: 3 is not supported; allowed is 4" in refusal(bin_dir, quantized, tmp_path)
    finally:
        path.write_text(text)
