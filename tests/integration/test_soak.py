"""After many requests nothing has grown."""

import concurrent.futures
import os

import pytest

from cluster import wait_until
from test_cluster import image_prompt, png, text_prompt, worker_metric

REQUESTS = 10_000
AT_ONCE = 16


def rss_bytes(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def sizes(cluster):
    return {p["name"]: {"rss": rss_bytes(p["pid"]), "fds": len(os.listdir(f"/proc/{p['pid']}/fd")), "threads": len(os.listdir(f"/proc/{p['pid']}/task"))}
            for p in cluster.processes()}


@pytest.mark.long
def test_ten_thousand_requests_leave_nothing_behind(start_cluster, api, tiny):
    cluster = start_cluster(tiny.folder)
    pictures = [png((40 * i, 90, 200 - 40 * i)) for i in range(4)]

    def one(i):
        if i % 50 == 0:  # a client that leaves
            call = cluster.stub.Generate(api.GenerateRequest(prompt=text_prompt(api, f"never mind {i}"), stopping=api.Stopping(max_new_tokens=500, ignore_eos=True)))
            next(call)
            call.cancel()
        elif i % 25 == 1:
            assert cluster.generate(image_prompt(api, pictures[i // 25 % 4]), stopping=api.Stopping(max_new_tokens=2)).finished
        else:
            assert cluster.generate(text_prompt(api, f"short {i % 977}"), stopping=api.Stopping(max_new_tokens=2)).finished

    def run(numbers):
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(one, numbers):
                pass
        wait_until(lambda: cluster.metric("triptych_router_live_requests") == 0, 10, "no live request in the router")
        wait_until(lambda: worker_metric(cluster, "triptych_worker_live_requests") == 0, 10, "no live request in the engine")

    warm_up = REQUESTS // 5  # caches fill, allocators find their size
    run(range(warm_up))
    before = sizes(cluster)
    run(range(warm_up, REQUESTS))
    after = sizes(cluster)

    assert before.keys() == after.keys()
    for name, now in after.items():
        assert now["fds"] <= before[name]["fds"] + 8, (name, before[name], now)
        assert now["threads"] <= before[name]["threads"] + 4, (name, before[name], now)
        assert now["rss"] <= before[name]["rss"] + (8 << 20), (name, before[name], now)
    assert worker_metric(cluster, "triptych_worker_kv_blocks", state="used") == 0
    for prefix in ("triptych_router", "triptych_worker"):
        total = {o: worker_metric(cluster, f"{prefix}_requests_total", outcome=o) + cluster.metric(f"{prefix}_requests_total", outcome=o)
                 for o in ("accepted", "completed", "failed", "cancelled")}
        assert total["accepted"] == REQUESTS and total["failed"] == 0
        assert total["accepted"] == total["completed"] + total["cancelled"]
