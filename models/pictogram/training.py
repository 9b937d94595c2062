"""What both training stages share: the optimiser for matrices, the schedule, checkpoints that go on where they stopped."""
import json
import os
import time
from pathlib import Path

import torch


def module_state(state, prefix):
    """Of a state_dict(), what a module's part of that name has."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised by five Newton-Schulz steps (Jordan et al. 2024), for hidden matrices."""

    def __init__(self, params, lr=0.02, momentum=0.95, decay=0.01):
        super().__init__(params, dict(lr=lr, momentum=momentum, decay=decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            by_shape = {}
            for p in group["params"]:
                if p.grad is not None:
                    by_shape.setdefault(p.shape, []).append(p)
            for shape, params in by_shape.items():
                directions = orthogonal(torch.stack([self._blend(p, group["momentum"]) for p in params]))
                scale = max(1, shape[0] / shape[1]) ** 0.5
                for p, direction in zip(params, directions):
                    p.mul_(1 - group["lr"] * group["decay"])
                    p.add_(direction, alpha=-group["lr"] * scale)

    def _blend(self, p, momentum):
        average = self.state[p].setdefault("average", torch.zeros_like(p))
        average.lerp_(p.grad, 1 - momentum)
        return p.grad.lerp(average, momentum)


def orthogonal(matrices):
    """[n, rows, columns] -> about the nearest orthogonal ones."""
    is_tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if is_tall else matrices
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(5):
        gram = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.775 * gram + 2.0315 * gram @ gram) @ x
    return x.transpose(1, 2) if is_tall else x


def rate_at(seen, total, warm_up, cool_down):
    """The learning rate's factor after `seen` of `total` examples: up, level, and linearly down over the last `cool_down`. The level part
    can be prolonged later: training goes on from the state saved where the way down began."""
    return min(1.0, (seen + 1) / warm_up) * max(0.02, min(1.0, (total - seen) / cool_down))


class Run:
    """The folder of one stage: log.jsonl, level.pt (before the way down), latest.pt."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.begin = time.time()

    def save(self, name, state):
        part = self.folder / (name + ".part")
        torch.save(state, part)
        os.replace(part, self.folder / name)

    def load(self, total, cool_down):
        """The state to go on from: the latest, unless it is on the way down to a nearer end."""
        for name in ("latest.pt", "level.pt"):
            path = self.folder / name
            if path.exists():
                state = torch.load(path, map_location="cpu", weights_only=False)
                if state["seen"] <= state["total"] - state["cool_down"] or (state["total"], state["cool_down"]) == (total, cool_down):
                    return state
        return None

    def log(self, **figures):
        figures = {"minutes": round((time.time() - self.begin) / 60, 2), **figures}
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(figures) + "\n")
        print(figures, flush=True)
