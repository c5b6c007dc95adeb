"""Muon for the matrices inside the blocks (momentum, then the nearest orthogonal matrix); AdamW for the rest.

Muon (Jordan et al., 2024) needs about half the tokens of AdamW at this size.
"""

import torch
from torch import Tensor, nn


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """Brings all singular values near 1, by the quintic Newton-Schulz iteration."""
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters: list[Tensor], lr: float, momentum: float = 0.95):
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                velocity = self.state[parameter].setdefault("velocity", torch.zeros_like(parameter))
                velocity.lerp_(parameter.grad, 1 - group["momentum"])
                update = orthogonalise(parameter.grad.lerp(velocity, group["momentum"]))
                rows, columns = parameter.shape
                parameter.add_(update, alpha=-group["lr"] * max(1, rows / columns) ** 0.5)


class Schedule:
    """Both optimisers under one warm-up, plateau and linear decay to zero."""

    def __init__(self, model: nn.Module, steps: int, muon_rate: float = 0.02, adam_rate: float = 0.004):
        matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and "embed" not in name]
        others = [p for name, p in model.named_parameters() if p.dim() != 2 or "embed" in name]
        self.steps, self.done = steps, 0
        self.optimisers = [(Muon(matrices, muon_rate), muon_rate),
                           (torch.optim.AdamW(others, adam_rate, betas=(0.9, 0.95), weight_decay=0.0), adam_rate)]

    def step(self) -> None:
        progress = self.done / self.steps
        factor = min(1.0, (self.done + 1) / 50, (1 - progress) / 0.5)
        for optimiser, rate in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * factor
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.done += 1
