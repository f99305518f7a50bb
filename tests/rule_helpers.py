"""Tiny losses in float64, on which gradient rules are compared."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from recurra.nn import Recurrent, State
from recurra.nn.pooling import POOLINGS, PoolState
from recurra.tasks.objective import Objective, gathered
from recurra.training.rules import GradientRule

Gradients = dict[str, Tensor]


class Toy(Objective):
    """The sum of v . y_t over weights v that differ by time step and sequence, and of v . (the pooled outputs)."""

    has_steps = True  # type: ignore[misc]  set by the instance

    def __init__(
        self,
        cell: Any = "lstm",
        *,
        lengths: tuple[int, ...] = (12, 12),
        steps: bool = True,
        pooling: str | None = None,
        H: int = 4,
        num_layers: int = 1,
        embedding: bool = False,
        seed: int = 0,
    ) -> None:
        torch.manual_seed(seed)
        B, T, I = len(lengths), max(lengths), 3
        network = nn.ModuleDict({"recurrent": Recurrent(cell, I, H, num_layers=num_layers)})
        if embedding:
            network["embedding"] = nn.Embedding(5, I)
        network["readout"] = nn.Linear(H, 2)
        network.double()
        pool = None if pooling is None else POOLINGS[pooling](H).double()
        if pool is not None:
            network["pooling"] = pool
        super().__init__(network, network["recurrent"], torch.tensor(lengths), pool)  # type: ignore[arg-type]
        self.x = torch.randint(5, (B, T)) if embedding else torch.randn(B, T, I, dtype=torch.float64)
        self.targets = torch.randn(B, T, 2, dtype=torch.float64)
        self.final = torch.randn(B, pool.output_size if pool is not None else H, dtype=torch.float64)
        self.has_steps = steps  # type: ignore[misc]

    def inputs(self, index: Tensor) -> Tensor:
        x = gathered(self.x, index)
        return self.network["embedding"](x) if "embedding" in self.network else x  # type: ignore[operator, index]

    def step_loss(self, y: Tensor, index: Tensor, counted: Tensor) -> Tensor:
        output = self.network["readout"](y)  # type: ignore[operator, index]
        return ((output - gathered(self.targets, index)) ** 2).sum(-1)[counted].sum()

    def final_loss(self, pooled: PoolState, ended: Tensor) -> Tensor:
        return ((self.pooling.result(pooled) - self.final)[ended] ** 2).sum()  # type: ignore[union-attr]

    def rows(self, row: int) -> Toy:
        """The loss of one sequence alone, with the same network."""
        one = object.__new__(Toy)
        one.__dict__.update(self.__dict__)
        T = int(self.lengths[row])
        one.lengths, one.steps = self.lengths[row : row + 1], T
        one.x, one.targets, one.final = (v[row : row + 1] for v in (self.x, self.targets, self.final))
        return one

    def whole(self) -> Tensor:
        """The loss by ordinary autograd, without windows."""
        B, T = self.x.shape[:2]
        index = torch.arange(T).expand(B, -1)
        y, _ = self.recurrent(self.inputs(index), lengths=self.lengths)
        loss = torch.zeros((), dtype=torch.float64)
        if self.has_steps:
            loss = loss + self.step_loss(y, index, index < self.lengths[:, None])
        if self.pooling is not None:
            loss = loss + self.final_loss(self.pooling.push(y, self.lengths, None), torch.ones(B, dtype=torch.bool))
        return loss


def gradients(objective: Objective) -> Gradients:
    """The gradients of all parameters, which are then removed."""
    found = {
        name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in objective.network.named_parameters()
    }
    objective.network.zero_grad()
    return found


def by_rule(
    rule: GradientRule, objective: Objective, state: State | None = None
) -> tuple[Gradients, Tensor, State | None]:
    loss, after = rule.gradient(objective, state, lambda loss: loss.backward())
    return gradients(objective), loss, after


def by_autograd(objective: Toy) -> Gradients:
    objective.whole().backward()
    return gradients(objective)


def close(one: Gradients, other: Gradients, tolerance: float = 1e-10) -> bool:
    return all(torch.allclose(one[name], other[name], rtol=tolerance, atol=tolerance) for name in other)
