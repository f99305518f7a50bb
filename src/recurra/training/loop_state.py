"""What a training loop is at a step, as tensors and plain values, from which it continues bit-identically."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor

from ..nn import State
from ..tasks.base import Sampler
from . import checkpoint
from .best import BestWeights
from .clock import TrainingClock
from .ema import WeightEMA
from .history import History
from .schedule import StepSchedule


class Training(Protocol):
    """The attributes of `training/loop.py` that change from step to step, and what they need."""

    fabric: Fabric
    module: torch.nn.Module
    optimizer: Any
    ema: WeightEMA
    sampler: Sampler
    keys: Any
    state: Any
    schedule: StepSchedule
    clock: TrainingClock
    best: BestWeights
    history: History
    step: int
    epoch: int
    index: int
    last_evaluation: int
    running_loss: float | None
    restored: bool


def state_of(loop: Training) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the state of a loop: its tensors by name, and its other values, which JSON can represent."""
    tensors = {f"weights/{name}": value for name, value in loop.module.state_dict().items()}
    tensors |= {f"ema/{name}": value for name, value in loop.ema.tensors().items()}
    optimizer, optimizer_facts = checkpoint.pack_optimizer(loop.optimizer)
    tensors |= {f"optimizer/{name}": value for name, value in optimizer.items()}
    tensors["random/cpu"] = torch.get_rng_state()
    if loop.fabric.device.type == "cuda":
        tensors["random/cuda"] = torch.cuda.get_rng_state(loop.fabric.device)
    if isinstance(loop.state, State):
        tensors |= {f"state/{name}": value for name, value in loop.state.tensors().items()}
    facts = {
        "step": loop.step,
        "epoch": loop.epoch,
        "index": loop.index,
        "step_schedule": loop.schedule.record,
        "device": loop.fabric.device.type,
        "history": loop.history.lines,
        "last_evaluation": loop.last_evaluation,
        "running_loss": loop.running_loss,
        "ema_updates": loop.ema.updates,
        "optimizer": optimizer_facts,
        **loop.clock.record(),
        **loop.best.record(),
    }
    return tensors, facts


def restore(loop: Training, tensors: dict[str, Tensor], facts: dict[str, Any], best: Path) -> str:
    """Continue from a state: the run folder then has the history and the best weights, in the file `best`, of that step.

    Returns the type of device that the run was on.
    """

    def part(prefix: str) -> dict[str, Tensor]:
        return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}

    loop.module.load_state_dict(part("weights/"))
    loop.ema.restore(part("ema/"), facts["ema_updates"])
    checkpoint.unpack_optimizer(loop.optimizer, part("optimizer/"), facts["optimizer"])
    torch.set_rng_state(tensors["random/cpu"].cpu())
    if "random/cuda" in tensors and loop.fabric.device.type == "cuda":
        torch.cuda.set_rng_state(tensors["random/cuda"].cpu(), loop.fabric.device)
    state = part("state/")
    loop.state = State.from_tensors(state).to(loop.fabric.device) if state else None
    loop.step, loop.epoch, loop.index = facts["step"], facts["epoch"], facts["index"]
    loop.keys = loop.sampler.epoch(loop.epoch)
    loop.restored = loop.step > 0
    loop.schedule = StepSchedule([(int(s), float(p), int(t)) for s, p, t in facts["step_schedule"]])
    loop.best.restore(facts, best)
    loop.history.cut(facts["history"])
    loop.last_evaluation, loop.running_loss = facts["last_evaluation"], facts["running_loss"]
    loop.clock.restore(facts)
    return str(facts["device"])
