"""SmolLM2, the base of the pictogram model, computed in plain numpy (float32) from the package's own weights: nothing of Triptych's in it."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "models/pictogram"))

from base import Base, fetch  # noqa: E402
from tensor_file import from_bf16, to_bf16  # noqa: E402


class BaseModel:
    """LLaMA's forward pass (Touvron et al. 2023) over one sequence. `rounded`: weights rounded to bfloat16, as a checkpoint has them."""

    def __init__(self, folder, rounded):
        self.base = base = Base(fetch(folder))
        weight = (lambda w: from_bf16(to_bf16(w))) if rounded else (lambda w: w)
        self.embedding, self.norm = weight(base.embedding()), weight(base.norm())
        self.layers = [{name: weight(w) for name, w in base.layer(i).items()} for i in range(base.layers)]

    def logprobs(self, ids):
        """float32 [len(ids) - 1]: the log-probability of each id after the first, given those before it."""
        x = self.embedding[ids]
        for w in self.layers:
            x = x + self._attention(self._rms(x, w["attention_norm"]), w)
            h = self._rms(x, w["ffn_norm"])
            gate = h @ w["gate"].T
            x = x + (gate / (1 + np.exp(-gate)) * (h @ w["up"].T)) @ w["down"].T
        logits = self._rms(x[:-1], self.norm) @ self.embedding.T
        top = logits.max(1)
        total = np.log(np.exp(logits - top[:, None]).sum(1)) + top
        return logits[np.arange(len(ids) - 1), ids[1:]] - total

    def _rms(self, x, weight):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.base.norm_eps) * weight

    def _attention(self, x, w):
        base, n = self.base, len(x)
        q = self._rotated((x @ w["q"].T).reshape(n, base.heads, base.head_dim))
        k = self._rotated((x @ w["k"].T).reshape(n, base.kv_heads, base.head_dim)).repeat(base.heads // base.kv_heads, 1)
        v = (x @ w["v"].T).reshape(n, base.kv_heads, base.head_dim).repeat(base.heads // base.kv_heads, 1)
        scores = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(base.head_dim)
        scores += np.triu(np.full((n, n), -np.inf, np.float32), 1)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        return np.einsum("hij,jhd->ihd", weights, v).reshape(n, -1) @ w["o"].T

    def _rotated(self, x):
        half = self.base.head_dim // 2
        angles = np.arange(len(x))[:, None] * self.base.rope_theta ** (-np.arange(half) / half)
        cos, sin = (f(angles).astype(np.float32)[:, None, :] for f in (np.cos, np.sin))
        a, b = x[..., :half], x[..., half:]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)
