"""Writes what was trained, trained.safetensors and config.json, and the digests of the checkpoint that `assemble` makes of them.

usage: python export.py --tower RUN/tower/latest.pt --bridge RUN/bridge/latest.pt --base DIR [--out models/pictogram]
"""
import argparse
import json
from pathlib import Path

import torch

from assemble import assemble_into, digest
from base import Base, fetch
from published import PLORA_PLACES, config, pack_wqkv, quantise, tower_name
from shipped import shipped, vision_config
from tensor_file import write_tensors
from tower import PATCH, Projector
from training import module_state


def tower_tensors(state):
    """The tower under CLIP's names. state: of tower.Tower."""
    out = {tower_name(name): value for name, value in state.items()}
    filters = tower_name("patch.weight")
    return {**out, filters: out[filters].view(-1, 3, PATCH, PATCH)}


def bridge_tensors(state, base):
    """Projector and Partial LoRA under the published names. state: as train_bridge.py saves it."""
    out = {f"vision_proj.{name}": value for name, value in Projector.published(state["projector"]).items()}
    for name, value in state["plora"].items():
        side, place = name.split(".")
        layer, part = place.split("_")
        if (side, part) == ("B", "wqkv"):
            value = torch.from_numpy(pack_wqkv(value.numpy(), base))
        out[f"model.layers.{layer}.{PLORA_PLACES[part]}.Plora_{side}.weight"] = value
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tower", required=True, help="state of train_projector.py, or `shipped`")
    parser.add_argument("--bridge", required=True)
    parser.add_argument("--base", required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--checkpoint", type=Path, help="where to assemble it (default: a folder in --base)")
    args = parser.parse_args()
    base = Base(fetch(args.base))
    bridge = torch.load(args.bridge, weights_only=False)
    if args.tower == "shipped":
        state, vision = shipped(base)[0], vision_config()
    else:
        tower = torch.load(args.tower, weights_only=False)
        state, vision = module_state(tower["model"], "tower."), tower["config"]
    trained = {k: v.float().numpy() for k, v in {**tower_tensors(state), **bridge_tensors(bridge, base)}.items()}
    args.out.mkdir(parents=True, exist_ok=True)
    write_tensors(args.out / "trained.safetensors", quantise(trained))
    (args.out / "config.json").write_text(json.dumps(config(base, vision), indent=2) + "\n")
    checkpoint = args.checkpoint or Path(args.base) / "exported"
    assemble_into(checkpoint, base, args.out)
    digests = {path.name: digest(path) for path in sorted(checkpoint.iterdir())}
    (args.out / "digests.json").write_text(json.dumps(digests, indent=2) + "\n")
    size = (args.out / "trained.safetensors").stat().st_size
    print(f"trained.safetensors: {size / 2 ** 20:.2f} MiB, {len(trained)} tensors; {checkpoint}: {digests['model.safetensors']}")


if __name__ == "__main__":
    main()
