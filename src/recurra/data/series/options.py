"""How a table of time series is read: the options of the user, and what an earlier file has shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from recurra.data.sources.number_formats import detect_formats, has_semicolons
from recurra.data.sources.numbers import NumberFormat
from recurra.data.sources.rows import Source


@dataclass(frozen=True)
class SeriesOptions:
    """The options of reading.

    time_format     format of the times, see `read_times`; None to detect it
    time_zone       name of the time zone of times that name none
    time_order      order of day, month and year in an earlier file
    decimal         decimal mark; None to detect it
    missing         further markers of missing values, separated by commas
    known_formats   formats of the numbers in an earlier file, by column
    layout          "columns" or "rows" of series; None to detect it
    sort            whether to sort the rows of each series by time
    duplicates      which value of rows with the same time is used: "mean", "first" or "last"; None rejects them
    resample        rule of the time steps to which values are aggregated, see resampling.py; None for those of the file
    skip            whether to skip and count rows that cannot be used; otherwise they raise DataError
    """

    time_format: str | None = None
    time_zone: str | None = None
    time_order: str = ""
    decimal: str | None = None
    missing: str | None = None
    known_formats: Mapping[str, NumberFormat] = field(default_factory=dict)
    layout: Literal["columns", "rows"] | None = None
    sort: bool = False
    duplicates: Literal["mean", "first", "last"] | None = None
    resample: str | None = None
    skip: bool = False

    def formats(
        self, cells: Mapping[str, Sequence[object]], source: Source
    ) -> tuple[dict[str, NumberFormat], list[str]]:
        """Return the formats of the numbers of some columns, and messages about them, see `detect_formats`."""
        return detect_formats(
            cells,
            decimal=self.decimal,
            missing=self.missing,
            semicolons=has_semicolons(source),
            known=self.known_formats,
        )


DEFAULT_OPTIONS = SeriesOptions()
