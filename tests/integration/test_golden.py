"""Every golden set through the whole cluster: the reference's tokens and log-probabilities, over gRPC from a stub of another language."""

import concurrent.futures

import numpy as np
import pytest

LOGPROB_TOLERANCE = 1e-3


def greedy_cases(golden):
    return [c for c in golden.cases if c.greedy]


def check_greedy(cluster, api, golden, case):
    answer = cluster.generate(case.prompt(api), stopping=api.Stopping(max_new_tokens=len(case.greedy), ignore_eos=True))
    assert answer.ids[0] == case.greedy, case.id
    counted = cluster.stub.CountTokens(api.CountTokensRequest(prompt=case.prompt(api)))
    assert counted.prompt_tokens == answer.started.prompt_tokens == len(case.tensors["input_ids"])
    return answer


@pytest.mark.parametrize("flags", [
    ["--tensor-parallel", "1", "--max-chunk-tokens", "7"],
    ["--tensor-parallel", "2"],
    ["--tensor-parallel", "4", "--max-chunk-tokens", "64"],
], ids=["tp1-chunk7", "tp2", "tp4-chunk64"])
def test_tokens_and_scores_equal_the_reference(start_cluster, api, golden, flags):
    cluster = start_cluster(golden.folder, *flags)
    for case in greedy_cases(golden):
        check_greedy(cluster, api, golden, case)        # cold
        hot = check_greedy(cluster, api, golden, case)  # its prefix is cached now
        assert hot.started.cached_tokens > 0
        scored = cluster.generate(case.prompt(api), score_only=True)
        logprobs = np.array([p.logprob for p in scored.finished[0].prompt_logprobs])
        reference = case.reference_logprobs()
        assert logprobs.shape == reference.shape
        assert np.abs(logprobs - reference).max() < LOGPROB_TOLERANCE, case.id


def test_sixteen_at_once_are_each_as_alone(shared_cluster, api, tiny):
    cases = greedy_cases(tiny)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(check_greedy, shared_cluster, api, tiny, cases[i % len(cases)]) for i in range(16)]:
            done.result()
