"""Processes die under traffic: every stream ends complete and byte-identical to an undisturbed run."""

import concurrent.futures
import io
import json
import os
import signal
import subprocess
import threading

import grpc
import pytest
from PIL import Image

from cluster import Answer, Cluster, ManualCluster, alive, read_ports, wait_until


def kill(cluster, prefix):
    """kill -9 of one process; gives its name."""
    name, pid = sorted(cluster.pids(prefix).items())[0]
    os.kill(pid, signal.SIGKILL)
    return name


def decoders_of(cluster):
    return [w for w in cluster.status()["workers"] if w["roles"] == "decoder"]


def busiest(cluster, decoders):
    """The one that has most requests now; there is one that has some."""
    def live(worker):
        return cluster.metric("triptych_worker_live_requests", worker["metrics_address"])

    wait_until(lambda: any(live(w) > 0 for w in decoders), 10, "a decoder with requests")
    return max(decoders, key=live)


def requests(api, tiny):
    """Eight: greedy, seeded sampling and n=2, with and without pictures."""
    made = []
    for i in range(8):
        case = tiny.case(has_images=i % 2 == 0)
        sampling = [api.Sampling(), api.Sampling(temperature=1.0, seed=7 + i), api.Sampling(temperature=0.8, seed=90 + i, n=2), api.Sampling()][i // 2]
        made.append(dict(prompt=case.prompt(api), sampling=sampling, stopping=api.Stopping(max_new_tokens=300, ignore_eos=True)))
    return made


def run_all(cluster, calls, on_token=lambda: None):
    def one(call):
        answer = Answer()
        for event in cluster.stub.Generate(cluster.api.GenerateRequest(**call), timeout=120):
            answer.add(event)
            if event.WhichOneof("event") == "delta":
                on_token()
        return answer

    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [f.result() for f in [pool.submit(one, call) for call in calls]]


class After:
    """Runs an action once, when so many tokens have come."""

    def __init__(self, count, action):
        self.left, self.action, self.lock = count, action, threading.Lock()

    def __call__(self):
        with self.lock:
            self.left -= 1
            fire = self.left == 0
        if fire:
            self.action()


def both_decoders_ready(cluster):
    return sum(w["state"] == "ready" and w["roles"] == "decoder" for w in cluster.status()["workers"]) == 2


def test_a_decoder_dies_in_the_middle_of_streams(start_cluster, api, tiny):
    cluster = start_cluster(tiny.folder, "--decoders", "2", "--tensor-parallel", "2", "--kv-blocks", "1200")
    calls = requests(api, tiny)
    undisturbed = [a.outcome() for a in run_all(cluster, calls)]
    assert all(len(o) == max(1, c["sampling"].n) for o, c in zip(undisturbed, calls))
    decoders = decoders_of(cluster)
    disturbed = run_all(cluster, calls, After(100, lambda: os.kill(busiest(cluster, decoders)["pid"], signal.SIGKILL)))
    assert [a.outcome() for a in disturbed] == undisturbed
    assert cluster.metric("triptych_router_migrations_total") >= 1
    wait_until(lambda: both_decoders_ready(cluster), 30, "the dead decoder's return")
    assert [a.outcome() for a in run_all(cluster, calls)] == undisturbed


def test_a_stream_outlasts_the_drains_of_two_decoders(start_cluster, bin_dir, api, tiny):
    cluster = start_cluster(tiny.folder, "--decoders", "3")
    call = dict(prompt=tiny.case(has_images=True).prompt(api), stopping=api.Stopping(max_new_tokens=2500, ignore_eos=True))
    [undisturbed] = run_all(cluster, [call])
    decoders = decoders_of(cluster)

    def drain():
        worker = busiest(cluster, decoders)
        decoders.remove(worker)
        subprocess.run([bin_dir / "triptych", "drain", "--coordinator", cluster.coordinator(), "--deadline", "0.1", worker["id"]], check=True, timeout=20)
        wait_until(lambda: not alive(worker["pid"]), 20, "the end of the drained decoder")

    answer = Answer()
    stream = cluster.stub.Generate(api.GenerateRequest(**call), timeout=120)
    for event in stream:
        answer.add(event)
        if len(answer.ids.get(0, ())) >= 100 and len(decoders) == 3:
            drain()
            drain()
    assert answer.outcome() == undisturbed.outcome()
    assert answer.finished[0].timings.migrations == 2


def test_a_frozen_decoder_loses_its_streams_and_comes_back_as_another(start_cluster, api, tiny):
    cluster = start_cluster(tiny.folder, "--decoders", "2", "--kv-blocks", "1200")
    calls = requests(api, tiny)
    undisturbed = [a.outcome() for a in run_all(cluster, calls)]
    incarnations = {w["id"]: w["incarnation"] for w in cluster.status()["workers"]}
    decoders, frozen = decoders_of(cluster), []

    def freeze():
        frozen.append(busiest(cluster, decoders)["pid"])
        os.kill(frozen[0], signal.SIGSTOP)

    disturbed = run_all(cluster, calls, After(100, freeze))
    assert [a.outcome() for a in disturbed] == undisturbed
    assert cluster.metric("triptych_router_migrations_total") >= 1
    wait_until(lambda: frozen[0] not in {w["pid"] for w in cluster.status()["workers"]}, 20, "the end of its lease")
    os.kill(frozen[0], signal.SIGCONT)  # what it still says counts for nothing
    wait_until(lambda: both_decoders_ready(cluster), 30, "the frozen decoder's return")
    now = {w["id"]: w["incarnation"] for w in cluster.status()["workers"]}
    assert sum(now[i] != incarnation for i, incarnation in incarnations.items()) == 1
    assert [a.outcome() for a in run_all(cluster, calls)] == undisturbed


def test_a_part_of_a_shard_group_dies_and_the_group_forms_again(bin_dir, api, tiny, tmp_path):
    cluster = ManualCluster(bin_dir, api, tiny.folder, tmp_path, tensor_parallel=2, num_processes=2)
    try:
        case = tiny.case(has_images=True)
        fields = dict(stopping=api.Stopping(max_new_tokens=24, ignore_eos=True))
        undisturbed = cluster.generate(case.prompt(api), **fields).outcome()
        cluster.processes["decoder-part-1"].kill()
        assert cluster.processes["decoder-part-0"].wait(20) == 1  # it does not wait in a collective, and this idle client keeps its connection
        assert "follower" in (tmp_path / "decoder-part-0.log").read_text()
        for part in ("decoder-part-0", "decoder-part-1"):
            cluster.restart(part)
        wait_until(cluster.ready, 60, "the group's second forming")
        assert cluster.generate(case.prompt(api), **fields).outcome() == undisturbed
    finally:
        cluster.stop()


def test_the_coordinator_dies_under_traffic(start_cluster, api, tiny):
    cluster = start_cluster(tiny.folder, "--decoders", "2")
    calls = requests(api, tiny)
    undisturbed = [a.outcome() for a in run_all(cluster, calls)]
    disturbed = run_all(cluster, calls, After(50, lambda: kill(cluster, "coordinator")))
    assert [a.outcome() for a in disturbed] == undisturbed
    assert cluster.metric("triptych_router_migrations_total") == 0
    assert [a.outcome() for a in run_all(cluster, calls)] == undisturbed  # while it comes back
    wait_until(lambda: both_decoders_ready(cluster), 30, "the workers' return")


def picture(i):
    file = io.BytesIO()
    Image.new("RGB", (40 + i, 30), (3 * i, 255 - 3 * i, 90)).save(file, "PNG")
    return file.getvalue()


def test_an_encoder_dies_during_a_burst_of_pictures(start_cluster, api, tiny):
    cluster = start_cluster(tiny.folder, "--encoders", "2", "--kv-blocks", "4000")
    calls = [dict(prompt=api.Prompt(raw=api.RawPrompt(parts=[api.Part(image=api.Image(data=picture(i))), api.Part(text="what")])),
                  stopping=api.Stopping(max_new_tokens=8, ignore_eos=True)) for i in range(64)]
    # At the first token most pictures still wait for an encoder: one batch holds eight tiles.
    disturbed = [a.outcome() for a in run_all(cluster, calls, After(1, lambda: kill(cluster, "encoder")))]
    assert disturbed == [a.outcome() for a in run_all(cluster, calls)]


def test_a_broken_stream_resumes_on_a_second_router(start_cluster, bin_dir, api, tiny, tmp_path):
    cluster = start_cluster(tiny.folder)
    config = tmp_path / "second.yaml"
    ports = tmp_path / "second.ports"
    config.write_text(f"listen: 127.0.0.1:0\nhttp_listen: 127.0.0.1:0\nmetrics_listen: 127.0.0.1:0\ncoordinator: {cluster.coordinator()}\n"
                      f"models:\n  - name: tiny\n    path: {tiny.folder}\n")
    second = subprocess.Popen([bin_dir / "triptych-router", "--config", config, "--port-file", ports])
    try:
        wait_until(ports.exists, 20, "the second router")
        address = read_ports(ports)["grpc"]
        with grpc.insecure_channel(address, options=[("grpc.max_send_message_length", 64 << 20)]) as channel:
            stub = api.stub(channel)
            call = dict(prompt=tiny.case(True).prompt(api), sampling=api.Sampling(temperature=0.9, seed=5, n=2),
                        stopping=api.Stopping(max_new_tokens=40, ignore_eos=True))
            whole = cluster.generate(**call)
            for cut in (1, 17, 39):
                received = [api.Received(sequence=s, token_ids=whole.ids[s][:cut]) for s in (0, 1)]
                ids = {s: list(whole.ids[s][:cut]) for s in (0, 1)}
                for event in stub.Generate(api.GenerateRequest(resume=received, **call), timeout=60):
                    if event.WhichOneof("event") == "delta":
                        assert event.delta.offset == len(ids[event.delta.sequence]) or not event.delta.token_ids
                        ids[event.delta.sequence].extend(event.delta.token_ids)
                assert ids == whole.ids, cut
    finally:
        second.terminate()
        second.wait(20)


def test_serve_takes_its_children_with_it(bin_dir, api, tiny):
    cluster = Cluster(bin_dir, api, tiny.folder)
    pids = [p["pid"] for p in cluster.processes()]
    assert len(pids) == 4
    cluster.process.send_signal(signal.SIGKILL)
    cluster.process.wait()
    cluster.channel.close()
    wait_until(lambda: not any(alive(pid) for pid in pids), 10, "the children's end")


def test_the_command_line_goes_on_when_its_router_dies(bin_dir, api, tiny, tmp_path):
    cluster = ManualCluster(bin_dir, api, tiny.folder, tmp_path, tensor_parallel=1, num_processes=1)
    try:
        config = tmp_path / "router.yaml"
        config.write_text(config.read_text().replace("\nlisten: 127.0.0.1:0", f"\nlisten: {cluster.grpc}"))
        command = [bin_dir / "triptych", "generate", "--router", cluster.grpc, "--json", "--ignore-eos", "--max-new-tokens", "3000",
                   "--temperature", "1", "Go on"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: cluster.metric("triptych_router_output_tokens_total") > 50, 30, "some tokens")
        cluster.processes["router"].kill()
        cluster.processes["router"].wait()
        cluster.restart("router")
        out, log = process.communicate(timeout=60)
        assert process.returncode == 0 and "going on at another" in log, log
        answer = json.loads(out)
        # The same seed gives the same answer where nothing is lost.
        whole = json.loads(subprocess.run([*command, "--seed", str(answer["seed"])], capture_output=True, text=True, timeout=60, check=True).stdout)
        assert answer["token_ids"] == whole["token_ids"] and answer["text"] == whole["text"]
    finally:
        cluster.stop()
