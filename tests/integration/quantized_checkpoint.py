"""Checkpoints quantised as AutoGPTQ and lmdeploy publish them, made from a golden set in numpy, each with its twin in floating point: the
same model by the same numbers, as the formats define them."""

import json
import shutil

import numpy as np

LINEARS = ["attention.wqkv", "attention.wo", "feed_forward.w1", "feed_forward.w2", "feed_forward.w3"]
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]  # the output that stands at each place of a word, lowest bits first
GROUP = 32  # inputs: at four ranks the edges between them fall into groups


class Raw:
    """A stored tensor: its dtype's name in safetensors, and its bytes."""

    def __init__(self, dtype, shape, data):
        self.dtype, self.shape, self.data = dtype, list(shape), data

    @staticmethod
    def of(array):
        names = {np.dtype(np.float32): "F32", np.dtype(np.float16): "F16", np.dtype(np.int32): "I32"}
        return Raw(names[array.dtype], array.shape, np.ascontiguousarray(array).tobytes())

    def floats(self):
        assert self.dtype == "BF16"
        return (np.frombuffer(self.data, np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(self.shape)


def read(path):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    at = 8 + size
    return {name: Raw(e["dtype"], e["shape"], data[at + e["data_offsets"][0]:at + e["data_offsets"][1]]) for name, e in header.items()}


def write(path, tensors):
    header, data = {}, bytearray()
    for name, raw in tensors.items():
        header[name] = {"dtype": raw.dtype, "shape": raw.shape, "data_offsets": [len(data), len(data) + len(raw.data)]}
        data += raw.data
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(data))


def quantize(weight, group_of):
    """Asymmetric round to nearest: codes [in, out], zeros and float16 scales [groups, out]; and the matrix [out, in] that they stand for."""
    columns = weight.T
    groups = group_of.max() + 1
    codes = np.zeros(columns.shape, np.int64)
    zeros, scales = np.zeros((groups, columns.shape[1]), np.int64), np.zeros((groups, columns.shape[1]), np.float16)
    for g in range(groups):
        rows = columns[group_of == g]
        least, greatest = np.minimum(rows.min(0), -1e-4), np.maximum(rows.max(0), 1e-4)
        scales[g] = ((greatest - least) / 15).astype(np.float16)
        zeros[g] = np.clip(np.rint(-least / scales[g]), 1, 15)  # stored less by one: never below 0
        codes[group_of == g] = np.clip(np.rint(rows / scales[g]) + zeros[g], 0, 15)
    matrix = (codes - zeros[group_of]) * scales[group_of].astype(np.float32)
    return codes, zeros, scales, np.ascontiguousarray(matrix.T).astype(np.float32)


def pack(codes, order=range(8)):
    """Eight neighbours of a row in each int32 word."""
    words = np.zeros((codes.shape[0], codes.shape[1] // 8), np.uint32)
    for place, number in enumerate(order):
        words |= codes[:, number::8].astype(np.uint32) << np.uint32(4 * place)
    return words.view(np.int32)


def gptq_layer(name, codes, zeros, scales, group_of):
    tensors = {"qweight": np.ascontiguousarray(pack(codes.T).T), "qzeros": pack(zeros - 1), "scales": scales, "g_idx": group_of.astype(np.int32)}
    return {f"{name}.linear.{part}": Raw.of(array) for part, array in tensors.items()}


def awq_layer(name, codes, zeros, scales, group_of):
    tensors = {"qweight": pack(codes, AWQ_ORDER), "qzeros": pack(zeros, AWQ_ORDER), "scales": scales}
    return {f"{name}.{part}": Raw.of(array) for part, array in tensors.items()}


def make(golden_folder, folder, method):
    """Writes folder/quantized and folder/float; `method` is "gptq", with activation ordering, or "awq"."""
    random = np.random.default_rng(3)
    stored = read(golden_folder / "model.safetensors")
    quantized, plain = dict(stored), dict(stored)
    for name in [n for n in stored if any(n.endswith(f".{linear}.weight") for linear in LINEARS)]:
        layer = name.removesuffix(".weight")
        weight = stored[name].floats()
        group_of = np.arange(weight.shape[1]) // GROUP
        if method == "gptq":
            group_of = random.permutation(group_of)
        codes, zeros, scales, matrix = quantize(weight, group_of)
        del quantized[name]
        quantized |= (gptq_layer if method == "gptq" else awq_layer)(layer, codes, zeros, scales, group_of)
        plain[name] = Raw.of(matrix)
    for kind, tensors in (("quantized", quantized), ("float", plain)):
        target = folder / kind
        target.mkdir()
        for file in golden_folder.iterdir():
            if file.is_file() and file.name not in ("model.safetensors", "manifest.json"):
                shutil.copy(file, target)
        write(target / "model.safetensors", tensors)
    config = {"bits": 4, "group_size": GROUP}
    if method == "gptq":  # AutoGPTQ's own file
        (folder / "quantized/quantize_config.json").write_text(json.dumps(config | {"desc_act": True, "sym": False, "true_sequential": True}))
    else:
        path = folder / "quantized/config.json"
        whole = json.loads(path.read_text()) | {"quantization_config": config | {"quant_method": "awq", "version": "gemm", "zero_point": True}}
        path.write_text(json.dumps(whole))
    return folder / "quantized", folder / "float"
