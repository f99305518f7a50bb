"""The result of a comparison: the runs of each cell, their spread, and the recommendation."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from ..inspection.texts import text

SEPARATED = 2.0  # standard errors of a difference of means, beyond which it is one


@final
@dataclass(frozen=True)
class RunNumbers:
    """The numbers of one run.

    Attributes:
        metric: the value of the metric that selects the weights, on the validation part.
        parameters: number of parameters.
        seconds: mean time of a training step, with its share of the evaluations, in seconds; it depends on the machine.
        memory: of a training step, in bytes: weights, gradients, two moments of the optimizer, and saved activations.
        horizon: the lag at which 1 % of the gradient remains; infinite beyond the longest sequence, NaN where unknown.
        failed: why the training failed; "" where it did not.
    """

    metric: float = math.nan
    parameters: int = 0
    seconds: float = math.nan
    memory: int = 0
    horizon: float = math.nan
    failed: str = ""


@final
@dataclass(frozen=True)
class Candidate:
    """A cell with its runs, one for each seed."""

    cell: str
    runs: Sequence[RunNumbers]

    @property
    def finished(self) -> list[RunNumbers]:
        """The runs that did not fail."""
        return [run for run in self.runs if not run.failed]

    @property
    def values(self) -> list[float]:
        """The metric of each run that did not fail."""
        return [run.metric for run in self.finished]

    @property
    def mean(self) -> float:
        """The mean of the metric; NaN where all runs failed."""
        return statistics.fmean(self.values) if self.values else math.nan

    @property
    def spread(self) -> float:
        """The standard deviation of the metric over the seeds; NaN with fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else math.nan


@final
@dataclass(frozen=True)
class Comparison:
    """The result of `compare`.

    Attributes:
        task: the name of the task.
        metric: the name of the metric.
        higher_is_better: its direction.
        candidates: the cells in the order in which they were given.
        page: the page that was written.
        minutes: the time limit of each run; None for none.
        curves: the validation loss by step of the first seed of each cell.
    """

    task: str
    metric: str
    higher_is_better: bool
    candidates: Sequence[Candidate]
    page: Path
    minutes: float | None = None
    curves: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def ranked(self) -> list[Candidate]:
        """Return the candidates of which a run finished, the best first."""
        finished = [one for one in self.candidates if one.values]
        return sorted(finished, key=lambda one: -one.mean if self.higher_is_better else one.mean)

    def best(self) -> tuple[Candidate | None, list[Candidate]]:
        """Return the recommended candidate, and those that do not differ from the best one beyond the spread.

        Of these the one with the fewest parameters is recommended. With one seed the spread is not known.
        """
        ranked = self.ranked()
        if not ranked:
            return None, []
        equal = [one for one in ranked if not separated(ranked[0], one)]
        return min(equal, key=lambda one: one.finished[0].parameters), equal

    def recommendation(self, language: str = "en") -> str:
        """Return the recommendation in one or two sentences."""
        chosen, equal = self.best()
        if chosen is None:
            return text(language, "compare.none")
        names = text(language, "diagnosis.comma").join(one.cell for one in equal)
        if len(self.ranked()) == 1:
            return text(language, "compare.only", cell=chosen.cell)
        if any(len(one.values) < 2 for one in self.ranked()):
            return text(language, "compare.one_seed", cell=self.ranked()[0].cell, metric=self.metric)
        if len(equal) == 1:
            return text(language, "compare.better", cell=chosen.cell, metric=self.metric)
        return text(language, "compare.equal", cells=names, metric=self.metric, cell=chosen.cell)

    def table(self, language: str = "en") -> tuple[list[str], list[list[str]]]:
        """Return the names of the columns, and a row for each candidate, the best first, then those that failed."""
        head = [
            text(language, f"compare.{name}") for name in ("cell", "seeds", "parameters", "step", "memory", "horizon")
        ]
        head.insert(1, self.metric)
        failed = [one for one in self.candidates if not one.values]
        return head, [_row(one, language) for one in [*self.ranked(), *failed]]

    def lines(self, language: str = "en") -> list[str]:
        """Return the table, the runs that failed, and the recommendation as text."""
        head, rows = self.table(language)
        widths = [max(len(row[k]) for row in [head, *rows]) for k in range(len(head))]
        lines = [
            "  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
        ]
        return [*lines, *self.failures(), self.recommendation(language)]

    def failures(self) -> list[str]:
        """Return a line for each run that failed."""
        return [
            f"{one.cell}, seed {seed}: {run.failed}"
            for one in self.candidates
            for seed, run in enumerate(one.runs)
            if run.failed
        ]


def separated(a: Candidate, b: Candidate) -> bool:
    """Return whether two means differ by more than two standard errors of their difference; False with fewer than two seeds.

    Example:
        >>> from recurra.comparison.results import Candidate, RunNumbers, separated
        >>> one, other = (Candidate(name, [RunNumbers(v), RunNumbers(v + 0.02)]) for name, v in (("gru", 0.8), ("rnn", 0.6)))
        >>> separated(one, other), separated(one, one)
        (True, False)
    """
    if min(len(a.values), len(b.values)) < 2:
        return False
    error = math.sqrt(a.spread**2 / len(a.values) + b.spread**2 / len(b.values))
    return abs(a.mean - b.mean) > SEPARATED * error


def _row(one: Candidate, language: str) -> list[str]:
    if not one.values:
        return [one.cell, text(language, "compare.failed"), f"0/{len(one.runs)}", "-", "-", "-", "-"]
    runs, spread = one.finished, "" if math.isnan(one.spread) else f" ± {one.spread:.2g}"
    horizons = [run.horizon for run in runs if not math.isnan(run.horizon)]
    horizon = statistics.median(horizons) if horizons else math.nan
    seconds = statistics.median(run.seconds for run in runs)
    return [
        one.cell,
        f"{one.mean:.4g}{spread}",
        f"{len(runs)}/{len(one.runs)}",
        f"{runs[0].parameters:,}",
        f"{1000 * seconds:.3g} ms",
        f"{runs[0].memory / 1e6:,.1f} MB",
        text(language, "compare.beyond") if math.isinf(horizon) else "-" if math.isnan(horizon) else f"{horizon:.0f}",
    ]
