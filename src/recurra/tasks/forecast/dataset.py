"""Files of series, read as the settings say: the columns are found in the first, and every later file must have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...data.series.cells import MISSING
from ...data.series.columns import find_columns
from ...data.series.series import Columns, Series, Table
from ...data.series.table import read_table
from ...data.sources.sources import Source, open_source
from ...errors import DataError
from .metadata import Facts
from .settings import ForecastData


def read_first(data: str | Path, settings: ForecastData) -> tuple[Table, list[str]]:
    """The series to train on, and lines that say which columns were left out."""
    source = _source(data, settings)
    columns, lines = find_columns(
        source, time=settings.time, series=settings.series, targets=settings.target, known=settings.known,
        past=settings.past, static=settings.static, form=settings.time_format,
    )  # fmt: skip
    table = _table(source, columns, settings)
    _covariates_hold_something(table)
    return table, lines


def read_later(data: str | Path, settings: ForecastData, columns: Columns) -> Table:
    """The series of a file whose columns have the names of the training data."""
    source = _source(data, settings)
    for name in columns.all:
        source.need(name)
    return _table(source, columns, settings)


def read_known(data: str | Path, settings: ForecastData, facts: Facts) -> Table:
    """As `read_later`, for a trained run: the steps of time, too, must be those of the training data."""
    table = read_later(data, settings, facts.columns)
    for one in table.series:
        facts.check_steps(one, table.path)
    return table


def _source(data: str | Path, settings: ForecastData) -> Source:
    return open_source(data, encoding=settings.encoding, skip_broken=settings.broken == "skip")


def _table(source: Source, columns: Columns, settings: ForecastData) -> Table:
    skip = settings.broken == "skip"
    return read_table(source, columns, form=settings.time_format, sort=settings.sort, skip=skip)


def _covariates_hold_something(table: Table) -> None:
    columns = table.columns
    checks: tuple[tuple[str, tuple[str, ...], Callable[[Series, int], bool]], ...] = (
        ("--known", columns.known, lambda one, at: bool(np.isnan(one.known[:, at]).all())),
        ("--past", columns.past, lambda one, at: bool(np.isnan(one.past[:, at]).all())),
        ("--static", columns.static, lambda one, at: one.static[at].strip().lower() in MISSING),
    )
    for flag, names, empty in checks:
        for at, name in enumerate(names):
            if all(empty(one, at) for one in table.series):
                raise DataError(f"has no value at all; take it out of {flag}", file=table.path, field=name)
