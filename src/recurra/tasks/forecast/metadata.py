"""What a run of series knows by heart: its columns, seasons, cycles of the calendar, and the measures of every number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.series.cells import number
from ...data.series.series import Columns, Series
from ...data.series.times import CYCLES
from ...errors import DataError
from .windows import Panel, stats_of

TIMES_OF_A_CYCLE = 2  # that the training part must hold, or its place in it says no more than the date


@dataclass
class Facts:
    """Fitted on the training part, saved with the run, and all that is needed to make a `Panel` of other series."""

    columns: Columns
    seasons: dict[str, int] = field(default_factory=dict)  # by the name of the grid
    cycles: list[bool] = field(default_factory=lambda: [False] * len(CYCLES))
    measures: dict[str, tuple[float, float]] = field(
        default_factory=dict
    )  # mean and deviation of covariates, by column
    classes: dict[str, list[str]] = field(default_factory=dict)  # of the static covariates that are words
    series: dict[str, tuple[int, float, float, float]] = field(default_factory=dict)  # vector, mean, deviation, size
    masked: bool = False  # there were missing values

    @classmethod
    def of(cls, columns: Columns, series: Sequence[Series]) -> Facts:
        return cls(columns, masked=any(bool(np.isnan(one.values).any()) for one in series))

    # fitting -------------------------------------------------------------------------------------------------------
    def fit(self, series: Sequence[Series], cuts: Mapping[str, int], *, calendar: bool) -> None:
        """Measures of the covariates, classes of the static ones, and the cycles that the series are long enough for."""
        for names, of in ((self.columns.known, "known"), (self.columns.past, "past")):
            for at, column in enumerate(names):
                mean, deviation, _ = stats_of(
                    np.concatenate([getattr(one, of)[: cuts.get(one.name, 0), at] for one in series])
                )
                self.measures[column] = mean, deviation
        for at, column in enumerate(self.columns.static):
            words = [one.static[at] for one in series if one.name in cuts]
            values = [number(word) for word in words]
            if all(value is not None for value in values):
                mean, deviation, _ = stats_of(np.array(values, np.float64))
                self.measures[column] = mean, deviation
            else:
                self.classes[column] = sorted(set(words))
        for at in range(len(CYCLES)):
            enough = [
                n for one in series if (n := one.grid.cycles()[at]) and cuts.get(one.name, 0) >= TIMES_OF_A_CYCLE * n
            ]
            self.cycles[at] = calendar and len(enough) >= len(series) / 2

    def settle(self, series: Sequence[Series], cuts: Mapping[str, int]) -> None:
        """Number the series that are trained on, and take their measures."""
        trained = [one for one in series if cuts.get(one.name)]
        self.series = {one.name: (at, *stats_of(one.values[: cuts[one.name]])) for at, one in enumerate(trained, 1)}

    def check_steps(self, one: Series, file: object = None) -> None:
        """DataError where the run was trained on no series of such steps of time."""
        if one.grid.name not in self.seasons:
            raise DataError(
                f"the series {one.name!r} has a value {one.grid.name}; this run knows {', '.join(self.seasons)}. "
                "Bring it to the same steps",
                file=file,
            )

    # use -----------------------------------------------------------------------------------------------------------
    @property
    def widths(self) -> dict[str, int]:
        return {
            "known": len(self.columns.known),
            "past": len(self.columns.past),
            "calendar": 2 * sum(self.cycles),
        }

    @property
    def static_width(self) -> int:
        return sum(len(self.classes.get(column, "1")) for column in self.columns.static)

    def panel(self, series: Sequence[Series], *, until: Mapping[str, int] | None = None, ahead: int = 0) -> Panel:
        """The series one after the other, each with `ahead` steps more that are to come. The measures of a series that the
        run does not know are those of its first `until` steps."""
        sized = [(one, len(one) + ahead) for one in series]
        used = np.repeat(self.cycles, 2)
        usual = next(iter(self.seasons.values()), 1)
        stats = [
            self.series[one.name][1:]
            if one.name in self.series
            else stats_of(one.values[: (until or {}).get(one.name)])
            for one in series
        ]
        return Panel(
            values=np.concatenate([np.r_[one.values, np.full(ahead, np.nan)] for one in series]),
            known=np.concatenate([self._measured(one.known, self.columns.known, n) for one, n in sized]),
            past=np.concatenate([self._measured(one.past, self.columns.past, n) for one, n in sized]),
            calendar=np.concatenate([one.grid.calendar(one.first + np.arange(n))[:, used] for one, n in sized]),
            starts=np.cumsum([0, *(n for _, n in sized)]).astype(np.int64),
            stats=np.array(stats, np.float64).reshape(-1, 3),
            seasons=np.array([self.seasons.get(one.grid.name, usual) for one in series], np.int64),
            vectors=np.array([self.series.get(one.name, (0,))[0] for one in series], np.int64),
            static=np.array([self._static(one) for one in series], np.float32).reshape(len(series), -1),
        )

    def _measured(self, values: NDArray[np.float64], names: Sequence[str], length: int) -> NDArray[np.float32]:
        """(length, columns) standardised; 0, the mean, where nothing is known."""
        result = np.zeros((length, len(names)), np.float32)
        n = min(length, len(values))
        for at, name in enumerate(names):
            mean, deviation = self.measures[name]
            result[:n, at] = np.nan_to_num((values[:n, at] - mean) / deviation)
        return result

    def _static(self, one: Series) -> list[float]:
        """Numbers standardised, words as one of the classes; a word never seen is none of them."""
        result: list[float] = []
        for column, cell in zip(self.columns.static, one.static, strict=True):
            if column in self.classes:
                result += [float(cell == word) for word in self.classes[column]]
            else:
                value = number(cell)
                if value is None:
                    raise DataError(f"the series {one.name!r} has {column} = {cell!r}, which is not a number")
                mean, deviation = self.measures[column]
                result.append(0.0 if np.isnan(value) else (value - mean) / deviation)
        return result

    # saving --------------------------------------------------------------------------------------------------------
    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Facts:
        tuples: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in saved["columns"].items()
        }
        values = dict(saved) | {"columns": Columns(**tuples)}
        values["series"] = {name: tuple(row) for name, row in saved["series"].items()}
        return cls(**values)
