"""Reads GGUF files (version 3): metadata, and tensors of the types F32, Q4_1 and Q8_0.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""
import math
import mmap
import struct
from pathlib import Path

import numpy as np

F32, Q4_1, Q8_0 = 0, 3, 8
BLOCK = 32  # weights of a quantised block
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9


class GgufFile:
    """`metadata`: {key: value}; `tensor(name)`: float32, in PyTorch's order of dimensions [rows, columns]."""

    def __init__(self, path):
        with Path(path).open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._at = 0
        magic, version, tensors, keys = self._take("4sIQQ")
        if magic != b"GGUF" or version != 3:
            raise ValueError(f"{path}: not a GGUF file of version 3")
        self.metadata = {}
        for _ in range(keys):
            key = self._string()
            self.metadata[key] = self._value(*self._take("I"))
        self._tensors = {}
        for _ in range(tensors):
            name = self._string()
            (rank,) = self._take("I")
            shape = self._take("Q" * rank)[::-1]
            self._tensors[name] = (shape, *self._take("IQ"))
        alignment = self.metadata.get("general.alignment", 32)
        self._begin = -(-self._at // alignment) * alignment

    def names(self):
        return list(self._tensors)

    def tensor(self, name):
        shape, kind, offset = self._tensors[name]
        count = math.prod(shape)
        begin = self._begin + offset
        if kind == F32:
            return np.frombuffer(self._data, "<f4", count, begin).reshape(shape)
        if kind == Q4_1:  # w = scale * nibble + least; the low nibbles are the block's first half
            blocks = np.frombuffer(self._data, np.dtype([("scale", "<f2"), ("least", "<f2"), ("nibbles", "u1", BLOCK // 2)]),
                                   count // BLOCK, begin)
            levels = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], 1).astype(np.float32)
            values = levels * blocks["scale"].astype(np.float32)[:, None] + blocks["least"].astype(np.float32)[:, None]
        elif kind == Q8_0:
            blocks = np.frombuffer(self._data, np.dtype([("scale", "<f2"), ("levels", "i1", BLOCK)]), count // BLOCK, begin)
            values = blocks["levels"].astype(np.float32) * blocks["scale"].astype(np.float32)[:, None]
        else:
            raise ValueError(f"{name}: tensors of GGUF type {kind} are not read (only F32, Q4_1, Q8_0)")
        return values.reshape(shape)

    def _take(self, form):
        form = "<" + form
        values = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return values

    def _string(self):
        (length,) = self._take("Q")
        self._at += length
        return self._data[self._at - length:self._at].decode()

    def _value(self, kind):
        if kind == STRING:
            return self._string()
        if kind == ARRAY:
            inner, length = self._take("IQ")
            return [self._value(inner) for _ in range(length)]
        return self._take(SCALARS[kind])[0]
