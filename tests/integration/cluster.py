"""A cluster of real processes on this machine, by `triptych serve`."""

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


class Cluster:
    def __init__(self, bin_dir, api, model, flags=(), ready_timeout=60):
        self.api = api
        self.bin_dir = bin_dir
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
        self.grpc, self.http, self.metrics = match.groups()
        self.channel = grpc.insecure_channel(self.grpc, options=[("grpc.max_send_message_length", 64 << 20),
                                                                 ("grpc.max_receive_message_length", 64 << 20)])
        self.stub = api.stub(self.channel)

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
        import json
        out = subprocess.run([str(self.bin_dir / "triptych"), "status", "--json", "--coordinator", self.coordinator()],
                             capture_output=True, text=True, timeout=20, check=True)
        return json.loads(out.stdout)

    def coordinator(self):
        line = wait_until(lambda: next((m for m in map(re.compile(r"coordinator grpc=(\S+)").search, list(self.log)) if m), None),
                          10, "the coordinator's address in the log")
        return line.group(1)

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
