"""Families through the whole cluster: text models without encoders, LLaVA and XComposer with one."""

import subprocess

import grpc
import numpy as np
import pytest

from conftest import ROOT
from golden import LOGPROB_TOLERANCE, GoldenSet


def golden_set(name):
    return GoldenSet(ROOT / "tests/golden" / name)


@pytest.mark.parametrize("name, family", [("llama-tiny", "llama"), ("internlm2-tiny", "internlm2"), ("llava-tiny", "llava"),
                                          ("xcomposer1-tiny", "internlm-xcomposer"), ("xcomposer2-vl-tiny", "internlm-xcomposer2"),
                                          ("xcomposer2-4khd-tiny", "internlm-xcomposer2-4khd"), ("xcomposer2d5-tiny", "internlm-xcomposer2d5")])
def test_tokens_are_the_references(start_cluster, api, name, family):
    golden = golden_set(name)
    cluster = start_cluster(golden.folder, "--tensor-parallel", "2")
    takes_pictures = any(case.images for case in golden.cases)
    model = cluster.stub.ListModels(api.ListModelsRequest()).models[0]
    assert model.family == family
    assert model.accepts_images == takes_pictures
    assert model.ready_encoders == (1 if takes_pictures else 0)
    tiles, default_tiles = {"internlm-xcomposer2-4khd": (128, 25), "internlm-xcomposer2d5": (128, 24)}.get(family, (1, 1))
    assert (model.max_tiles, model.default_max_tiles) == ((tiles, default_tiles) if takes_pictures else (0, 0))
    assert list(model.adapters) == (["base", "web", "write"] if family == "internlm-xcomposer2d5" else [])
    assert model.accepts_conversations
    for case in golden.cases:
        answer = cluster.generate(case.prompt(api), adapter=case.adapter, stopping=api.Stopping(max_new_tokens=len(case.greedy), ignore_eos=True))
        assert answer.ids[0] == case.greedy, case.id
        assert answer.started.prompt_tokens == len(case.tensors["input_ids"])
        assert case.generate
        for run_name, run in case.generate.items():
            sampling = api.Sampling(**{key: run[key] for key in ("repetition_penalty", "num_beams", "length_penalty") if key in run})
            stopping = api.Stopping(max_new_tokens=run["max_new_tokens"])
            output = cluster.generate(case.prompt(api), adapter=case.adapter, sampling=sampling, stopping=stopping)
            wanted = run["ids"][1:]  # behind a BOS; a stop token at the end is no output
            assert output.ids[0] == (wanted[:-1] if wanted[-1] in golden.stop_ids else wanted), (case.id, run_name)


def test_answers_by_likelihood_are_the_published_evaluations(start_cluster, api):
    """Of a question's candidates the one whose tokens have the least mean cross-entropy behind the prompt."""
    golden = golden_set("xcomposer1-tiny")
    cluster = start_cluster(golden.folder, "--tensor-parallel", "2")

    def mean_cross_entropy(case, ids):
        scored = cluster.generate(case.token_prompt(api, ids), score_only=True)
        return -np.mean([token.logprob for token in scored.finished[0].prompt_logprobs[-len(ids):]])

    for case in golden.cases:
        assert len(case.candidates) == 2
        for candidates in case.candidates:
            ours = [mean_cross_entropy(case, candidate["ids"]) for candidate in candidates]
            reference = [candidate["cross_entropy"] for candidate in candidates]
            assert np.abs(np.subtract(ours, reference)).max() < LOGPROB_TOLERANCE, case.id
            assert np.argmin(ours) == np.argmin(reference)


def test_a_text_model_takes_no_pictures_and_no_encoders(start_cluster, api, bin_dir):
    folder = golden_set("llama-tiny").folder
    cluster = start_cluster(folder)
    picture = api.Part(image=api.Image(data=golden_set("llava-tiny").cases[0].images[0]))
    with pytest.raises(grpc.RpcError) as refused:
        cluster.generate(api.Prompt(raw=api.RawPrompt(parts=[picture])))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "takes no pictures" in refused.value.details()
    serve = subprocess.run([bin_dir / "triptych", "serve", "--model", folder, "--encoders", "1", "--port", "0"], capture_output=True, text=True, timeout=30)
    assert serve.returncode != 0
    assert "--encoders: 1; the model takes no pictures" in serve.stderr


def test_a_conversation_needs_a_known_template(start_cluster, api, tmp_path):
    for file in golden_set("llama-tiny").folder.iterdir():
        if file.is_file() and file.name != "tokenizer_config.json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    cluster = start_cluster(tmp_path)
    assert not cluster.stub.ListModels(api.ListModelsRequest()).models[0].accepts_conversations
    message = api.Message(role=api.ROLE_USER, parts=[api.Part(text="Hello")])
    with pytest.raises(grpc.RpcError) as refused:
        cluster.generate(api.Prompt(conversation=api.Conversation(messages=[message])))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "no chat template that is known" in refused.value.details()
    raw = cluster.generate(api.Prompt(raw=api.RawPrompt(parts=[api.Part(text="Hello")])), stopping=api.Stopping(max_new_tokens=3, ignore_eos=True))
    assert len(raw.ids[0]) == 3
