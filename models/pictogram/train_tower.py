"""Stage 1: the tower learns to tell the concepts apart.

usage: python train_tower.py --data DATA --pool POOL --out RUN/tower --pictures 600064 [--cool-down 120064] [--common]

One linear head tells the concept from the mean of a pictogram's rows, and, from --rows-from on, from single rows too: the language model reads
rows, not their mean. Almost half of the patches, mostly background, are left out of each picture before the way down; then all take part. Goes
on where it stopped; raising --pictures later goes on from before the way down.
"""
import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from pictures import Library
from pool import Pool
from tower import Tower, normalise
from training import Muon, Run, rate_at
from words import common_concepts

KEPT = 20          # patches of 36 that take part before the way down
GRADED = 12        # rows of a picture that are graded one by one
WARM_UP = 4000     # pictures
MUON_RATE, ADAM_RATE = 0.02, 2e-3


class TowerTraining(torch.nn.Module):
    def __init__(self, args, concepts):
        super().__init__()
        self.tower = Tower(args.size, args.width, args.layers, args.width // 64, 4 * args.width)
        self.head = torch.nn.Sequential(torch.nn.BatchNorm1d(args.width, affine=False), torch.nn.Linear(args.width, concepts))

    def parameter_groups(self):
        matrices = [p for block in self.tower.blocks for p in block.parameters() if p.ndim == 2]
        known = {id(p) for p in matrices}
        return matrices, [p for p in self.parameters() if id(p) not in known]

    def losses(self, pixels, owner, slots, kept, by_rows):
        """pixels [n, 3, size, size] normalised; owner [n, patches] (slot or -1); slots [n, 3] (concept or -1); kept [n, k] patches or
        None. Returns (loss, shares of concepts told right by means and, if `by_rows`, by single rows)."""
        rows = self.tower(pixels, kept)
        where = torch.arange(owner.shape[1], device=owner.device).expand_as(owner) if kept is None else kept
        owner = owner.gather(1, where)
        is_single = slots[:, 1] < 0
        # concepts: from each pictogram's own rows, and from all rows of a picture of one
        pooled, weight = means_of(rows, owner, slots.shape[1])
        is_there = (weight > 0) & (slots >= 0)
        logits = self.head(torch.cat([pooled[is_there], rows[is_single].mean(1)]))
        target = torch.cat([slots[is_there], slots[is_single][:, 0]])
        concept_loss = F.cross_entropy(logits, target, label_smoothing=0.05)
        right = float((logits.detach().argmax(1) == target).float().mean())
        if not by_rows:
            return concept_loss, right, 0.0
        own, graded = graded_rows(owner, slots)
        is_thing = own >= 0
        concept = slots.gather(1, own.clamp(min=0))[is_thing]
        logits = self.head(rows.gather(1, graded[..., None].expand(-1, -1, rows.shape[2]))[is_thing])
        right_rows = float((logits.detach().argmax(1) == concept).float().mean())
        return concept_loss + F.cross_entropy(logits, concept, label_smoothing=0.05), right, right_rows


def means_of(rows, owner, slots):
    """The mean row of each pictogram, and of how many. rows [n, k, width]; owner [n, k], -1: nobody's -> [n, slots, width], [n, slots]."""
    member = F.one_hot(owner + 1, slots + 1)[..., 1:].float()
    weight = member.sum(1)
    return torch.einsum("bps,bpw->bsw", member, rows) / weight.clamp(min=1)[..., None], weight


def owned(owner, slots):
    """Whose rows are: a picture of one pictogram is its everywhere. owner [n, k] -> slots [n, k], -1: nobody's."""
    return torch.where(slots[:, 1:2] < 0, 0, owner)


def graded_rows(owner, slots):
    """Some rows of each picture. (slots [n, k], -1: nobody's; columns [n, k])"""
    graded = torch.rand(owner.shape, device=owner.device).topk(GRADED, 1).indices
    return owned(owner, slots).gather(1, graded), graded


@torch.no_grad()
def accuracy(model, library, rows, size):
    """Share of pictures, as files on white, whose concept is the first of all."""
    model.eval()
    right = 0
    for at in range(0, len(rows), 100):
        part = rows[at:at + 100]
        logits = model.head(model.tower(library.plain(part, size).to(model.tower.cls.device)).mean(1))
        right += int((logits.argmax(1).cpu() == library.concept[part]).sum())
    model.train()
    return round(right / len(rows), 4)


def evaluation_rows(library, index):
    """Rows of common concepts: all in the held-out design, and every fourth in Noto."""
    common = common_concepts(index)
    in_design = lambda design: {int(library.concept[r]): r for r, d in enumerate(library.design) if d == design}
    held_out, noto = in_design("openmoji"), in_design("noto")
    return [held_out[c] for c in common if c in held_out], [noto[c] for c in common if c in noto][::4]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--pool", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=600_000)
    parser.add_argument("--cool-down", type=int, default=120_000, help="pictures")
    parser.add_argument("--rows-from", type=int, default=150_000, help="pictures")
    parser.add_argument("--common", action="store_true", help="only the common concepts: the first part of a long training")
    parser.add_argument("--shards", type=int, default=32)
    parser.add_argument("--first", type=int, default=0, help="the first shard's number")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--size", type=int, default=84)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="or cuda")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.backends.mkldnn.enabled = False  # MKL's own float32 product is 15-25 % faster on AVX2
    torch.manual_seed(0)
    library = Library(args.data)
    pool, run = Pool(args.pool, args.shards, common_concepts(library.index) if args.common else None, args.first), Run(args.out)
    model = TowerTraining(args, len(library.concepts))
    model.tower.initialise(normalise(pool.shard(0)[0][:400]))
    model.to(args.device)
    matrices, others = model.parameter_groups()
    muon, adam = Muon(matrices, MUON_RATE), torch.optim.AdamW(others, ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    seen = turn = 0
    if state := run.load(args.pictures, args.cool_down):
        model.load_state_dict(state["model"]), muon.load_state_dict(state["muon"]), adam.load_state_dict(state["adam"])
        seen, turn = state["seen"], state["turn"]
        print("going on at", seen)
    print("parameters:", sum(p.numel() for p in model.tower.parameters()), flush=True)
    held_out, noto = evaluation_rows(library, library.index)
    level_end = args.pictures - args.cool_down
    save = lambda name: run.save(name, {"model": model.state_dict(), "muon": muon.state_dict(), "adam": adam.state_dict(), "seen": seen, "turn": turn,
                                        "total": args.pictures, "cool_down": args.cool_down, "config": model.tower.config})
    shown, last_eval, begin, first = [], time.time(), time.time(), seen
    for turn, batch in pool.batches(turn, args.batch):
        if seen >= args.pictures:
            break
        pixels, owner, slots = (part.to(args.device) for part in batch)
        factor = rate_at(seen, args.pictures, WARM_UP, args.cool_down)
        for optimiser, rate in ((muon, MUON_RATE), (adam, ADAM_RATE)):
            for group in optimiser.param_groups:
                group["lr"] = rate * factor
        kept = ((owner >= 0).float() + torch.rand(owner.shape, device=args.device)).topk(KEPT, 1).indices if seen < level_end else None
        loss, right, right_rows = model.losses(normalise(pixels), owner, slots, kept, seen >= args.rows_from)
        muon.zero_grad(), adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        muon.step(), adam.step()
        before, seen = seen, seen + args.batch
        shown.append((right, right_rows))
        if before < level_end <= seen:
            save("level.pt")
        if len(shown) == 40:
            right, by_rows = (round(sum(s[i] for s in shown) / len(shown), 3) for i in (0, 1))
            print(f"{seen} pictures, {(seen - first) / (time.time() - begin):.0f} a second, right {right}, by single rows {by_rows}", flush=True)
            shown = []
        if time.time() - last_eval > 240 or seen >= args.pictures:
            save("latest.pt")
            run.log(pictures=seen, openmoji=accuracy(model, library, held_out, args.size), noto=accuracy(model, library, noto, args.size))
            last_eval = time.time()


if __name__ == "__main__":
    main()
