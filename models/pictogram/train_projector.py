"""Stage 2: the tower's last blocks and the projector learn to tell the concepts' names, rows of the language model, from what the finished tower
sees. The blocks before them are computed once.

usage: python train_projector.py --data DATA --pool POOL --base DIR --tower RUN/tower/latest.pt --out RUN/projector/latest.pt [--common]

What a pictogram's rows are to tell is what the finished tower's head makes of their mean, right or wrong: where the tower is unsure, the truth
would teach a blend of names, which the language model cannot read. Blends of two pictures are among the examples, so that many are unsure.
The projector begins as a table: one inner unit for each concept, open where the tower's head sees it, gives the row of its name (naming.py). How
near the rows come matters as much as that they are the nearest: the language model reads what lies beside them too.
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
from train_tower import evaluation_rows, means_of, owned
from training import module_state
from words import common_concepts

BATCH = 48         # pictures
RATE, BLOCKS_RATE = 1e-3, 3e-4
SHARPNESS = 24.0   # of the comparison of directions
DISTANCE_WEIGHT = 4.0
BLENDED = 0.4      # share of pictures that are blends of two


@torch.no_grad()
def blended(pixels, owner, slots):
    """Some pictures of one pictogram become blends with others of one."""
    singles = (slots[:, 1] < 0).nonzero().flatten()
    some = singles[torch.rand(len(singles)) < BLENDED]
    others = singles[torch.randint(len(singles), (len(some),))]
    share = 0.5 + 0.3 * torch.rand(len(some), 1, 1, 1)
    pixels = pixels.clone()
    pixels[some] = (share * pixels[some] + (1 - share) * pixels[others]).round().byte()
    return pixels, owner, slots


@torch.no_grad()
def seen_by(tower, head, last, chosen, pool, shards, device):
    """Of the pool's first pictures: what goes into the tower's last blocks, float16 [n, 1 + patches, width]; the concepts that the tower
    tells of each row's pictogram [n, patches], -1: nobody's."""
    allowed = torch.full((head[1].out_features,), float("-inf"), device=device)
    allowed[chosen] = 0
    inner, told = [], []
    for turn in range(shards):
        pixels, owner, slots = blended(*pool.shard(turn))
        for at in range(0, len(pixels), 128):
            x = tower.embed(normalise(pixels[at:at + 128].to(device)))
            for block in tower.blocks[:-last]:
                x = block(x)
            inner.append(x.half().cpu())
            for block in tower.blocks[-last:]:
                x = block(x)
            own = owned(owner[at:at + 128], slots[at:at + 128]).to(device)
            means, _ = means_of(x[:, 1:], own, slots.shape[1])
            concept = (head(means.flatten(0, 1)) + allowed).argmax(1).view(means.shape[:2])
            told.append(torch.where(own >= 0, concept.gather(1, own.clamp(min=0)), -1).cpu())
    return torch.cat(inner), torch.cat(told)


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
        logits = SHARPNESS * self.likeness(out)
        return F.cross_entropy(logits, right) + DISTANCE_WEIGHT * distance, distance, (logits.argmax(1) == right).float().mean()

    def likeness(self, out):
        """Cosines with the names' rows: [n, known]."""
        return F.normalize(out, dim=1) @ self.directions.T


@torch.no_grad()
def held_out_names(tower, projector, naming, library, rows):
    """(Share of single rows nearest to the picture's name, mean squared distance from the nearest name in units of the rows.)"""
    out, concept = [], []
    for at in range(0, len(rows), 100):
        part = rows[at:at + 100]
        out.append(projector(tower(library.plain(part, tower.config["image_size"]).to(naming.rows.device))))
        concept.append(library.concept[part].to(naming.rows.device))
    out, concept = torch.cat(out), torch.cat(concept)
    nearest = naming.known.to(out.device)[naming.likeness(out.flatten(0, 1)).argmax(1)].view(out.shape[:2])
    wanted = naming.rows[nearest]
    return float((nearest == concept[:, None]).float().mean()), float((out - wanted).pow(2).mean() / wanted.pow(2).mean())


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
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--blocks", type=int, default=2, help="of the tower that are trained on")
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
    tower = Tower.from_config(state["config"])
    tower.load_state_dict(module_state(state["model"], "tower."))
    width = state["config"]["hidden_size"]
    head = torch.nn.Sequential(torch.nn.BatchNorm1d(width, affine=False), torch.nn.Linear(width, len(library.concepts))).eval()
    head.load_state_dict(module_state(state["model"], "head."))
    last = args.blocks
    begin = time.time()
    pool = Pool(args.pool, args.shards, chosen if args.common else None, args.first)
    inner, concepts = seen_by(tower.to(args.device).eval(), head.to(args.device), last, torch.tensor(chosen), pool, args.shards, args.device)
    naming = Naming(words, torch.from_numpy(base.embedding()), chosen, args.device)

    def rows(pick):
        x = inner[pick].float().to(args.device)
        for block in tower.blocks[-last:]:
            x = block(x)
        return x[:, 1:].flatten(0, 1)

    with torch.no_grad():
        sample = rows(torch.randperm(len(inner))[:600])
    projector = table(naming, chosen, head, sample).to(args.device)
    print(f"{len(inner)} pictures after {time.time() - begin:.0f} s", flush=True)
    tower.requires_grad_(False)
    blocks = list(tower.blocks[-last:].requires_grad_(True).parameters())
    adam = torch.optim.Adam([{"params": projector.parameters(), "lr": RATE}, {"params": blocks, "lr": BLOCKS_RATE}], betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, [RATE, BLOCKS_RATE], total_steps=args.steps + 1, pct_start=0.05)
    held_out = evaluation_rows(library, library.index)[0]
    shown = []
    for step in range(1, args.steps + 1):
        pick = torch.randint(len(inner), (BATCH,))
        loss, *right = naming.losses(projector(rows(pick)), concepts[pick].flatten())
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(blocks, 1.0)
        adam.step(), schedule.step()
        shown.append([float(f.detach()) for f in (loss, *right)])
        if step % 50 == 0:
            figures = [round(sum(f) / len(f), 3) for f in zip(*shown)]
            print(f"step {step}: loss, distance, share of names right {figures}, {time.time() - begin:.0f} s", flush=True)
            shown = []
        if step % 500 == 0 or step == args.steps:
            near, distance = held_out_names(tower, projector, naming, library, held_out)
            print(f"OpenMoji: name by single rows {near:.3f}, distance from the nearest name {distance:.3f}", flush=True)
            save = {**state["model"], **{f"tower.{k}": v.cpu() for k, v in tower.state_dict().items()}}
            args.out.parent.mkdir(parents=True, exist_ok=True)
            torch.save({**state, "model": save, "projector": {k: v.cpu() for k, v in projector.state_dict().items()}}, args.out)


if __name__ == "__main__":
    main()
