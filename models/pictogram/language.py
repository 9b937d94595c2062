"""The frozen language model in PyTorch (LLaMA layout), with Partial LoRA on image rows: the one trained part. Products are computed in `dtype`
(bfloat16 takes a third of the time on CPUs with AMX), what is added up between the layers and the trained parameters are float32."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

PARTS = ("wqkv", "wo", "w1", "w3", "w2")  # InternLM2's names; wqkv here is q rows, k rows, v rows


class Language(nn.Module):
    def __init__(self, base, rank, dtype=torch.float32):
        super().__init__()
        self.base, self.rank, self.dtype = base, rank, dtype
        self.embedding, self.norm = torch.from_numpy(base.embedding()), torch.from_numpy(base.norm().copy())
        self.head = self.embedding.to(dtype)
        self.layers = []
        self.A, self.B = nn.ParameterDict(), nn.ParameterDict()
        for i in range(base.layers):
            w = {name: torch.from_numpy(value.copy()) for name, value in base.layer(i).items()}
            layer = dict(n1=w["attention_norm"], n2=w["ffn_norm"], wqkv=torch.cat([w["q"], w["k"], w["v"]]), wo=w["o"], w1=w["gate"],
                         w3=w["up"], w2=w["down"])
            self.layers.append(layer)
            for part in PARTS:
                layer[part] = layer[part].to(dtype)
                rows, columns = layer[part].shape
                self.A[f"{i}_{part}"] = nn.Parameter(torch.randn(rank, columns) / math.sqrt(columns))
                self.B[f"{i}_{part}"] = nn.Parameter(torch.zeros(rows, rank))
        frequencies = 1.0 / (base.rope_theta ** (torch.arange(0, base.head_dim, 2).float() / base.head_dim))
        angles = torch.cat([torch.outer(torch.arange(base.context).float(), frequencies)] * 2, 1)
        self.cos, self.sin = angles.cos(), angles.sin()

    def to(self, device):
        """Moves the frozen weights too, which are no parameters."""
        self.embedding, self.head, self.norm, self.cos, self.sin = (t.to(device) for t in (self.embedding, self.head, self.norm, self.cos, self.sin))
        self.layers = [{name: w.to(device) for name, w in layer.items()} for layer in self.layers]
        return super().to(device)

    def forward(self, x, positions, mask, spans):
        """x [n, t, hidden]; positions [n, t]; mask [n, 1, t, t] additive; spans [(begin, end)]: image rows, the same in the whole batch.
        Returns the rows after the last norm."""
        n, t, _ = x.shape
        cos, sin = (table[positions].unsqueeze(1).to(self.dtype) for table in (self.cos, self.sin))
        for i, w in enumerate(self.layers):
            trained = [side[f"{i}_{part}"].to(self.dtype) for part in PARTS for side in (self.A, self.B)]
            x = self.layer(x, cos, sin, mask, spans, [w["n1"], w["n2"], *(w[part] for part in PARTS)], trained)
        return F.rms_norm(x, (x.shape[-1],), self.norm, self.base.norm_eps)

    def logits(self, rows):
        """rows [n, hidden] -> float32 [n, vocabulary]."""
        return F.linear(rows.to(self.dtype), self.head).float()

    def layer(self, x, cos, sin, mask, spans, frozen, trained):
        """One layer. frozen: norms and PARTS; trained: A and B of each of PARTS."""
        base = self.base
        n, t, _ = x.shape
        group = base.heads // base.kv_heads
        norm1, norm2, wqkv, wo, w1, w3, w2 = frozen
        rms = lambda x, weight: F.rms_norm(x, (x.shape[-1],), weight, base.norm_eps).to(wo.dtype)
        by_head = lambda y: y.view(n, t, -1, base.head_dim).transpose(1, 2)
        q, k, v = linear(rms(x, norm1), wqkv, spans, *trained[0:2]).split([base.hidden, *[base.kv_heads * base.head_dim] * 2], -1)
        q, k, v = rotate(by_head(q), cos, sin).reshape(n, base.kv_heads, group * t, -1), rotate(by_head(k), cos, sin), by_head(v)
        scores = (q @ k.transpose(2, 3)).float().view(n, base.kv_heads, group, t, t) / math.sqrt(base.head_dim) + mask.unsqueeze(1)
        o = (scores.softmax(-1).to(v.dtype).view(n, base.kv_heads, group * t, t) @ v).view(n, base.heads, t, -1)
        x = x + linear(o.transpose(1, 2).reshape(n, t, base.hidden), wo, spans, *trained[2:4])
        h = rms(x, norm2)
        h = F.silu(linear(h, w1, spans, *trained[4:6])) * linear(h, w3, spans, *trained[6:8])
        return x + linear(h, w2, spans, *trained[8:10])


def linear(x, weight, spans, a, b):
    """x [n, t, columns] by weight [rows, columns]; in the spans Partial LoRA is added."""
    y = F.linear(x, weight)
    if not spans:
        return y
    pieces, at = [], 0
    for begin, end in spans:
        pieces += [y[:, at:begin], y[:, begin:end] + F.linear(F.linear(x[:, begin:end], a), b)]
        at = end
    return torch.cat(pieces + [y[:, at:]], 1)


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin
