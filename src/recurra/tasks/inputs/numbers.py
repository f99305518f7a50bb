"""Numbers over time as input: windows of measurements.

A window is one of three:

    a cell    that holds a list: [1.5, 2] or [[1.5, 0.1], [2, 0.3]], a step each
    a row     its columns beside the target, in their order. Columns that are named like a grid (r0c0, r0c1, ... r7c7;
              pixel_0_0, ...) are steps of as many numbers as a row of the grid has; others a step each, or `--width` of them
    rows      a step each, that say in the column `--series` which window they belong to: `data/longrows.py`
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting
from torch import nn

from ...data.series.columns import SERIES_NAMES
from ...data.sources.columns import counts_rows, number
from ...data.sources.long_format import Grouped, Window, no_number
from ...data.sources.long_format_columns import find_channels, find_targets
from ...data.sources.parallel_text import Joined
from ...data.sources.sources import Source
from ...errors import SettingError
from ...fields.series import Series
from ...files import read_json, write_json
from ...models.encoder import EncoderModel, Numbers
from ...settings import ADDED, RARE, DataSettings, ModelSettings, Settings
from ..base import Reading
from ..shared.sequence_task import RowData
from .base import Input

LEAST = 3  # columns of numbers that are a window by themselves; two may be anything
_GRID = re.compile(r"^(.*?)(\d+)\D+(\d+)$")


class NumbersData(RowData):
    """A table with windows of numbers."""

    window: str | None = Setting(
        None, description="column of the windows; with --series those of a step: A,B", json_schema_extra=RARE | ADDED
    )
    width: int | None = Setting(
        None, ge=1, description="numbers a step, of windows that are columns", json_schema_extra=RARE | ADDED
    )
    series: str | None = Setting(
        None, description="column that names the series, if a row is a step", json_schema_extra=RARE | ADDED
    )
    time: str | None = Setting(
        None, description="column that orders the steps of a series", json_schema_extra=RARE | ADDED
    )


class NumbersInput(Series, Input):
    """See the module's docstring. `parts` are the columns of a window that is a row, `channels` those of one that is rows."""

    called = "numbers"
    Data: ClassVar[type[DataSettings]] = NumbersData
    Model: ClassVar[type[ModelSettings]] = EncoderModel

    def __init__(
        self,
        name: str,
        asked: str | None,
        width: int | None = None,
        series: str | None = None,
        time: str | None = None,
    ) -> None:
        super().__init__(name, None if series else asked)
        self.asked_width = width  # of windows that are columns
        self.asked_channels = asked if series else None
        self.series, self.time = series, time
        self.parts: list[str] = []
        self.channels: list[str] = []
        self.same: list[str] = []  # columns that the rows of a series agree in
        self.notes: list[str] = []  # what to say of the other columns

    @classmethod
    def made(cls, settings: Settings) -> NumbersInput:
        data = settings.data
        assert isinstance(data, NumbersData)
        return cls("window", data.window, data.width, data.series, data.time)

    @classmethod
    def suits(cls, source: Source, taken: Sequence[str]) -> str | None:
        if column := _list_column(source, taken):
            return f"column {column!r} holds lists of numbers"
        if len(columns := _number_columns(source, taken)) >= LEAST:
            return f"{len(columns)} columns hold numbers"
        return None

    def view(self, source: Source, others: Callable[[Source], Sequence[str]]) -> Source:
        if self.series is not None:
            return self._grouped(source, self.series, others)
        if self.time is not None:
            raise SettingError(
                "time orders the rows of a series; name the column that tells series apart with --series"
            )
        if self.asked is None and not self.parts and self.width is None:  # nothing was read yet
            taken = others(source)
            if not _list_column(source, taken):
                self.parts = _number_columns(source, taken)
                self.width = self._width_of(self.parts)
                self.notes = [
                    f"warning: {column!r} stays as it is from row to row; if a row is a step of it, say --series {column}"
                    for column in self.parts
                    if column.strip().lower() in SERIES_NAMES and _repeats(source, column)
                ]
        return Joined(source, self.parts, self.name) if self.parts else source

    def _grouped(self, source: Source, series: str, others: Callable[[Source], Sequence[str]]) -> Source:
        """A row a series. Which columns are its numbers is settled once, when the training data are read."""
        if self.channels and series not in source.columns and self.name in source.columns:
            return source  # lists, a cell a window, are understood as well
        if self.asked_width is not None:
            raise SettingError("width is for windows that are columns; with --series a row is a step")
        source.need(series)
        if self.time is not None:
            source.need(self.time)
        if not self.channels:
            self.same = find_targets(source, series, self.time, others)
            self.channels, left = find_channels(source, series, self.time, self.same, self.asked_channels)
            self.width = len(self.channels)
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
        self.asked = self.asked or _list_column(source, taken)
        return super().find(source, taken)

    def key(self, value: Any) -> str:
        if isinstance(value, Window):
            return hashlib.blake2b(value.steps.tobytes(), digest_size=16).hexdigest()
        return super().key(value)

    def numbers(self, value: Any) -> np.ndarray:
        if isinstance(value, Window):
            return value.steps
        array = super().numbers(value)
        if self.parts and array.ndim == 2 and array.shape == (len(self.parts), 1):
            return array.reshape(-1, self.width or 1)
        if self.parts and array.ndim == 1 and len(array) == len(self.parts):
            return array.reshape(-1, self.width or 1)
        return array

    def check(self, value: Any) -> str | None:
        if isinstance(value, Window) and value.wrong is not None:
            return value.wrong.message
        if self.parts and isinstance(value, tuple):
            for part, cell in zip(self.parts, value, strict=True):
                if number(cell) is None:
                    return no_number(cell, part)
        return super().check(value)

    def meant(self, example: Any) -> Any:
        if isinstance(example, Window) and example.wrong is not None:
            raise example.wrong  # which knows the row of the file
        return example

    def named(self, example: Any) -> dict[str, Any]:
        if isinstance(example, Window):
            return {"series": example.series}
        if self.series is not None and isinstance(example, Mapping):
            name = example.get(self.series, example.get("series"))
            return {} if name is None else {"series": name}
        return {}

    def of(self, example: Mapping[str, Any]) -> Any:
        if self.parts and all(part in example for part in self.parts):
            return tuple(example[part] for part in self.parts)
        return None

    def save(self, folder: Path) -> None:
        super().save(folder)
        path = folder / f"{self.name}.json"
        write_json(path, {**read_json(path), "columns": self.parts, "channels": self.channels, "same": self.same})

    def load(self, folder: Path) -> None:
        super().load(folder)
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
        steps = len(self.parts) // (self.width or 1)
        columns = f"{len(self.parts)} columns, {self.parts[0]} ... {self.parts[-1]}"
        return [f"{self.name}: {columns}: {steps} steps, {each}", *self.notes]

    def front(self, model: ModelSettings) -> tuple[nn.Module, int]:
        assert self.width
        return Numbers(), self.width

    def choose(self, settings: Settings, reading: Reading) -> Settings:
        """One size for all: numbers are dense, and few windows are learnt by heart in as many passes as words are."""
        few = reading.steps_of_time <= 200_000
        model = {
            "hidden_size": 128,
            "num_layers": 1,
            "dropout": 0.3,
            "input_dropout": 0.0,
            "pooling": "mean_max",
            "members": 4 if few else 1,
            "adversarial": 0.0,
        }
        batch = 32 if reading.rows < 20_000 else 64
        epochs = min(max(10.0, 2_000 * batch / max(reading.rows, 1)), 60.0)
        training = {"batch_size": batch, "learning_rate": 2e-3, "epochs": epochs, "averaging": 0.99, "patience": 10}
        return settings.with_open(model=model, training=training)


def _list_column(source: Source, taken: Sequence[str]) -> str | None:
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


def _number_columns(source: Source, taken: Sequence[str]) -> list[str]:
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
