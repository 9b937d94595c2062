"""Stage 3: Partial LoRA (and the projector) learn, through the frozen language model, to answer questions about image rows.

usage: python train_bridge.py --data DATA --pool POOL --base DIR --out RUN/read --steps 1500
       python train_bridge.py ... --out RUN/bridge --tower RUN/projector/latest.pt --start RUN/read/latest.pt --steps 1500
       python train_bridge.py ... --out RUN/more --tower shipped --start shipped

Without --tower the image rows are those that tell the names, disturbed: the skill of reading, learnt while the tower is still
training. With it they are the tower's own rows through the projector, and in some steps named ones. Goes on where it stopped, like
train_tower.py. Products are computed in bfloat16 with --bfloat16 (CPUs with AMX, GPUs), compiled with --compile: together five times as fast as
without, on one core with AMX.
"""
import argparse
import random
import time
from collections import defaultdict
from pathlib import Path

import torch
import torch.nn.functional as F

from base import Base, fetch
from language import Language
from naming import Words
from packing import ROW, four_pictures, one_picture, pack
from pool import Pool
from questions import ANSWER_PICTURE, ASK_PICTURE, END, LETTERS, MIDDLE, SENTENCES, Questions
from shipped import shipped, vision_config
from tower import Projector, Tower, normalise
from train_tower import owned
from training import Run, module_state, rate_at
from words import common_concepts, load_index, with_article

WARM_UP = 40             # steps
END_WEIGHT = 0.15        # of the end token's loss: it is easy and would outweigh the words
PROJECTOR_SHARE = 0.4    # of the learning rate
BLENDED = 0.5            # the largest share of another picture in a picture's rows
# Of the two kinds of step: (image rows of a picture, examples of a batch, tokens of an example, share of steps). All rows of a picture of one
# pictogram tell the same, so that mostly a few of them do.
ONE_PICTURE = [(9, 10, 128, 0.65), (36, 9, 152, 0.35)]
FOUR_PICTURES = [(9, 14, 96, 0.8), (36, 6, 200, 0.2)]
TEXT = 24                # tokens of the text of a choice
SURE, SURE_KEPT = 0.9, 0.4  # share of a picture's rows that tell it; share of such pictures that is trained on


class NamedRows:
    """Image rows as a perfect tower would give them, disturbed: wrong concepts, blends with the picture's mean, noise."""

    def __init__(self, words, embedding):
        self.table, self.device = words.rows(embedding.cpu()), embedding.device

    def rows(self, features, owner, slots):
        """float32 [n, patches, hidden]."""
        n, patches = owner.shape
        slot = owned(owner, slots)
        concept = torch.where(slot >= 0, slots.gather(1, slot.clamp(min=0)), -1)
        is_wrong = torch.rand(concept.shape) < 0.12 * torch.rand(n, 1)
        concept = torch.where(is_wrong, torch.randint(len(self.table), concept.shape), concept)
        rows = self.table[concept]
        blend = 0.5 * torch.rand(n, patches, 1) ** 2
        rows = rows * (1 - blend) + blend * rows.mean(1, keepdim=True)
        return (rows + torch.randn(rows.shape) * 0.03 * torch.rand(n, 1, 1)).to(self.device)


class TowerRows:
    """Image rows from a trained tower (frozen) through the projector (trained on)."""

    def __init__(self, tower, config, projector, names, device):
        """States of tower.Tower and tower.Projector; names: the rows that tell names, the last one nobody's."""
        self.tower = Tower.from_config(config)
        self.tower.load_state_dict(tower)
        self.tower.requires_grad_(False).eval()
        self.projector = Projector.of(projector)
        self.device, self.names = device, F.normalize(names, dim=1).to(device)
        self.tower.to(device), self.projector.to(device)

    def parameters(self):
        return list(self.projector.parameters())

    @torch.no_grad()
    def features(self, pixels):
        """uint8 [n, 3, size, size] -> [n, patches, width]."""
        return torch.cat([self.tower(normalise(part.to(self.device))) for part in pixels.split(128)])

    def rows(self, features, owner, slots):
        return self.projector(features)

    @torch.no_grad()
    def is_sure(self, features, slots):
        """Of pictures of one pictogram: whether almost all of their rows tell it. bool [n]."""
        told = [(F.normalize(self.projector(part), dim=2) @ self.names.T).argmax(2) for part in features.split(128)]
        return ((torch.cat(told).cpu() == slots[:, :1]).float().mean(1) > SURE) & (slots[:, 1] < 0)


class Examples:
    """Training pictures from the pool whose pictograms are all to be seen, without most of those that a tower is sure of: what is to be learnt
    is what to make of its doubts. `turn`: the shard that is being read."""

    def __init__(self, pool, turn, singles, tower=None):
        """singles: share of pictures of several pictograms that is left out; tower: a TowerRows."""
        self.pool, self.turn, self.singles, self.tower = pool, turn - 1, singles, tower
        self.left = iter(())
        self.patches = pool.shard(turn)[1].shape[1]

    def take(self, n, single=False):
        """(features, owner, slots, shown): features from the tower; shown lists concepts from left to right."""
        parts, shown = [], []
        while len(parts) < n:
            example = next(self.left, None)
            if example is None:
                self.turn += 1
                self.left = self._shard()
                continue
            _, owner, slots, is_sure = example
            there = [s for s in range(slots.shape[1]) if slots[0, s] >= 0]
            if (not all((owner[0] == s).any() for s in there) or is_sure and random.random() > SURE_KEPT
                    or len(there) > 1 and (single or random.random() < self.singles)):
                continue
            column = lambda s: (owner[0] == s).nonzero().float().remainder(int(owner.shape[1] ** 0.5)).mean()
            parts.append(example[:3])
            shown.append([int(slots[0, s]) for s in sorted(there, key=column)])
        return *(torch.cat(p) for p in zip(*parts)), shown

    def _shard(self):
        pixels, owner, slots = self.pool.shard(self.turn)
        features = self.tower.features(pixels) if self.tower else torch.zeros(len(pixels), 1)
        is_sure = self.tower.is_sure(features, slots) if self.tower else torch.zeros(len(pixels), dtype=torch.bool)
        if self.tower:
            print(f"shard {self.turn}: sure of {float(is_sure.float().mean()):.2f}", flush=True)
        return zip(features.split(1), owner.split(1), slots.split(1), is_sure.tolist())


def answer_loss(language, ids, positions, mask, targets, spans, rows, end):
    """(loss, which answer tokens are right, the answer tokens)."""
    ids, positions, mask, targets = (t.to(rows.device) for t in (ids, positions, mask, targets))
    x = language.embedding[ids.clamp(min=0)]
    x[ids == ROW] = rows.flatten(0, -2)
    at = targets >= 0
    logits, wanted = language.logits(language(x, positions, mask, spans)[at]), targets[at]
    weight = torch.where(wanted == end, END_WEIGHT, 1.0)
    loss = (F.cross_entropy(logits, wanted, reduction="none") * weight).sum() / weight.sum()
    return loss, logits.detach().argmax(1) == wanted, wanted


def part_of(rows, count):
    """The same few of each picture's rows, [n, count, hidden], drawn anew."""
    return rows[:, torch.randperm(rows.shape[1])[:count].sort().values]


def blended(rows, slots):
    """Rows of some pictures, with a smaller share of another picture's: what the tower makes of pictures that it is unsure of. Those of one
    pictogram only."""
    single = (slots[:, 1] < 0).to(rows.device)
    other = torch.randperm(len(rows))
    share = BLENDED * torch.rand(len(rows), 1, 1) * (torch.rand(len(rows), 1, 1) < 0.6) * (0.5 + 0.5 * torch.rand(len(rows), rows.shape[1], 1))
    share = share.to(rows.device) * (single & single[other])[:, None, None]
    return rows * (1 - share) + rows[other] * share


def one_picture_step(words, source, examples, questions, image_rows, batch, length):
    """(packed batch, spans, rows) of questions about single pictures."""
    features, owner, slots, shown = examples.take(batch, single=image_rows < examples.patches)
    rows = part_of(blended(source.rows(features, owner, slots), slots), image_rows)
    front, spans = one_picture(words, rows.shape[1])
    sets = [[(question + MIDDLE, answer + END) for question, answer in questions.set_for(s)] for s in shown]
    return pack(words, [front] * batch, sets, length), spans, rows


def four_pictures_step(words, source, examples, questions, image_rows, batch, length):
    """(packed batch, spans, rows) of choices among four pictures."""
    fronts, sets, taken = [], [], []
    while len(fronts) < batch:
        *pictures, shown = examples.take(len(LETTERS), single=True)
        concepts = [s[0] for s in shown]
        right = random.randrange(len(LETTERS))
        sentence = random.choice(SENTENCES).format(with_article(words.names[concepts[right]]))
        front = four_pictures(words, image_rows, sentence, TEXT)
        if front and all(questions.differ(concepts[right], c) for i, c in enumerate(concepts) if i != right):
            fronts.append(front[0]), taken.append(pictures)
            sets.append([(ASK_PICTURE + MIDDLE + ANSWER_PICTURE, f" {LETTERS[right]}")])
    rows = source.rows(*(torch.cat(parts) for parts in zip(*taken)))
    return pack(words, fronts, sets, length), front[1], part_of(blended(rows, torch.cat([t[2] for t in taken])), image_rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--pool", required=True)
    parser.add_argument("--base", required=True)
    parser.add_argument("--tower", help="state of train_projector.py, or `shipped`")
    parser.add_argument("--start", help="state of an earlier run of this script, or `shipped`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--cool-down", type=int, default=400, help="steps")
    parser.add_argument("--common", action="store_true", help="only the common concepts")
    parser.add_argument("--shards", type=int, default=6)
    parser.add_argument("--first", type=int, default=0, help="the first shard's number")
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--singles", type=float, default=0.4, help="share of pictures of several pictograms that is left out")
    parser.add_argument("--choices", type=float, default=0.35, help="share of steps that choose among four pictures")
    parser.add_argument("--named", type=float, default=0.3, help="share of steps on named rows, with a tower")
    parser.add_argument("--brief", type=float, default=0.4, help="share of yes/no and A-D questions in few words")
    parser.add_argument("--languages", nargs="*", default=["zh"], help="of names, besides English")
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="or cuda")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.backends.mkldnn.enabled = args.bfloat16  # in float32 MKL's own product is 15-25 % faster on AVX2
    base = Base(fetch(args.base))
    index = load_index(args.data)
    concepts = index["concepts"]
    chosen = common_concepts(index) if args.common else list(range(len(concepts)))
    words = Words(concepts, base.tokenizer_json())
    language = Language(base, args.rank, torch.bfloat16 if args.bfloat16 else torch.float32).to(args.device)
    if args.compile:
        torch._dynamo.config.cache_size_limit = 16
        language.layer = torch.compile(language.layer, dynamic=False)
    run, load = Run(args.out), lambda path: torch.load(path, map_location="cpu", weights_only=False)
    named, source = NamedRows(words, language.embedding), None
    shipped_tower, shipped_projector, shipped_plora = shipped(base) if "shipped" in (args.tower, args.start) else (None, None, None)
    if args.tower == "shipped":
        source = TowerRows(shipped_tower, vision_config(), shipped_projector, named.table, args.device)
        with torch.no_grad():
            source.projector.standardise(source.features(Pool(args.pool, args.shards).shard(0)[0][:200]).flatten(0, 1))
    elif args.tower:
        state = load(args.tower)
        source = TowerRows(module_state(state["model"], "tower."), state["config"], state["projector"], named.table, args.device)
    groups = [{"params": list(language.parameters()), "base": args.rate}]
    if source:
        groups.append({"params": source.parameters(), "base": args.rate * PROJECTOR_SHARE})
    adam = torch.optim.AdamW(groups, lr=args.rate, betas=(0.9, 0.97), weight_decay=0.0)
    seen = turn = 0
    state = run.load(args.steps, args.cool_down)
    if state:
        adam.load_state_dict(state["adam"])
        seen, turn = state["seen"], state["turn"] + 1
    elif args.start == "shipped":
        state = {"plora": shipped_plora, "projector": None}
    elif args.start:
        state = load(args.start)
    if state:
        language.load_state_dict(state["plora"])
        if source and state["projector"]:
            source.projector.load_state_dict(state["projector"])
    torch.manual_seed(args.seed + seen), random.seed(args.seed + seen)
    examples = Examples(Pool(args.pool, args.shards, chosen if args.common else None, args.first), turn, args.singles, source)
    questions = Questions(words, concepts, languages=args.languages, seed=args.seed + seen, chosen=chosen, brief=args.brief)
    end = words.ids("<|im_end|>")[0]
    local = [concepts[c]["names"][x]["name"] for x in args.languages for c in chosen if x in concepts[c]["names"]]
    kinds = {t: kind for kind, spellings in (("local", local), ("yes_no", ("Yes", "No")), ("letter", LETTERS), ("picture", [f" {x}" for x in LETTERS]))
             for s in spellings for t in words.ids(s)}
    kinds[end] = "end"
    save = lambda name: run.save(name, {
        "plora": language.state_dict(), "projector": source.projector.state_dict() if source else None, "adam": adam.state_dict(),
        "seen": seen, "turn": examples.turn, "total": args.steps, "cool_down": args.cool_down, "rank": args.rank})
    tally, saved, asked, pictures = defaultdict(list), time.time(), 0, 0
    while seen < args.steps:
        factor = rate_at(seen, args.steps, WARM_UP, args.cool_down)
        for group in adam.param_groups:
            group["lr"] = group["base"] * factor
        is_choice, is_named = random.random() < args.choices, source is None or random.random() < args.named
        step, shapes = (four_pictures_step, FOUR_PICTURES) if is_choice else (one_picture_step, ONE_PICTURE)
        *shape, _ = random.choices(shapes, [share for *_, share in shapes])[0]
        (*batch, packed), spans, rows = step(words, named if is_named else source, examples, questions, *shape)
        loss, right, wanted = answer_loss(language, *batch, spans, rows, end)
        where = "" if is_named else "_seen"
        for r, w in zip(right.float().tolist(), wanted.tolist()):
            tally[kinds.get(w, "words") + where].append(r)
        seen, asked, pictures = seen + 1, asked + packed, pictures + len(rows)
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for group in groups for p in group["params"]], 1.0)
        adam.step()
        tally["loss"].append(float(loss.detach()))
        if seen == args.steps - args.cool_down:
            save("level.pt")
        if seen % 25 == 0:
            run.log(steps=seen, pictures=pictures, asked=asked, **{k: round(sum(v) / len(v), 3) for k, v in sorted(tally.items())})
            tally.clear()
        if time.time() - saved > 180 or seen >= args.steps:
            save("latest.pt")
            saved = time.time()


if __name__ == "__main__":
    main()
