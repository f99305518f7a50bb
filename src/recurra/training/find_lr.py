"""A learning-rate finder (Smith 2015, arXiv:1506.01186): a sweep over learning rates before the training.

The rate grows exponentially from step to step. The suggestion is the rate at which the smoothed loss falls most steeply over
the logarithm of the rate; the rate at which the loss begins to rise is too large. Nothing of the sweep remains in the
weights, the optimizer, the random numbers or the order of the batches.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ..errors import TrainingError

if TYPE_CHECKING:
    from ..progress import Bar, Progress
    from .loop import Loop

LOWEST, HIGHEST = 1e-6, 1.0
STEPS = 100
SMOOTHING = 0.9  # of the running mean of the loss
DIVERGED = 3.0  # times the lowest smoothed loss, where the sweep ends
MIN_FALL = 0.01  # fraction by which the loss must fall for a suggestion
SLOPE_STEPS = 5  # steps over which a slope is measured
ROWS, WIDTH = 12, 40  # of the chart


@dataclass(frozen=True)
class Sweep:
    """The curve of a sweep.

    rates    learning rate of each step, (N,)
    losses   smoothed loss at each step, (N,)
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def suggestion(self) -> float | None:
        """The rate of the steepest descent before the lowest loss, with two digits; None if the loss does not fall."""
        lowest = min(range(len(self.losses)), key=self.losses.__getitem__)
        begin = self.losses[0]
        if lowest <= SLOPE_STEPS or begin - self.losses[lowest] < MIN_FALL * abs(begin):
            return None
        slopes = {at: self.losses[at] - self.losses[at - SLOPE_STEPS] for at in range(SLOPE_STEPS, lowest + 1)}
        steepest = min(slopes, key=slopes.__getitem__) - SLOPE_STEPS // 2
        return float(f"{self.rates[steepest]:.1e}")

    def lines(self) -> list[str]:
        """The curve as a chart in text: one line for each group of steps, with a bar for the loss."""
        finite = [loss for loss in self.losses if math.isfinite(loss)]
        low, high = min(finite), max(finite)
        chosen = self.suggestion
        rows, step = [], max(math.ceil(len(self.rates) / ROWS), 1)
        nearest = (
            None
            if chosen is None
            else min(range(0, len(self.rates), step), key=lambda n: abs(math.log(self.rates[n] / chosen)))
        )
        for at in range(0, len(self.rates), step):
            loss = self.losses[at]
            bar = "#" * round(WIDTH * (loss - low) / max(high - low, 1e-12)) if math.isfinite(loss) else "not finite"
            mark = " <- suggestion" if at == nearest else ""
            rows.append(f"{self.rates[at]:8.1e}  loss {loss:8.4f}  {bar}{mark}")
        return rows


@dataclass(frozen=True)
class SweepResult:
    """The learning rate that a sweep suggests.

    curve        the sweep
    suggestion   the rate
    """

    curve: Sweep
    suggestion: float

    def record(self) -> dict[str, Any]:
        """What config.yaml records: the suggestion, and about twenty points of the curve as pairs of rate and loss."""
        every = max(len(self.curve.rates) // 20, 1)
        points = zip(self.curve.rates[::every], self.curve.losses[::every], strict=True)
        return {
            "suggestion": self.suggestion,
            "curve": [[float(f"{rate:.3g}"), round(loss, 4)] for rate, loss in points],
        }


def find_learning_rate(loop: Loop, progress: Progress) -> SweepResult:
    """Sweep over learning rates, and show the curve. Raises TrainingError if the loss does not fall at any rate."""
    with progress.bar("finding the learning rate", 1.0) as bar:
        curve = sweep(loop, bar)
    progress.message("learning rates and the smoothed loss:")
    for line in curve.lines():
        progress.message(f"  {line}")
    if (suggestion := curve.suggestion) is None:
        raise TrainingError(
            f"--find-lr: the loss does not fall at any learning rate from {LOWEST:g} to {HIGHEST:g}, so that none is "
            "suggested; set learning_rate instead"
        )
    progress.message(f"learning rate {suggestion:g}, where the loss falls most steeply; it replaces the default of "
                     f"{loop.training.learning_rate:g}")  # fmt: skip
    return SweepResult(curve, suggestion)


def sweep(loop: Loop, bar: Bar, steps: int = STEPS) -> Sweep:
    """Take `steps` steps with growing learning rates, and undo them.

    Raises TrainingError if the loss is not a finite number at the lowest rate.
    """
    saved = _Snapshot(loop)
    rates, losses = list[float](), list[float]()
    average = 0.0
    try:
        for n in range(steps):
            rate = LOWEST * (HIGHEST / LOWEST) ** (n / (steps - 1))
            try:
                loss = loop.take_step(rate)
            except TrainingError:
                if not rates:
                    raise
                break
            average = SMOOTHING * average + (1 - SMOOTHING) * loss
            rates.append(rate)
            losses.append(average / (1 - SMOOTHING ** (n + 1)))
            bar.update((n + 1) / steps, f"{rate:.1e} loss {losses[-1]:.3f}")
            if losses[-1] > DIVERGED * min(losses) > 0:
                break
    finally:
        saved.restore()
    return Sweep(tuple(rates), tuple(losses))


class _Snapshot:
    """What a step changes, to be restored."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.weights = _copied(loop.module.state_dict())
        self.optimizer = copy.deepcopy(loop.optimizer.state_dict())
        self.ema = _copied(loop.ema.tensors())
        self.position = (loop.step, loop.epoch, loop.index, loop.keys, loop.state, loop.running_loss, loop.ema.updates)
        self.cpu = torch.get_rng_state()
        self.on_cuda = loop.fabric.device.type == "cuda"
        self.cuda = torch.cuda.get_rng_state(loop.fabric.device) if self.on_cuda else None

    @torch.no_grad()
    def restore(self) -> None:
        loop = self.loop
        loop.module.load_state_dict(self.weights)
        loop.optimizer.load_state_dict(self.optimizer)
        loop.optimizer.zero_grad()
        loop.step, loop.epoch, loop.index, loop.keys, loop.state, loop.running_loss, updates = self.position
        loop.ema.restore(self.ema, updates)
        loop.clock.reset_timer()
        torch.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda, loop.fabric.device)


def _copied(tensors: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in tensors.items()}
