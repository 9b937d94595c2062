"""The shipped weights back in the shape of training's states: where training goes on without the runs that made them."""
import json
from pathlib import Path

import numpy as np
import torch

from published import PLORA_PLACES, PROJECTOR_NAMES, dequantise, tower_name, unpack_wqkv
from tensor_file import from_bf16, read_tensors
from tower import Tower

TRAINED = Path(__file__).with_name("trained.safetensors")


def vision_config():
    return json.loads(TRAINED.with_name("config.json").read_text())["vision_config"]


def shipped(base):
    """(state of tower.Tower, of tower.Projector, of language.Language). base: base.Base."""
    tensors = {name: torch.from_numpy(from_bf16(bits).copy()) for name, bits in dequantise(read_tensors(TRAINED)).items()}
    return tower_state(tensors), projector_state(tensors), language_state(tensors, base)


def tower_state(tensors):
    return {name: tensors[tower_name(name)].view(value.shape) for name, value in Tower.from_config(vision_config()).state_dict().items()}


def projector_state(tensors):
    """Of the published layers, which take the tower's rows as they are."""
    out = {name: tensors[f"vision_proj.{place}"] for name, place in PROJECTOR_NAMES.items()}
    width = out["first.weight"].shape[1]
    return {**out, "mean": torch.zeros(width), "spread": torch.ones(width)}


def language_state(tensors, base):
    out = {}
    for i in range(base.layers):
        for part, place in PLORA_PLACES.items():
            for side in "AB":
                value = tensors[f"model.layers.{i}.{place}.Plora_{side}.weight"]
                if (side, part) == ("B", "wqkv"):
                    value = torch.from_numpy(np.ascontiguousarray(unpack_wqkv(value.numpy(), base)))
                out[f"{side}.{i}_{part}"] = value
    return out
