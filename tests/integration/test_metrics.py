"""docs/metrics.md and what the processes export, compared both ways."""

import pathlib
import re

from cluster import http_status, scrape, wait_until

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs/metrics.md"


def documented():
    """Of a cluster without TLS; test_tls.py sees to the others."""
    rows = re.findall(r"^\| `([a-z_:]+)` \| (counter|gauge|histogram) \|.*\| (.*) \|$", DOCS.read_text(), re.MULTILINE)
    kinds = {name: kind for name, kind, meaning in rows if not meaning.endswith("With TLS alone")}
    assert len({name for name, *_ in rows}) == len(rows), "a metric has two rows"
    return kinds


def ours(cluster):
    return {name: kind for name, kind in exported(cluster).items()
            if name.startswith(("triptych_", "vllm:"))}


def exported(cluster):
    workers = cluster.status()["workers"]
    addresses = [cluster.metrics, cluster.metrics_of("coordinator")] + [w["metrics_address"] for w in workers]
    found = {}
    for address in addresses:
        found.update(re.findall(r"^# TYPE (\S+) (\S+)$", scrape(address), re.MULTILINE))
    return found


def test_every_metric_is_documented_and_every_documented_metric_exists(shared_cluster, api):
    refused = api.GenerateRequest(model="nobody")
    try:
        list(shared_cluster.stub.Generate(refused))
    except Exception:  # noqa: BLE001: it is refused, so that the metric of refusals is there
        pass
    http_status(shared_cluster.http, "/v1/models")
    # The coordinator says nothing of scaling before all workers had time to join.
    wait_until(lambda: len(ours(shared_cluster)) >= len(documented()), 20, "all metrics")
    assert ours(shared_cluster) == documented()


def scaling(cluster):
    """The wanted numbers of workers by pool, as the coordinator exports them."""
    text = scrape(cluster.metrics_of("coordinator"))
    return {pool: float(number) for pool, number in re.findall(
        r'^triptych_pool_desired_replicas\{.*pool="(\w+)".*\} (\S+)$', text, re.MULTILINE)}


def test_work_raises_the_wanted_number_of_workers_and_its_end_lowers_it(shared_cluster, api):
    def pools():
        return scaling(shared_cluster)

    wait_until(lambda: set(pools()) == {"encoder", "decoder"}, 30, "both pools")
    wait_until(lambda: pools()["decoder"] == 0, 30, "no work")
    prompt = api.Prompt(raw=api.RawPrompt(parts=[api.Part(text="and on")]))
    request = api.GenerateRequest(prompt=prompt,
                                  stopping=api.Stopping(max_new_tokens=3000, ignore_eos=True))
    streams = [shared_cluster.stub.Generate(request) for _ in range(16)]
    wait_until(lambda: pools()["decoder"] > 0, 30, "work")
    for stream in streams:
        stream.cancel()
    wait_until(lambda: pools()["decoder"] == 0, 30, "the work's end")
