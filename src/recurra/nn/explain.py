"""`LayerPlan`, the result of `layer.plan(x)`: which backend would run a call, and how much it computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .. import ops


@dataclass(frozen=True)
class LayerPlan(ops.BackendChoice):
    """Which backends would run a call of a layer. `str(plan)` is a report.

    Attributes:
        cell: names of the cells, without repetition.
        runs: names of the backends that would run, without repetition.
        others: for each other backend the reason why it does not run the first layer.
        layers: one plan per layer.
        computed: number of time steps that are computed in all sequences, layers and directions, padding included.
        valid: number of those time steps that are not padding.
    """

    layers: tuple[ops.BackendChoice, ...]
    computed: int
    valid: int

    def __str__(self) -> str:
        """Return the report: the plan of each layer that differs, and the numbers of time steps."""
        if len(set(map(str, self.layers))) == 1:
            plans = str(self.layers[0])
        else:
            plans = "\n".join(f"layer {k}: {plan}" for k, plan in enumerate(self.layers))
        return f"{plans}\n  computes {self.computed:,} time steps of all sequences, of which {self.valid:,} are valid"


def plan_calls(calls: Sequence[ops.Call], backend: str) -> LayerPlan:
    """Return the plan of a layer that makes these calls. Raises BackendError if `backend` does not support one of them."""
    plans, computed, valid = [], 0, 0
    for call in calls:
        plans.append(ops.plan(call, backend))
        computed += ops.choose(call, backend).computed_steps(call)
        steps = call.x.shape[0] * call.x.shape[1] if call.lengths is None else int(torch.sum(call.lengths))
        valid += steps * call.directions
    cells, runs = (", ".join(dict.fromkeys(names)) for names in zip(*((p.cell, p.runs) for p in plans), strict=True))
    return LayerPlan(cells, runs, plans[0].others, tuple(plans), computed, valid)
