"""Files of series, read as the settings say: the columns are found in the first, and every later file must have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import final

import numpy as np

from ...data.series.cells import MISSING
from ...data.series.columns import find_columns
from ...data.series.series import Columns, Series, Table
from ...data.series.table import read_table
from ...data.sources.sources import Source, open_source
from ...errors import DataError
from .metadata import SeriesMetadata
from .settings import ForecastData


@final
class SeriesReader:
    """Reads tables of series. The settings may still be open."""

    def __init__(self, settings: ForecastData) -> None:
        self.settings = settings

    @property
    def skips(self) -> bool:
        """Whether rows and series that cannot be used are left out."""
        return self.settings.on_error == "skip"

    def read_first(self, data: str | Path) -> tuple[Table, list[str]]:
        """The series to train on, and lines that report which columns were left out."""
        settings, source = self.settings, self._open(data)
        columns, lines = find_columns(
            source, time=settings.time, series=settings.series, targets=settings.target, known=settings.future_covariates,
            past=settings.past_covariates, static=settings.static_covariates, form=settings.time_format,
        )  # fmt: skip
        table = self._table(source, columns)
        _check_covariates(table)
        return table, lines

    def read_later(self, data: str | Path, columns: Columns) -> Table:
        """The series of a file whose columns have the names of the training data."""
        source = self._open(data)
        for name in columns.all:
            source.need(name)
        return self._table(source, columns)

    def read_for(self, metadata: SeriesMetadata, data: str | Path) -> Table:
        """As `read_later`, for a trained run: the time steps, too, must be those of the training data."""
        table = self.read_later(data, metadata.columns)
        for one in table.series:
            metadata.check_steps(one, table.path)
        return table

    def _open(self, data: str | Path) -> Source:
        return open_source(data, encoding=self.settings.encoding, skip_broken=self.skips)

    def _table(self, source: Source, columns: Columns) -> Table:
        settings = self.settings
        return read_table(source, columns, form=settings.time_format, sort=settings.sort, skip=self.skips)


def _check_covariates(table: Table) -> None:
    """Raise DataError where a covariate has no value in any series."""
    columns = table.columns
    checks: tuple[tuple[str, tuple[str, ...], Callable[[Series, int], bool]], ...] = (
        ("--future-covariates", columns.known, lambda one, at: bool(np.isnan(one.known[:, at]).all())),
        ("--past-covariates", columns.past, lambda one, at: bool(np.isnan(one.past[:, at]).all())),
        ("--static-covariates", columns.static, lambda one, at: one.static[at].strip().lower() in MISSING),
    )
    for flag, names, empty in checks:
        for at, name in enumerate(names):
            if all(empty(one, at) for one in table.series):
                raise DataError(f"has no value at all; take it out of {flag}", file=table.path, field=name)
