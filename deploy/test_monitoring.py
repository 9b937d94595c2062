"""Dashboards and alerts against their generator, docs/metrics.md and docs/runbooks."""

import json
import pathlib
import re
import sys

import pytest
import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "grafana"))
import make_dashboards  # noqa: E402

RULES = yaml.safe_load((HERE / "prometheus/rules.yaml").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule]
RECORDS = [rule for group in RULES["groups"] for rule in group["rules"] if "record" in rule]
BOARDS = sorted((HERE / "grafana/dashboards").glob("*.json"))
FOREIGN = {"kube_horizontalpodautoscaler_status_desired_replicas",
           "kube_horizontalpodautoscaler_spec_max_replicas"}


def documented():
    rows = re.findall(r"^\| `([a-z_:]+)` \| (counter|gauge|histogram) \|",
                      (ROOT / "docs/metrics.md").read_text(), re.MULTILINE)
    names = {rule["record"] for rule in RECORDS}
    for name, kind in rows:
        parts = ("_bucket", "_count", "_sum") if kind == "histogram" else ("",)
        names |= {name + part for part in parts}
    return names


def metrics_of(query):
    query = re.sub(r"\bby\s*\([^)]*\)|\bon\s*\([^)]*\)", "", query)
    named = set(re.findall(r'__name__="([^"]+)"', query))
    query = re.sub(r'"[^"]*"', '""', query)
    return named | set(re.findall(r"\b((?:triptych|vllm|kube)[a-z0-9_:]*)", query))


def panels(board):
    return [panel for panel in json.loads(board.read_text())["panels"] if panel["type"] != "row"]


def test_a_query_without_a_known_metric_is_seen():
    query = 'sum by (triptych_x) (rate(triptych_y{a="triptych_z"}[5m]))'
    assert metrics_of(query) == {"triptych_y"}
    assert metrics_of('{__name__="vllm:a",b="c"}') == {"vllm:a"}


def test_the_committed_dashboards_are_what_the_generator_writes():
    assert {board.stem for board in BOARDS} == set(make_dashboards.DASHBOARDS)
    for board in BOARDS:
        assert board.read_text() == make_dashboards.make_dashboard(board.stem), board.name


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.stem)
def test_panels_are_described_and_take_documented_metrics(board):
    titles = [panel["title"] for panel in panels(board)]
    assert len(titles) == len(set(titles))
    for panel in panels(board):
        assert len(panel["description"]) > 20, panel["title"]
        for target in panel["targets"]:
            metrics = metrics_of(target["expr"])
            assert metrics and metrics <= documented(), target["expr"]


def test_every_documented_metric_of_router_and_workers_is_on_a_dashboard():
    shown = set().union(*(metrics_of(target["expr"]) for board in BOARDS
                          for panel in panels(board) for target in panel["targets"]))
    shown = {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown}
    ours = {re.sub(r"_(bucket|count|sum)$", "", name) for name in documented()}
    assert {name for name in ours if name.startswith("triptych_")} <= shown


@pytest.mark.parametrize("rule", ALERTS + RECORDS, ids=lambda rule: next(iter(rule.values())))
def test_rules_take_documented_metrics(rule):
    metrics = metrics_of(rule["expr"])
    assert metrics and metrics <= documented() | FOREIGN


def test_every_alert_has_a_runbook_and_every_runbook_an_alert():
    named = {ROOT / rule["annotations"]["runbook"] for rule in ALERTS}
    assert named == set((ROOT / "docs/runbooks").glob("*.md"))


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_is_tested_to_fire_and_not_to(rule):
    cases = []
    for name in ("rules_test.yaml", "rules_days_test.yaml"):
        for test in yaml.safe_load((HERE / "prometheus" / name).read_text())["tests"]:
            cases += [(bool(test["input_series"]), bool(case["exp_alerts"]))
                      for case in test["alert_rule_test"] if case["alertname"] == rule["alert"]]
    assert {(True, True), (True, False)} <= set(cases)
    assert any(not has_data for has_data, _ in cases), "without any data"
