"""Renews the leases of simulated nodes, until it is stopped.   leases.py API

Kubernetes takes a node for gone whose lease is not renewed, and its pods for not ready; kwok renews
leases only where it was started with --node-lease-duration-seconds. API is as in simulate.py.
"""

import json
import sys
import time
import urllib.request

PERIOD = 10  # seconds; a node is gone after 40 or more
LEASES = "apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


def simulated(nodes):
    """The names of those nodes, of a NodeList, that kwok simulates."""
    return [node["metadata"]["name"] for node in nodes["items"]
            if "kwok.x-k8s.io/node" in node["metadata"].get("annotations", {})]


def lease(node, seconds):
    """The request that renews a node's lease, or makes it, as (path, body)."""
    renewed = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(seconds))
    return f"{LEASES}/{node}?fieldManager=triptych-scaling&force=true", {
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": node, "namespace": "kube-node-lease"}, "spec": {"renewTime": renewed}}


def call(url, body=None):
    request = urllib.request.Request(
        url, json.dumps(body).encode() if body else None,
        {"Content-Type": "application/apply-patch+yaml"}, method="PATCH" if body else "GET")
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)


def main():
    api = sys.argv[1]
    while True:
        try:
            for node in simulated(call(f"{api}/api/v1/nodes")):
                path, body = lease(node, time.time())
                call(f"{api}/{path}", body)
        except OSError as error:  # such as a proxy that is not there yet
            print(error, file=sys.stderr, flush=True)
            time.sleep(1)
        else:
            time.sleep(PERIOD)


if __name__ == "__main__":
    main()
