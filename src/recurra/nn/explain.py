"""What a layer answers when it is asked what will run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .. import ops


@dataclass(frozen=True)
class LayerPlan(ops.BackendChoice):
    """The plans of all layers; `cell`, `runs` and `others` are those of the first, joined where layers differ.

    layers    one plan a layer
    computed  steps of rows that are computed, dead ones too, in all layers and directions
    live      those among them before the end of their row
    """

    layers: tuple[ops.BackendChoice, ...]
    computed: int
    live: int

    def __str__(self) -> str:
        if len(set(map(str, self.layers))) == 1:
            plans = str(self.layers[0])
        else:
            plans = "\n".join(f"layer {k}: {plan}" for k, plan in enumerate(self.layers))
        return f"{plans}\n  computes {self.computed:,} steps of rows, of which {self.live:,} are live"


def plan_of(calls: Sequence[ops.Call], backend: str) -> LayerPlan:
    """The plan of a layer that makes these calls one after the other. Raises BackendError where one cannot be made."""
    plans, computed, live = [], 0, 0
    for call in calls:
        plans.append(ops.plan(call, backend))
        computed += ops.choose(call, backend).computed_steps(call)
        steps = call.x.shape[0] * call.x.shape[1] if call.lengths is None else int(torch.sum(call.lengths))
        live += steps * call.directions
    cells, runs = (", ".join(dict.fromkeys(names)) for names in zip(*((p.cell, p.runs) for p in plans), strict=True))
    return LayerPlan(cells, runs, plans[0].others, tuple(plans), computed, live)
