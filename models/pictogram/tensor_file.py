"""safetensors files in plain numpy, bfloat16 included: all that assembling a checkpoint needs on a machine without PyTorch.

Format: 8 bytes little-endian header length, a JSON header {name: {dtype, shape, data_offsets}}, the data.
"""
import json
import struct
from pathlib import Path

import numpy as np

DTYPES = {"F32": np.float32, "I8": np.int8, "BF16": np.uint16}


def to_bf16(values):
    """float32 -> the bits of the nearest bfloat16 (ties to even) as uint16, same shape."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(bits):
    """The bits of bfloat16 as uint16 -> float32, same shape."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def read_tensors(path):
    """{name: array}; bfloat16 tensors come as their bits in uint16."""
    data = Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def write_tensors(path, tensors):
    """Writes {name: float32, int8 or (bfloat16's bits) uint16 array}, in order of names: the same tensors give the same bytes."""
    names = {np.dtype(kind): name for name, kind in DTYPES.items()}
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name in sorted(tensors):
        tensor = tensors[name]
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, offset + tensor.nbytes]}
        offset += tensor.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with Path(path).open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            file.write(np.ascontiguousarray(tensors[name]).tobytes())
