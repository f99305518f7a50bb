"""The metadata that a run keeps of its series: columns, seasonality, calendar cycles, and statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ...data.series.grid import CYCLES
from ...data.series.series import SeriesColumns, TimeSeries, TimeSeriesTable
from ...data.sources.numbers import NumberFormat
from ...errors import DataError
from ...files import read_json, write_json
from .panel import Panel
from .series_stats import stats_of
from .windows import Floats

FILE = "series.json"
_PLAIN = NumberFormat()  # of static covariates
MIN_CYCLES = 2  # With fewer cycles in the training part, the phase of a cycle is equivalent to the date.


@final
@dataclass
class SeriesMetadata:
    """Metadata, fitted on the training part and saved with the run, that is needed to make a `Panel` of any series.

    columns           roles of the columns
    seasonality       period in time steps, by the name of the time grid
    cycles            which of CYCLES are calendar covariates
    covariate_stats   mean and standard deviation, by covariate
    categories        values of the static covariates that are text, by covariate
    series            embedding index and statistics (`stats_of`) of each training series, by name
    has_missing       whether the training data have missing values
    formats           formats of the numbers, by column
    time_order        order of day, month and year in dates such as 1/2/2020
    """

    columns: SeriesColumns
    seasonality: dict[str, int] = field(default_factory=dict)
    cycles: list[bool] = field(default_factory=lambda: [False] * len(CYCLES))
    covariate_stats: dict[str, tuple[float, float]] = field(default_factory=dict)
    categories: dict[str, list[str]] = field(default_factory=dict)
    series: dict[str, tuple[int, float, float, float]] = field(default_factory=dict)
    has_missing: bool = False
    formats: dict[str, NumberFormat] = field(default_factory=dict)
    time_order: str = ""

    @classmethod
    def of(cls, table: TimeSeriesTable) -> SeriesMetadata:
        """Return metadata of a training file that are not fitted yet."""
        has_missing = any(bool(np.isnan(one.values).any()) for one in table.series)
        return cls(table.columns, has_missing=has_missing, formats=dict(table.formats), time_order=table.time_order)

    # fitting -------------------------------------------------------------------------------------------------------
    def fit(self, series: Sequence[TimeSeries], cutoffs: Mapping[str, int], *, calendar: bool) -> None:
        """Fit statistics, categories and calendar cycles.

        series     all series
        cutoffs    number of time steps of the training part, by the name of the series; later time steps are not used
        calendar   whether to use calendar covariates
        """
        columns = self.columns
        self._fit_covariates(
            columns.future_covariates, [one.future_covariates[: cutoffs.get(one.name, 0)] for one in series]
        )
        self._fit_covariates(
            columns.past_covariates, [one.past_covariates[: cutoffs.get(one.name, 0)] for one in series]
        )
        for at, column in enumerate(columns.static_covariates):
            cells = [one.static_covariates[at] for one in series if one.name in cutoffs]
            numbers = [_PLAIN.parse(cell) for cell in cells]
            if all(value is not None for value in numbers):
                mean, deviation, _ = stats_of(np.array(numbers, np.float64))
                self.covariate_stats[column] = mean, deviation
            else:
                self.categories[column] = sorted(set(cells))
        for at in range(len(CYCLES)):
            long_enough = [
                one
                for one in series
                if (length := one.grid.cycle_lengths()[at]) and cutoffs.get(one.name, 0) >= MIN_CYCLES * length
            ]
            self.cycles[at] = calendar and len(long_enough) >= len(series) / 2
        trained = [one for one in series if cutoffs.get(one.name)]
        self.series = {one.name: (at, *stats_of(one.values[: cutoffs[one.name]])) for at, one in enumerate(trained, 1)}

    def _fit_covariates(self, names: Sequence[str], parts: Sequence[Floats]) -> None:
        """Fit mean and standard deviation of covariates. `parts` are the training parts (steps, len(names)) of the series."""
        for at, column in enumerate(names):
            mean, deviation, _ = stats_of(np.concatenate([part[:, at] for part in parts]))
            self.covariate_stats[column] = mean, deviation

    def check_grid(self, one: TimeSeries, file: object = None) -> None:
        """Raise DataError if no series of the training data has the time step of this series."""
        if one.grid.name not in self.seasonality:
            raise DataError(
                f"the series {one.name!r} has a value {one.grid.name}, but the run was trained on series with a value "
                f"{' or '.join(self.seasonality)}. Resample it to the same time step",
                file=file,
            )

    # widths --------------------------------------------------------------------------------------------------------
    @property
    def num_future(self) -> int:
        """The number of future covariates."""
        return len(self.columns.future_covariates)

    @property
    def num_past(self) -> int:
        """The number of past covariates."""
        return len(self.columns.past_covariates)

    @property
    def num_calendar(self) -> int:
        """The number of calendar features of a time step."""
        return 2 * sum(self.cycles)

    @property
    def num_static(self) -> int:
        """The number of features that encode the static covariates of a series."""
        return sum(len(self.categories.get(column, "1")) for column in self.columns.static_covariates)

    # panels --------------------------------------------------------------------------------------------------------
    def panel(self, series: Sequence[TimeSeries], *, until: Mapping[str, int] | None = None, horizon: int = 0) -> Panel:
        """Return the panel of some series.

        series    the series
        until     by name, the number of first time steps from which the statistics of a series that was not in the training
                  data are computed; by default all
        horizon   number of time steps to forecast that are added to the end of each series
        """
        with_length = [(one, len(one) + horizon) for one in series]
        used = np.repeat(self.cycles, 2)
        default_period = next(iter(self.seasonality.values()), 1)
        columns = self.columns
        stats = [
            self.series[one.name][1:]
            if one.name in self.series
            else stats_of(one.values[: (until or {}).get(one.name)])
            for one in series
        ]
        return Panel(
            values=np.concatenate([np.r_[one.values, np.full(horizon, np.nan)] for one in series]),
            future_covariates=np.concatenate(
                [self._standardized(one.future_covariates, columns.future_covariates, n) for one, n in with_length]
            ),
            past_covariates=np.concatenate(
                [self._standardized(one.past_covariates, columns.past_covariates, n) for one, n in with_length]
            ),
            calendar=np.concatenate(
                [one.grid.calendar_features(one.start + np.arange(n))[:, used] for one, n in with_length]
            ),
            starts=np.cumsum([0, *(n for _, n in with_length)]).astype(np.int64),
            stats=np.array(stats, np.float64).reshape(-1, 3),
            seasonality=np.array([self.seasonality.get(one.grid.name, default_period) for one in series], np.int64),
            embedding_indices=np.array([self.series.get(one.name, (0,))[0] for one in series], np.int64),
            static_covariates=np.array([self._encoded_static(one) for one in series], np.float32).reshape(
                len(series), -1
            ),
        )

    def _standardized(self, values: Floats, names: Sequence[str], length: int) -> NDArray[np.float32]:
        """Return standardized covariates (length, len(names)). A missing value becomes 0, the mean."""
        result = np.zeros((length, len(names)), np.float32)
        n = min(length, len(values))
        for at, name in enumerate(names):
            mean, deviation = self.covariate_stats[name]
            result[:n, at] = np.nan_to_num((values[:n, at] - mean) / deviation)
        return result

    def _encoded_static(self, one: TimeSeries) -> list[float]:
        """Encode static covariates: numbers are standardized, text is one-hot. An unknown category is all zeros."""
        result: list[float] = []
        for column, cell in zip(self.columns.static_covariates, one.static_covariates, strict=True):
            if column in self.categories:
                result += [float(cell == category) for category in self.categories[column]]
            else:
                value = _PLAIN.parse(cell)
                if value is None:
                    raise DataError(f"the series {one.name!r} has {column} = {cell!r}, which is not a number")
                mean, deviation = self.covariate_stats[column]
                result.append(0.0 if np.isnan(value) else (value - mean) / deviation)
        return result

    # run folder ----------------------------------------------------------------------------------------------------
    def save(self, folder: Path) -> None:
        """Write the metadata to `series.json` in the run's folder `vocabulary/`."""
        write_json(folder / FILE, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> SeriesMetadata:
        """Read metadata that `save` wrote."""
        saved: Mapping[str, Any] = read_json(folder / FILE)
        columns: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in saved["columns"].items()
        }
        values = dict(saved) | {"columns": SeriesColumns(**columns)}
        values["formats"] = {column: NumberFormat.from_json(entry) for column, entry in saved["formats"].items()}
        for name in ("covariate_stats", "series"):
            values[name] = {key: tuple(entry) for key, entry in saved[name].items()}
        return cls(**values)
