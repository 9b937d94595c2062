"""Draws a dashboard's panels from Prometheus' data, where there is no Grafana."""

import math

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter  # noqa: E402

COLUMNS = 3
COLOURS = ["#3274d9", "#e0752d", "#56a64b", "#a352cc", "#e02f44", "#8f3bb8", "#b8860b", "#37872d", "#888888"]


def short(value):
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g} {letter}"
    return f"{value:.4g}"


def seconds(value):
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if abs(value) >= 2 * size or size == 1 and abs(value) >= 1:
            return f"{value / size:.4g} {unit}"
    return f"{value * 1000:.4g} ms"


FORMATS = {"percentunit": lambda v: f"{100 * v:.4g} %", "s": seconds, "reqps": lambda v: f"{short(v)}/s",
           "bytes": lambda v: f"{short(v)}B"}


def legend_of(pattern, metric):
    for label, value in metric.items():
        pattern = pattern.replace("{{" + label + "}}", value)
    return pattern


def draw(title, panels, path, begin):
    """panels: [(title, unit, is_stacked, [(legend, times, values)])]; times in seconds."""
    rows = math.ceil(len(panels) / COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(5.2 * COLUMNS, 2.6 * rows), squeeze=False)
    for axis in axes.flat[len(panels):]:
        axis.axis("off")
    for axis, (name, unit, is_stacked, series) in zip(axes.flat, panels):
        axis.set_title(name, loc="left", fontsize=10, fontweight="bold")
        if is_stacked and series:
            times = sorted({t for _, ts, _ in series for t in ts})
            filled = [[dict(zip(ts, vs)).get(t, 0.0) for t in times] for _, ts, vs in series]
            axis.stackplot([t - begin for t in times], filled, colors=COLOURS, alpha=0.5,
                           labels=[legend for legend, *_ in series])
        else:
            for colour, (legend, times, values) in zip(COLOURS * 3, series):
                axis.plot([t - begin for t in times], values, color=colour, linewidth=1.2, label=legend)
        axis.yaxis.set_major_formatter(FuncFormatter(lambda v, _, unit=unit: FORMATS.get(unit, short)(v)))
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_ylim(0, max(1.3 * axis.get_ylim()[1], 1e-3))  # room for the legend
        if series:
            axis.legend(fontsize=6.5, loc="upper left", frameon=False, ncols=2 if len(series) > 3 else 1)
    figure.suptitle(f"{title} (seconds of the load)", x=0.01, ha="left", fontsize=13)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.05 / rows))
    figure.savefig(path, dpi=62, metadata={"Software": None})
    plt.close(figure)
