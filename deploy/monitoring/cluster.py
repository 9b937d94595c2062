"""A cluster of real processes with a Prometheus that scrapes it, and load that shows what the
dashboards are about: text, pictures, long answers, articles, more requests than are let in, mistakes,
a decoder that is killed."""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import re
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

PICTURE = (pathlib.Path(__file__).resolve().parents[2] / "helm/triptych/files/bars.png").read_bytes()
NAMESPACE, RELEASE, MODEL = "vision", "triptych", "pictogram"
# What kube-state-metrics tells of a HorizontalPodAutoscaler; there is none here.
KUBE_STATE = f"""\
kube_horizontalpodautoscaler_status_desired_replicas{{namespace="{NAMESPACE}",horizontalpodautoscaler="{RELEASE}-decoder-pool"}} 2
kube_horizontalpodautoscaler_spec_max_replicas{{namespace="{NAMESPACE}",horizontalpodautoscaler="{RELEASE}-decoder-pool"}} 6
"""


class Processes:
    """Coordinator, router, encoders and decoders, and Prometheus, in a folder of their own."""

    def __init__(self, folder, binaries, model, rules):
        self.folder, self.binaries, self.model, self.rules = folder, binaries, model, rules
        self.running, self.metrics = {}, {}  # by name; addresses of metrics

    def __enter__(self):
        try:
            self._start_all()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def _start_all(self):
        folder, model = self.folder, self.model
        openssl = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                   "-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext",
                   "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", f"{folder}/tls.crt",
                   "-keyout", f"{folder}/tls.key"]
        subprocess.run(openssl, check=True, capture_output=True)
        coordinator = self.start("coordinator", "coordinator", {})["grpc"]
        worker = {"coordinator": coordinator, "model": str(model), "model_name": MODEL}
        self.start("encoder-0", "worker", worker | {"name": "encoder-0", "roles": ["encoder"]})
        for name in ("decoder-0", "decoder-1"):
            self.start(name, "worker", worker | {"name": name, "roles": ["decoder"], "kv_blocks": 288})
        self.http = self.start("router-0", "router", {
            "coordinator": coordinator, "http_listen": "127.0.0.1:0", "max_requests": 24,
            "models": [{"name": MODEL, "path": str(model)}],
            "public_tls": {"certificate": f"{folder}/tls.crt", "key": f"{folder}/tls.key"}})["http"]
        self.trust = ssl.create_default_context(cafile=f"{folder}/tls.crt")
        self._start_prometheus()

    def start(self, name, program, config):
        """The addresses that the process has bound."""
        config = {"listen": "127.0.0.1:0", "metrics_listen": "127.0.0.1:0"} | config
        (self.folder / f"{name}.yaml").write_text(json.dumps(config))  # JSON is YAML
        ports = self.folder / f"{name}.ports"
        self._run(name, f"{self.binaries}/triptych-{program}", "--config", self.folder / f"{name}.yaml",
                  "--port-file", ports)
        self.wait_for(lambda: ports.exists() and ports.read_text().endswith("\n"), name)
        bound = dict(re.findall(r"(\w+)[=:] ?(\S+)", ports.read_text()))
        self.metrics[name] = bound["metrics"]
        return bound

    def _run(self, name, *command):
        log = (self.folder / f"{name}.log").open("w")
        self.running[name] = subprocess.Popen([str(c) for c in command], stdout=log, stderr=log)

    def wait_for(self, holds, name, seconds=120):
        end = time.time() + seconds
        while not holds():
            if self.running[name].poll() is not None or time.time() > end:
                raise SystemExit(f"{name}: {(self.folder / f'{name}.log').read_text()[-2000:]}")
            time.sleep(0.1)

    def _start_prometheus(self):
        state = self.folder / "kube-state.prom"
        state.write_text(KUBE_STATE)
        self._run("kube-state", sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory",
                  self.folder, "9184")
        label = lambda name, address, **more: {
            "targets": [address],
            "labels": {"namespace": NAMESPACE, "pod": name, "instance": name, **more}}
        targets = [label(name, address, **(
            {"service": f"{RELEASE}-coordinator"} if name == "coordinator" else {}))
            for name, address in self.metrics.items()]
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                  "rule_files": [str(self.rules)],
                  "scrape_configs": [
                      {"job_name": "triptych", "static_configs": targets},
                      {"job_name": "kube-state", "metrics_path": "/kube-state.prom", "honor_labels": True,
                       "static_configs": [{"targets": ["127.0.0.1:9184"]}]}]}
        (self.folder / "prometheus.yaml").write_text(json.dumps(config))
        self._run("prometheus", "prometheus", "--config.file", self.folder / "prometheus.yaml",
                  "--storage.tsdb.path", self.folder / "tsdb", "--web.listen-address", "127.0.0.1:9190")
        self.prometheus = "http://127.0.0.1:9190"

        def has_seen_all():  # what rises before that is in no rate
            now = time.time()
            with contextlib.suppress(OSError):
                found = self.query("count(up == 1)", now, now)
                return bool(found) and int(found[0]["values"][0][1]) == len(targets) + 1
            return False

        self.wait_for(has_seen_all, "prometheus")

    def post(self, path, body, read=None, timeout=300):
        """The status of the answer, once all of it is there, or `read` bytes, whereupon we hang up."""
        connection = http.client.HTTPSConnection(self.http, context=self.trust, timeout=timeout)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            reply = connection.getresponse()
            reply.read(read)
            return reply.status
        finally:
            connection.close()

    def query(self, expression, begin, end):
        """Prometheus' result: [{metric: labels, values: [(time, text)]}], a value a second."""
        wanted = urllib.parse.urlencode({"query": expression, "start": begin, "end": end, "step": 1})
        url = f"{self.prometheus}/api/v1/query_range?{wanted}"
        try:
            with urllib.request.urlopen(url, timeout=60) as reply:
                return json.load(reply)["data"]["result"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it is starting
                raise ConnectionError(str(error)) from None
            raise ValueError(json.load(error)["error"]) from None

    def kill(self, name):
        self.running[name].kill()

    def stop(self):
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            process.kill()


class Load:
    """Askers of one kind each, every one in a thread of its own, between two times."""

    def __init__(self, processes, length):
        self.processes, self.length, self.threads, self.begin = processes, length, [], time.time()

    def asker(self, ask, begin, end, count=1):
        """begin, end: shares of the load's length."""
        for _ in range(count):
            self.threads.append(threading.Thread(target=self._ask, args=(ask, begin, end), daemon=True))
            self.threads[-1].start()

    def _ask(self, ask, begin, end):
        time.sleep(begin * self.length)
        while time.time() < self.begin + end * self.length:
            with contextlib.suppress(OSError, http.client.HTTPException):
                ask()

    def chat(self, content, tokens, **more):
        return self.processes.post("/v1/chat/completions", {
            "model": MODEL, "max_tokens": tokens, "ignore_eos": True, "temperature": 0,
            "messages": [{"role": "user", "content": content}], **more})

    def text(self):
        self.chat("Name a colour.", 12)
        time.sleep(0.3)

    def picture(self, file=PICTURE):
        url = "data:image/png;base64," + base64.b64encode(file).decode()
        self.chat([{"type": "image_url", "image_url": {"url": url}},
                   {"type": "text", "text": "What is in this picture?"}], 6)

    def cancelled(self):
        self.processes.post("/v1/completions", {"model": MODEL, "prompt": "And so on", "max_tokens": 200,
                                                "ignore_eos": True, "stream": True}, read=100)
        time.sleep(1)

    def article(self):
        status = self.processes.post("/v1/articles", {"instruction": "A day at the farm", "max_images": 0})
        if status != 200:
            time.sleep(1)

    def mistake(self):
        self.chat("Good morning", 0)
        time.sleep(1)

    def story(self, tokens):
        if self.chat("Tell me a long story.", tokens) != 200:
            time.sleep(0.5)

    def run(self):
        """What each share of the load shows; returns (begin, end)."""
        self.asker(self.text, 0, 1, 2)
        self.asker(self.mistake, 0, 1)
        self.asker(self.picture, 0, 1)
        # Files of their own, though of the same pixels: no encoder has seen them.
        self.asker(lambda: self.picture(PICTURE + os.urandom(8)), 0.1, 0.3, 8)
        self.asker(lambda: self.story(160), 0.35, 0.65, 12)
        self.asker(lambda: self.story(60), 0.7, 0.85, 40)  # 24 are let in
        self.asker(self.article, 0, 0.3)
        self.asker(self.cancelled, 0, 1)
        time.sleep(0.5 * self.length)
        self.processes.kill("decoder-1")
        for thread in self.threads:
            thread.join()
        return self.begin, time.time()
