"""Renders OpenMoji's drawings of single characters to PNG, described in a metadata.jsonl as `triptych library add` reads it.

usage: python3 render_openmoji.py SVG_FOLDER OUT
"""
import json
import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SIDE = 256  # pixels
ON_WHITE = ["--background-color", "white"]


def described(svg):
    """(character, name) of what a drawing shows, or None: sequences, letters, flags and OpenMoji's own additions."""
    if "-" in svg.stem:
        return None
    character = chr(int(svg.stem, 16))
    name = unicodedata.name(character, "").lower()
    return (character, name) if unicodedata.category(character) == "So" and "regional indicator" not in name else None


def main():
    source, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True)
    drawings = [(svg, *found) for svg in sorted(source.glob("*.svg")) if (found := described(svg))]

    def render(drawing):
        svg = drawing[0]
        subprocess.run(["rsvg-convert", *ON_WHITE, "-w", str(SIDE), "-h", str(SIDE), "-o", out / f"{svg.stem}.png", svg], check=True)

    with ThreadPoolExecutor() as pool:
        list(pool.map(render, drawings))
    with (out / "metadata.jsonl").open("w") as file:
        for svg, character, name in drawings:
            print(json.dumps({"file_name": f"{svg.stem}.png", "caption": name, "licence": "CC BY-SA 4.0",
                              "source": f"OpenMoji {svg.stem} {character}"}, ensure_ascii=False), file=file)


if __name__ == "__main__":
    main()
