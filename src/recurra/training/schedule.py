"""The step schedule: the number of steps of a run and its progress, as a record that can be replayed.

A learning rate schedule is a function of the progress p in [0, 1], and the progress is a function of the step. Between two
entries of the record the progress grows linearly towards 1 at the total number of steps of the earlier entry. A correction of
the total therefore changes the slope, and the progress has no jump.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class StepSchedule:
    """`record`: entries (step from which it applies, progress at that step, total number of steps)."""

    record: list[tuple[int, float, int]] = field(default_factory=list)

    @classmethod
    def of(cls, total: int) -> StepSchedule:
        """A schedule of `total` steps, without corrections."""
        return cls([(0, 0.0, max(total, 1))])

    @property
    def total(self) -> int:
        """The current total number of steps."""
        return self.record[-1][2]

    def progress(self, step: int) -> float:
        """The progress in [0, 1] at a step, counted from 0."""
        since, before, total = next(entry for entry in reversed(self.record) if entry[0] <= step)
        return 1.0 if step >= total else before + (1 - before) * (step - since) / (total - since)

    def correct(self, step: int, total: int) -> None:
        """Change the total number of steps from `step` on."""
        total = max(total, step)
        if total != self.total:
            self.record.append((step, self.progress(step), total))


def learning_rate_factor(schedule: str, warmup: float, progress: float) -> float:
    """The learning rate at `progress`, divided by the highest one: it rises during the warm-up, then follows `schedule`."""
    if progress < warmup:
        return max(progress / warmup, 1e-3)
    after = (progress - warmup) / (1 - warmup)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * after))
    return 1 - after if schedule == "linear" else 1.0
