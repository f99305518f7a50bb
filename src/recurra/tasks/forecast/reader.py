"""Reading of files of time series: column roles are detected in the training file, and later files need the same columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import final

import numpy as np

from ...data.series.alignment import DuplicateTimesError
from ...data.series.cells import cell
from ...data.series.columns import find_columns
from ...data.series.options import SeriesOptions
from ...data.series.series import SeriesColumns, TimeSeries, TimeSeriesTable
from ...data.series.table import read_table
from ...data.sources.numbers import NumberFormat
from ...data.sources.reading import FileReading
from ...data.sources.rows import Row
from ...data.sources.sources import Source
from ...errors import DataError
from .metadata import SeriesMetadata
from .settings import ForecastData

_TIMES, _ROWS = 100, 20_000  # distinct times, and rows with them, that show which columns distinguish several series


@final
class SeriesReader:
    """Reads tables of time series. The settings may still be open."""

    def __init__(self, settings: ForecastData) -> None:
        self.settings, self.reading = settings, FileReading(settings)
        self.on_skip: Callable[[DataError], None] | None = None  # called with the error of each row that is skipped

    @property
    def skip(self) -> bool:
        """Whether rows and series that cannot be used are skipped."""
        return self.settings.on_error == "skip"

    @property
    def options(self) -> SeriesOptions:
        """The options of reading."""
        settings = self.settings
        return SeriesOptions(
            time_format=settings.time_format,
            time_zone=settings.time_zone,
            decimal=settings.decimal,
            missing=settings.missing,
            layout=settings.layout,
            sort=settings.sort,
            duplicates=settings.duplicates,
            resample=settings.resample,
            skip=self.skip,
        )

    def read_training(self, data: str | Path) -> tuple[TimeSeriesTable, list[str]]:
        """Read the training file. Return its series and messages about the roles of the columns."""
        source = self._open(data)
        columns, messages = self._columns(source)
        try:
            table = self._read(source, columns, self.options)
        except DuplicateTimesError:  # The first rows may belong to one of several series.
            if columns.series or self.settings.series:
                raise
            columns, messages = self._columns(source, _rows_of_equal_times(source, columns.time))
            if not columns.series:
                raise
            table = self._read(source, columns, self.options)
        _check_covariates(table)
        return table, messages

    def _columns(self, source: Source, rows: Sequence[Row] | None = None) -> tuple[SeriesColumns, list[str]]:
        settings = self.settings
        return find_columns(
            source,
            self.options,
            time=settings.time,
            series=settings.series,
            targets=settings.target,
            future_covariates=settings.future_covariates,
            past_covariates=settings.past_covariates,
            static_covariates=settings.static_covariates,
            rows=rows,
        )

    def read_with(
        self, columns: SeriesColumns, data: str | Path, options: SeriesOptions | None = None
    ) -> TimeSeriesTable:
        """Read another file with the columns of the training file. Raises DataError if one is absent."""
        source = self._open(data)
        for name in columns.all:
            source.need(name)
        return self._read(source, columns, options or self.options)

    def read_for_run(self, metadata: SeriesMetadata, data: str | Path) -> TimeSeriesTable:
        """Read a file for a trained run. Raises DataError if its columns or time grids are not those of the training file."""
        table = self.read_with(metadata.columns, data, self.options_of(metadata))
        for one in table.series:
            metadata.check_grid(one, table.path)
        return table

    def options_of(self, metadata: SeriesMetadata) -> SeriesOptions:
        """Return the options of reading for a trained run: the training file decides what another file does not show."""
        return replace(self.options, known_formats=metadata.formats, time_order=metadata.time_order)

    def _read(self, source: Source, columns: SeriesColumns, options: SeriesOptions) -> TimeSeriesTable:
        """Read a table, whose first rows are read before: `on_skip` is called once for each row."""
        source.first_rows()
        source.on_skip = self.on_skip
        return read_table(source, columns, options)

    def find_columns(self, data: str | Path) -> tuple[Source, SeriesColumns, list[str]]:
        """Open a file and determine the roles of its columns by its first rows. Return also the messages about them."""
        source = self._open(data)
        return source, *self._columns(source)

    def _open(self, data: str | Path) -> Source:
        return self.reading.open(data)


def _rows_of_equal_times(source: Source, time: Sequence[str]) -> list[Row]:
    """Return the rows with one of the first times of a file."""
    times: set[tuple[str, ...]] = set()
    rows: list[Row] = []
    for row in source.rows():
        key = tuple(cell(row, column) for column in time)
        if len(times) < _TIMES:
            times.add(key)
        if key in times:
            rows.append(row)
            if len(rows) == _ROWS:
                break
    return rows


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
            lambda one, at: NumberFormat().is_missing(one.static_covariates[at]),
        ),
    )
    for flag, names, is_empty in checks:
        for at, name in enumerate(names):
            if all(is_empty(one, at) for one in table.series):
                raise DataError(f"the column has no values; remove it from {flag}", file=table.path, field=name)
