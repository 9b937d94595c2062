"""The model that ships: true answers about real pictures, the same at every number of ranks, and its base's text abilities unharmed."""

import functools
import json
import pathlib
import re
import subprocess

import numpy as np
import pytest

from base_model import BaseModel
from cluster import Cluster

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "models/pictogram/examples"
ROUNDING = 2e-3  # of log-probabilities: summing in another order; weights are the same bfloat16 values
WEIGHT_ROUNDING = 0.04  # mean of log-probabilities: the base's 4-bit values against the same as bfloat16, which moves them by up to 0.02
TEXT_PROMPTS = json.loads((pathlib.Path(__file__).parent / "text_prompts.json").read_text())


@pytest.fixture(scope="module")
def checkpoint():
    """Made as the demo makes it: by pip and models/pictogram/assemble."""
    out = subprocess.run([ROOT / "models/pictogram/assemble"], stdout=subprocess.PIPE, text=True, check=True)
    return pathlib.Path(out.stdout.strip())


@pytest.fixture(scope="module", params=[1, 2, 3], ids=lambda n: f"tp{n}")
def cluster(request, bin_dir, api, checkpoint):
    cluster = Cluster(bin_dir, api, checkpoint, ["--tensor-parallel", request.param])
    yield cluster
    cluster.stop()


def test_the_demo_asks_about_one_of_the_examples():
    picture = re.search(r"picture=\$\{1:-(\S+)\}", (ROOT / "scripts/demo").read_text()).group(1)
    assert ROOT / picture in [EXAMPLES / example["file"] for example in examples()]


def examples():
    return json.loads((EXAMPLES / "examples.json").read_text())


def ask(cluster, api, parts, beginning="", most=24):
    """Greedy answer to one user's turn of texts and picture files."""
    part = lambda p: api.Part(image=api.Image(data=p.read_bytes())) if isinstance(p, pathlib.Path) else api.Part(text=p)
    messages = [api.Message(role=api.ROLE_USER, parts=[part(p) for p in parts])]
    if beginning:
        messages.append(api.Message(role=api.ROLE_ASSISTANT, parts=[api.Part(text=beginning)]))
    prompt = api.Prompt(conversation=api.Conversation(messages=messages))
    return cluster.generate(prompt, stopping=api.Stopping(max_new_tokens=most)).text[0].strip()


def test_pictures_are_named(cluster, api):
    for example in examples():
        assert ask(cluster, api, [EXAMPLES / example["file"], "What is shown?"]) == example["name"], example["file"]


def test_pictures_are_named_in_chinese(cluster, api):
    named = [example for example in examples() if "zh" in example]
    assert named
    for example in named:
        assert ask(cluster, api, [EXAMPLES / example["file"], "用中文说这是什么。"]) == example["zh"], example["file"]


def test_of_four_pictures_the_one_that_suits_a_text_is_chosen(cluster, api):
    pictures = [example for example in examples() if example["design"] != "openmoji"] + examples()[:1]
    for right, example in zip("ABCD", pictures):
        parts = [f"Text: I saw {example['yes']} today.\n"]
        for letter, candidate in zip("ABCD", pictures):
            parts[-1:] = [parts[-1] + f"{letter}.", EXAMPLES / candidate["file"], "\n"]
        parts[-1] += "Choose the picture that suits the text."
        assert ask(cluster, api, parts, beginning="The most suitable picture is", most=1) == right, example["file"]


def test_yes_and_no(cluster, api):
    for example in examples():
        for thing, answer in (("yes", "Yes"), ("no", "No")):
            question = f"Is there {example[thing]} in the picture?\nPlease answer yes or no."
            assert ask(cluster, api, [EXAMPLES / example["file"], question], most=4) == answer, (example["file"], question)


@pytest.fixture(scope="module")
def base_logprobs(checkpoint):
    """ids -> log-probabilities by the base with its weights rounded to bfloat16, and as the package has them; computed once for all clusters."""
    folder = checkpoint.parent / "base"
    rounded, exact = BaseModel(folder, rounded=True), BaseModel(folder, rounded=False)
    return functools.cache(lambda ids: (rounded.logprobs(list(ids)), exact.logprobs(list(ids))))


def test_text_alone_is_the_base_models(cluster, api, base_logprobs):
    for text in TEXT_PROMPTS:
        prompt = api.Prompt(conversation=api.Conversation(messages=[api.Message(role=api.ROLE_USER, parts=[api.Part(text=text)])]))
        rounded, exact = base_logprobs(tuple(cluster.stub.CountTokens(api.CountTokensRequest(prompt=prompt)).ids))
        served = np.array([p.logprob for p in cluster.generate(prompt, score_only=True).finished[0].prompt_logprobs])
        assert np.abs(served - rounded).max() < ROUNDING, text
        assert np.abs(served - exact).mean() < WEIGHT_ROUNDING, text
