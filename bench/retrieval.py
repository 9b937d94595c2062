#!/usr/bin/env python3
"""How well a picture library is searched: by words, by vectors of the served model, and by both.

    bench/retrieval.py --router HOST:PORT --library DIR --annotations FILE [--out FILE]

The library is the demo's: OpenMoji's pictograms under their Unicode names (scripts/demo-library). What should be found comes from CLDR, which
the library does not know: annotations.json of the npm package cldr-annotations-full (annotations/en). Two kinds of query:

- synonyms: CLDR's keywords none of whose words stand in the picture's caption ("vehicle", "sorceress"); wanted are the pictures that have the keyword.
- captions: those that the model wrote for the places of bench/results/articles.json; wanted are the pictures that have a word of the caption for a keyword.

Keywords that more than eight pictures have say too little, and are left out. recall@8: how much of what is wanted is among the first eight.
The captions get the router's vectors first, where they have none.
"""

import argparse
import collections
import json
import pathlib
import random
import re
import sqlite3
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
COUNT = 8         # wanted at most, and looked at
SYNONYMS = 600    # drawn from all
AT_ONCE = 64      # queries of one command


def stem(word):
    return re.sub(r"(ing|ies|ed|es|e|s|y)$", "", word)


def stems(text):
    return {stem(word) for word in re.findall(r"[a-z]{3,}", text.lower())}


def read_library(folder):
    """[(digest, caption, character)] of all pictures, by id."""
    with sqlite3.connect(f"file:{folder}/pictures.sqlite?mode=ro", uri=True) as database:
        rows = database.execute("select sha256, caption, source from pictures order by id").fetchall()
    return [(digest, caption, source.split()[-1]) for digest, caption, source in rows]


def synonyms(pictures, keywords):
    """[(query, wanted digests)]."""
    having = collections.defaultdict(list)
    for digest, caption, character in pictures:
        for keyword in keywords.get(character, ()):
            having[keyword].append((digest, caption))
    found = []
    for keyword, those in sorted(having.items()):
        if not re.fullmatch(r"[a-z][a-z' -]{2,}", keyword) or len(those) > COUNT or not stems(keyword):
            continue
        wanted = {digest for digest, caption in those if not stems(keyword) & stems(caption)}
        if wanted:
            found.append((keyword, wanted))
    return random.Random(1).sample(found, min(SYNONYMS, len(found)))


def captions(pictures, keywords):
    having = collections.defaultdict(set)
    for digest, _, character in pictures:
        for keyword in keywords.get(character, ()):
            if re.fullmatch(r"[a-z]{3,}", keyword):
                having[stem(keyword)].add(digest)
    found = []
    for _, _, caption, _ in json.loads((ROOT / "bench/results/articles.json").read_text())["illustrations"]:
        wanted = set().union(*(having[s] for s in stems(caption) if len(having[s]) <= COUNT))
        if wanted:
            found.append((caption, wanted))
    return found


def search(args, by, queries):
    """[[digest]] of the first eight."""
    found = []
    for begin in range(0, len(queries), AT_ONCE):
        router = [] if by == "words" else ["--router", args.router]
        done = subprocess.run([ROOT / "build/release/bin/triptych", "library", "search", "--root", args.library.parent, "--json", "-n", str(COUNT), "--by", by,
                               *router, args.library.name, "--", *queries[begin:begin + AT_ONCE]], check=True, capture_output=True, text=True)
        found += [[picture["sha256"] for picture in json.loads(line)] for line in done.stdout.splitlines()]
    return found


def recall(found, wanted):
    return len(set(found) & wanted) / min(COUNT, len(wanted))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--router", required=True)
    parser.add_argument("--library", type=pathlib.Path, required=True)
    parser.add_argument("--annotations", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/retrieval.json")
    args = parser.parse_args()
    annotations = json.loads(args.annotations.read_text())["annotations"]["annotations"]
    keywords = {character: {k.lower() for k in (*note.get("default", ()), *note.get("tts", ()))} for character, note in annotations.items()}
    subprocess.run([ROOT / "build/release/bin/triptych", "library", "embed", "--root", args.library.parent, "--router", args.router, args.library.name], check=True)
    pictures = read_library(args.library)
    result = {"pictures": len(pictures)}
    for kind, queries in [("synonyms", synonyms(pictures, keywords)), ("captions", captions(pictures, keywords))]:
        result[kind] = {"queries": len(queries)}
        for by in ("words", "vectors", "both"):
            found = search(args, by, [text for text, _ in queries])
            result[kind][by] = round(sum(recall(f, wanted) for f, (_, wanted) in zip(found, queries, strict=True)) / len(queries), 3)
        print(kind, result[kind], flush=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
