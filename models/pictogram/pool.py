"""Draws augmented training pictures ahead of training, in shards of 4096.

usage: python pool.py --data DATA --out POOL [--shards 32] [--first 0] [--common]

A shard holds pixels uint8 [4096, 3, size, size], owners int8 [4096, patches] (the slot of the pictogram that covers a patch, or -1) and
concepts int16 [4096, 3] (slots from left to right; -1: empty). Shard i is the same whatever else is drawn.
"""
import argparse
import time
from pathlib import Path

import torch

from pictures import Composer, Library
from tower import MEAN, STD
from words import common_concepts

WEIGHTS = {"smileys": 0.35, "people": 0.35}  # the many faces and figures are drawn less often than things
BATCHES, BATCH = 32, 128
SHARD = BATCHES * BATCH  # pictures


def draw_shard(library, number, size, weights):
    """weights: how often each concept is drawn."""
    composer = Composer(library, size, 1000 + number, weights)
    pixels, owners, concepts = [], [], []
    for _ in range(BATCHES):
        x, owner, concept, image_of = composer.batch(BATCH)
        first = torch.searchsorted(image_of, torch.arange(BATCH))
        slots = torch.full((BATCH, 3), -1)
        slots[image_of, torch.arange(len(concept)) - first[image_of]] = concept
        pixels.append(((x * STD + MEAN) * 255).round().byte())
        owners.append(torch.where(owner >= 0, owner - first[:, None], -1).to(torch.int8))
        concepts.append(slots.to(torch.int16))
    return [torch.cat(pixels), torch.cat(owners), torch.cat(concepts)]


class Pool:
    """Shards in a fixed order for ever, waiting for those that are still to be drawn; every second time round mirrored."""

    def __init__(self, folder, shards, concepts=None, first=0):
        """concepts: only pictures that show nothing else are given; None: all. first: the number of the first shard."""
        self.folder, self.shards, self.first = Path(folder), shards, first
        self.allowed = None
        if concepts is not None:
            self.allowed = torch.zeros(1 << 15, dtype=torch.bool)
            self.allowed[torch.tensor([*concepts, -1])] = True  # the last place stands for empty slots

    def shard(self, turn):
        """(pixels, owners, concepts) of the turn-th shard of the endless stream, in random order."""
        rng = torch.Generator("cpu").manual_seed(turn)
        path = self.folder / f"{self.first + turn % self.shards:04d}.pt"
        while not path.exists():
            time.sleep(1)
        pixels, owners, concepts = torch.load(path)
        if turn // self.shards % 2 == 1:
            grid = int(owners.shape[1] ** 0.5)
            pixels, owners = pixels.flip(3), owners.view(-1, grid, grid).flip(2).flatten(1)
        order = torch.randperm(len(pixels), generator=rng)
        if self.allowed is not None:
            order = order[self.allowed[concepts.long()].all(1)[order]]
        return pixels[order], owners[order].long(), concepts[order].long()

    def batches(self, turn, batch):
        """(turn, batch) for ever, from a shard's beginning on; what does not fill a batch is left out."""
        while True:
            parts = self.shard(turn)
            for at in range(0, len(parts[0]) - batch + 1, batch):
                yield turn, [p[at:at + batch] for p in parts]
            turn += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--shards", type=int, default=32)
    parser.add_argument("--common", action="store_true", help="only the common concepts")
    parser.add_argument("--size", type=int, default=84)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    library = Library(args.data)
    weights = [WEIGHTS.get(c["group"], 1.0) for c in library.concepts]
    if args.common:
        common = set(common_concepts(library.index))
        weights = [w if c in common else 0.0 for c, w in enumerate(weights)]
    for number in range(args.first, args.first + args.shards):
        path = args.out / f"{number:04d}.pt"
        if path.exists():
            continue
        begin = time.time()
        part = path.with_suffix(".part")
        torch.save(draw_shard(library, number, args.size, weights), part)
        part.rename(path)
        print(f"shard {number}: {time.time() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    main()
