"""A minimal external.metrics.k8s.io server: triptych_pool_desired_replicas as a Prometheus has it,
for tests of HorizontalPodAutoscalers without prometheus-adapter.

external_metrics.py --prometheus URL --cert FILE --key FILE [--port N]

It answers over HTTPS on loopback, where an API server on the same machine reaches it through an
APIService whose Service is an ExternalName (apiservice.yaml).
"""

import argparse
import http.server
import json
import re
import ssl
import time
import urllib.parse
import urllib.request

ROOT = "/apis/external.metrics.k8s.io/v1beta1"
METRIC = "triptych_pool_desired_replicas"
# As prometheus-adapter asks, with the rule of docs/scaling.md.
QUERY = "max({metric}{{{matchers}}}) by ({labels})"
RESOURCES = {
    "kind": "APIResourceList", "apiVersion": "v1",
    "groupVersion": "external.metrics.k8s.io/v1beta1",
    "resources": [{"name": METRIC, "singularName": "", "namespaced": True,
                   "kind": "ExternalMetricValueList", "verbs": ["get"]}],
}


def failure(code, message):
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                  "message": message}


def query_for(metric, namespace, labels):
    wanted = {"namespace": namespace} | labels
    return QUERY.format(metric=metric, labels=",".join(wanted),
                        matchers=",".join(f'{k}="{v}"' for k, v in wanted.items()))


def samples(prometheus, namespace, selector):
    """What Prometheus has now, as [(labels, value)]; nothing when it has no fresh sample."""
    query = query_for(METRIC, namespace, dict(part.split("=", 1) for part in selector.split(",")))
    url = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=5) as reply:
        result = json.load(reply)["data"]["result"]
    return [(sample["metric"], float(sample["value"][1])) for sample in result]


def answer(prometheus, path, query):
    """The status and the body for a path below the API server's root."""
    if path.rstrip("/") == ROOT:
        return 200, RESOURCES
    match = re.fullmatch(ROOT + r"/namespaces/([^/]+)/([^/]+)", path)
    if not match or match[2] != METRIC:
        return failure(404, f"there is {METRIC} only")
    selector = urllib.parse.parse_qs(query).get("labelSelector", [""])[0]
    try:
        found = samples(prometheus, match[1], selector)
    except (OSError, ValueError, KeyError) as error:  # a scaler has to see an error, not a zero
        return failure(500, str(error))
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return 200, {
        "kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1",
        "metadata": {},
        "items": [{"metricName": METRIC, "metricLabels": labels, "timestamp": now,
                   "value": f"{round(value * 1000)}m"} for labels, value in found],
    }


def make_handler(prometheus):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            url = urllib.parse.urlparse(self.path)
            code, body = answer(prometheus, url.path, url.query)
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    return Handler


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prometheus", required=True)
    parser.add_argument("--cert", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--port", type=int, default=26470)
    flags = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", flags.port),
                                             make_handler(flags.prometheus))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(flags.cert, flags.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
