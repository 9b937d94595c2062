"""Draws the learning curves of training runs.

usage: python learning_curve.py RUN/log.jsonl... --out PNG
"""
import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("logs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    figure, axes = plt.subplots(1, len(args.logs), figsize=(5 * len(args.logs), 4), squeeze=False)
    for axis, log in zip(axes[0], args.logs):
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        shares = sorted({k for line in lines for k, v in line.items() if k not in ("minutes", "pictures", "steps", "asked", "loss", "end", "end_seen")})
        for name in shares:
            points = [(line["pictures"], line[name]) for line in lines if name in line]
            axis.plot(*zip(*points), label=name)
        axis.set(title=log.parent.name, xlabel="pictures seen", ylabel="share right", ylim=(0, 1))
        axis.legend(), axis.grid(alpha=0.3)
    figure.tight_layout()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=90)


if __name__ == "__main__":
    main()
