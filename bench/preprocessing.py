#!/usr/bin/env python3
"""How many times as fast as Pillow and PyTorch on one core pictures become tiles, in interleaved runs.

    bench/preprocessing.py [--rounds N] [--binary FILE] [--out FILE]

The other side is the published scripts' way (tests/preprocessing/compare.py: Pillow's resize, division, normalising, bicubic global view), on
one thread. Each round times both sides of every case; a case's ratio is the median of its rounds' ratios. Needs numpy, Pillow and torch.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np
import PIL
import torch
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/preprocessing"))
from compare import reference  # noqa: E402

# (benchmark's name, mode, width, height, largest number of tiles or side)
CASES = [
    ("Squash/1920/1080/490", "squash", 1920, 1080, 490),
    ("MakeTilesOf/4khd/1920/1080/25", "4khd", 1920, 1080, 25),
    ("MakeTilesOf/4khd/1080/1920/25", "4khd", 1080, 1920, 25),
    ("MakeTilesOf/4khd/640/480/9", "4khd", 640, 480, 9),
    ("MakeTilesOf/4khd/3840/2160/55", "4khd", 3840, 2160, 55),
    ("MakeTilesOf/2d5/1920/1080/24", "2d5", 1920, 1080, 24),
    ("MakeTilesOf/2d5/1080/1920/24", "2d5", 1080, 1920, 24),
    ("MakeTilesOf/2d5/640/480/6", "2d5", 640, 480, 6),
]


def ours(binary, name):
    """CPU milliseconds for a picture."""
    command = [binary, f"--benchmark_filter=^{name}$", "--benchmark_min_time=0.3", "--benchmark_format=json"]
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return json.loads(out.stdout)["benchmarks"][0]["cpu_time"]


def theirs(pixels, mode, limit):
    """CPU milliseconds for a picture."""
    begin, times = time.monotonic(), 0
    used = time.process_time()
    while time.monotonic() - begin < 0.3 or times < 2:
        reference(Image.fromarray(pixels), mode, limit)
        times += 1
    return (time.process_time() - used) * 1000 / times


def cpu():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    flags = next(line for line in lines if line.startswith("flags")).split()
    model = next(line for line in lines if line.startswith("model name")).split(":")[1].strip()
    return f"{model}, {'AVX-512' if 'avx512f' in flags else 'AVX2'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/bin/triptych_preprocessing_bench")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/preprocessing.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    random = np.random.default_rng(1)
    pictures = {(w, h): random.integers(0, 256, (h, w, 3), np.uint8) for _, _, w, h, _ in CASES}
    rounds = [[(ours(args.binary, name), theirs(pictures[w, h], mode, limit)) for name, mode, w, h, limit in CASES] for _ in range(args.rounds)]
    rows = []
    for (name, *_), pairs in zip(CASES, zip(*rounds)):
        own, other = (statistics.median(side) for side in zip(*pairs))
        rows.append({"case": name, "ms": round(own, 2), "reference_ms": round(other, 2),
                     "ratio": round(statistics.median(b / a for a, b in pairs), 2)})
        print(f"{name:34} {own:8.2f} ms, Pillow and torch {other:8.2f} ms: {rows[-1]['ratio']} times", flush=True)
    result = {"cpu": cpu(), "threads": 1, "rounds": args.rounds, "pillow": PIL.__version__, "torch": torch.__version__, "cases": rows}
    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
