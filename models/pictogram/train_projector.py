"""Stage 2: the projector learns to tell the concepts' names from the finished tower's rows, which is cheap as these are computed once.

usage: python train_projector.py --data DATA --pool POOL --base DIR --tower RUN/tower/latest.pt --out RUN/projector/latest.pt [--common]

It begins as a table: one inner unit for each concept, open where the tower's head sees it, gives the row of its name (words.py). How near the rows
come matters as much as that they are the nearest: the language model reads what lies beside them too.
"""
import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from base import Base, fetch
from naming import Words
from pictures import Library
from pool import Pool
from tower import Projector, Tower, normalise
from train_tower import owned
from words import common_concepts

BATCH = 1536       # rows
RATE = 1e-3
SHARPNESS = 24.0   # of the comparison of directions
DISTANCE_WEIGHT = 4.0


@torch.no_grad()
def tower_rows(tower, pool, shards, device):
    """(rows float16 [n, patches, width], concepts [n, patches], -1: none) of the pool's first pictures."""
    rows, concepts = [], []
    for turn in range(shards):
        pixels, owner, slots = pool.shard(turn)
        rows += [tower(normalise(part.to(device))).half().cpu() for part in pixels.split(128)]
        slot = owned(owner, slots)
        concepts.append(torch.where(slot >= 0, slots.gather(1, slot.clamp(min=0)), -1))
    return torch.cat(rows), torch.cat(concepts)


class Naming:
    """What rows are to be, and how near they come."""

    def __init__(self, words, embedding, chosen, device):
        self.rows = words.rows(embedding).to(device)
        self.known = torch.tensor([*chosen, len(self.rows) - 1])  # the last one: nobody's
        self.directions = F.normalize(self.rows[self.known], dim=1)
        self.column = torch.full((len(self.rows),), -1)
        self.column[self.known] = torch.arange(len(self.known))

    def losses(self, out, concept):
        """out [n, hidden]; concept [n], -1: nobody's. (loss, mean squared distance in units of the rows, share of names right)"""
        wanted, right = self.rows[concept], self.column[concept].to(out.device)
        distance = ((out - wanted) ** 2).mean() / wanted.pow(2).mean()
        logits = SHARPNESS * F.normalize(out, dim=1) @ self.directions.T
        return F.cross_entropy(logits, right) + DISTANCE_WEIGHT * distance, distance, (logits.argmax(1) == right).float().mean()


@torch.no_grad()
def table(naming, chosen, head, rows):
    """The projector at the beginning. head: the tower's; rows [n, width] a sample."""
    norm, linear = head
    projector = Projector(rows.shape[1], naming.rows.shape[1])
    projector.standardise(rows)
    said = head(rows)[:, chosen]
    threshold, top = said.flatten()[:1_000_000].quantile(0.99), said.max(1).values.median()
    scale = 1 / (norm.running_var + norm.eps).sqrt()
    size = 3 / (top - threshold)  # an open unit is about 3
    units = chosen[:projector.first.out_features]
    projector.first.weight[:len(units)] = size * linear.weight[units] * scale * projector.spread
    projector.first.bias[:len(units)] = size * (linear.bias[units] + linear.weight[units] @ ((projector.mean - norm.running_mean) * scale) - threshold)
    projector.second.weight *= 0.1 * naming.rows.std()
    projector.second.weight[:, :len(units)] = naming.rows[units].T / 3
    projector.second.bias.zero_()
    return projector


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--pool", required=True)
    parser.add_argument("--base", required=True)
    parser.add_argument("--tower", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--first", type=int, default=0, help="the first shard's number")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--common", action="store_true", help="only the common concepts")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="or cuda")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.backends.mkldnn.enabled = False
    torch.manual_seed(0)
    base, library = Base(fetch(args.base)), Library(args.data)
    words = Words(library.concepts, base.tokenizer_json())
    chosen = common_concepts(library.index) if args.common else list(range(len(library.concepts)))
    state = torch.load(args.tower, map_location="cpu", weights_only=False)
    part = lambda prefix: {k.removeprefix(prefix): v for k, v in state["model"].items() if k.startswith(prefix)}
    tower = Tower.from_config(state["config"])
    tower.load_state_dict(part("tower."))
    width = state["config"]["hidden_size"]
    head = torch.nn.Sequential(torch.nn.BatchNorm1d(width, affine=False), torch.nn.Linear(width, len(library.concepts))).eval()
    head.load_state_dict(part("head."))
    begin = time.time()
    pool = Pool(args.pool, args.shards, chosen if args.common else None, args.first)
    rows, concepts = tower_rows(tower.to(args.device).eval(), pool, args.shards, args.device)
    embedding = torch.from_numpy(base.embedding())
    naming = Naming(words, embedding, chosen, args.device)
    rows, concepts = rows.flatten(0, 1), concepts.flatten()
    projector = table(naming, chosen, head, rows[torch.randperm(len(rows))[:20_000]].float())
    projector.to(args.device)
    print(f"{len(rows)} rows after {time.time() - begin:.0f} s", flush=True)
    adam = torch.optim.Adam(projector.parameters(), RATE, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, total_steps=args.steps + 1, pct_start=0.05)
    shown = []
    for step in range(1, args.steps + 1):
        pick = torch.randint(len(rows), (BATCH,))
        loss, *right = naming.losses(projector(rows[pick].float().to(args.device)), concepts[pick])
        adam.zero_grad()
        loss.backward()
        adam.step(), schedule.step()
        shown.append([float(f.detach()) for f in (loss, *right)])
        if len(shown) == 50:
            figures = [round(sum(f) / len(f), 3) for f in zip(*shown)]
            print(f"step {step}: loss, distance, share of names right {figures}, {time.time() - begin:.0f} s", flush=True)
            shown = []
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({**state, "projector": projector.cpu().state_dict()}, args.out)


if __name__ == "__main__":
    main()
