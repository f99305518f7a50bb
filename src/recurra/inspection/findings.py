"""What a diagnosis returns: findings, each with its number and its remedy, and the checks that could not be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, final

from .texts import text


class Severity(IntEnum):
    """How much a problem harms a run."""

    broken = 3  # the run cannot have learned
    serious = 2  # the run learned less than it could, or its metrics are misleading
    notable = 1  # worth a try


@final
@dataclass(frozen=True)
class Finding:
    """A problem of a run.

    Attributes:
        key: the key of the check, such as "rate_too_high".
        value: the number on which the finding is based; the larger, the worse.
        threshold: the number from which on it is a problem.
        severity: see `Severity`.
        facts: the numbers and settings in the texts.
    """

    key: str
    value: float
    threshold: float
    severity: Severity
    facts: Mapping[str, str] = field(default_factory=dict)

    def text(self, part: str, language: str = "en") -> str:
        """Return the `name`, the `sentence` with the number, the reason `why` it is a problem, or the `remedy`."""
        facts = dict(self.facts)
        if facts.get("remedy"):  # a fact that names one of several texts
            part = f"{part}_{facts['remedy']}" if part == "remedy" else part
        return text(language, f"{self.key}.{part}", **facts)

    @property
    def cause(self) -> str:
        """The name of the problem, such as "learning rate too high"."""
        return self.text("name")

    @property
    def sentence(self) -> str:
        """What was found, with the number on which it is based."""
        return self.text("sentence")

    @property
    def remedy(self) -> str:
        """What to do, as settings of the next training where there are any: `--set learning_rate=0.001`."""
        return self.text("remedy")


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
        findings: the problems; a cause comes before what follows from it.
        done: the keys of the checks that found no problem.
        not_done: the checks that could not be done, with their reasons.
    """

    findings: tuple[Finding, ...]
    done: tuple[str, ...]
    not_done: tuple[NotDone, ...]

    def lines(self, language: str = "en") -> list[str]:
        """Return the text that `recurra inspect` prints."""
        lines = [] if self.findings else [text(language, "diagnosis.healthy", count=len(self.done))]
        for n, one in enumerate(self.findings, 1):
            lines += [
                f"{n}. {one.text('name', language)}: {one.text('sentence', language)}",
                f"   {one.text('why', language)}",
                f"   {text(language, 'diagnosis.remedy', remedy=one.text('remedy', language))}",
            ]
        reasons: dict[str, list[str]] = {}
        for left_out in self.not_done:
            reasons.setdefault(left_out.reason, []).append(text(language, f"{left_out.check}.name"))
        separator = text(language, "diagnosis.comma")
        return lines + [
            text(language, "diagnosis.not_checked", names=separator.join(dict.fromkeys(names)), reason=reason)
            for reason, names in reasons.items()
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the diagnosis as values that JSON can represent."""
        return {
            "findings": [
                {
                    "key": one.key,
                    "cause": one.cause,
                    "sentence": one.sentence,
                    "value": one.value,
                    "threshold": one.threshold,
                    "why": one.text("why"),
                    "remedy": one.remedy,
                    "severity": one.severity.name,
                }
                for one in self.findings
            ],
            "done": list(self.done),
            "not_done": [{"check": one.check, "reason": one.reason} for one in self.not_done],
        }
