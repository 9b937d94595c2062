"""A cluster of real processes on this machine, by `triptych serve`."""

import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

import grpc


def wait_until(condition, timeout=30.0, what="the condition"):
    """Polls until `condition()` is true and gives what it gave; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come true within {timeout} s"
        time.sleep(0.02)


def read_ports(path):
    """What a process wrote to its --port-file: {"grpc": "host:port", ...}."""
    return dict(word.split("=", 1) for word in path.read_text().split())


class Client:
    """A router's clients: its stub, and its metrics. Over TLS with `credentials`."""

    def __init__(self, api, grpc_address, metrics_address, credentials=None):
        self.api = api
        self.grpc, self.metrics = grpc_address, metrics_address
        options = [("grpc.max_send_message_length", 64 << 20), ("grpc.max_receive_message_length", 64 << 20)]
        self.channel = (grpc.secure_channel(grpc_address, credentials, options=options) if credentials
                        else grpc.insecure_channel(grpc_address, options=options))
        self.stub = api.stub(self.channel)

    def generate(self, prompt, timeout=120, **fields):
        """Runs one request and gives its collected Answer; raises grpc.RpcError."""
        answer = Answer()
        call = self.stub.Generate(self.api.GenerateRequest(prompt=prompt, **fields), timeout=timeout)
        for event in call:
            answer.add(event)
        return answer

    def metric(self, name, address=None, **labels):
        """The sum of a metric's samples with these labels, 0 if there is none."""
        total = 0.0
        for line in scrape(address or self.metrics).splitlines():
            match = re.match(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (\S+)", line)
            if match and match.group(1) == name and all(f'{k}="{v}"' in (match.group(2) or "") for k, v in labels.items()):
                total += float(match.group(3))
        return total


class Cluster(Client):
    """By `triptych serve`. `admin_flags`: what `triptych status` takes besides."""

    def __init__(self, bin_dir, api, model, flags=(), ready_timeout=60, credentials=None, admin_flags=()):
        self.bin_dir, self.admin_flags = bin_dir, admin_flags
        command = [str(bin_dir / "triptych"), "serve", "--model", str(model), "--name", "tiny", "--port", "0", "--http-port", "0",
                   "--metrics-port", "0", *map(str, flags)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.log = []
        self._log_thread = threading.Thread(target=self._read_log, daemon=True)
        self._log_thread.start()
        timer = threading.Timer(ready_timeout, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        match = re.fullmatch(r"ready grpc=(\S+) http=(\S+) metrics=(\S+)\n", line)
        assert match, f"serve said {line!r}; its log:\n" + "".join(self.log[-60:])
        grpc_address, self.http, metrics_address = match.groups()
        super().__init__(api, grpc_address, metrics_address, credentials)

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line)

    def stop(self):
        """Ends the cluster in order, and checks that no child outlives it."""
        children = [p["pid"] for p in self.processes()] if self.process.poll() is None else []
        self.channel.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(45)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        wait_until(lambda: not any(alive(pid) for pid in children), 10, "the end of all children")

    def processes(self):
        """The cluster's processes as [{name, pid}], from the kernel: children of serve by their command lines."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
                with open(f"/proc/{pid}/cmdline") as f:
                    arguments = f.read().split("\0")
            except OSError:
                continue
            if fields[0] != "Z" and int(fields[1]) == self.process.pid:
                config = next((a for a in arguments if a.endswith(".yaml")), "")
                found.append({"pid": int(pid), "name": os.path.basename(config).removesuffix(".yaml"), "arguments": arguments})
        return found

    def pids(self, prefix):
        return {p["name"]: p["pid"] for p in self.processes() if p["name"].startswith(prefix)}

    def status(self):
        """`triptych status --json`."""
        out = subprocess.run([str(self.bin_dir / "triptych"), "status", "--json", "--coordinator", self.coordinator(), *map(str, self.admin_flags)],
                             capture_output=True, text=True, timeout=20, check=True)
        return json.loads(out.stdout)

    def coordinator(self):
        return self._from_log(r"coordinator grpc=(\S+)")

    def metrics_of(self, member):
        """The metrics address of a process by its name: coordinator, router, encoder-0, ..."""
        return self._from_log(member + r" grpc=\S+ metrics=(\S+)")

    def _from_log(self, pattern):
        found = wait_until(lambda: [m for m in map(re.compile(pattern).search, list(self.log)) if m], 10, f"'{pattern}' in the log")
        return found[-1].group(1)


class ManualCluster(Client):
    """A cluster whose processes are started one by one from YAML, as a deployment does: coordinator, router, one encoder, and one decoder whose
    ranks are spread over several processes. `common_keys` are in the configuration of all."""

    def __init__(self, bin_dir, api, model, folder, tensor_parallel, num_processes, common_keys=None, **decoder_keys):
        self.bin_dir, self.folder, self.common_keys = bin_dir, folder, common_keys or {}
        self.processes, self.commands = {}, {}
        try:
            coordinator = self._start("triptych-coordinator", "coordinator", {"listen": "127.0.0.1:0"})["grpc"]
            worker = {"coordinator": coordinator, "listen": "127.0.0.1:0", "model": str(model), "model_name": "tiny"}
            self._start("triptych-worker", "encoder", worker | {"name": "encoder", "roles": "[encoder]"})
            for i in range(num_processes):
                first, end = (tensor_parallel * j // num_processes for j in (i, i + 1))
                part = {"name": f"decoder-part-{i}", "tensor_parallel": tensor_parallel, "group": "decoder", "first_rank": first, "num_ranks": end - first}
                self._start("triptych-worker", f"decoder-part-{i}", worker | part | decoder_keys)
            ports = self._start("triptych-router", "router", {"listen": "127.0.0.1:0", "http_listen": "127.0.0.1:0", "coordinator": coordinator,
                                                              "models": f"[{{name: tiny, path: {model}}}]"})
            super().__init__(api, ports["grpc"], ports["metrics"])
            wait_until(self.ready, 60, "a ready encoder and a ready decoder")
        except BaseException:
            self._kill()
            raise

    def _start(self, binary, name, keys):
        config = self.folder / f"{name}.yaml"
        config.write_text("".join(f"{k}: {v}\n" for k, v in ({"metrics_listen": "127.0.0.1:0"} | self.common_keys | keys).items()))
        self.commands[name] = [str(self.bin_dir / binary), "--config", str(config), "--port-file", str(self.folder / f"{name}.ports")]
        self.restart(name)
        wait_until(lambda: self._running(name) and self._ports(name).exists(), 60, f"the ports of {name}")
        return read_ports(self._ports(name))

    def restart(self, name):
        """A process that has ended, with its configuration."""
        self._ports(name).unlink(missing_ok=True)
        with open(self.folder / f"{name}.log", "a") as log:
            self.processes[name] = subprocess.Popen(self.commands[name], stderr=log)

    def _ports(self, name):
        return self.folder / f"{name}.ports"

    def _running(self, name):
        assert self.processes[name].poll() is None, f"{name} ended:\n" + (self.folder / f"{name}.log").read_text()
        return True

    def ready(self):
        for name in self.processes:
            self._running(name)
        models = self.stub.ListModels(self.api.ListModelsRequest(), timeout=10).models
        return models and models[0].ready_encoders == 1 and models[0].ready_decoders == 1

    def stop(self):
        self.channel.close()
        for name in ["router", *sorted(self.processes.keys() - {"router", "coordinator"}), "coordinator"]:
            self.processes[name].terminate()
        try:
            for process in self.processes.values():
                process.wait(40)
        finally:
            self._kill()

    def _kill(self):
        for process in self.processes.values():
            process.kill()
            process.wait()


def scrape(address):
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as reply:
        return reply.read().decode()


def http_status(address, path):
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Answer:
    """What a stream gave, checked as it comes: indices rise by one, no event after the last."""

    def __init__(self):
        self.started = None
        self.ids = {}
        self.text = {}
        self.logprobs = {}
        self.finished = {}
        self.progress = []

    def add(self, event):
        kind = event.WhichOneof("event")
        if kind == "started":
            assert self.started is None
            self.started = event.started
        elif kind == "delta":
            delta = event.delta
            assert self.started is not None and delta.sequence not in self.finished
            ids = self.ids.setdefault(delta.sequence, [])
            if delta.token_ids:
                assert delta.offset == len(ids), f"offset {delta.offset} after {len(ids)} tokens"
            ids.extend(delta.token_ids)
            self.text[delta.sequence] = self.text.get(delta.sequence, "") + delta.text
            self.logprobs.setdefault(delta.sequence, []).extend(delta.logprobs)
        elif kind == "finished":
            assert event.finished.sequence not in self.finished
            self.finished[event.finished.sequence] = event.finished
        elif kind == "progress":
            self.progress.append(event.progress)

    def outcome(self):
        """All that must be equal between a disturbed and an undisturbed run."""
        return {s: (tuple(self.ids.get(s, ())), self.text.get(s, ""), f.reason, f.output_tokens) for s, f in self.finished.items()}
