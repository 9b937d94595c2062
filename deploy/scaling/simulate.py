"""Loads the pools of a release whose pods are simulated, and writes what becomes of the replicas.

simulate.py --api URL --namespace N --release R --coordinator BINARY --trace FILE [--phase NAME...]

For each ready pod of an encoder or decoder pool a simulated worker (workers.py) joins a real
coordinator, which runs here, and reports the load of phases.py; the scaler of the cluster sees the
coordinator's metrics at port 9070 and does the rest. --api is Kubernetes' API without
authentication, as `kubectl proxy` gives it.
"""

import argparse
import asyncio
import contextlib
import csv
import importlib
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

import grpc
from grpc_tools import protoc

import workers
from phases import PHASES

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROLES = ("encoder", "decoder")
TICK = 0.05
BEAT = 0.5
COORDINATOR = "127.0.0.1:7070"
METRICS = "127.0.0.1:9070"
COLUMNS = ["second", "phase"] + [f"{role}_{what}" for role in ROLES
                                 for what in ("replicas", "ready", "desired")]


def make_stubs(folder):
    protos = [f"triptych/{name}.proto" for name in
              ("v1/inference", "internal/v1/cluster")]
    builtin = pathlib.Path(importlib.import_module("grpc_tools").__file__).parent / "_proto"
    code = protoc.main(["protoc", f"-I{ROOT / 'proto'}", f"-I{builtin}", f"--python_out={folder}",
                        f"--grpc_python_out={folder}", *protos])
    assert code == 0
    sys.path.insert(0, str(folder))
    pb = importlib.import_module("triptych.internal.v1.cluster_pb2")
    return pb, importlib.import_module("triptych.internal.v1.cluster_pb2_grpc").ClusterStub


def get(url):
    with urllib.request.urlopen(url, timeout=10) as reply:
        return reply.read().decode()


class Link:
    """A worker's stream to the coordinator, anew whenever it breaks."""

    def __init__(self, pb, stub, pod, worker):
        self.pb, self.stub, self.pod, self.worker = pb, stub, pod, worker
        self.incarnation = random.getrandbits(64) | 1
        self.ready = False
        self.task = asyncio.create_task(self.run())

    def registration(self):
        pb, role = self.pb, self.worker.role
        message = pb.Register(
            worker_id=self.pod, incarnation=self.incarnation, address=f"{self.pod}:7072",
            roles=[pb.WorkerRole.Value(f"WORKER_ROLE_{role.upper()}")],
            model=pb.ModelIdentity(name="simulated", card_digest=bytes(32),
                                   weights_digest=bytes(16), numerics="simulated"),
            capacity=pb.Capacity(max_sequences=workers.MAX_SEQUENCES, kv_blocks=workers.KV_BLOCKS,
                                 block_tokens=workers.BLOCK_TOKENS, max_step_tokens=512,
                                 max_batch_tiles=workers.MAX_BATCH_TILES))
        if role == "decoder":
            message.group.CopyFrom(pb.GroupMember(group=self.pod, num_ranks=1, world_size=1))
        return message

    def heartbeat(self):
        pb = self.pb
        state = pb.WORKER_STATE_READY if self.ready else pb.WORKER_STATE_LOADING
        return pb.Heartbeat(state=state, steps=self.worker.steps, has_work=self.worker.work() > 0,
                            load=pb.Load(**self.worker.load()))

    async def messages(self):
        yield self.pb.WorkerMessage(register=self.registration())
        while True:
            yield self.pb.WorkerMessage(heartbeat=self.heartbeat())
            await asyncio.sleep(BEAT * random.uniform(0.8, 1.2))

    async def run(self):
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                async for _ in self.stub.Join(self.messages()):
                    pass
            await asyncio.sleep(BEAT)


class Simulation:
    def __init__(self, flags):
        self.flags = flags
        self.cluster = workers.Cluster()
        self.links = {}     # by pod
        self.loading = {}   # pods, until when
        self.replicas = dict.fromkeys(ROLES, 0)
        self.coordinator = None

    def start_coordinator(self, folder):
        config = pathlib.Path(folder) / "coordinator.yaml"
        config.write_text(f"listen: {COORDINATOR}\nmetrics_listen: {METRICS}\n")
        with open(pathlib.Path(folder) / "coordinator.log", "a") as log:
            self.coordinator = subprocess.Popen(
                [self.flags.coordinator, "--config", str(config)], stderr=log)

    def stop_coordinator(self):
        if self.coordinator:
            self.coordinator.kill()
            self.coordinator.wait()
            self.coordinator = None

    def look(self):
        """What Kubernetes has: {role: wanted replicas}, {pod: role} of the ready ones."""
        flags = self.flags
        pods = json.loads(get(f"{flags.api}/api/v1/namespaces/{flags.namespace}/pods"
                              f"?labelSelector=app.kubernetes.io/instance={flags.release}"))
        ready = {}
        for pod in pods["items"]:
            role = pod["metadata"]["labels"]["app.kubernetes.io/component"]
            conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
            if (role in ROLES and conditions.get("Ready") == "True"
                    and "deletionTimestamp" not in pod["metadata"]):
                ready[pod["metadata"]["name"]] = role
        replicas = {}
        for role in ROLES:
            url = f"{flags.api}/apis/apps/v1/namespaces/{flags.namespace}/deployments"
            deployment = json.loads(get(f"{url}/{flags.release}-{role}-pool"))
            replicas[role] = deployment["spec"]["replicas"]
        return replicas, ready

    def desired(self, role):
        if not self.coordinator:
            return ""
        with contextlib.suppress(OSError):
            pattern = rf'triptych_pool_desired_replicas{{[^}}]*pool="{role}"[^}}]*}} (\S+)'
            found = re.search(pattern, get(f"http://{METRICS}/metrics"))
            return f"{float(found[1]):.3f}" if found else ""
        return ""

    def follow(self, ready, now):
        """Workers come and go as their pods do."""
        for pod, role in ready.items():
            if pod not in self.links:
                worker = workers.Encoder() if role == "encoder" else workers.Decoder()
                self.links[pod] = Link(self.pb, self.stub, pod, worker)
                self.loading[pod] = now + workers.LOAD_SECONDS
        for pod in [pod for pod, until in self.loading.items() if until <= now]:
            del self.loading[pod]
            link = self.links[pod]
            link.ready = True
            self.cluster.pool(link.worker.role)[pod] = link.worker
        for pod in self.links.keys() - ready.keys():
            link = self.links.pop(pod)
            link.task.cancel()
            if self.loading.pop(pod, None) is None:
                self.cluster.remove(link.worker.role, pod)

    async def watch(self, begin):
        while True:
            self.replicas, ready = await asyncio.to_thread(self.look)
            self.follow(ready, time.monotonic() - begin)
            await asyncio.sleep(0.5)

    async def run(self, folder):
        self.pb, stub = make_stubs(folder)
        options = [("grpc.max_reconnect_backoff_ms", 1000)]
        self.stub = stub(grpc.aio.insecure_channel(COORDINATOR, options=options))
        begin = time.monotonic()
        watch = asyncio.create_task(self.watch(begin))
        with open(self.flags.trace, "w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(COLUMNS)
            for phase in PHASES:
                if self.flags.phase and phase.name not in self.flags.phase:
                    continue
                print(f"[{time.monotonic() - begin:4.0f}s] {phase.name}", file=sys.stderr)
                if phase.coordinator and not self.coordinator:
                    self.start_coordinator(folder)
                if not phase.coordinator:
                    self.stop_coordinator()
                await self.run_phase(phase, begin, rows, watch)
                file.flush()
        watch.cancel()

    async def run_phase(self, phase, begin, rows, watch):
        phase_begin = last = time.monotonic()
        next_row = 0.0
        while (now := time.monotonic() - phase_begin) < phase.seconds:
            if watch.done():
                watch.result()
            while last - phase_begin < now:  # as many ticks as have passed
                pictures, texts = phase.rates(last - phase_begin)
                self.cluster.arrive(TICK, pictures, texts, phase.output_tokens)
                self.cluster.advance(TICK)
                last += TICK
            if now >= next_row:
                next_row += 1
                rows.writerow(await asyncio.to_thread(self.row, phase, begin))
            await asyncio.sleep(TICK)

    def row(self, phase, begin):
        row = [f"{time.monotonic() - begin:.1f}", phase.name]
        for role in ROLES:
            row += [self.replicas[role], len(self.cluster.pool(role)), self.desired(role)]
        return row


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("api", "namespace", "release", "coordinator", "trace"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--phase", action="append", help="only these")
    simulation = Simulation(parser.parse_args())
    with tempfile.TemporaryDirectory() as folder:
        try:
            asyncio.run(simulation.run(folder))
        finally:
            simulation.stop_coordinator()


if __name__ == "__main__":
    main()
