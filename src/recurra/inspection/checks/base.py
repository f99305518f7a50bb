"""`Check`: one question about a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from ..evidence import Evidence
from ..findings import Finding


@final
@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        name: the problem that it looks for.
        find: returns the finding, or None where the run does not have the problem. Raises UserError with the reason where the
            check cannot be done.
    """

    name: str
    find: Callable[[Evidence], Finding | None]


def rounded(value: float) -> str:
    """Return a number in a setting, such as 0.0002."""
    return f"{value:.2g}"
