"""What a cluster loads its weights from."""

import re
import shutil
import subprocess

import pytest

from cluster import wait_until
from test_cluster import image_prompt, png, text_prompt

WEIGHTS = (".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json")


@pytest.fixture
def bare_model(tiny, tmp_path):
    """A checkpoint's folder without its weights."""
    for file in tiny.folder.iterdir():
        if file.is_file() and not file.name.endswith(WEIGHTS):
            shutil.copy(file, tmp_path)
    return tmp_path


def log_has(cluster, pattern):
    return any(re.search(pattern, line) for line in list(cluster.log))


def test_dummy_weights_need_no_checkpoint(start_cluster, api, bare_model):
    prompts = [text_prompt(api, "count " * 20), image_prompt(api, png())]
    stopping = api.Stopping(max_new_tokens=8, ignore_eos=True)
    answers = []
    for ranks in (1, 2):
        cluster = start_cluster(bare_model, "--load-format", "dummy", "--tensor-parallel", ranks)
        answers.append([cluster.generate(prompt, stopping=stopping).ids[0] for prompt in prompts])
        for rank in range(ranks):
            wait_until(lambda: log_has(cluster, rf"rank {rank} of {ranks}: [1-9]\d* bytes of weights, [1-9]\d* bytes of keys"), 10, "the log")
        assert log_has(cluster, "the weights are random numbers")
    assert answers[0] == answers[1]
    assert all(len(ids) == 8 for ids in answers[0])


def test_weights_are_not_made_up_unasked(bin_dir, bare_model):
    config = bare_model / "worker.yaml"
    config.write_text(f"model: {bare_model}\nlisten: 127.0.0.1:0\nmetrics_listen: 127.0.0.1:0\n")
    done = subprocess.run([bin_dir / "triptych-worker", "--config", config], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "has none of model.safetensors, model.safetensors.index.json, gptq_model-*.safetensors, pytorch_model.bin" in done.stderr
