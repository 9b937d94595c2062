"""Stage 3: Partial LoRA (and the projector) learn, through the frozen language model, to answer questions about image rows.

usage: python train_bridge.py --data DATA --pool POOL --base DIR --out RUN/read --pictures 8000
       python train_bridge.py ... --out RUN/bridge --tower RUN/tower/latest.pt --start RUN/read/latest.pt --pictures 8000

Without --tower the image rows are those that tell the names, disturbed: the skill of reading, learnt while the tower is still
training. With it they are the tower's own rows through the projector. Goes on where it stopped, like train_tower.py.
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
from packing import four_pictures, one_picture, pack
from pool import Pool
from questions import ANSWER_PICTURE, ASK_PICTURE, END, LETTERS, MIDDLE, SENTENCES, Questions
from tower import Projector, Tower, normalise
from train_tower import owned
from training import Run, rate_at
from words import common_concepts, load_index, with_article

WARM_UP = 80             # pictures
END_WEIGHT = 0.15        # of the end token's loss: it is easy and would outweigh the words
PROJECTOR_SHARE = 0.4    # of the learning rate
FEW_ROWS = (9, 18, 36)   # of a picture, where one pictogram is certain
BLENDED = 0.5            # the largest share of another picture in a picture's rows
NAMED = 8                # pictures of a step that only names
SENTENCES_OF_CHOICE = 5


class NamedRows:
    """Image rows as a perfect tower would give them, disturbed: wrong concepts, blends with the picture's mean, noise."""

    def __init__(self, words, embedding):
        self.table, self.device = words.rows(embedding.cpu()), embedding.device

    def parameters(self):
        return []

    def rows(self, pixels, owner, slots):
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

    def __init__(self, state, hidden, device):
        part = lambda prefix: {k.removeprefix(prefix): v for k, v in state["model"].items() if k.startswith(prefix)}
        self.tower = Tower.from_config(state["config"])
        self.tower.load_state_dict(part("tower."))
        self.tower.requires_grad_(False).eval()
        self.projector = Projector.of(state["projector"])
        self.device = device
        self.tower.to(device), self.projector.to(device)

    def parameters(self):
        return list(self.projector.parameters())

    def rows(self, pixels, owner, slots):
        with torch.no_grad():
            features = self.tower(normalise(pixels.to(self.device)))
        return self.projector(features)


class Examples:
    """Training pictures from the pool whose pictograms are all to be seen. `turn`: the shard that is being read."""

    def __init__(self, pool, turn, singles):
        """singles: share of pictures of several pictograms that is left out."""
        self.turn, self.singles = turn, singles
        self.batches = pool.batches(turn, 1)

    def take(self, n, single=False):
        """(pixels, owner, slots, shown): shown lists concepts from left to right."""
        parts, shown = [], []
        while len(parts) < n:
            self.turn, (pixels, owner, slots) = next(self.batches)
            there = [s for s in range(slots.shape[1]) if slots[0, s] >= 0]
            if not all((owner[0] == s).any() for s in there) or len(there) > 1 and (single or random.random() < self.singles):
                continue
            column = lambda s: (owner[0] == s).nonzero().float().remainder(int(owner.shape[1] ** 0.5)).mean()
            parts.append((pixels, owner, slots))
            shown.append([int(slots[0, s]) for s in sorted(there, key=column)])
        return *(torch.cat(p) for p in zip(*parts)), shown


def answer_loss(language, ids, positions, mask, targets, spans, rows, end):
    """(loss, which answer tokens are right, the answer tokens)."""
    ids, positions, mask, targets = (t.to(rows.device) for t in (ids, positions, mask, targets))
    x = language.embedding[ids.clamp(min=0)]
    x[ids == -1] = rows.flatten(0, -2)
    at = targets >= 0
    logits, wanted = language.logits(language(x, positions, mask, spans)[at]), targets[at]
    weight = torch.where(wanted == end, END_WEIGHT, 1.0)
    loss = (F.cross_entropy(logits, wanted, reduction="none") * weight).sum() / weight.sum()
    return loss, logits.detach().argmax(1) == wanted, wanted


def part_of(rows):
    """The same few of each picture's rows, [n, k, hidden], drawn anew: all rows of a picture of one pictogram tell the same."""
    return rows[:, torch.randperm(rows.shape[1])[:random.choice(FEW_ROWS)].sort().values]


def blended(rows, slots):
    """Rows of some pictures, with a smaller share of another picture's: what the tower makes of pictures that it is unsure of. Those of one
    pictogram only."""
    single = (slots[:, 1] < 0).to(rows.device)
    other = torch.randperm(len(rows))
    share = BLENDED * torch.rand(len(rows), 1, 1) * (torch.rand(len(rows), 1, 1) < 0.6) * (0.5 + 0.5 * torch.rand(len(rows), rows.shape[1], 1))
    share = share.to(rows.device) * (single & single[other])[:, None, None]
    return rows * (1 - share) + rows[other] * share


def naming(words, source, examples, questions):
    """(rows, sets of one question each) of pictures that are only to be named: more names in less time."""
    pixels, owner, slots, shown = examples.take(NAMED, single=True)
    return part_of(blended(source.rows(pixels, owner, slots), slots)), [[questions.name(s)] for s in shown]


def picture_choices(words, source, examples):
    """(rows, sets) of choices among four pictures, twice: some sentences for each group."""
    pixels, owner, slots, shown = examples.take(8, single=True)
    sentence = lambda concept: random.choice(SENTENCES).format(with_article(words.names[concept]))
    ask = lambda concept: ASK_PICTURE.format(sentence(concept)) + MIDDLE + ANSWER_PICTURE
    sets = [[(ask(shown[at + r][0]), f" {LETTERS[r]}") for r in random.choices(range(4), k=SENTENCES_OF_CHOICE)] for at in (0, 4)]
    return part_of(source.rows(pixels, owner, slots)), sets


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--pool", required=True)
    parser.add_argument("--base", required=True)
    parser.add_argument("--tower", help="state of train_tower.py")
    parser.add_argument("--start", type=Path, help="state of an earlier run of this script")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=8000)
    parser.add_argument("--cool-down", type=int, default=2000, help="pictures")
    parser.add_argument("--common", action="store_true", help="only the common concepts")
    parser.add_argument("--shards", type=int, default=32)
    parser.add_argument("--first", type=int, default=0, help="the first shard's number")
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--batch", type=int, default=2, help="pictures, each with about eight questions")
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--singles", type=float, default=0.4, help="share of pictures of several pictograms that is left out")
    parser.add_argument("--choices", type=float, default=0.0, help="share of steps that choose among four pictures")
    parser.add_argument("--naming", type=float, default=0.0, help="share of steps that only name pictures")
    parser.add_argument("--brief", type=float, default=0.5, help="share of yes/no and A-D questions in few words")
    parser.add_argument("--languages", nargs="*", default=["zh"], help="of names, besides English")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="or cuda")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.backends.mkldnn.enabled = False
    base = Base(fetch(args.base))
    index = load_index(args.data)
    concepts = index["concepts"]
    chosen = common_concepts(index) if args.common else None
    words = Words(concepts, base.tokenizer_json())
    language, run = Language(base, args.rank).to(args.device), Run(args.out)
    load = lambda path: torch.load(path, map_location="cpu", weights_only=False)
    source = TowerRows(load(args.tower), base.hidden, args.device) if args.tower else NamedRows(words, language.embedding)
    groups = [{"params": list(language.parameters()), "base": args.rate}]
    if source.parameters():
        groups.append({"params": source.parameters(), "base": args.rate * PROJECTOR_SHARE})
    adam = torch.optim.AdamW(groups, lr=args.rate, betas=(0.9, 0.97), weight_decay=0.0)
    seen = turn = 0
    state = run.load(args.pictures, args.cool_down)
    if state:
        adam.load_state_dict(state["adam"])
        seen, turn = state["seen"], state["turn"] + 1
    elif args.start:
        state = load(args.start)
    if state:
        language.load_state_dict(state["plora"])
        if args.tower and state["projector"]:
            source.projector.load_state_dict(state["projector"])
    torch.manual_seed(args.seed + seen), random.seed(args.seed + seen)
    examples = Examples(Pool(args.pool, args.shards, chosen, args.first), turn, args.singles)
    questions = Questions(words, concepts, languages=args.languages, seed=args.seed + seen, chosen=chosen, brief=args.brief)
    end = words.ids("<|im_end|>")[0]
    kinds = {t: kind for kind, spellings in (("yes_no", ("Yes", "No")), ("letter", LETTERS)) for s in spellings for t in words.ids(s)}
    save = lambda name: run.save(name, {
        "plora": language.state_dict(), "projector": source.projector.state_dict() if args.tower else None, "adam": adam.state_dict(),
        "seen": seen, "turn": examples.turn, "total": args.pictures, "cool_down": args.cool_down, "rank": args.rank})
    tally, saved, asked = defaultdict(list), time.time(), 0
    while seen < args.pictures:
        factor = rate_at(seen, args.pictures, WARM_UP, args.cool_down)
        for group in adam.param_groups:
            group["lr"] = group["base"] * factor
        before = seen
        drawn = random.random()
        turn_of = lambda pairs: [(question + MIDDLE, answer + END) for question, answer in pairs]
        if drawn < args.choices:
            rows, sets = picture_choices(words, source, examples)
            front = four_pictures(words, rows.shape[1])
        elif drawn < args.choices + args.naming:
            rows, sets = naming(words, source, examples, questions)
            front, sets = one_picture(words, rows.shape[1]), list(map(turn_of, sets))
        else:
            pixels, owner, slots, shown = examples.take(args.batch)
            rows = blended(source.rows(pixels, owner, slots), slots)
            front, sets = one_picture(words, rows.shape[1]), [turn_of(questions.set_for(s)) for s in shown]
        loss, right, wanted = answer_loss(language, *pack(words, front, sets), rows, end)
        is_choice = drawn < args.choices
        for r, w in zip(right.float().tolist(), wanted.tolist()):
            tally["picture" if is_choice else "end" if w == end else kinds.get(w, "words")].append(r)
        seen, asked = seen + len(rows), asked + sum(map(len, sets))
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for group in groups for p in group["params"]], 1.0)
        adam.step()
        tally["loss"].append(float(loss.detach()))
        if before < args.pictures - args.cool_down <= seen:
            save("level.pt")
        if before // 100 != seen // 100:
            run.log(pictures=seen, asked=asked, **{k: round(sum(v) / len(v), 3) for k, v in sorted(tally.items())})
            tally.clear()
        if time.time() - saved > 180 or seen >= args.pictures:
            save("latest.pt")
            saved = time.time()


if __name__ == "__main__":
    main()
