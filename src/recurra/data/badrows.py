"""Rows that cannot be used: all are counted, then the first is raised with the count, or they were left out."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from recurra.errors import DataError


class BadRows:
    """`skip`: such rows are left out and counted. Whoever reads adds them and goes on, and settles when it is through."""

    def __init__(self, path: Path, skip: bool) -> None:
        self.path, self.skip, self.count = path, skip, 0
        self.first: tuple[int, str, str | None] | None = None
        self.others: list[int] = []

    def add(self, row: int, what: str, column: str | None = None) -> None:
        self.count += 1
        if self.first is None:
            self.first = (row, what, column)
        elif len(self.others) < 2:
            self.others.append(row)

    def settle(self) -> None:
        """Raise DataError if there is one, unless they may be left out."""
        if self.first is not None and not self.skip:
            self.stop()

    def stop(self) -> NoReturn:
        """Raise DataError: there is one at least, and none can be left out, or nothing is left without them."""
        assert self.first is not None
        row, what, column = self.first
        more = ""
        if self.count > 1:
            named = ", ".join(map(str, self.others))
            more = f"; {self.count - 1:,} more rows cannot be used (row {named}{', ...' if self.count > 3 else ''})"
        do = (
            "; leaving such rows out leaves nothing" if self.skip else ", or leave such rows out with --set broken=skip"
        )
        raise DataError(f"{what}{more}. Mend the file{do}", file=self.path, row=row, field=column)

    def line(self) -> str:
        """What to say of the rows that were left out."""
        assert self.first is not None
        row, what, _ = self.first
        return f"{self.count:,} broken rows skipped, the first: row {row}: {what}"
