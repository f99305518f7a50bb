"""How many steps a run has, how far it is, and what the clock may change: a record that can be replayed.

A schedule is a function of the progress p in [0, 1], and progress is a function of the step: between two entries of
the record it grows in equal parts to 1 at the total of the entry before. Correcting the total therefore bends the
line and never makes it jump.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Plan:
    """`record`: (step from which it holds, progress there, total steps)."""

    record: list[tuple[int, float, int]] = field(default_factory=list)

    @classmethod
    def of(cls, total: int) -> Plan:
        return cls([(0, 0.0, max(total, 1))])

    @property
    def total(self) -> int:
        return self.record[-1][2]

    def progress(self, step: int) -> float:
        """In [0, 1], for steps counted from 0."""
        since, before, total = next(entry for entry in reversed(self.record) if entry[0] <= step)
        return 1.0 if step >= total else before + (1 - before) * (step - since) / (total - since)

    def correct(self, step: int, total: int) -> None:
        """From `step` on the run is to end at `total`."""
        total = max(total, step)
        if total != self.total:
            self.record.append((step, self.progress(step), total))


def scale(schedule: str, warmup: float, progress: float) -> float:
    """The learning rate at `progress`, as a share of the highest: rising over `warmup`, then by `schedule`."""
    if progress < warmup:
        return max(progress / warmup, 1e-3)
    after = (progress - warmup) / (1 - warmup)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * after))
    return 1 - after if schedule == "linear" else 1.0
