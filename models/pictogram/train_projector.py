"""Between the stages: the projector alone learns to spell from the finished tower's rows, which is cheap as these are computed once.

usage: python train_projector.py --data DATA --pool POOL --base DIR --tower RUN/tower/latest.pt --out RUN/projector/latest.pt [--common]
"""
import argparse
import time
from pathlib import Path

import torch

from base import Base, fetch
from pictures import Library
from pool import Pool
from tower import normalise
from train_tower import TowerTraining
from words import Words, common_concepts

BATCH, RATE = 128, 2e-3


@torch.no_grad()
def tower_rows(model, pool, shards, device):
    """[(rows, owner, slots)] of the pool's pictures, one for each shard; rows [n, patches, width] float16 to keep them small."""
    out = []
    for turn in range(shards):
        pixels, owner, slots = pool.shard(turn)
        rows = torch.cat([model.tower(normalise(part.to(device))).half().cpu() for part in pixels.split(BATCH)])
        out.append((rows, owner, slots))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--pool", required=True)
    parser.add_argument("--base", required=True)
    parser.add_argument("--tower", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--common", action="store_true", help="only the common concepts")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="or cuda")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.backends.mkldnn.enabled = False
    torch.manual_seed(0)
    base, library = Base(fetch(args.base)), Library(args.data)
    words = Words(library.concepts, base.tokenizer_json())
    state = torch.load(args.tower, map_location="cpu", weights_only=False)
    config = state["config"]
    args.size, args.width, args.layers = config["image_size"], config["hidden_size"], config["num_hidden_layers"]
    model = TowerTraining(args, len(library.concepts), words, torch.from_numpy(base.embedding()))
    model.load_state_dict(state["model"], strict=False)
    model.to(args.device).eval()
    cached = tower_rows(model, Pool(args.pool, args.shards, common_concepts(library.index) if args.common else None), args.shards, args.device)
    steps = args.epochs * sum(len(slots) // BATCH for _, _, slots in cached)
    print(sum(len(slots) for _, _, slots in cached), "pictures,", steps, "steps", flush=True)
    sample = cached[0][0].float().flatten(0, 1)
    model.projector.standardise(sample.to(args.device))
    adam = torch.optim.AdamW(model.projector.parameters(), RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, total_steps=steps + 1, pct_start=0.05)
    begin, done, shown = time.time(), 0, []
    for epoch in range(args.epochs):
        for rows, owner, slots in cached:
            order = torch.randperm(len(slots))
            for pick in order.split(BATCH):
                if len(pick) < BATCH:
                    continue
                part = [t[pick].to(args.device) for t in (rows, owner, slots)]
                where = torch.arange(owner.shape[1], device=args.device).expand(BATCH, -1)
                loss, distance = model.spelling(part[0].float(), where, part[1], part[2])
                adam.zero_grad()
                (loss + 0.5 * distance).backward()
                adam.step(), schedule.step()
                shown.append(float(loss.detach()))
                done += 1
                if done % 100 == 0:
                    print(f"step {done}, spelling {sum(shown) / len(shown):.3f}, {time.time() - begin:.0f} s", flush=True)
                    shown = []
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({**state, "model": model.state_dict()}, args.out)


if __name__ == "__main__":
    main()
