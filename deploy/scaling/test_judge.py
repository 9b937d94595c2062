"""What judge.py finds in a trace, and that the committed one shows what deploy/README.md says."""

import csv
import pathlib

import judge
import pytest

HERE = pathlib.Path(__file__).parent


def findings(folder, phase, encoders, decoders, seconds=60):
    """Of a trace with a sample each `seconds`, as {what: whether it holds}."""
    path = folder / "trace.csv"
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["second", "phase"] + [f"{role}_{what}" for role in judge.ROLES
                                             for what in ("replicas", "ready", "desired")])
        for i, (encoder, decoder) in enumerate(zip(encoders, decoders)):
            rows.writerow([i * seconds, phase, encoder, encoder, 9, decoder, decoder, 9])
    return {what: holds for what, _, holds in judge.findings(judge.Trace(path))}


@pytest.mark.parametrize("decoders, holds", [([1, 1, 1], True), ([2, 1, 1], True),
                                             ([1, 2, 2], False)])
def test_the_other_pool_must_not_grow(tmp_path, decoders, holds):
    found = findings(tmp_path, "pictures", [1, 3, 3], decoders)
    assert found["pictures: encoders alone grow"] is holds


def test_the_scaled_pool_has_to_grow(tmp_path):
    assert not findings(tmp_path, "pictures", [1, 1], [1, 1])["pictures: encoders alone grow"]


def test_encoders_must_not_grow_where_decoders_are_full(tmp_path):
    holds = [findings(tmp_path, "decoders full", encoders, [4, 4])[
        "decoders full: encoders do not grow"] for encoders in ([1, 1], [1, 2])]
    assert holds == [True, False]


@pytest.mark.parametrize("numbers, holds", [([1, 3, 3, 4], True), ([1, 3, 2, 3], True),
                                            ([1, 3, 2, 3, 2], False)])
def test_bursts_turn_a_pool_round_at_most_twice(tmp_path, numbers, holds):
    found = findings(tmp_path, "bursts", numbers, [1] * len(numbers))
    assert found["bursts: encoders turn round at most twice"] is holds


@pytest.mark.parametrize("numbers, seconds, holds", [
    ([3, 2, 1], 60, True), ([3, 1, 1], 60, False), ([3, 2, 1], 30, False), ([1, 1, 1], 60, False)])
def test_pods_go_one_by_one_a_minute(tmp_path, numbers, seconds, holds):
    found = findings(tmp_path, "quiet", numbers, [1] * 3, seconds)
    assert found["encoders go one by one"] is holds


@pytest.mark.parametrize("numbers, seconds, holds", [
    ([1, 2, 1], 600, True), ([1, 2, 2, 1], 300, True), ([1, 2, 1], 500, False),
    ([1, 2, 1, 2, 2, 1], 300, False), ([2, 1, 1], 600, False)])
def test_pods_stay_for_the_stabilization(tmp_path, numbers, seconds, holds):
    found = findings(tmp_path, "quiet", numbers, [1] * len(numbers), seconds)
    assert found["encoders stay after they have come"] is holds


@pytest.mark.parametrize("numbers, holds", [([3] * 6, True), ([3, 3, 3, 3, 2, 2], False)])
def test_without_data_nothing_changes(tmp_path, numbers, holds):
    assert findings(tmp_path, "no data", numbers, [2] * 6)["no data: nothing changes"] is holds


def test_the_committed_trace_shows_what_the_readme_says():
    found = list(judge.findings(judge.Trace(HERE / "trace.csv")))
    assert len(found) == 10
    assert [(what, seen) for what, seen, holds in found if not holds] == []
