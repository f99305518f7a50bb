"""Inputs of `predict`: an example is converted to a time series and checked for the values that a forecast requires."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import numpy as np

from ...data.series.options import DEFAULT_OPTIONS, SeriesOptions
from ...data.series.series import SeriesColumns, TimeSeries
from ...data.series.table import read_table
from ...data.series.time_column import read_times
from ...data.sources.rows import Row, Source
from ...errors import DataError
from .metadata import SeriesMetadata

FIELDS = ("values", "time", "series", "future_covariates", "past_covariates", "static_covariates")


@final
class _ExampleSource(Source):
    """The rows of one example, which `read_table` reads like those of a file."""

    format = "example"

    def __init__(self, cells: Mapping[str, Sequence[Any]]) -> None:
        super().__init__(Path("example"), "example")
        self._cells = cells  # by column

    @property
    def columns(self) -> list[str]:
        """The names of the values and of the covariates."""
        return list(self._cells)

    def _read(self) -> Iterator[Row | DataError]:
        length = max(map(len, self._cells.values()), default=0)
        for at in range(length):
            cells = {name: cells[at] if at < len(cells) else None for name, cells in self._cells.items()}
            yield Row(at + 1, cells, self.path)


def from_example(example: Any, metadata: SeriesMetadata, options: SeriesOptions = DEFAULT_OPTIONS) -> TimeSeries:
    """Convert an example to a series: a `TimeSeries`, a list of numbers, or a mapping with the keys FIELDS.

    `values` is required. `time` and the covariates are required if the run uses them. Raises DataError for an invalid example.
    """
    if isinstance(example, TimeSeries):
        return example
    if not isinstance(example, Mapping):
        example = {"values": example}
    if extra := set(example) - set(FIELDS):
        raise DataError(f"unknown key {min(extra)!r}; the keys of a series are {', '.join(sorted(FIELDS))}")
    if not _is_list(example.get("values")):
        raise DataError("`values` must be a list of numbers, with null for missing values")
    rows = {"value": list(example["values"])} | _covariates(example, metadata.columns)
    steps = max(map(len, rows.values()))
    if (time := example.get("time")) is not None:
        if not _is_list(time):
            raise DataError("`time` must be a list with a timestamp for each value")
        if len(time) != steps:
            raise DataError(f"`time` has {len(time)} timestamps, but there are {steps} time steps")
        rows["time"] = list(map(str, time))
        if options.time_format and read_times(rows["time"][:1]).valid.all():
            options = replace(options, time_format=None)  # Results have no other format either.
    elif any(metadata.cycles):
        raise DataError("`time`, one timestamp per value, is required because this run uses calendar covariates")
    columns = SeriesColumns(
        time=("time",) if "time" in rows else (),
        series=(),
        targets=("value",),
        future_covariates=metadata.columns.future_covariates,
        past_covariates=metadata.columns.past_covariates,
    )
    one = read_table(_ExampleSource(rows), columns, options).series[0]
    name = example.get("series", next(iter(metadata.series)) if len(metadata.series) == 1 else "")
    static = _static(example.get("static_covariates"), metadata.columns.static_covariates)
    one = replace(one, name=str(name), static_covariates=static)
    if "time" in rows and metadata.columns.time:
        metadata.check_grid(one)
    return one


def _covariates(example: Mapping[str, Any], columns: SeriesColumns) -> dict[str, list[Any]]:
    """Return future and past covariates by column. Future covariates may be longer than the values."""
    rows, count = {}, len(example["values"])
    for key, names in (
        ("future_covariates", columns.future_covariates),
        ("past_covariates", columns.past_covariates),
    ):
        covariates = example.get(key)
        for name in names:
            cells = covariates.get(name) if isinstance(covariates, Mapping) else None
            if cells is None or not _is_list(cells):
                raise DataError(f"`{key}` must contain a list of numbers for {', '.join(names)}")
            if len(cells) < count or (key == "past_covariates" and len(cells) > count):
                raise DataError(f"{name} in `{key}` has {len(cells)} numbers, but there are {count} values")
            rows[name] = list(cells)
    return rows


def _static(covariates: Any, columns: Sequence[str]) -> tuple[str, ...]:
    covariates = covariates if isinstance(covariates, Mapping) else {}
    if missing := [name for name in columns if name not in covariates]:
        raise DataError(f"`static_covariates` must contain a value for {', '.join(missing)}")
    return tuple("" if covariates[column] is None else str(covariates[column]) for column in columns)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray) and len(value) > 0


def check_forecast(one: TimeSeries, metadata: SeriesMetadata, context_length: int, horizon: int) -> None:
    """Raise DataError if a series does not have the values and covariates for a forecast of the next `horizon` time steps."""
    name = f"the series {one.name!r}" if one.name else "the series"
    if len(one) < context_length:
        raise DataError(f"{name} has {len(one):,} time steps, but this run requires a context of {context_length:,}")
    if np.isnan(one.values[-context_length:]).all():
        raise DataError(f"{name} has no values in its last {context_length:,} time steps, the context of the forecast")
    if not one.future_covariates.shape[1]:
        return
    end = len(one) + horizon
    required = f"{name}: {', '.join(metadata.columns.future_covariates)} must be known to the end of the forecast"
    if len(one.future_covariates) < end:
        last, required_last = one.format_times([len(one.future_covariates) - 1, end - 1])
        raise DataError(
            f"{required}, {required_last}, but ends at {last}; add rows with its values and an empty target"
        )
    if (missing := np.isnan(one.future_covariates[len(one) : end]).any(1)).any():
        time = one.format_times([len(one) + int(missing.argmax())])[0]
        raise DataError(f"{required}, but is missing at {time}")
