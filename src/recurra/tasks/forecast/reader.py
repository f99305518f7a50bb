"""Reading of files of time series: column roles are detected in the training file, and later files need the same columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import final

import numpy as np

from ...data.series.cells import MISSING
from ...data.series.columns import find_columns
from ...data.series.series import SeriesColumns, TimeSeries, TimeSeriesTable
from ...data.series.table import read_table
from ...data.sources.reading import FileReading
from ...data.sources.sources import Source
from ...errors import DataError
from .metadata import SeriesMetadata
from .settings import ForecastData


@final
class SeriesReader:
    """Reads tables of time series. The settings may still be open."""

    def __init__(self, settings: ForecastData) -> None:
        self.settings, self.reading = settings, FileReading(settings)

    @property
    def skip(self) -> bool:
        """Whether rows and series that cannot be used are skipped."""
        return self.settings.on_error == "skip"

    def read_training(self, data: str | Path) -> tuple[TimeSeriesTable, list[str]]:
        """Read the training file. Return its series and messages about unused columns."""
        settings, source = self.settings, self._open(data)
        columns, messages = find_columns(
            source,
            time=settings.time,
            series=settings.series,
            targets=settings.target,
            future_covariates=settings.future_covariates,
            past_covariates=settings.past_covariates,
            static_covariates=settings.static_covariates,
            time_format=settings.time_format,
        )
        table = self._table(source, columns)
        _check_covariates(table)
        return table, messages

    def read_with(self, columns: SeriesColumns, data: str | Path) -> TimeSeriesTable:
        """Read another file with the columns of the training file. Raises DataError if one is absent."""
        source = self._open(data)
        for name in columns.all:
            source.need(name)
        return self._table(source, columns)

    def read_for_run(self, metadata: SeriesMetadata, data: str | Path) -> TimeSeriesTable:
        """Read a file for a trained run. Raises DataError if its columns or time grids are not those of the training file."""
        table = self.read_with(metadata.columns, data)
        for one in table.series:
            metadata.check_grid(one, table.path)
        return table

    def _open(self, data: str | Path) -> Source:
        return self.reading.open(data)

    def _table(self, source: Source, columns: SeriesColumns) -> TimeSeriesTable:
        settings = self.settings
        return read_table(source, columns, time_format=settings.time_format, sort=settings.sort, skip=self.skip)


def _check_covariates(table: TimeSeriesTable) -> None:
    """Raise DataError if a covariate has no value in any series."""
    columns = table.columns
    checks: tuple[tuple[str, tuple[str, ...], Callable[[TimeSeries, int], bool]], ...] = (
        (
            "--future-covariates",
            columns.future_covariates,
            lambda one, at: bool(np.isnan(one.future_covariates[:, at]).all()),
        ),
        (
            "--past-covariates",
            columns.past_covariates,
            lambda one, at: bool(np.isnan(one.past_covariates[:, at]).all()),
        ),
        (
            "--static-covariates",
            columns.static_covariates,
            lambda one, at: one.static_covariates[at].strip().lower() in MISSING,
        ),
    )
    for flag, names, is_empty in checks:
        for at, name in enumerate(names):
            if all(is_empty(one, at) for one in table.series):
                raise DataError(f"the column has no values; remove it from {flag}", file=table.path, field=name)
