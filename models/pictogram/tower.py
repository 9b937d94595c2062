"""The vision tower and the projector in PyTorch, under the names of the published checkpoints' modules (CLIP layout)."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

PATCH = 14  # pixels
# CLIP's normalisation.
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)


def normalise(pixels):
    """uint8 [n, 3, size, size] -> float32, as the tower wants it."""
    return (pixels.float() / 255 - MEAN.to(pixels.device)) / STD.to(pixels.device)


class Block(nn.Module):
    def __init__(self, width, heads, inner):
        super().__init__()
        self.heads = heads
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x):
        b, t, w = x.shape
        by_head = lambda y: y.view(b, t, self.heads, -1).transpose(1, 2)
        h = self.layer_norm1(x)
        o = F.scaled_dot_product_attention(by_head(self.q_proj(h)), by_head(self.k_proj(h)), by_head(self.v_proj(h)))
        x = x + self.out_proj(o.transpose(1, 2).reshape(b, t, w))
        h = self.fc1(self.layer_norm2(x))
        return x + self.fc2(h * torch.sigmoid(1.702 * h))  # quick GELU, as CLIP has it


class Tower(nn.Module):
    """CLIP's vision transformer; gives the last block's patch rows (class row dropped, no norm after), [n, patches, width]."""

    def __init__(self, size=84, width=192, layers=6, heads=3, inner=768):
        super().__init__()
        self.config = dict(hidden_size=width, intermediate_size=inner, num_hidden_layers=layers, num_attention_heads=heads,
                           image_size=size, patch_size=PATCH, hidden_act="quick_gelu", layer_norm_eps=1e-5)
        self.grid = size // PATCH
        self.patch = nn.Linear(3 * PATCH * PATCH, width, bias=False)
        self.cls = nn.Parameter(torch.randn(width) * 0.02)
        self.position = nn.Parameter(torch.randn(self.grid ** 2 + 1, width) * 0.02)
        self.pre = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, heads, inner) for _ in range(layers))

    @classmethod
    def from_config(cls, config):
        return cls(config["image_size"], config["hidden_size"], config["num_hidden_layers"], config["num_attention_heads"],
                   config["intermediate_size"])

    def cells(self, pixels):
        """[n, 3, size, size] -> [n, patches, 3 * 14 * 14]."""
        n, g = pixels.shape[0], self.grid
        return pixels.view(n, 3, g, PATCH, g, PATCH).permute(0, 2, 4, 1, 3, 5).reshape(n, g * g, -1)

    def embed(self, pixels, kept=None):
        """What goes into the first block, [n, 1 + patches, width]: the class row first. kept [n, k]: only these patches take part (cheaper
        training), in that order."""
        cells = self.cells(pixels)
        place = self.position[1:].expand(len(cells), -1, -1)
        if kept is not None:
            cells = cells.gather(1, kept[..., None].expand(-1, -1, cells.shape[2]))
            place = place.gather(1, kept[..., None].expand(-1, -1, place.shape[2]))
        cls = (self.cls + self.position[0]).expand(len(cells), 1, -1)
        return self.pre(torch.cat([cls, self.patch(cells) + place], 1))

    def forward(self, pixels, kept=None):
        x = self.embed(pixels, kept)
        for block in self.blocks:
            x = block(x)
        return x[:, 1:]

    @torch.no_grad()
    def initialise(self, sample):
        """Patch filters from the principal components of `sample`'s patches [n, 3, size, size], two-dimensional sine positions, and
        attention that starts near the identity (mimetic initialisation, arXiv 2305.09828)."""
        width = self.patch.weight.shape[0]
        cells = self.cells(sample).reshape(-1, self.patch.weight.shape[1])
        cells = cells - cells.mean(0)
        values, vectors = torch.linalg.eigh(cells.T @ cells / len(cells))
        self.patch.weight.copy_(vectors[:, -width:].T / values[-width:, None].clamp(min=1e-3).sqrt())
        y, x = torch.meshgrid(torch.arange(self.grid).float(), torch.arange(self.grid).float(), indexing="ij")
        frequencies = math.pi / self.grid * (2 ** torch.linspace(-1, 2, width // 4))
        waves = [f(v.reshape(-1, 1) * frequencies) for v in (x, y) for f in (torch.sin, torch.cos)]
        self.position[1:] = torch.cat(waves, 1) * 0.7
        for block in self.blocks:
            for linear in (block.q_proj, block.k_proj, block.v_proj, block.out_proj, block.fc1, block.fc2):
                nn.init.trunc_normal_(linear.weight, std=0.8 / math.sqrt(linear.weight.shape[1]))
                nn.init.zeros_(linear.bias)
            d = width // block.heads
            for h in range(block.heads):
                rows = slice(h * d, h * d + d)
                u, s, v = torch.linalg.svd(0.7 * torch.eye(width) + 0.7 * torch.randn(width, width) / math.sqrt(width))
                block.q_proj.weight[rows] = (u[:, :d] * s[:d].sqrt()).T
                block.k_proj.weight[rows] = v[:d] * s[:d].sqrt()[:, None]
            block.out_proj.weight.mul_(0.5)
            block.fc2.weight.mul_(0.5)


class Projector(nn.Module):
    """mlp2x_gelu: patch rows [..., width] -> rows of the language model [..., hidden]. The tower's rows are large and far from zero, so it is
    trained on standardised ones; `published` makes that part of the first layer."""

    def __init__(self, width, hidden):
        super().__init__()
        self.first, self.second = nn.Linear(width, hidden), nn.Linear(hidden, hidden)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))

    @classmethod
    def of(cls, state):
        """From a state_dict()."""
        hidden, width = state["first.weight"].shape
        out = cls(width, hidden)
        out.load_state_dict(state)
        return out

    def standardise(self, rows):
        """Takes mean and spread from rows [n, width]; what comes out stays the same."""
        mean, spread = rows.mean(0), rows.std(0)
        with torch.no_grad():
            weight = self.first.weight / self.spread
            self.first.bias += weight @ (mean - self.mean)
            self.first.weight.copy_(weight * spread)
            self.mean.copy_(mean), self.spread.copy_(spread)

    def forward(self, x):
        return self.second(F.gelu(self.first((x - self.mean) / self.spread)))

    @staticmethod
    def published(state):
        """A state of this module -> {"0.weight", "0.bias", "2.weight", "2.bias"} of a plain Linear, GELU, Linear."""
        weight = state["first.weight"] / state["spread"]
        return {"0.weight": weight, "0.bias": state["first.bias"] - weight @ state["mean"],
                "2.weight": state["second.weight"], "2.bias": state["second.bias"]}
