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
container["volumeMounts"] = [{"name": "client", "mountPath": "/client", "readOnly": True},
                             {"name": "tmp", "mountPath": "/tmp"}]
pod["spec"]["volumes"] = [{"name": "client", "configMap": {"name": "client"}},
                          {"name": "tmp", "emptyDir": {}}]
print(json.dumps(pod))
