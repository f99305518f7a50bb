"""Collects rows that cannot be used, and raises one error for all of them or skips them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from recurra.errors import DataError


class BadRows:
    """Counts the rows that cannot be used. A reader adds each one, continues, and calls `settle` at the end.

    Args:
        path: the file of the rows.
        skip: skip such rows instead of raising.
        on_skip: called with the error of each row, if rows are skipped.
    """

    def __init__(self, path: Path, skip: bool, on_skip: Callable[[DataError], None] | None = None) -> None:
        self.path, self.skip, self.count, self._on_skip = path, skip, 0, on_skip
        self.first: list[DataError] = []  # of at most three rows

    def add(self, row: int, what: str, column: str | None = None) -> None:
        """Add row number `row` of `path`, which has the problem `what`."""
        self.add_error(DataError(what, file=self.path, row=row, field=column))

    def add_error(self, error: DataError) -> None:
        """Add the row that an error describes."""
        self.count += 1
        if self.skip and self._on_skip is not None:
            self._on_skip(error)
        if len(self.first) < 3:
            self.first.append(error)

    def settle(self, others: bool = True) -> None:
        """Raise a DataError for the rows that were added, unless they are skipped and `others` can be used."""
        if not self.count or (self.skip and others):
            return
        error, *next_ones = self.first
        more = ""
        if next_ones:
            named = ", ".join(str(one.row) for one in next_ones) + ", ..." * (self.count > 3)
            more = f"; {self.count - 1:,} more row{'s' * (self.count > 2)} cannot be used (row {named})"
        advice = (
            ", or skip such rows with --set on_error=skip" if others else "; no row would remain if they were skipped"
        )
        message = f"{error.message}{more}. Correct the file{advice}"
        raise DataError(message, file=error.file, row=error.row, field=error.field)

    def line(self) -> str:
        """Return the message about the skipped rows."""
        return skipped(self.count, f"row {self.first[0].row}: {self.first[0].message}")


def skipped(count: int, first: str | None) -> str:
    """Return the message about `count` skipped rows, of which `first` describes one."""
    return f"{count:,} invalid row{'s' * (count != 1)} skipped" + (f", the first: {first}" if first else "")


def in_use(error: DataError) -> DataError:
    """Return an error with `--set NAME=...`, which `predict` and `evaluate` have, in place of options of `train`."""
    message = re.sub(
        r"--(?!set )([a-z-]+)(?: (\w+)$)?", lambda m: f"--set {m[1].replace('-', '_')}={m[2] or 'NAME'}", error.message
    )
    return DataError(message, file=error.file, row=error.row, field=error.field)
