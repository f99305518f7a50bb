"""The series that an input of `predict` stands for, read as a file is, and checked for all that a forecast needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import numpy as np

from ...data.series.series import Columns, Series
from ...data.series.table import read_table
from ...data.sources.rows import Row, Source
from ...errors import DataError
from .metadata import SeriesMetadata

FIELDS = ("values", "time", "series", "known", "past", "static")


@final
class _ExampleSource(Source):
    """The rows of one example, so that it is read as a file is."""

    format = "example"

    def __init__(self, cells: Mapping[str, Sequence[Any]]) -> None:
        super().__init__(Path("example"), "example")
        self._cells = cells  # by column

    @property
    def columns(self) -> list[str]:
        return list(self._cells)

    def _read(self) -> Iterator[Row | DataError]:
        length = max(map(len, self._cells.values()), default=0)
        for at in range(length):
            cells = {name: cells[at] if at < len(cells) else None for name, cells in self._cells.items()}
            yield Row(at + 1, cells, self.path)


def from_example(example: Any, metadata: SeriesMetadata) -> Series:
    """The series of a `Series`, a list of numbers, or a mapping with `values` and what else the run's columns need."""
    if isinstance(example, Series):
        return example
    if not isinstance(example, Mapping):
        example = {"values": example}
    if extra := set(example) - set(FIELDS):
        raise DataError(f"there is no place for {min(extra)!r}; a series is given by {', '.join(sorted(FIELDS))}")
    if not _is_list(example.get("values")):
        raise DataError("wants `values`, a list of numbers, null where one is missing")
    rows = {"value": list(example["values"])} | _covariates(example, metadata.columns)
    steps = max(map(len, rows.values()))
    if (time := example.get("time")) is not None:
        if not _is_list(time):
            raise DataError("wants `time`, a list of a time stamp for each value")
        if len(time) != steps:
            raise DataError(f"has {len(time)} time stamps for {steps} steps")
        rows["time"] = list(map(str, time))
    elif any(metadata.cycles):
        raise DataError("wants `time`, a time stamp for each value: this run reads the calendar")
    columns = Columns(
        ("time",) if "time" in rows else (), None, ("value",), metadata.columns.known, metadata.columns.past
    )
    one = read_table(_ExampleSource(rows), columns).series[0]
    name = example.get("series", next(iter(metadata.series)) if len(metadata.series) == 1 else "")
    one = replace(one, name=str(name), static=_static(example.get("static"), metadata.columns.static))
    if "time" in rows and metadata.columns.time:
        metadata.check_steps(one)
    return one


def _covariates(example: Mapping[str, Any], columns: Columns) -> dict[str, list[Any]]:
    """`known`, which may go on after the values, and `past`, as columns."""
    rows, count = {}, len(example["values"])
    for kind, names in (("known", columns.known), ("past", columns.past)):
        given = example.get(kind)
        for name in names:
            cells = given.get(name) if isinstance(given, Mapping) else None
            if cells is None or not _is_list(cells):
                raise DataError(f"wants `{kind}`, a list of numbers for {', '.join(names)}")
            if len(cells) < count or (kind == "past" and len(cells) > count):
                raise DataError(f"has {len(cells)} numbers of {name} for {count} values")
            rows[name] = list(cells)
    return rows


def _static(given: Any, columns: Sequence[str]) -> tuple[str, ...]:
    given = given if isinstance(given, Mapping) else {}
    if lost := [name for name in columns if name not in given]:
        raise DataError(f"wants `static`, a value for {', '.join(lost)}")
    return tuple("" if given[column] is None else str(given[column]) for column in columns)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray) and len(value) > 0


def check_forecast(one: Series, metadata: SeriesMetadata, window: int, horizon: int) -> None:
    """Raise DataError where a series lacks something that its next `horizon` values are forecast from."""
    name = f"the series {one.name!r}" if one.name else "the series"
    if len(one) < window:
        raise DataError(f"{name} has {len(one):,} steps, this run looks back {window:,}: give it as many")
    if np.isnan(one.values[-window:]).all():
        raise DataError(f"{name} has no value in the last {window:,} steps, which is where this run looks")
    if not one.known.shape[1]:
        return
    end = len(one) + horizon
    must = f"{name}: {', '.join(metadata.columns.known)} must be known to the end of the forecast"
    if len(one.known) < end:
        at, wanted = one.stamps([len(one.known) - 1, end - 1])
        raise DataError(f"{must}, {wanted}, and ends at {at}: add rows with its values and an empty target")
    if (missing := np.isnan(one.known[len(one) : end]).any(1)).any():
        raise DataError(f"{must}, and is missing at {one.stamps([len(one) + int(missing.argmax())])[0]}")
