"""The field of windows of measurements.

A window has one of three formats:

    one cell       a list of numbers or of time steps, such as [1.5, 2] or [[1.5, 0.1], [2, 0.3]]
    one row        the columns beside the target, in order. Columns named after the positions of a grid (r0c0, r0c1, ... r7c7;
                   pixel_0_0, ...) give one time step for each row of the grid; others give `width` numbers per time step
    several rows   one row per time step, with the ID of the sequence in a column: see `data/sources/long_format.py`
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from ..data.series.series_roles import SERIES_NAMES
from ..data.sources.long_format import Grouped, Window, number_problem
from ..data.sources.long_format_columns import find_channels, find_targets
from ..data.sources.number_formats import detect_formats, has_semicolons
from ..data.sources.numbers import NumberFormat
from ..data.sources.parallel_text import Joined
from ..data.sources.sources import Source
from ..data.words.token_stream import TokenStream
from ..errors import SettingError
from ..files import read_json, write_json
from .base import Field
from .series import Series, StepStream
from .window_columns import grid_width, list_column, number_columns, repeats

_PLAIN = NumberFormat()


@final
class Windows(Field):
    """A window of measurements, (T, width), standardised. The module lists the formats.

    Args:
        name: the name of the field.
        column: the column of windows in one cell, or with `series` the columns of a time step as "A,B"; None to detect them.
        width: numbers in a time step of windows in one row; None: the width of the grid, or 1.
        series: the column of the sequence ID of windows in several rows.
        time: the column that orders the time steps of a sequence.
        decimal: the decimal mark of the cells; None to detect it.
        missing: further markers of missing values, separated by commas.
    """

    sequence = True

    def __init__(
        self,
        name: str,
        column: str | None,
        width: int | None = None,
        series: str | None = None,
        time: str | None = None,
        *,
        decimal: str | None = None,
        missing: str | None = None,
    ) -> None:
        super().__init__(name, None if series else column)
        self.steps = Series(name, None)  # standardises the time steps
        self.requested_width = width
        self.requested_channels = column if series else None
        self.series, self.time = series, time
        self.decimal, self.missing = decimal, missing
        self.formats: dict[str, NumberFormat] = {}  # of the columns of numbers
        self.parts: list[str] = []  # columns of a window in one row
        self.channels: list[str] = []  # columns of a time step of windows in several rows
        self.constant_columns: list[str] = []  # other columns, with one value for each sequence
        self.notes: list[str] = []  # messages about other columns

    @property
    def width(self) -> int:
        """Numbers in a time step. It is valid once the column was found or the field was loaded."""
        return self.steps.width or 1

    # reading -------------------------------------------------------------------------------------------------------
    def adapt_source(self, source: Source, others: Callable[[Source], Sequence[str]]) -> Source:
        """Return a source with the windows in one column. `others` returns the columns of the other fields."""
        if self.series is not None:
            return self._grouped(source, self.series, others)
        if self.time is not None:
            raise SettingError("time requires the column of the sequence ID; name it with --sequence-id")
        if self.column is None and not self.parts and self.steps.width is None:  # in training
            taken = others(source)
            if not list_column(source, taken):
                self.parts = number_columns(source, taken)
                self.steps.width = self._width_of(self.parts)
                self.notes = [
                    f"warning: {column!r} rarely changes between rows; if a row is one time step, use --sequence-id {column}"
                    for column in self.parts
                    if column.strip().lower() in SERIES_NAMES and repeats(source, column)
                ]
        if not self.parts:
            return source
        self._find_formats(source, self.parts)
        return Joined(source, self.parts, self.name)

    def _find_formats(self, source: Source, columns: Sequence[str]) -> None:
        """Determine the formats of the numbers; where a file does not show one, that of the training data remains."""
        rows, known = source.first_rows(), dict(self.formats)
        found = {column: [row.values.get(column) for row in rows] for column in columns if column in source.columns}
        formats, notes = detect_formats(
            found,
            decimal=self.decimal,
            missing=self.missing,
            semicolons=has_semicolons(source),
            known=known,
        )
        self.formats |= formats
        self.notes += [] if known else notes

    def _grouped(self, source: Source, series: str, others: Callable[[Source], Sequence[str]]) -> Source:
        """Join the rows of each sequence. The columns of the numbers are found once, in the training data."""
        if self.channels and series not in source.columns and self.name in source.columns:
            return source  # windows in one cell can be read as well
        if self.requested_width is not None:
            raise SettingError("step_width requires windows in one row; with --sequence-id each row is one time step")
        source.need(series)
        if self.time is not None:
            source.need(self.time)
        if not self.channels:
            self.constant_columns = find_targets(source, series, self.time, others)
            self.channels, ignored = find_channels(
                source, series, self.time, self.constant_columns, self.requested_channels
            )
            self.steps.width = len(self.channels)
            self.notes = [f"ignored: {column} ({reason})" for column, reason in ignored.items()]
        same = [column for column in self.constant_columns if column in source.columns]
        self._find_formats(source, self.channels)
        return Grouped(source, series, self.channels, self.name, same=same, time=self.time, formats=self.formats)

    def _width_of(self, columns: Sequence[str]) -> int:
        width = self.requested_width or grid_width(columns) or 1
        if len(columns) % width:
            raise SettingError(
                f"step_width = {width}, but a window has {len(columns)} columns, which is not a multiple of it"
            )
        return width

    def find(self, source: Source, taken: Sequence[str]) -> str:
        """Return the column that `adapt_source` has added, or the column of windows in one cell."""
        if self.parts or self.channels:
            return self.name
        if self.requested_width is not None:
            raise SettingError(
                "step_width requires a window of several columns, but here one cell contains the window; remove step_width"
            )
        self.column = self.steps.column = self.column or list_column(source, taken)
        return self.steps.find(source, taken)

    def key(self, value: Any) -> str:
        """Windows with the same time steps have the same key."""
        if isinstance(value, Window):
            return hashlib.blake2b(value.steps.tobytes(), digest_size=16).hexdigest()
        return str(value)

    def numbers(self, value: Any) -> np.ndarray:
        """Return a window as an array (T, width). Raises ValueError or TypeError where it has another form."""
        if isinstance(value, Window):
            return value.steps
        if self.parts and isinstance(value, tuple) and len(value) == len(self.parts):
            formats = [self.formats.get(part, _PLAIN) for part in self.parts]
            value = [format.parse(cell) for format, cell in zip(formats, value, strict=True)]
        array = self.steps.numbers(value)
        as_row = array.shape == (len(self.parts),) or array.shape == (len(self.parts), 1)
        return array.reshape(-1, self.width) if self.parts and as_row else array

    def check(self, value: Any) -> str | None:
        """A window must consist of finite numbers, with `width` numbers in each time step."""
        if isinstance(value, Window) and value.error is not None:
            return value.error.message
        if self.parts and isinstance(value, tuple):
            for part, cell in zip(self.parts, value, strict=True):
                format = self.formats.get(part, _PLAIN)
                number = format.parse(cell)
                if number is None or math.isnan(number):
                    return number_problem(cell, part, format)
        try:
            return self.steps.check(self.numbers(value))
        except (TypeError, ValueError):
            return self.steps.check(value)  # returns the problem

    def fit(self, values: Iterable[Any]) -> None:
        """Compute the mean and the standard deviation of each number of a time step."""
        self.steps.fit(map(self.numbers, values))

    @property
    def storage(self) -> str:
        """A sequence of `width` numbers per time step."""
        return self.steps.storage

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        """Return the standardised windows, each (T, width), float32."""
        return self.steps.encode([self.numbers(value) for value in values])

    # use -----------------------------------------------------------------------------------------------------------
    def normalize_input(self, example: Any) -> Any:
        """Return the window; raises the error of a sequence that could not be read."""
        if isinstance(example, Window) and example.error is not None:
            raise example.error
        return example

    def identify(self, example: Any) -> dict[str, Any]:
        """Return the ID of the sequence, which is the first key of its result."""
        if isinstance(example, Window):
            return {"series": example.series}
        if self.series is not None and isinstance(example, Mapping):
            name = example.get(self.series, example.get("series"))
            return {} if name is None else {"series": name}
        return {}

    def from_example(self, example: Mapping[str, Any]) -> Any:
        """Return the window of an object that has all its columns; None for other objects."""
        if self.parts and all(part in example for part in self.parts):
            return tuple(example[part] for part in self.parts)
        return None

    def stream(self) -> TokenStream:
        """Return an encoder of chunks of time steps."""
        return StepStream(self)

    def empty(self) -> np.ndarray:
        """Return a window without time steps."""
        return self.steps.empty()

    # the run folder ------------------------------------------------------------------------------------------------
    def save(self, folder: Path) -> None:
        """Write the columns, the means and the standard deviations."""
        self.steps.save(folder)
        path = folder / f"{self.name}.json"
        write_json(
            path,
            {
                **read_json(path),
                "columns": self.parts,
                "channels": self.channels,
                "constant_columns": self.constant_columns,
                "formats": {column: format.to_json() for column, format in self.formats.items()},
            },
        )

    def load(self, folder: Path) -> None:
        """Read the columns, the means and the standard deviations."""
        self.steps.load(folder)
        saved = read_json(folder / f"{self.name}.json")
        self.parts, self.channels, self.constant_columns = (
            list(saved.get(name, [])) for name in ("columns", "channels", "constant_columns")
        )
        self.formats = {column: NumberFormat.from_json(one) for column, one in saved.get("formats", {}).items()}

    def describe(self) -> list[str]:
        """Describe the format of the windows."""
        each = f"{self.width} number{'s' if self.width != 1 else ''} per time step"
        if self.channels:
            shown = ", ".join(self.channels[:8]) + (", ..." if len(self.channels) > 8 else "")
            order = f", ordered by {self.time}" if self.time else ""
            return [f"{self.name}: the rows of each {self.series}{order}: {each}, {shown}", *self.notes]
        if not self.parts:
            return [f"{self.name}: {each}"]
        steps = len(self.parts) // self.width
        columns = f"{len(self.parts)} columns, {self.parts[0]} ... {self.parts[-1]}"
        return [f"{self.name}: {columns}: {steps} time steps, {each}", *self.notes]
