#!/usr/bin/env python3
"""Writes layers.safetensors of this folder: python3 make_layers.py (numpy 2.4 made the one that is committed).

Small random layers as AutoGPTQ and AutoAWQ pack them, by their packing loops restated in numpy, each with the matrix
that it stands for: NAME.weight [out, in] = scale * (code - zero), computed here from the unpacked numbers.
"""

import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]  # the output that stands at each place of a word


def pack_rows(codes, bits):
    """AutoGPTQ's pack(): [in, out] -> int32 [in / n, out]."""
    per = 32 // bits
    words = np.zeros((codes.shape[0] // per, codes.shape[1]), np.uint32)
    for row in range(words.shape[0]):
        for k in range(per):
            words[row] |= codes[row * per + k].astype(np.uint32) << np.uint32(bits * k)
    return words.view(np.int32)


def pack_columns(codes, bits, order=None):
    """[n, out] -> int32 [n, out / n]."""
    per = 32 // bits
    words = np.zeros((codes.shape[0], codes.shape[1] // per), np.uint32)
    for column in range(words.shape[1]):
        for k in range(per):
            words[:, column] |= codes[:, column * per + (order[k] if order else k)].astype(np.uint32) << np.uint32(bits * k)
    return words.view(np.int32)


def numbers(random, bits, inputs, outputs, groups):
    codes = random.integers(0, 2**bits, (inputs, outputs))
    zeros = random.integers(1, 2**bits, (groups, outputs))
    scales = (random.random((groups, outputs)) * 0.05 + 0.001).astype(np.float16)
    return codes, zeros, scales


def matrix(codes, zeros, scales, group_of):
    return np.ascontiguousarray(((codes - zeros[group_of]) * scales[group_of].astype(np.float32)).T).astype(np.float32)


def gptq(random, bits=4, inputs=48, outputs=40, group_size=16, shuffled=False, less=1):
    size = inputs if group_size < 0 else group_size
    groups = -(-inputs // size)
    codes, zeros, scales = numbers(random, bits, inputs, outputs, groups)
    group_of = np.arange(inputs) // size
    if shuffled:  # activation ordering: the inputs' places by size of activation, grouped in that order
        group_of = group_of[np.argsort(random.permutation(inputs))]
    return {"qweight": pack_rows(codes, bits), "qzeros": pack_columns(zeros - less, bits), "scales": scales,
            "g_idx": group_of.astype(np.int32), "weight": matrix(codes, zeros, scales, group_of)}


def awq(random, inputs=48, outputs=40, group_size=16):
    groups = inputs // group_size
    codes, zeros, scales = numbers(random, 4, inputs, outputs, groups)
    group_of = np.arange(inputs) // group_size
    return {"qweight": pack_columns(codes, 4, AWQ_ORDER), "qzeros": pack_columns(zeros, 4, AWQ_ORDER), "scales": scales,
            "weight": matrix(codes, zeros, scales, group_of)}


def write_safetensors(path, tensors):
    names = {np.dtype(np.float32): "F32", np.dtype(np.float16): "F16", np.dtype(np.int32): "I32"}
    header, data = {}, b""
    for name, tensor in tensors.items():
        begin = len(data)
        data += tensor.tobytes()
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def main():
    random = np.random.default_rng(7)
    layers = {"gptq": gptq(random), "gptq_act_order": gptq(random, shuffled=True), "gptq_v2": gptq(random, less=0),
              "gptq_8": gptq(random, bits=8, shuffled=True), "gptq_one_group": gptq(random, group_size=-1),
              "gptq_ragged": gptq(random, inputs=40, outputs=24, group_size=32), "awq": awq(random),
              "awq_wide_groups": awq(random, group_size=24)}
    write_safetensors(HERE / "layers.safetensors",
                      {f"{layer}.{name}": tensor for layer, tensors in layers.items() for name, tensor in tensors.items()})


if __name__ == "__main__":
    main()
