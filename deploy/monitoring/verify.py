"""Loads a cluster that a Prometheus scrapes, and asks it every expression of the dashboards, the rules
and the autoscalers: each has to give data. usage: see verify-monitoring.sh."""

import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "scaling")]
import cluster  # noqa: E402
import external_metrics  # noqa: E402
import queries  # noqa: E402

BOARDS = sorted((HERE.parent / "grafana/dashboards").glob("*.json"))
RULES = HERE.parent / "prometheus/rules.yaml"
CHART = HERE.parents[1] / "helm/triptych"
KEDA = ["autoscaling.backend=keda", "autoscaling.keda.prometheusAddress=http://prometheus:9090"]


def manifests(*values):
    pools = [f"{pool}[0].model={cluster.MODEL}" for pool in ("encoders", "decoders")]
    sets = [x for value in (f"models[0].name={cluster.MODEL}", *pools, *values) for x in ("--set", value)]
    command = ["helm", "template", cluster.RELEASE, str(CHART), "--namespace", cluster.NAMESPACE,
               "-f", str(HERE.parent / "scaling/values.yaml"), *sets]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def has_data(result):
    return any(not math.isnan(float(value)) for sample in result for _, value in sample["values"])


def expressions():
    """(where from, expression)"""
    for board in BOARDS:
        for title, _, _, targets in queries.of_dashboard(board.read_text()):
            for legend, expression in targets.items():
                yield f"{board.stem}: {title}: {legend}", expression
    yield from queries.of_rules(RULES.read_text())
    for text in (manifests(), manifests(*KEDA)):
        yield from queries.of_autoscalers(text, lambda metric, labels: external_metrics.query_for(
            metric, cluster.NAMESPACE, labels))


def draw_all(results, folder, begin):
    """results: Prometheus' by expression."""
    import draw  # matplotlib is for pictures alone
    for board in BOARDS:
        text, panels = board.read_text(), []
        for title, unit, is_stacked, targets in queries.of_dashboard(text):
            series = []
            for legend, expression in targets.items():
                for found in results[expression]:
                    points = [(t, float(v)) for t, v in found["values"] if not math.isnan(float(v))]
                    if points:
                        series.append((draw.legend_of(legend, found["metric"]), *zip(*points)))
            panels.append((title, unit, is_stacked, series))
        draw.draw(json.loads(text)["title"], panels, folder / f"{board.stem}.png", begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", required=True)
    parser.add_argument("--model", required=True, help="the checkpoint's folder")
    parser.add_argument("--seconds", type=float, default=30, help="of load")
    parser.add_argument("--pictures", type=pathlib.Path, help="folder for the dashboards' pictures")
    args = parser.parse_args()
    wanted = list(expressions())
    with tempfile.TemporaryDirectory() as folder, \
            cluster.Processes(pathlib.Path(folder), args.bin, args.model, RULES) as processes:
        begin, end = cluster.Load(processes, args.seconds).run()
        results = {expression: processes.query(expression, begin, end) for _, expression in wanted}
    without = [f"{where}\n    {expression}" for where, expression in wanted if not has_data(results[expression])]
    if args.pictures:
        draw_all(results, args.pictures, begin)
    print(f"{len(wanted)} expressions asked, {len(without)} without data")
    if without:
        sys.exit("\n".join(without))


if __name__ == "__main__":
    main()
