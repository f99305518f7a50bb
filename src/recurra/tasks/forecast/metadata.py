"""What a run keeps of its series: columns, seasons, cycles of the calendar, and the statistics of every column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ...data.series.cells import number
from ...data.series.series import Columns, Series
from ...data.series.times import CYCLES
from ...errors import DataError
from ...files import read_json, write_json
from .panel import Panel
from .series_stats import stats_of
from .windows import Floats

FILE = "series.json"
REPEATS_OF_A_CYCLE = 2  # that the training part must hold, or the position in it says no more than the date


@final
@dataclass
class SeriesMetadata:
    """Fitted on the training part, saved with the run, and all that is needed to make a `Panel` of other series."""

    columns: Columns
    seasons: dict[str, int] = field(default_factory=dict)  # by the name of the grid
    cycles: list[bool] = field(default_factory=lambda: [False] * len(CYCLES))
    measures: dict[str, tuple[float, float]] = field(default_factory=dict)  # mean and deviation, by covariate
    classes: dict[str, list[str]] = field(default_factory=dict)  # of the static covariates that are words
    series: dict[str, tuple[int, float, float, float]] = field(default_factory=dict)  # embedding row, then stats_of
    masked: bool = False  # there were missing values

    @classmethod
    def of(cls, columns: Columns, series: Sequence[Series]) -> SeriesMetadata:
        """The metadata of a training file, still to be fitted."""
        return cls(columns, masked=any(bool(np.isnan(one.values).any()) for one in series))

    # fitting -------------------------------------------------------------------------------------------------------
    def fit(self, series: Sequence[Series], cuts: Mapping[str, int], *, calendar: bool) -> None:
        """Fit covariates, cycles of the calendar and series on the steps before `cuts`, by name."""
        self._fit_covariates(self.columns.known, [one.known[: cuts.get(one.name, 0)] for one in series])
        self._fit_covariates(self.columns.past, [one.past[: cuts.get(one.name, 0)] for one in series])
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
                n for one in series if (n := one.grid.cycles()[at]) and cuts.get(one.name, 0) >= REPEATS_OF_A_CYCLE * n
            ]
            self.cycles[at] = calendar and len(enough) >= len(series) / 2
        trained = [one for one in series if cuts.get(one.name)]
        self.series = {one.name: (at, *stats_of(one.values[: cuts[one.name]])) for at, one in enumerate(trained, 1)}

    def _fit_covariates(self, names: Sequence[str], parts: Sequence[Floats]) -> None:
        """`parts`: the columns `names` of each series, training part only."""
        for at, column in enumerate(names):
            mean, deviation, _ = stats_of(np.concatenate([part[:, at] for part in parts]))
            self.measures[column] = mean, deviation

    def check_steps(self, one: Series, file: object = None) -> None:
        """Raise DataError where the run was trained on no series with the time step of this one."""
        if one.grid.name not in self.seasons:
            raise DataError(
                f"the series {one.name!r} has a value {one.grid.name}; this run knows {', '.join(self.seasons)}. "
                "Bring it to the same steps",
                file=file,
            )

    # use -----------------------------------------------------------------------------------------------------------
    @property
    def known_width(self) -> int:
        """Number of future covariates."""
        return len(self.columns.known)

    @property
    def past_width(self) -> int:
        """Number of past covariates."""
        return len(self.columns.past)

    @property
    def calendar_width(self) -> int:
        """Numbers that give a step's position in the cycles of the calendar."""
        return 2 * sum(self.cycles)

    @property
    def static_width(self) -> int:
        """Numbers that the static covariates of a series make."""
        return sum(len(self.classes.get(column, "1")) for column in self.columns.static)

    def panel(self, series: Sequence[Series], *, until: Mapping[str, int] | None = None, ahead: int = 0) -> Panel:
        """The panel of some series, each with `ahead` more steps that are to be forecast.

        The statistics of a series that the run was not trained on are those of its first `until` steps, by name, or of all.
        """
        sized = [(one, len(one) + ahead) for one in series]
        used = np.repeat(self.cycles, 2)
        default_season = next(iter(self.seasons.values()), 1)
        stats = [
            self.series[one.name][1:]
            if one.name in self.series
            else stats_of(one.values[: (until or {}).get(one.name)])
            for one in series
        ]
        return Panel(
            values=np.concatenate([np.r_[one.values, np.full(ahead, np.nan)] for one in series]),
            known=np.concatenate([self._standardised(one.known, self.columns.known, n) for one, n in sized]),
            past=np.concatenate([self._standardised(one.past, self.columns.past, n) for one, n in sized]),
            calendar=np.concatenate([one.grid.calendar(one.first + np.arange(n))[:, used] for one, n in sized]),
            starts=np.cumsum([0, *(n for _, n in sized)]).astype(np.int64),
            stats=np.array(stats, np.float64).reshape(-1, 3),
            seasons=np.array([self.seasons.get(one.grid.name, default_season) for one in series], np.int64),
            vectors=np.array([self.series.get(one.name, (0,))[0] for one in series], np.int64),
            static=np.array([self._static(one) for one in series], np.float32).reshape(len(series), -1),
        )

    def _standardised(self, values: Floats, names: Sequence[str], length: int) -> NDArray[np.float32]:
        """(length, columns) standardised; 0, the mean, where a value is missing."""
        result = np.zeros((length, len(names)), np.float32)
        n = min(length, len(values))
        for at, name in enumerate(names):
            mean, deviation = self.measures[name]
            result[:n, at] = np.nan_to_num((values[:n, at] - mean) / deviation)
        return result

    def _static(self, one: Series) -> list[float]:
        """Numbers standardised, words one-hot; a word that the training part does not have is all zeros."""
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

    # the run folder ------------------------------------------------------------------------------------------------
    def save(self, folder: Path) -> None:
        """Write the run's `vocabulary/series.json`."""
        write_json(folder / FILE, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> SeriesMetadata:
        """Read what `save` wrote."""
        saved: Mapping[str, Any] = read_json(folder / FILE)
        columns: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in saved["columns"].items()
        }
        values = dict(saved) | {"columns": Columns(**columns)}
        for name in ("measures", "series"):
            values[name] = {key: tuple(row) for key, row in saved[name].items()}
        return cls(**values)
