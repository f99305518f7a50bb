"""Time series of numbers and the columns of the table that contains them.

A table has long format (one column names the series) or wide format (each column is a series):

    wide   date, a, b                 long   series, date, value, price
           2020-01-01, 1.0, 7.5              a, 2020-01-01, 1.0, 3
           2020-01-02, 1.5,                  b, 2020-01-01, 7.5, 2

Every series is aligned to a regular time grid. A time step without a row (a gap) and an empty cell are missing values, NaN.

columns.py         roles of the columns: time_roles.py, series_roles.py, row_layout.py (one series per row)
options.py         how a table is read                   table.py         from the rows of a table to its series
cells.py           the text of cells                     alignment.py     alignment of the rows of one series to its grid
times.py           the time in one cell                  resampling.py    duplicate times and longer time steps
time_column.py     the times of a column: integer_times.py, date_order.py, time_cells.py (several columns), zones.py
grid.py            regular time grids                    seasonality.py   detection of the seasonality
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recurra.data.series.grid import TimeGrid
from recurra.data.sources.numbers import NumberFormat
from recurra.errors import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SeriesColumns:
    """The roles of the columns of a table.

    time                columns of the time, in order (several columns: year, month, ...); without any, rows are time steps
    series              the columns that name the series of a row; none in wide format
    targets             columns of the values to forecast
    future_covariates   covariates that are known for the horizon
    past_covariates     covariates that are known up to the present
    static_covariates   properties of a series that do not change over time
    layout              "columns"; or "rows" if each row is a series, without columns of time and targets
    """

    time: tuple[str, ...]
    series: tuple[str, ...]
    targets: tuple[str, ...]
    future_covariates: tuple[str, ...] = ()
    past_covariates: tuple[str, ...] = ()
    static_covariates: tuple[str, ...] = ()
    layout: Literal["columns", "rows"] = "columns"

    @property
    def numeric(self) -> tuple[str, ...]:
        """The columns of numbers that change over time: targets, future covariates and past covariates."""
        return (*self.targets, *self.future_covariates, *self.past_covariates)

    @property
    def all(self) -> tuple[str, ...]:
        """All columns that have a role."""
        return (*self.time, *self.series, *self.numeric, *self.static_covariates)


@dataclass
class TimeSeries:
    """One series of N time steps on a regular grid, with its covariates. Missing values are NaN.

    name                the name of the series; empty if the table does not name it
    values              (N,) values to forecast
    grid                the time grid
    start               position of the first time step on the grid
    future_covariates   (N + F, K); the last F rows are time steps after the end of the values
    past_covariates     (N, P)
    static_covariates   one cell per static covariate
    """

    name: str
    values: Floats
    grid: TimeGrid
    start: int
    future_covariates: Floats
    past_covariates: Floats
    static_covariates: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of time steps that have a value."""
        return len(self.values)

    def format_times(self, steps: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """Return the times of time steps as text. Step 0 is the first one; step len(self) is the first one of the future."""
        return self.grid.format(self.start + np.asarray(steps, np.int64))

    def extended_by(self, later: TimeSeries, *, counted: bool = False) -> TimeSeries:
        """Append the part of `later` that comes after the end of this series. Time steps between the two are missing values.

        If `counted` is true, there is no time column: time steps are row numbers, and all of `later` is appended. Raises
        DataError if the time grids of the two series differ.
        """
        begin = end = self.start + len(self)
        if not counted:
            positions, off_grid = self.grid.positions(
                self.grid.stamps_of(later.grid, later.start + np.arange(len(later)))
            )
            if len(off_grid) or (len(positions) > 1 and positions[1] - positions[0] != 1):
                raise DataError(
                    f"the series {self.name!r} has a value {self.grid.name} from "
                    f"{self.format_times([0])[0]}, but {later.grid.name} from {later.format_times([0])[0]}; "
                    "resample both parts to the same time steps"
                )
            begin = int(positions[0])
        skip, gap = max(end - begin, 0), max(begin - end, 0)

        def joined(one: Floats, other: Floats) -> Floats:
            return np.concatenate([one[: len(self)], np.full((gap, *one.shape[1:]), np.nan), other[skip:]])

        return replace(
            self,
            values=joined(self.values, later.values),
            future_covariates=joined(self.future_covariates, later.future_covariates),
            past_covariates=joined(self.past_covariates, later.past_covariates),
        )


@dataclass
class TimeSeriesTable:
    """All series of a file, the roles of its columns, and messages about it for the user.

    formats      the formats of the numbers, by column
    time_order   the order of day, month and year in dates such as 1/2/2020, see `read_times`
    """

    series: list[TimeSeries]
    columns: SeriesColumns
    path: Path
    messages: list[str] = field(default_factory=list)
    formats: Mapping[str, NumberFormat] = field(default_factory=dict)
    time_order: str = ""
