"""The rendered pictograms, and training pictures composed of them (torch, CPU): scaled, shifted, turned, recoloured, outlined, on backgrounds,
one to three in a picture."""
import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from tower import MEAN, PATCH, STD, normalise


class Library:
    """Rows of premultiplied RGBA pictures with their concept and design."""

    def __init__(self, folder):
        folder = Path(folder)
        self.index = json.loads((folder / "index.json").read_text())
        self.concepts = self.index["concepts"]
        self.rgba = torch.from_numpy(np.load(folder / "pictures.npy"))
        self.design = [d for _, d in self.index["rows"]]
        self.concept = torch.tensor([c for c, _ in self.index["rows"]])
        alpha = self.rgba[..., 3] > 16
        n, size = alpha.shape[0], alpha.shape[1]
        ys, xs = alpha.any(2), alpha.any(1)
        first = lambda m: m.float().argmax(1)
        last = lambda m: size - m.flip(1).float().argmax(1)
        x0, x1, y0, y1 = first(xs), last(xs), first(ys), last(ys)
        centre = torch.stack([(x0 + x1) / size - 1, (y0 + y1) / size - 1], 1)
        half = torch.stack([(x1 - x0) / size, (y1 - y0) / size], 1).amax(1).clamp(min=0.1)
        self.box = torch.cat([centre, half[:, None]], 1).float()
        train = set(self.index["train_designs"])
        self.rows_of = [[] for _ in self.concepts]
        self.held_out_of = {}
        for row, (concept, design) in enumerate(self.index["rows"]):
            if design in train:
                self.rows_of[concept].append(row)
            else:
                self.held_out_of[concept] = row

    def plain(self, rows, size):
        """The picture as a file on white, resized as PIL does: what a user sends. Normalised [n, 3, size, size]."""
        out = []
        for row in rows:
            p = self.rgba[row].float()
            rgb = (p[..., :3] + 255 - p[..., 3:]).round().clamp(0, 255).byte().numpy()
            image = Image.fromarray(rgb).resize((size, size), Image.BICUBIC)
            out.append(torch.from_numpy(np.array(image)).permute(2, 0, 1))
        return normalise(torch.stack(out))


def stylise(p, rng):
    """p [n, 4, h, w] premultiplied floats in 0..1: recolours, posterises, outlines random rows."""
    n = p.shape[0]
    rgb, alpha = p[:, :3], p[:, 3:]
    u = lambda lo, hi: torch.rand(n, 1, 1, 1, generator=rng) * (hi - lo) + lo
    pick = lambda share: (torch.rand(n, 1, 1, 1, generator=rng) < share).float()
    # hue rotation (YIQ plane), saturation, contrast: linear, so premultiplied colours are fine
    angle = torch.where(pick(0.15) > 0, u(-math.pi, math.pi), u(-0.35, 0.35)).view(n)
    sat = torch.where(pick(0.12) > 0, u(0, 0.15), u(0.6, 1.5)).view(n)
    to = torch.tensor([[.299, .587, .114], [.596, -.274, -.322], [.211, -.523, .312]])
    back = torch.linalg.inv(to)
    rot = torch.zeros(n, 3, 3)
    rot[:, 0, 0] = 1
    rot[:, 1, 1] = rot[:, 2, 2] = angle.cos() * sat
    rot[:, 1, 2], rot[:, 2, 1] = -angle.sin() * sat, angle.sin() * sat
    mix = back @ rot @ to
    rgb = torch.einsum("nij,njhw->nihw", mix, rgb)
    gain, shift = u(0.7, 1.25), u(-0.12, 0.12)
    rgb = rgb * gain + shift * alpha
    rgb = rgb.clamp(min=0)
    rgb = torch.minimum(rgb, alpha)
    # flat colours and dark outlines, the way other pictogram designs are drawn
    sel = (torch.rand(n, generator=rng) < 0.45).nonzero()[:, 0]
    if len(sel):
        a, c = alpha[sel], rgb[sel]
        m = len(sel)
        levels = torch.randint(2, 5, (m, 1, 1, 1), generator=rng).float()
        flat = ((c / a.clamp(min=1e-3)) * levels).round() / levels * a
        gx = F.pad((c[..., 1:] - c[..., :-1]).abs().sum(1, keepdim=True), (0, 1))
        gy = F.pad((c[..., 1:, :] - c[..., :-1, :]).abs().sum(1, keepdim=True), (0, 0, 0, 1))
        edge = (gx + gy).clamp(max=1)
        edge = F.max_pool2d((edge - 0.3).clamp(min=0) * 2.5, 2, 1, 1)[..., 1:, 1:].clamp(max=1)
        k = 5 if torch.rand((), generator=rng) < 0.6 else 3
        grown = F.max_pool2d(a, k, 1, k // 2)
        rim = (grown + F.max_pool2d(-a, k, 1, k // 2)).clamp(0, 1)
        line = torch.maximum(rim, edge * (torch.rand(m, 1, 1, 1, generator=rng) < 0.75).float())
        kind = torch.rand(m, 1, 1, 1, generator=rng)
        fill = torch.where(kind < 0.15, a, torch.where(kind < 0.8, flat, c))  # white fill = line art
        ink = torch.rand(m, 1, 1, 1, generator=rng) * 0.15
        new_a = torch.maximum(a, grown * line)
        rgb = rgb.clone()
        alpha = alpha.clone()
        rgb[sel] = fill * (1 - line) + ink * line * new_a
        alpha[sel] = new_a
    return torch.cat([rgb, alpha], 1)


def backgrounds(n, size, rng):
    kind = torch.rand(n, 1, 1, 1, generator=rng)
    light = 0.6 + 0.4 * torch.rand(n, 3, 1, 1, generator=rng)
    other = torch.rand(n, 3, 1, 1, generator=rng) * (0.3 + 0.7 * torch.rand(n, 1, 1, 1, generator=rng))
    ramp = torch.linspace(0, 1, size)
    ramp = torch.where(torch.rand(n, 1, 1, 1, generator=rng) < 0.5, ramp.view(1, 1, 1, size), ramp.view(1, 1, size, 1))
    gradient = light * ramp + (0.4 + 0.6 * torch.rand(n, 3, 1, 1, generator=rng)) * (1 - ramp)
    white = torch.ones(n, 3, size, size)
    return torch.where(kind < 0.5, white, torch.where(kind < 0.75, light.expand_as(white), torch.where(kind < 0.88, gradient, other.expand_as(white))))


def bent(grid, half, rng):
    """Sampling grids [n, h, w, 2] for drawings of half-size [n], most of them displaced by a smooth random field (elastic deformation,
    Simard et al. 2003): the same thing by another hand."""
    n, h, w, _ = grid.shape
    strength = 0.09 * torch.rand(n, generator=rng) * (torch.rand(n, generator=rng) < 0.7) * half
    field = F.interpolate(torch.randn(n, 2, 4, 4, generator=rng), (h, w), mode="bicubic", align_corners=True)
    return grid + strength.view(n, 1, 1, 1) * field.permute(0, 2, 3, 1)


class Composer:
    """Draws training pictures. Each holds 1 to 3 pictograms from left to right."""

    def __init__(self, library, size, seed, concept_weights, many=(0.65, 0.25, 0.10)):
        self.lib, self.size, self.many = library, size, many
        self.rng = torch.Generator().manual_seed(seed)
        self.weights = torch.tensor(concept_weights).float()
        self.design_weight = {"fluent-emoji-high-contrast": 1.2, "fluent-emoji": 0.6, "noto": 1.3, "twemoji": 1.3}

    def rows_for(self, concepts):
        out = []
        for c in concepts.tolist():
            rows = self.lib.rows_of[c]
            w = torch.tensor([self.design_weight.get(self.lib.design[r], 1.0) for r in rows])
            out.append(rows[int(torch.multinomial(w, 1, generator=self.rng))])
        return torch.tensor(out)

    def batch(self, n):
        counts = torch.multinomial(torch.tensor(self.many), n, replacement=True, generator=self.rng) + 1
        total = int(counts.sum())
        return self.draw(counts, torch.multinomial(self.weights, total, replacement=True, generator=self.rng))

    def draw(self, counts, concepts):
        """Returns pictures [n,3,s,s] normalised, owner [n, patches] (object number in the batch or -1), concepts [objects], image_of [objects]."""
        rng, size, n = self.rng, self.size, len(counts)
        rows = self.rows_for(concepts)
        p = self.lib.rgba[rows].permute(0, 3, 1, 2).float() / 255
        p = stylise(p, rng)
        total = len(rows)
        image_of = torch.repeat_interleave(torch.arange(n), counts)
        slot = torch.cat([torch.arange(int(c)) for c in counts])
        k = counts[image_of].float()
        u = lambda lo, hi: torch.rand(total, generator=rng) * (hi - lo) + lo
        frac = torch.where(k == 1, u(0.55, 1.02), u(0.8, 1.02) / k)           # size of the longer side over the canvas
        room = torch.where(k == 1, (1.05 - frac).clamp(min=0.02), 0.06 / k)
        cx = (2 * slot + 1) / k - 1 + room * u(-1, 1)
        cy = torch.where(k == 1, room, (1 - frac) * 0.6) * u(-1, 1)
        angle = u(-0.3, 0.3) * (torch.rand(total, generator=rng) < 0.6)
        flip = torch.where(torch.rand(total, generator=rng) < 0.3, -1.0, 1.0)
        stretch = u(0.88, 1.14)
        box = self.lib.box[rows]
        # output point (canvas, -1..1) -> source point: centre + R^-1 * (out - c) * half/frac
        s = box[:, 2] / frac
        cos, sin = angle.cos(), angle.sin()
        a, b = cos * s * flip * stretch, sin * s * flip * stretch
        c_, d = -sin * s / stretch, cos * s / stretch
        theta = torch.stack([torch.stack([a, b, box[:, 0] - a * cx - b * cy], 1), torch.stack([c_, d, box[:, 1] - c_ * cx - d * cy], 1)], 1)
        grid = bent(F.affine_grid(theta, (total, 4, size, size), align_corners=False), box[:, 2], rng)
        drawn = F.grid_sample(p, grid, align_corners=False)
        canvas = backgrounds(n, size, rng)
        cover = F.avg_pool2d(drawn[:, 3:], PATCH).flatten(1)
        owner = torch.full((n, cover.shape[1]), -1)
        best = torch.full((n, cover.shape[1]), 0.08)
        for i in range(3):
            sel = (slot == i).nonzero()[:, 0]
            if not len(sel):
                continue
            im = image_of[sel]
            canvas[im] = drawn[sel, :3] + canvas[im] * (1 - drawn[sel, 3:])
            better = cover[sel] > best[im]
            owner[im] = torch.where(better, sel[:, None], owner[im])
            best[im] = torch.maximum(best[im], cover[sel])
        pick = lambda share: (torch.rand(n, 1, 1, 1, generator=rng) < share).float()
        soft = F.avg_pool2d(F.pad(canvas, (1, 1, 1, 1), mode="replicate"), 3, 1)
        blur = pick(0.2)
        canvas = canvas * (1 - blur) + soft * blur
        canvas = canvas + torch.randn(canvas.shape, generator=rng) * 0.03 * pick(0.25)
        canvas = ((canvas.clamp(0, 1) * 255).round() / 255 - MEAN) / STD
        return canvas, owner, concepts, image_of
