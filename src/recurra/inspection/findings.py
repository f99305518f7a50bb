"""What a diagnosis returns: findings, each with its number and its remedy, and the checks that could not be done."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, final


class Severity(IntEnum):
    """How much a problem harms a run. Findings are sorted by it; of equal ones the cause comes before its consequence."""

    broken = 3  # the run cannot have learned
    serious = 2  # the run learned less than it could, or its metrics are misleading
    notable = 1  # worth a try


@final
@dataclass(frozen=True)
class Finding:
    """A problem of a run.

    Attributes:
        cause: the name of the problem, such as "learning rate too high".
        number: the number on which the finding is based, in words.
        explanation: one sentence about why this is a problem.
        remedy: what to do, as settings of the next training where there are any: `--set learning_rate=0.001`.
        severity: see `Severity`.
    """

    cause: str
    number: str
    explanation: str
    remedy: str
    severity: Severity


@final
@dataclass(frozen=True)
class NotDone:
    """A check that could not be done, and why."""

    check: str
    reason: str


@final
@dataclass(frozen=True)
class Diagnosis:
    """The result of `diagnose`.

    Attributes:
        findings: the problems, the most severe one first; of equal ones the probable cause first.
        done: the names of the checks that found no problem.
        not_done: the checks that could not be done, with their reasons.
    """

    findings: tuple[Finding, ...]
    done: tuple[str, ...]
    not_done: tuple[NotDone, ...]

    def lines(self) -> list[str]:
        """Return the text that `recurra inspect` prints."""
        lines = [] if self.findings else [f"no problem found ({len(self.done)} checks)"]
        for n, one in enumerate(self.findings, 1):
            lines += [f"{n}. {one.cause}: {one.number}", f"   {one.explanation}", f"   remedy: {one.remedy}"]
        reasons: dict[str, list[str]] = {}
        for left_out in self.not_done:
            reasons.setdefault(left_out.reason, []).append(left_out.check)
        return lines + [f"not checked: {', '.join(names)} ({reason})" for reason, names in reasons.items()]

    def to_json(self) -> dict[str, Any]:
        """Return the diagnosis as values that JSON can represent; the severity is its name."""
        values = asdict(self)
        for finding in values["findings"]:
            finding["severity"] = Severity(finding["severity"]).name
        return values
