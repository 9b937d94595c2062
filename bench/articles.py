#!/usr/bin/env python3
"""Illustrated articles on 50 titles: how fast, how well formed, and how far the chosen pictures suit their paragraphs.

    bench/articles.py --router HOST:PORT --library DIR [--titles FILE] [--out FILE] [--sheet FILE]

Times: an article alone (its first text, the whole), then eight at once, in turns. Then one article for each title, eight at once, with the
title's number as the seed. Relatedness, for each illustration: how much likelier the paragraph makes the picture's description by the served
model's own text (score_only), log P(description | paragraph) - log P(description), compared with the same of RANDOM pictures drawn from the
library; a random choice would be ranked above another in half of the cases. Beside it, how often a word of the description, or of a keyword,
stands in the paragraph, again against the random pictures. The sheet shows paragraphs with their pictures. Needs grpcio-tools, numpy and
Pillow; the library is a folder that `triptych library` made.
"""

import argparse
import io
import json
import pathlib
import random
import re
import sqlite3
import statistics
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

from PIL import Image, ImageDraw

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "models/pictogram"))
from evaluate import load_api  # noqa: E402

AT_ONCE = 8
RANDOM = 9        # pictures that a chosen one is compared with
MIN_PARAGRAPHS = 5
SHOWN = 48        # illustrations on the sheet
LINK = "The text is about"


class Cluster:
    def __init__(self, router):
        import grpc
        self.api, stubs = load_api()
        self.stub = stubs.InferenceStub(grpc.insecure_channel(router, [("grpc.max_receive_message_length", 64 << 20)]))

    def compose(self, title, seed):
        """{"first_text", "seconds", "paragraphs", "illustrations", "complete"}, and the pictures' files by digest."""
        request = self.api.ComposeRequest(instruction=title, pictures=True)
        request.sampling.seed = seed
        begin, first, text, files, finished = time.monotonic(), None, "", {}, None
        for event in self.stub.Compose(request, timeout=1800):
            kind = event.WhichOneof("event")
            if kind == "article":
                first = first or time.monotonic() - begin
                text += event.article.text
            elif kind == "picture":
                files[event.picture.image_sha256] = files.get(event.picture.image_sha256, b"") + event.picture.data
            elif kind == "finished":
                finished = event.finished
        paragraphs = [line.strip() for line in text.splitlines() if line.strip()]
        placed = list(finished.illustrations) if finished else []
        return {"title": title, "first_text": first, "seconds": time.monotonic() - begin, "paragraphs": paragraphs,
                "illustrations": [{"after": i.after_paragraph, "caption": i.caption, "digest": i.image_sha256,
                                   "description": i.candidates[i.chosen].description, "candidates": [c.description for c in i.candidates],
                                   "chosen": i.chosen} for i in placed],
                "finished": finished is not None}, files

    def log_probability(self, text):
        request = self.api.GenerateRequest(score_only=True)
        request.prompt.raw.parts.add(text=text)
        for event in self.stub.Generate(request, timeout=600):
            if event.HasField("finished"):
                return sum(p.logprob for p in event.finished.prompt_logprobs)

    def log_lift(self, paragraph, descriptions):
        """How much likelier the paragraph makes each description."""
        before, alone = f"{paragraph}\n{LINK}", f"\n{LINK}"
        start, start_alone = self.log_probability(before), self.log_probability(alone)
        return [self.log_probability(f"{before} {d}") - start - self.log_probability(f"{alone} {d}") + start_alone for d in descriptions]


def is_well_formed(article):
    """Finished, with enough paragraphs; pictures after distinct ones of them."""
    places = [i["after"] for i in article["illustrations"]]
    return (article["finished"] and len(article["paragraphs"]) >= MIN_PARAGRAPHS and len(set(places)) == len(places)
            and all(0 <= p < len(article["paragraphs"]) for p in places))


def stems(text):
    """Words of three letters and more, without the ends that number and tense change."""
    return {re.sub(r"(ing|ies|ed|es|e|s|y)$", "", w) for w in re.findall(r"[a-z]{3,}", text.lower())} - {"with", "face", "and", "the", "for"}


def read_library(folder):
    """[description] of all pictures."""
    with sqlite3.connect(f"file:{folder}/pictures.sqlite?mode=ro", uri=True) as database:
        return [row[0] for row in database.execute("select caption from pictures order by caption")]


def measured(cluster, articles, library):
    """The relatedness of all illustrations, as the docstring has it."""
    rng, work = random.Random(3), []
    for article in articles:
        for i in article["illustrations"]:
            work.append((article["paragraphs"][i["after"]], i["description"], rng.sample(library, RANDOM)))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        lifts = list(pool.map(lambda w: cluster.log_lift(w[0], [w[1], *w[2]]), work))
    shares = lambda pairs: round(sum(pairs) / max(1, len(pairs)), 4)
    return {
        "illustrations": len(work),
        "likelier_than_random": shares([(lift[0] > other) + 0.5 * (lift[0] == other) for lift in lifts for other in lift[1:]]),
        "likelier_than_random_baseline": 0.5,
        "likeliest_of_ten": shares([lift[0] == max(lift) for lift in lifts]),
        "likeliest_of_ten_baseline": 1 / (RANDOM + 1),
        "mean_log_lift": round(statistics.mean(lift[0] for lift in lifts), 3),
        "mean_log_lift_random": round(statistics.mean(other for lift in lifts for other in lift[1:]), 3),
        "word_in_paragraph": shares([bool(stems(said) & stems(text)) for text, said, _ in work]),
        "word_in_paragraph_random": shares([bool(stems(other) & stems(text)) for text, _, others in work for other in others]),
    }


def sheet(path, articles, files):
    """Illustrations with their paragraphs, three in a row."""
    width, height, side = 420, 150, 110
    shown = [(a, i) for a in articles for i in a["illustrations"]]
    shown = shown[::max(1, len(shown) // SHOWN)][:SHOWN]
    image = Image.new("RGB", (3 * width, -(-len(shown) // 3) * height), "white")
    draw = ImageDraw.Draw(image)
    plain = lambda text: text.encode("ascii", "replace").decode()
    for n, (article, i) in enumerate(shown):
        x, y = n % 3 * width, n // 3 * height
        picture = Image.open(io.BytesIO(files[i["digest"]])).convert("RGBA").resize((side, side), Image.LANCZOS)
        image.paste(picture, (x + 4, y + 20), picture)
        draw.text((x + 4, y + 4), plain(f"{article['title']}: {i['description']}")[:66], fill="#0a6b2f")
        lines = textwrap.wrap(plain(article["paragraphs"][i["after"]]), 48)
        draw.text((x + side + 12, y + 22), "\n".join(lines[:8]) + ("..." if len(lines) > 8 else ""), fill="black", spacing=2)
    image.quantize(64).save(path, optimize=True)


def times(cluster, rounds):
    """Seconds of an article alone and of eight at once, in turns, and of an article's first text."""
    alone, together, first = [], [], []
    for n in range(rounds):
        article, _ = cluster.compose("A day at the farm", n)
        alone.append(article["seconds"]), first.append(article["first_text"])
        begin = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda k: cluster.compose("A day at the farm", n), range(AT_ONCE)))
        together.append(time.monotonic() - begin)
    return {"first_text_s": round(statistics.median(first), 2), "alone_s": round(statistics.median(alone), 1),
            "eight_at_once_s": round(statistics.median(together), 1),
            "eight_at_once_ratio": round(statistics.median(t / a for t, a in zip(together, alone)), 2), "rounds": rounds}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--router", required=True)
    parser.add_argument("--library", required=True)
    parser.add_argument("--titles", type=pathlib.Path, default=ROOT / "bench/article_titles.txt")
    parser.add_argument("--rounds", type=int, default=3, help="of the times")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/articles.json")
    parser.add_argument("--sheet", type=pathlib.Path, default=ROOT / "bench/results/articles.png")
    args = parser.parse_args()
    cluster, library = Cluster(args.router), read_library(args.library)
    result = {"times": times(cluster, args.rounds)}
    print(json.dumps(result["times"]), flush=True)
    titles, begin = args.titles.read_text().splitlines(), time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        composed = list(pool.map(lambda n: cluster.compose(titles[n], n), range(len(titles))))
    articles, files = [a for a, _ in composed], {digest: data for _, kept in composed for digest, data in kept.items()}
    result["articles"] = {"titles": len(titles), "well_formed": sum(map(is_well_formed, articles)), "seconds": round(time.monotonic() - begin, 1),
                          "paragraphs": sum(len(a["paragraphs"]) for a in articles)}
    print(json.dumps(result["articles"]), flush=True)
    result["relatedness"] = measured(cluster, articles, library)
    print(json.dumps(result["relatedness"]), flush=True)
    result["illustrations"] = [[a["title"], i["after"], i["caption"], i["description"]] for a in articles for i in a["illustrations"]]
    args.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    sheet(args.sheet, articles, files)


if __name__ == "__main__":
    main()
