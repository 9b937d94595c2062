"""Every PromQL expression of the dashboards, the rules and the autoscalers, in a form in which it has
to give data."""

import json
import re

import yaml


def of_dashboard(text):
    """(title, unit, stacked, {legend: expression}) of each panel of a dashboard's JSON, over all
    namespaces."""
    for panel in json.loads(text)["panels"]:
        if panel["type"] == "row":
            continue
        stacking = panel["fieldConfig"]["defaults"].get("custom", {}).get("stacking", {})
        targets = {t["legendFormat"]: t["expr"].replace("$__rate_interval", "10s").replace("$namespace", ".*")
                   for t in panel["targets"]}
        yield panel["title"], panel["fieldConfig"]["defaults"]["unit"], stacking.get("mode") == "normal", targets


def without_conditions(expression):
    """An alert's expression says nothing while all is well: here comparisons give 0 or 1 for every
    series that they look at, and what has to be absent has to be there."""
    expression = re.sub(r"(<=|>=|==|!=|<|>)(?!\s*bool)(?=[\s\d(a-z])", r"\1 bool ", expression)
    return expression.replace("absent(", "(")


def of_rules(text):
    """(name, expression) of each recording rule and alert."""
    for group in yaml.safe_load(text)["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                yield rule["alert"], without_conditions(rule["expr"])
            else:
                yield rule["record"], rule["expr"]


def of_autoscalers(manifests, external_query):
    """(name, expression) of each HorizontalPodAutoscaler's external metrics, as external_query(metric,
    labels) asks for them, and of each ScaledObject's triggers."""
    for document in filter(None, yaml.safe_load_all(manifests)):
        name = f"{document['kind']} {document['metadata']['name']}"
        if document["kind"] == "HorizontalPodAutoscaler":
            for metric in document["spec"]["metrics"]:
                wanted = metric["external"]["metric"]
                yield name, external_query(wanted["name"], wanted["selector"]["matchLabels"])
        elif document["kind"] == "ScaledObject":
            for trigger in document["spec"]["triggers"]:
                yield name, trigger["metadata"]["query"]
