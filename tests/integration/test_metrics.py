"""docs/metrics.md and what the processes export, compared both ways."""

import pathlib
import re

from cluster import scrape

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs/metrics.md"


def documented():
    rows = re.findall(r"^\| `([a-z_:]+)` \| (counter|gauge|histogram) \|", DOCS.read_text(), re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a metric has two rows"
    return dict(rows)


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
    ours = {name: kind for name, kind in exported(shared_cluster).items() if name.startswith(("triptych_", "vllm:"))}
    assert ours == documented()
