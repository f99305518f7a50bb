"""Numbers over time as input: windows of measurements.

A window is a cell that holds a list ([1.5, 2] or [[1.5, 0.1], [2, 0.3]], a step each), or all columns of a row beside the
target, in their order. Columns that are named like a grid (r0c0, r0c1, ... r7c7; pixel_0_0, ...) are steps of as many
numbers as a row of the grid has; other columns are a step each, or `--width` of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting
from torch import nn

from ...data.columns import counts_rows, number
from ...data.parallel import Joined
from ...data.sources import Source
from ...errors import SettingError
from ...files import read_json, write_json
from ...settings import ADDED, RARE, DataSettings, ModelSettings, Settings
from ..base import Reading
from .encoder import EncoderModel, Numbers
from .fields import Series
from .input import Input
from .rows import RowData

LEAST = 3  # columns of numbers that are a window by themselves; two may be anything
_GRID = re.compile(r"^(.*?)(\d+)\D+(\d+)$")


class NumbersData(RowData):
    """A table with windows of numbers."""

    window: str | None = Setting(
        None, description="column of the windows; found by itself", json_schema_extra=RARE | ADDED
    )
    width: int | None = Setting(
        None, ge=1, description="numbers a step, of windows that are columns", json_schema_extra=RARE | ADDED
    )


class NumbersInput(Series, Input):
    """See the module's docstring. `parts` are the columns of a window that has more than one."""

    called = "numbers"
    Data: ClassVar[type[DataSettings]] = NumbersData
    Model: ClassVar[type[ModelSettings]] = EncoderModel

    def __init__(self, name: str, asked: str | None, width: int | None = None) -> None:
        super().__init__(name, asked)
        self.asked_width = width  # of windows that are columns
        self.parts: list[str] = []

    @classmethod
    def made(cls, settings: Settings) -> NumbersInput:
        data = settings.data
        assert isinstance(data, NumbersData)
        return cls("window", data.window, data.width)

    @classmethod
    def suits(cls, source: Source, taken: Sequence[str]) -> str | None:
        if column := _list_column(source, taken):
            return f"column {column!r} holds lists of numbers"
        if len(columns := _number_columns(source, taken)) >= LEAST:
            return f"{len(columns)} columns hold numbers"
        return None

    def view(self, source: Source, others: Callable[[Source], Sequence[str]]) -> Source:
        if self.asked is None and not self.parts and self.width is None:  # nothing was read yet
            taken = others(source)
            if not _list_column(source, taken):
                self.parts = _number_columns(source, taken)
                self.width = self._width_of(self.parts)
        return Joined(source, self.parts, self.name) if self.parts else source

    def _width_of(self, columns: Sequence[str]) -> int:
        width = self.asked_width or _grid(columns) or 1
        if len(columns) % width:
            raise SettingError(
                f"width is {width}, and a window has {len(columns)} columns: not a whole number of steps"
            )
        return width

    def find(self, source: Source, taken: Sequence[str]) -> str:
        if self.parts:
            return self.name
        if self.asked_width is not None:
            raise SettingError("width is for windows that are columns; here a window is one cell, which says it itself")
        self.asked = self.asked or _list_column(source, taken)
        return super().find(source, taken)

    def numbers(self, value: Any) -> np.ndarray:
        array = super().numbers(value)
        if self.parts and array.ndim == 2 and array.shape == (len(self.parts), 1):
            return array.reshape(-1, self.width or 1)
        if self.parts and array.ndim == 1 and len(array) == len(self.parts):
            return array.reshape(-1, self.width or 1)
        return array

    def check(self, value: Any) -> str | None:
        if self.parts and isinstance(value, tuple):
            for part, cell in zip(self.parts, value, strict=True):
                if number(cell) is None:
                    return f"has {str(cell)[:40]!r} in column {part!r}, not a finite number"
        return super().check(value)

    def of(self, example: Mapping[str, Any]) -> Any:
        if self.parts and all(part in example for part in self.parts):
            return tuple(example[part] for part in self.parts)
        return None

    def save(self, folder: Path) -> None:
        super().save(folder)
        path = folder / f"{self.name}.json"
        write_json(path, {**read_json(path), "columns": self.parts})

    def load(self, folder: Path) -> None:
        super().load(folder)
        self.parts = list(read_json(folder / f"{self.name}.json").get("columns", []))

    def describe(self) -> list[str]:
        each = f"{self.width} number{'s' if self.width != 1 else ''} a step"
        if not self.parts:
            return [f"{self.name}: {each}"]
        steps = len(self.parts) // (self.width or 1)
        return [f"{self.name}: {len(self.parts)} columns, {self.parts[0]} ... {self.parts[-1]}: {steps} steps, {each}"]

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
