"""Rows that cannot be used: all are counted, then the first is raised with the count, or they were left out."""

from __future__ import annotations

from pathlib import Path

from recurra.errors import DataError


class BadRows:
    """`skip`: such rows are left out and counted. Whoever reads adds them and goes on, and settles when it is through."""

    def __init__(self, path: Path, skip: bool) -> None:
        self.path, self.skip, self.count = path, skip, 0
        self.first: list[DataError] = []  # of three rows at most

    def add(self, row: int, what: str, column: str | None = None) -> None:
        """A row of `path`."""
        self.add_error(DataError(what, file=self.path, row=row, field=column))

    def add_error(self, error: DataError) -> None:
        """A row of whatever file the error names."""
        self.count += 1
        if len(self.first) < 3:
            self.first.append(error)

    def settle(self, others: bool = True) -> None:
        """Raise DataError if there is one, unless such rows may be left out and there are `others`, which can be used."""
        if not self.count or (self.skip and others):
            return
        error, *next_ones = self.first
        more = ""
        if next_ones:
            named = ", ".join(str(one.row) for one in next_ones) + ", ..." * (self.count > 3)
            more = f"; {self.count - 1:,} more row{'s' * (self.count > 2)} cannot be used (row {named})"
        do = ", or leave such rows out with --set on_error=skip" if others else "; leaving such rows out leaves nothing"
        said = f"{error.message}{more}. Mend the file{do}"
        raise DataError(said, file=error.file, row=error.row, field=error.field)

    def line(self) -> str:
        """What to say of the rows that were left out."""
        return skipped(self.count, f"row {self.first[0].row}: {self.first[0].message}")


def skipped(count: int, first: str | None) -> str:
    """What to say of broken rows that were left out, `first` being the place of one of them."""
    return f"{count:,} broken row{'s' * (count != 1)} skipped" + (f", the first: {first}" if first else "")
