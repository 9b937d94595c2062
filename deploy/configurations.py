"""The processes' configuration files that a chart's ConfigMaps or a compose file hold.

configurations.py MANIFESTS FOLDER     writes FOLDER/NAME/{router,coordinator,worker}.yaml
"""

import pathlib
import re
import sys

import yaml

FILES = {"router.yaml", "coordinator.yaml", "worker.yaml"}


def of_chart(documents):
    for document in documents:
        if document and document["kind"] == "ConfigMap":
            for name, text in document.get("data", {}).items():
                if name in FILES:
                    yield document["metadata"]["name"], name, text


def of_compose(compose):
    for service, settings in compose["services"].items():
        for config in settings.get("configs", []):
            text = compose["configs"][config["source"]]["content"]
            yield service, config["target"].strip("/"), re.sub(r"\$\{\w+:-(\w+)\}", r"\1", text)


def main():
    manifests, folder = map(pathlib.Path, sys.argv[1:])
    documents = list(yaml.safe_load_all(manifests.read_text()))
    is_compose = "services" in documents[0]
    for owner, name, text in of_compose(documents[0]) if is_compose else of_chart(documents):
        (folder / owner).mkdir(parents=True)
        (folder / owner / name).write_text(text)


if __name__ == "__main__":
    main()
