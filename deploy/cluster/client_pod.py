"""The pod of client.sh, made of the chart's test pod: placed and secured as that one is.

helm get hooks RELEASE | client_pod.py ARGUMENT...     prints it as JSON
"""

import json
import sys

import yaml

pod = next(d for d in yaml.safe_load_all(sys.stdin) if d and d["kind"] == "Pod")
pod["metadata"] = {"name": "client", "labels": pod["metadata"]["labels"]}
del pod["spec"]["activeDeadlineSeconds"]
container = pod["spec"]["containers"][0]
container["command"] = ["sh", "/client/client.sh", *sys.argv[1:]]
del container["args"]
of_tls = lambda named: [x for x in named if x["name"] == "public-tls"]
tls = of_tls(container["volumeMounts"])
for mount in tls:
    container.setdefault("env", []).append(
        {"name": "CLIENT_OPTIONS", "value": f"--tls-ca {mount['mountPath']}/ca.crt"})
container["volumeMounts"] = [{"name": "client", "mountPath": "/client", "readOnly": True},
                             {"name": "tmp", "mountPath": "/tmp"}, *tls]
pod["spec"]["volumes"] = [{"name": "client", "configMap": {"name": "client"}},
                          {"name": "tmp", "emptyDir": {}}, *of_tls(pod["spec"]["volumes"])]
print(json.dumps(pod))
