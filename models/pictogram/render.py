"""Chooses the concepts, collects their names and renders every design.

usage: python render.py --modules node_modules --out DATA [--size 96]

Writes DATA/pictures.npy (uint8 [pictures, size, size, 4], premultiplied RGBA) and DATA/index.json:
  concepts  [{code, emoji, group, names: {language: {name, keywords}}}]
  rows      [[concept, design]], one for each picture
A concept is an emoji of CLDR that at least three training designs draw, without flags, symbols, clocks, skin tones and families.
"""
import argparse
import json
import re
import subprocess
from pathlib import Path

import numpy as np

TRAIN_DESIGNS = ["noto", "twemoji", "fluent-emoji-flat", "fluent-emoji", "noto-v1", "emojione", "fxemoji", "fluent-emoji-high-contrast"]
HELD_OUT_DESIGNS = ["openmoji"]  # for evaluation alone: nothing here ever trains on it
LANGUAGES = ["en", "zh", "ja", "de", "fr", "es", "ar", "hi"]
GROUPS = {0: "smileys", 1: "people", 3: "animals", 4: "food", 5: "travel", 6: "activities", 7: "objects"}
SKIPPED_NAMES = re.compile(r"o.clock|-thirty|facing right|square$|skin tone|family|button|medium-|keycap|kiss: |couple with heart:", re.I)
FEMALE, MALE, RIGHTWARDS, PERSON = "2640", "2642", "27a1", "1f9d1"


def code_of(hexcode):
    return "-".join(p.lower() for p in hexcode.split("-") if p != "FE0F")


def is_wanted(entry):
    if entry.get("group") not in GROUPS or SKIPPED_NAMES.search(entry["label"]):
        return False
    parts = code_of(entry["hexcode"]).split("-")
    if len(parts) == 1:
        return True
    if FEMALE in parts or MALE in parts or (GROUPS[entry["group"]] == "smileys" and len(parts) > 2):
        return False
    return GROUPS[entry["group"]] != "people" or (parts[0] == PERSON and len(parts) == 3 and RIGHTWARDS not in parts)


def slug(text):
    return re.sub(r"[^a-z0-9]", "", text.lower())


def load_designs(modules):
    """{design: {code: icon name}}. Packages without a table of characters are matched by the icons' names."""
    designs, code_of_slug = {}, {}
    for design in TRAIN_DESIGNS + HELD_OUT_DESIGNS:
        table = modules / "@iconify-json" / design / "chars.json"
        icons = json.loads(table.read_text()) if table.exists() else {}
        designs[design] = {"-".join(p for p in code.split("-") if p != "fe0f"): name for code, name in icons.items()}
        if design in ("noto", "twemoji", "fluent-emoji-flat"):
            for code, name in designs[design].items():
                code_of_slug.setdefault(slug(name), code)
    for hexcode, name in json.loads((modules / "emojibase-data/meta/unicode-names.json").read_text()).items():
        code_of_slug.setdefault(slug(name), code_of(hexcode))
    for design, icons in designs.items():
        if not icons:
            for name in json.loads((modules / "@iconify-json" / design / "icons.json").read_text())["icons"]:
                if code := code_of_slug.get(slug(name)):
                    icons.setdefault(code, name)
    return designs


def load_names(modules):
    read = lambda language: json.loads((modules / "cldr-annotations-full/annotations" / language / "annotations.json").read_text())
    return {language: read(language)["annotations"]["annotations"] for language in LANGUAGES}


def choose_concepts(modules):
    """(concepts, rows, icons): rows as in index.json, icons [[design, icon name]] beside them."""
    designs, names = load_designs(modules), load_names(modules)
    concepts, rows, icons = [], [], []
    for entry in json.loads((modules / "emojibase-data/en/data.json").read_text()):
        code = code_of(entry["hexcode"])
        drawn = [d for d in designs if code in designs[d]]
        if not is_wanted(entry) or sum(d in TRAIN_DESIGNS for d in drawn) < 3:
            continue
        local = {}
        for language in LANGUAGES:
            note = names[language].get(entry["emoji"].replace("\ufe0f", ""))
            if note and note.get("tts"):
                local[language] = {"name": note["tts"][0], "keywords": note.get("default", [])}
        local.setdefault("en", {"name": entry["label"], "keywords": entry.get("tags", [])})
        rows += [[len(concepts), d] for d in drawn]
        icons += [[d, designs[d][code]] for d in drawn]
        concepts.append({"code": code, "emoji": entry["emoji"], "group": GROUPS[entry["group"]], "names": local})
    return concepts, rows, icons


def render(modules, icons, folder, size):
    """uint8 [icons, size, size, 4]. A few icons abort the renderer: they stay blank."""
    tasks, raw = folder / "tasks.json", folder / "pictures.bin"
    tasks.write_text(json.dumps(icons))
    raw.unlink(missing_ok=True)
    command = ["node", str(Path(__file__).with_name("render.mjs")), str(modules), str(tasks), str(raw), str(size)]
    while subprocess.run(command, stderr=subprocess.DEVNULL).returncode:
        with raw.open("ab") as file:
            file.write(bytes(size * size * 4))
    pictures = np.fromfile(raw, np.uint8).reshape(-1, size, size, 4)
    raw.unlink(), tasks.unlink()
    return pictures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--modules", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=96, help="pixels")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    concepts, rows, icons = choose_concepts(args.modules.resolve())
    pictures = render(args.modules.resolve(), icons, args.out, args.size)
    is_drawn = pictures[..., 3].reshape(len(pictures), -1).mean(1) > 4
    np.save(args.out / "pictures.npy", pictures[is_drawn])
    index = {"size": args.size, "train_designs": TRAIN_DESIGNS, "held_out_designs": HELD_OUT_DESIGNS, "concepts": concepts,
             "rows": [row for row, kept in zip(rows, is_drawn) if kept]}
    (args.out / "index.json").write_text(json.dumps(index, ensure_ascii=False))
    print(f"{len(concepts)} concepts, {is_drawn.sum()} pictures; {len(icons) - is_drawn.sum()} came out blank")


if __name__ == "__main__":
    main()
