"""The frozen language model in PyTorch (LLaMA layout, float32), with Partial LoRA on image rows: the one trained part."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

PARTS = ("wqkv", "wo", "w1", "w3", "w2")  # InternLM2's names; wqkv here is q rows, k rows, v rows


class Language(nn.Module):
    def __init__(self, base, rank):
        super().__init__()
        self.base, self.rank = base, rank
        self.embedding, self.norm = torch.from_numpy(base.embedding()), torch.from_numpy(base.norm().copy())
        self.layers = []
        self.A, self.B = nn.ParameterDict(), nn.ParameterDict()
        for i in range(base.layers):
            w = {name: torch.from_numpy(value.copy()) for name, value in base.layer(i).items()}
            layer = dict(n1=w["attention_norm"], n2=w["ffn_norm"], wqkv=torch.cat([w["q"], w["k"], w["v"]]), wo=w["o"], w1=w["gate"],
                         w3=w["up"], w2=w["down"])
            self.layers.append(layer)
            for part in PARTS:
                rows, columns = layer[part].shape
                self.A[f"{i}_{part}"] = nn.Parameter(torch.randn(rank, columns) / math.sqrt(columns))
                self.B[f"{i}_{part}"] = nn.Parameter(torch.zeros(rows, rank))
        frequencies = 1.0 / (base.rope_theta ** (torch.arange(0, base.head_dim, 2).float() / base.head_dim))
        angles = torch.cat([torch.outer(torch.arange(base.context).float(), frequencies)] * 2, 1)
        self.cos, self.sin = angles.cos(), angles.sin()

    def to(self, device):
        """Moves the frozen weights too, which are no parameters."""
        self.embedding, self.norm, self.cos, self.sin = (t.to(device) for t in (self.embedding, self.norm, self.cos, self.sin))
        self.layers = [{name: w.to(device) for name, w in layer.items()} for layer in self.layers]
        return super().to(device)

    def forward(self, x, positions, mask, spans):
        """x [n, t, hidden]; positions [n, t]; mask [n, 1, t, t] additive; spans [(begin, end)]: image rows, the same in the whole batch.
        Returns the rows after the last norm."""
        base = self.base
        n, t, _ = x.shape
        cos, sin = self.cos[positions].unsqueeze(1), self.sin[positions].unsqueeze(1)
        by_head = lambda y, heads: y.view(n, t, heads, base.head_dim).transpose(1, 2)
        group = base.heads // base.kv_heads
        for i, w in enumerate(self.layers):
            qkv = self._linear(self._rms(x, w["n1"]), i, "wqkv", spans)
            q, k, v = qkv.split([base.hidden, base.kv_heads * base.head_dim, base.kv_heads * base.head_dim], -1)
            q = rotate(by_head(q, base.heads), cos, sin)
            k = rotate(by_head(k, base.kv_heads), cos, sin).repeat_interleave(group, 1)
            o = F.scaled_dot_product_attention(q, k, by_head(v, base.kv_heads).repeat_interleave(group, 1), attn_mask=mask)
            x = x + self._linear(o.transpose(1, 2).reshape(n, t, base.hidden), i, "wo", spans)
            h = self._rms(x, w["n2"])
            x = x + self._linear(F.silu(self._linear(h, i, "w1", spans)) * self._linear(h, i, "w3", spans), i, "w2", spans)
        return self._rms(x, self.norm)

    def logits(self, rows):
        return F.linear(rows, self.embedding)

    def _rms(self, x, weight):
        return F.rms_norm(x, (x.shape[-1],), weight, self.base.norm_eps)

    def _linear(self, x, i, part, spans):
        y = F.linear(x, self.layers[i][part])
        if not spans:
            return y
        a, b = self.A[f"{i}_{part}"], self.B[f"{i}_{part}"]
        pieces, at = [], 0
        for begin, end in spans:
            pieces += [y[:, at:begin], y[:, begin:end] + F.linear(F.linear(x[:, begin:end], a), b)]
            at = end
        return torch.cat(pieces + [y[:, at:]], 1)


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin
