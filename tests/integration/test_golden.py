"""Every golden set through the whole cluster: the reference's tokens and log-probabilities, over gRPC from a stub of another language."""

import concurrent.futures

import numpy as np
import pytest

from cluster import Cluster, ManualCluster
from conftest import golden_sets, is_plain
from golden import LOGPROB_TOLERANCE, GoldenSet


def greedy_cases(golden):
    return [c for c in golden.cases if c.greedy]


def cases_for(layout, golden):
    """All of them; between processes, where each step crosses sockets, prompts cut into single tokens are shown on the shortest alone."""
    cases = greedy_cases(golden)
    slow = isinstance(layout, ManualCluster) and layout.chunk_tokens == 1
    return [min(cases, key=lambda case: len(case.tensors["input_ids"]))] if slow else cases


def check_greedy(cluster, api, case):
    answer = cluster.generate(case.prompt(api), adapter=case.adapter, stopping=api.Stopping(max_new_tokens=len(case.greedy), ignore_eos=True))
    assert answer.ids[0] == case.greedy, case.id
    counted = cluster.stub.CountTokens(api.CountTokensRequest(prompt=case.prompt(api)))
    assert counted.prompt_tokens == answer.started.prompt_tokens == len(case.tensors["input_ids"])
    return answer


ALL = 4096  # tokens: no golden prompt is longer

LAYOUTS = [(1, 1), (2, 1), (4, 1), (2, 2), (3, 2), (4, 2)]  # ranks, processes that hold them; three have unequal shares
CHUNKS = [1, 7, 64, ALL]
TILED_LAYOUTS = [(1, 1), (2, 1), (4, 1), (2, 2)]  # long prompts
TILED_CHUNKS = [150, ALL]


def layouts():
    """Every set in every layout with every way to cut prompts; those of whole prompts are enough where time is short."""
    for folder in golden_sets():
        for ranks, processes in LAYOUTS if is_plain(folder) else TILED_LAYOUTS:
            for chunk in CHUNKS if is_plain(folder) else TILED_CHUNKS:
                yield pytest.param((folder, ranks, processes, chunk),
                                   id=f"{folder.name}-tp{ranks}-in{processes}-chunk{'all' if chunk == ALL else chunk}",
                                   marks=[] if chunk == ALL else pytest.mark.long)


@pytest.fixture(scope="module", params=layouts())
def layout(request, bin_dir, api, tmp_path_factory):
    folder, ranks, processes, chunk = request.param
    golden = GoldenSet(folder)
    if processes == 1:
        cluster = Cluster(bin_dir, api, golden.folder, ["--tensor-parallel", ranks, "--max-chunk-tokens", chunk, "--max-step-tokens", ALL, "--kv-blocks", 2048])
    else:
        cluster = ManualCluster(bin_dir, api, golden.folder, tmp_path_factory.mktemp("manual"), ranks, processes,
                                max_chunk_tokens=chunk, max_step_tokens=ALL, kv_blocks=2048)
        cluster.chunk_tokens = chunk
    cluster.golden = golden
    yield cluster
    cluster.stop()


def test_tokens_and_scores_equal_the_reference(layout, api):
    for i, case in enumerate(cases_for(layout, layout.golden)):
        cold = check_greedy(layout, api, case)
        assert i > 0 or cold.started.cached_tokens == 0
        hot = check_greedy(layout, api, case)
        assert hot.started.cached_tokens > 0
        scored = layout.generate(case.prompt(api), adapter=case.adapter, score_only=True)
        logprobs = np.array([p.logprob for p in scored.finished[0].prompt_logprobs])
        reference = case.reference_logprobs()
        assert logprobs.shape == reference.shape
        assert np.abs(logprobs - reference).max() < LOGPROB_TOLERANCE, case.id


def test_sixteen_mixed_requests_at_once_are_each_as_alone(layout, api):
    """Greedy ones, which must give the reference's tokens, among sampled ones, two of each at a time, and scores; of all adapters."""
    cases = cases_for(layout, layout.golden)
    fields = dict(stopping=api.Stopping(max_new_tokens=24, ignore_eos=True), sampling=api.Sampling(temperature=1.0, seed=11, n=2))
    alone = [layout.generate(case.prompt(api), adapter=case.adapter, **fields).outcome() for case in cases]

    def one(i):
        case = cases[i % len(cases)]
        if i % 4 == 3:
            assert layout.generate(case.prompt(api), adapter=case.adapter, **fields).outcome() == alone[i % len(cases)], case.id
        else:
            check_greedy(layout, api, case)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(one, i) for i in range(16)]:
            done.result()
