"""`Check`: one question about a run, answered by one number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import final

from ..evidence import Evidence
from ..findings import Finding, Severity

USUAL_RATE = 3e-3  # the default of most tasks


@final
@dataclass(frozen=True)
class Measured:
    """The number of a check, the larger the worse, and the facts that its texts show.

    The fact `remedy`, where there is one, selects among several texts: `KEY.remedy_cell` for "cell".
    """

    value: float
    facts: Mapping[str, str] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        key: the key of its texts: `KEY.name`, `KEY.sentence`, `KEY.why`, `KEY.remedy`.
        measure: returns the number. Raises UserError with the reason where the check cannot be done.
        threshold: the smallest number that is a problem.
        severity: how much the problem harms a run.
    """

    key: str
    measure: Callable[[Evidence], Measured]
    threshold: float
    severity: Severity

    def find(self, evidence: Evidence) -> Finding | None:
        """Return the finding, or None where the run does not have the problem."""
        measured = self.measure(evidence)
        if not measured.value >= self.threshold:
            return None
        return Finding(self.key, measured.value, self.threshold, self.severity, measured.facts)


def lower_rate(rate: float) -> str:
    """Return the learning rate to try next after one that is too high: a tenth of it, and at most the usual one."""
    return rounded(min(rate / 10, USUAL_RATE))


def rounded(value: float) -> str:
    """Return a number in a setting, such as 0.0002."""
    return f"{value:.2g}"
