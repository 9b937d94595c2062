#!/usr/bin/env python3
"""Compares the worker's preprocessing with Pillow and PyTorch over random sizes, modes and tile limits, byte for byte.

    tests/preprocessing/compare.py [--count N] [--seed S] [--binary FILE] [--modes squash,4khd,2d5]

Needs numpy and Pillow. Where torch is installed it makes the reference (division, normalising, bicubic global view), and torchvision, where
installed, resizes and pads; without torch numpy does the same arithmetic and global views are left out. Ends with 1 if a byte differs.
"""

import argparse
import math
import pathlib
import subprocess
import sys
import time

import numpy as np
import PIL
from PIL import Image

try:
    import torch
except ImportError:
    torch = None
try:
    import torchvision.transforms.functional as tv
except ImportError:
    tv = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
ROWS_FIRST = int(PIL.__version__.split(".")[0]) >= 13  # since then rows may be resized before columns
SIDES = {"4khd": 336, "2d5": 560}


def resize(image, width, height, kind):
    """Image.resize of Pillow 13, on earlier versions too."""
    fewer_rows, fewer_columns = image.height - height, image.width - width
    if not ROWS_FIRST and fewer_rows > 0 and fewer_rows > 2 * fewer_columns:
        return image.resize((image.width, height), kind).resize((width, height), kind)
    return tv.resize(image, [height, width], tv.InterpolationMode.BILINEAR if kind == Image.BILINEAR else tv.InterpolationMode.BICUBIC) \
        if tv and ROWS_FIRST else image.resize((width, height), kind)


def pad(image, side, centers):
    target = int(np.ceil(image.height / side) * side)
    top = int((target - image.height) / 2) if centers else 0
    if tv:
        return tv.pad(image, [0, top, 0, target - image.height - top], fill=[255, 255, 255])
    canvas = Image.new("RGB", (image.width, target), (255, 255, 255))
    canvas.paste(image, (0, top))
    return canvas


def tiled(image, mode, max_tiles):
    """HD_transform (4KHD) and Image_transform (2.5)."""
    side = SIDES[mode]
    transposed = image.width < image.height
    if transposed:
        image = image.transpose(Image.TRANSPOSE)
    ratio = image.width / image.height
    scale = 1
    while scale * np.ceil(scale / ratio) <= max_tiles:
        scale += 1
    scale -= 1
    if mode == "2d5":
        scale = int(min(np.ceil(image.width / side), scale))
    width = int(scale * side)
    image = pad(resize(image, width, int(width / ratio), Image.BILINEAR), side, mode == "4khd")
    return image.transpose(Image.TRANSPOSE) if transposed else image


def normalized(image):
    """[3, height, width] float32."""
    planes = np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
    if torch is None:
        return (planes.astype(np.float32) / np.float32(255) - MEAN[:, None, None]) / DEVIATION[:, None, None]
    tensor = torch.from_numpy(planes).to(torch.float32).div(255)
    return tensor.sub_(torch.from_numpy(MEAN)[:, None, None]).div_(torch.from_numpy(DEVIATION)[:, None, None]).numpy()


def reference(image, mode, limit):
    """The views [views, 3, side, side], or [tiles, 3, side, side] where there is no torch for the global one."""
    if mode == "squash":
        return normalized(resize(image, limit, limit, Image.BICUBIC))[None]
    side = SIDES[mode]
    planes = normalized(tiled(image, mode, limit))
    rows, columns = planes.shape[1] // side, planes.shape[2] // side
    tiles = planes.reshape(3, rows, side, columns, side).transpose(1, 3, 0, 2, 4).reshape(-1, 3, side, side)
    if torch is None:
        return tiles
    view = torch.nn.functional.interpolate(torch.from_numpy(planes)[None], size=(side, side), mode="bicubic").numpy()
    return np.concatenate([view, tiles])


class Prepared:
    """The tool that is compared."""

    def __init__(self, binary):
        self.process = subprocess.Popen([str(binary)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, pixels, mode, limit):
        height, width, _ = pixels.shape
        self.process.stdin.write(f"{mode} {width} {height} {limit}\n".encode() + pixels.tobytes())
        self.process.stdin.flush()
        answer = self.process.stdout.readline().decode()
        assert answer and not answer.startswith("error"), answer
        views, side = map(int, answer.split()[:2])
        data = self.process.stdout.read(views * 3 * side * side * 4)
        return np.frombuffer(data, np.float32).reshape(views, 3, side, side)

    def close(self):
        self.process.stdin.close()
        return self.process.wait()


def random_picture(random):
    """Noise over a gradient, of a size that is as often small as large and no longer than 200 times its height."""
    width, height = (int(math.exp(random.uniform(0, math.log(1400)))) for _ in range(2))
    width, height = max(width, -(-height // 200)), max(height, -(-width // 200))
    slope = np.linspace(0, random.uniform(0, 255), width)[None, :, None] + np.linspace(0, random.uniform(-255, 255), height)[:, None, None]
    noise = random.integers(0, 256, (height, width, 3)) * random.choice([0.1, 1.0])
    return np.clip(slope + noise, 0, 255).astype(np.uint8)


def random_limit(random, mode):
    if mode == "squash":
        return int(random.choice([224, 490]))
    return int(random.choice([1, 2, 3, 4, 5, 6, 7, 9, 12, 25], p=[0.15, 0.15, 0.15, 0.15, 0.1, 0.1, 0.05, 0.08, 0.05, 0.02]))


def compare(binary, count, seed=1, modes=("squash", "4khd", "2d5"), report=None):
    """Pictures, bytes that were compared, and bytes that differ."""
    random = np.random.default_rng(seed)
    prepared = Prepared(binary)
    compared = differing = 0
    for i in range(count):
        mode = str(random.choice(modes))
        limit, pixels = random_limit(random, mode), random_picture(random)
        wanted, got = reference(Image.fromarray(pixels), mode, limit), prepared(pixels, mode, limit)
        got = got[len(got) - len(wanted):]
        assert got.shape == wanted.shape, (mode, limit, pixels.shape, got.shape, wanted.shape)
        unequal = int(np.count_nonzero(got.view(np.uint8) != np.ascontiguousarray(wanted).view(np.uint8)))
        if unequal and report:
            report(f"{unequal} bytes differ: {mode}, limit {limit}, {pixels.shape[1]} x {pixels.shape[0]} pixels")
        compared += wanted.nbytes
        differing += unequal
        if report and (i + 1) % 500 == 0:
            report(f"{i + 1} pictures, {compared} bytes compared, {differing} differ")
    assert prepared.close() == 0
    return count, compared, differing


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10000, help="pictures (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--modes", default="squash,4khd,2d5")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/tests/triptych_prepare_pictures")
    flags = parser.parse_args()
    started = time.monotonic()
    versions = [f"Pillow {PIL.__version__}", f"torch {torch.__version__}" if torch else "no torch: no global views", "torchvision" if tv else "no torchvision"]
    print(", ".join(versions))
    count, compared, differing = compare(flags.binary, flags.count, flags.seed, flags.modes.split(","), lambda line: print(line, flush=True))
    print(f"{count} pictures, {compared} bytes compared, {differing} differ, {time.monotonic() - started:.0f} s")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
