#!/usr/bin/env python3
"""Writes the torch archives of this folder, with torch.save: python3 make_archives.py (torch 2.11 made those that are committed).

torch_archive_test.cc knows every tensor by the formula it is made with.
"""

import collections
import json
import pathlib

import torch

HERE = pathlib.Path(__file__).resolve().parent
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "f64": torch.float64, "i64": torch.int64,
          "i32": torch.int32, "i16": torch.int16, "i8": torch.int8, "u8": torch.uint8, "bool": torch.bool}


def count(*shape):
    size = torch.Size(shape).numel()
    return torch.arange(size, dtype=torch.float32).reshape(shape)


def views():
    """One storage seen in many ways, and a parameter."""
    whole = count(6, 4)
    return collections.OrderedDict(whole=whole, transposed=whole.t(), rows=whole[2:4], columns=whole[:, 1:3], every_other=whole[::2, ::2],
                                   repeated=whole[0].expand(3, 4), scalar=whole[1, 3], parameter=torch.nn.Parameter(count(3)),
                                   frozen=torch.nn.Parameter(count(2), requires_grad=False))


def layers():
    """A module's own state_dict(), which carries `_metadata`."""
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
    state = module.state_dict()
    for i, tensor in enumerate(state.values()):
        tensor.copy_(count(*tensor.shape) + 10 * i)
    return state


def main():
    torch.save({name: count(3, 4).to(dtype) for name, dtype in DTYPES.items()}, HERE / "dtypes.bin")
    torch.save(views(), HERE / "views.bin")
    torch.save(layers(), HERE / "layers.bin")
    for protocol in (3, 4):
        torch.save({"t": count(2, 3), "u": count(2, 3).t()}, HERE / f"protocol{protocol}.bin", pickle_protocol=protocol)
    shards = {"pytorch_model-00001-of-00002.bin": {"t": count(3, 4)}, "pytorch_model-00002-of-00002.bin": {"u": count(3, 4).bfloat16()}}
    folder = HERE / "sharded"
    folder.mkdir(exist_ok=True)
    for name, tensors in shards.items():
        torch.save(tensors, folder / name)
    weight_map = {tensor: name for name, tensors in shards.items() for tensor in tensors}
    index = {"metadata": {"total_size": 72}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")
    # What is refused.
    torch.save({"state_dict": {"t": count(2)}, "epoch": 3}, HERE / "nested.bin")
    torch.save({"t": count(2), "epoch": 3}, HERE / "not_only_tensors.bin")
    torch.save(count(2), HERE / "bare_tensor.bin")
    torch.save({"t": count(2)}, HERE / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.save({"t": count(2).to(torch.float8_e4m3fn)}, HERE / "float8.bin")
    torch.save({"t": torch.sparse_coo_tensor([[0]], [1.0], (2,))}, HERE / "sparse.bin")


if __name__ == "__main__":
    main()
