"""The field of windows of measurements.

A window is one of three:

    a cell    that holds a list: [1.5, 2] or [[1.5, 0.1], [2, 0.3]], a step each
    a row     its columns beside the target, in their order. Columns that are named like a grid (r0c0, r0c1, ... r7c7;
              pixel_0_0, ...) are steps of as many numbers as a row of the grid has; others a step each, or `width` of them
    rows      a step each, that name in the column `series` the window they belong to: `data/sources/long_format.py`
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, final

import numpy as np

from ..data.series.columns import SERIES_NAMES
from ..data.sources.columns import counts_rows, number
from ..data.sources.long_format import Grouped, Window, no_number
from ..data.sources.long_format_columns import find_channels, find_targets
from ..data.sources.parallel_text import Joined
from ..data.sources.sources import Source
from ..data.words.token_stream import TokenStream
from ..errors import SettingError
from ..files import read_json, write_json
from .base import Field
from .series import Series, StepStream

LEAST = 3  # columns of numbers that are a window by themselves; two may be anything
_GRID = re.compile(r"^(.*?)(\d+)\D+(\d+)$")


@final
class Windows(Field):
    """See the module's docstring. `parts` are the columns of a window that is a row, `channels` those of one that is rows."""

    sequence = True

    def __init__(
        self,
        name: str,
        column: str | None,
        width: int | None = None,
        series: str | None = None,
        time: str | None = None,
    ) -> None:
        super().__init__(name, None if series else column)
        self.steps = Series(name, None)  # standardises the steps of a window, and knows their width
        self.asked_width = width  # of windows that are columns
        self.asked_channels = column if series else None
        self.series, self.time = series, time
        self.parts: list[str] = []
        self.channels: list[str] = []
        self.same: list[str] = []  # columns that the rows of a series agree in
        self.notes: list[str] = []  # what to report about the other columns

    @property
    def width(self) -> int:
        """Numbers of a step. Known once the field was found or loaded."""
        return self.steps.width or 1

    # reading -------------------------------------------------------------------------------------------------------
    def adapt_source(self, source: Source, others: Callable[[Source], Sequence[str]]) -> Source:
        """The source with a window in one column. `others` finds the columns of the other fields."""
        if self.series is not None:
            return self._grouped(source, self.series, others)
        if self.time is not None:
            raise SettingError(
                "time orders the rows of a series; name the column that tells series apart with --sequence-id"
            )
        if self.column is None and not self.parts and self.steps.width is None:  # nothing was read yet
            taken = others(source)
            if not list_column(source, taken):
                self.parts = number_columns(source, taken)
                self.steps.width = self._width_of(self.parts)
                self.notes = [
                    f"warning: {column!r} stays as it is from row to row; if a row is a step of it, say --sequence-id {column}"
                    for column in self.parts
                    if column.strip().lower() in SERIES_NAMES and _repeats(source, column)
                ]
        return Joined(source, self.parts, self.name) if self.parts else source

    def _grouped(self, source: Source, series: str, others: Callable[[Source], Sequence[str]]) -> Source:
        """A row a series. Which columns are its numbers is settled once, when the training data are read."""
        if self.channels and series not in source.columns and self.name in source.columns:
            return source  # lists, a cell a window, are understood as well
        if self.asked_width is not None:
            raise SettingError("width is for windows that are columns; with --sequence-id a row is a step")
        source.need(series)
        if self.time is not None:
            source.need(self.time)
        if not self.channels:
            self.same = find_targets(source, series, self.time, others)
            self.channels, left = find_channels(source, series, self.time, self.same, self.asked_channels)
            self.steps.width = len(self.channels)
            self.notes = [f"left out: {column} ({why})" for column, why in left.items()]
        same = [column for column in self.same if column in source.columns]
        return Grouped(source, series, self.channels, self.name, same=same, time=self.time)

    def _width_of(self, columns: Sequence[str]) -> int:
        width = self.asked_width or _grid(columns) or 1
        if len(columns) % width:
            raise SettingError(
                f"width is {width}, and a window has {len(columns)} columns: not a whole number of steps"
            )
        return width

    def find(self, source: Source, taken: Sequence[str]) -> str:
        if self.parts or self.channels:
            return self.name
        if self.asked_width is not None:
            raise SettingError("width is for windows that are columns; here a window is one cell, which says it itself")
        self.column = self.steps.column = self.column or list_column(source, taken)
        return self.steps.find(source, taken)

    def key(self, value: Any) -> str:
        if isinstance(value, Window):
            return hashlib.blake2b(value.steps.tobytes(), digest_size=16).hexdigest()
        return str(value)

    def numbers(self, value: Any) -> np.ndarray:
        """(T, width); raises ValueError when it is not that."""
        if isinstance(value, Window):
            return value.steps
        array = self.steps.numbers(value)
        as_row = array.shape == (len(self.parts),) or array.shape == (len(self.parts), 1)
        return array.reshape(-1, self.width) if self.parts and as_row else array

    def check(self, value: Any) -> str | None:
        if isinstance(value, Window) and value.wrong is not None:
            return value.wrong.message
        if self.parts and isinstance(value, tuple):
            for part, cell in zip(self.parts, value, strict=True):
                if number(cell) is None:
                    return no_number(cell, part)
        try:
            return self.steps.check(self.numbers(value))
        except (TypeError, ValueError):
            return self.steps.check(value)  # which says what is wrong with it

    def fit(self, values: Iterable[Any]) -> None:
        self.steps.fit(map(self.numbers, values))

    @property
    def storage(self) -> str:
        return self.steps.storage

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        return self.steps.encode([self.numbers(value) for value in values])

    # use -----------------------------------------------------------------------------------------------------------
    def normalize_input(self, example: Any) -> Any:
        if isinstance(example, Window) and example.wrong is not None:
            raise example.wrong  # which knows the row of the file
        return example

    def identify(self, example: Any) -> dict[str, Any]:
        """The name of the series that an example is, for its result to begin with."""
        if isinstance(example, Window):
            return {"series": example.series}
        if self.series is not None and isinstance(example, Mapping):
            name = example.get(self.series, example.get("series"))
            return {} if name is None else {"series": name}
        return {}

    def from_example(self, example: Mapping[str, Any]) -> Any:
        """The window in an object that has its columns; None where it does not have them."""
        if self.parts and all(part in example for part in self.parts):
            return tuple(example[part] for part in self.parts)
        return None

    def stream(self) -> TokenStream:
        return StepStream(self)

    def empty(self) -> np.ndarray:
        return self.steps.empty()

    # the run folder ------------------------------------------------------------------------------------------------
    def save(self, folder: Path) -> None:
        self.steps.save(folder)
        path = folder / f"{self.name}.json"
        write_json(path, {**read_json(path), "columns": self.parts, "channels": self.channels, "same": self.same})

    def load(self, folder: Path) -> None:
        self.steps.load(folder)
        saved = read_json(folder / f"{self.name}.json")
        self.parts, self.channels, self.same = (list(saved.get(name, [])) for name in ("columns", "channels", "same"))

    def describe(self) -> list[str]:
        each = f"{self.width} number{'s' if self.width != 1 else ''} a step"
        if self.channels:
            shown = ", ".join(self.channels[:8]) + (", ..." if len(self.channels) > 8 else "")
            order = f", by {self.time}" if self.time else ""
            return [f"{self.name}: the rows of each {self.series}{order}: {each}, {shown}", *self.notes]
        if not self.parts:
            return [f"{self.name}: {each}"]
        steps = len(self.parts) // self.width
        columns = f"{len(self.parts)} columns, {self.parts[0]} ... {self.parts[-1]}"
        return [f"{self.name}: {columns}: {steps} steps, {each}", *self.notes]


def list_column(source: Source, taken: Sequence[str]) -> str | None:
    """The first column whose values are lists of numbers, by themselves or as JSON."""
    for column in source.columns:
        if column not in taken:
            values = [value for row in source.look() if (value := row.values.get(column)) is not None]
            if values and sum(map(_is_list, values)) > len(values) / 2:
                return column
    return None


def _is_list(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip()[:1] == "[" and value.strip()[-1:] == "]" and any(c.isdigit() for c in value[:40])
    while isinstance(value, list) and value:
        value = value[0]
    return isinstance(value, int | float)


def number_columns(source: Source, taken: Sequence[str]) -> list[str]:
    """The columns of numbers, where all but those taken and those that count the rows are such; else none."""
    rows, found = source.look(), list[str]()
    for column in source.columns:
        if column in taken:
            continue
        cells = [row.values.get(column) for row in rows]
        numbers = [value for cell in cells if (value := number(cell)) is not None]
        if len(numbers) < 0.99 * len([cell for cell in cells if cell not in (None, "")]) or not numbers:
            return []
        if not counts_rows(numbers):
            found.append(column)
    return found


def _repeats(source: Source, column: str) -> bool:
    """Whether most rows have what the row before has, as names of series do where a row is a step."""
    cells = [row.values.get(column) for row in source.look()]
    return 2 * sum(bool(a == b) for a, b in pairwise(cells)) > len(cells)


def _grid(columns: Sequence[str]) -> int | None:
    """The length of a row of the grid whose places the columns are named after, row after row; None where they are not."""
    matches = [_GRID.match(column) for column in columns]
    if not all(matches):
        return None
    places = [(int(match[2]), int(match[3])) for match in matches if match]
    width = sum(row == places[0][0] for row, _ in places)
    (top, left), height = places[0], len(places) // width
    grid = [(top + row, left + column) for row in range(height) for column in range(width)]
    return width if places == grid and width > 1 else None
