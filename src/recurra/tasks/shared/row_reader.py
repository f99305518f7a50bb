"""Reading rows: columns found, rows checked, fields fitted, a part held back, everything encoded once.

A dataset owns a `RowReader` and describes with it what is special about its files. Rows are streamed in pieces. Training data
are read in two passes after a look at the first rows:

    survey    fits the fields, and hashes the rows for the split. Fields of single labels or numbers are collected on the
              way; another field with something to fit (a second text) takes a pass of its own
    encode    writes the encoded rows to the cache
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...data.report import DataReport
from ...data.sources.row_errors import BadRows
from ...data.sources.sources import Source, is_table, open_source
from ...data.store.split import Duplicates, digest
from ...data.store.store import Store, StoreWriter
from ...errors import CallError, DataError
from ...fields.base import Field
from ...files import read_json, write_json
from ...settings import DataSettings
from ..base import OnProgress, chunked
from ..contract import check_encoded

PARTS = ("train", "valid")
Problem = Callable[[Sequence[Any]], tuple[Field, str] | None]
Columns = dict[str, str]  # of each field, by its name


class RowReader:
    """Reads the rows of tables into fields. The first field is the input, whose content decides the split.

    fields     the columns as the task sees them; a dataset may change the list before anything is read
    settings   `broken`, `encoding` and `valid_share`
    problem    the first field of a row that cannot be used, and what is wrong with it; by default `self.first_problem`
    examples   the examples in the values of one row; by default the row itself
    columns    those of the training data
    """

    def __init__(
        self,
        fields: Sequence[Field],
        settings: DataSettings,
        *,
        problem: Problem | None = None,
        examples: Callable[[list[Any]], Iterable[list[Any]]] = lambda values: [values],
    ) -> None:
        self.fields, self.settings = list(fields), settings
        self.problem, self.examples = problem or self.first_problem, examples
        self.columns: Columns = {}
        self.stores: dict[str, Store] = {}
        self._bad = BadRows(Path(), skip=False)

    @property
    def input(self) -> Field:
        """The sequence that goes in."""
        return self.fields[0]

    @property
    def skips(self) -> bool:
        """Whether rows that cannot be used are left out."""
        return self.settings.on_error == "skip"

    def open(self, data: str | Path) -> Source:
        """The rows of `data`, as the settings have them read."""
        return open_source(data, encoding=self.settings.encoding, skip_broken=self.skips)

    # columns -------------------------------------------------------------------------------------------------------
    def find_columns(self, source: Source, fields: Sequence[Field] | None = None) -> Columns:
        """The columns of some fields, of all by default. Columns that the user named are taken first.

        A field that nobody named keeps the column that it had in the training data, where there is such a column.
        """
        fields = self.fields if fields is None else fields
        found: Columns = {}
        taken = [field.column for field in fields if field.column]
        for column in taken:
            if taken.count(column) > 1:
                names = " and ".join(field.name for field in fields if field.column == column)
                raise DataError(f"column {column!r} is asked for twice, as {names}", file=source.path)
        for field in fields:
            others = [column for column in (*taken, *found.values()) if column != field.column]
            known = self.columns.get(field.name)
            found[field.name] = known if not field.column and known in source.columns else field.find(source, others)
        return found

    # rows ----------------------------------------------------------------------------------------------------------
    def values(self, source: Source, columns: Columns) -> Iterator[list[Any]]:
        """The fields' values of each example; rows that cannot be used stop the run or are left out, as the user chose."""
        return (values for _, values in self.numbered(source, columns))

    def numbered(self, source: Source, columns: Columns) -> Iterator[tuple[int, list[Any]]]:
        """As `values`, each with the number of its row."""
        bad, usable = BadRows(source.path, self.skips), False
        for row in source.rows():
            values = [field.value(row, columns[field.name]) for field in self.fields]
            wrong = self.problem(values)
            if wrong is None:
                usable = True
                yield from ((row.number, example) for example in self.examples(values))
            else:
                field, message = wrong
                bad.add_error(row.error(message, columns[field.name]))
        self._bad = bad
        bad.settle(others=usable)

    def first_problem(self, values: Sequence[Any]) -> tuple[Field, str] | None:
        """The first field of a row whose value cannot be used, and what is wrong with it; or None."""
        for field, value in zip(self.fields, values, strict=True):
            if message := field.check(value):
                return field, message
        return None

    # reading -------------------------------------------------------------------------------------------------------
    def read(
        self,
        source: Source,
        columns: Columns,
        cache: Path,
        on_progress: OnProgress,
        valid: Callable[[], tuple[Source, Columns]] | None = None,
    ) -> tuple[DataReport, np.ndarray]:
        """Fit, split and encode training data, and the validation data that `valid` opens; a part is held back without.

        Returns the report and the hash of each row.
        """
        self.columns = columns
        report, hashes = self._survey(source, columns, on_progress)
        share = 0.0 if valid is not None else self.settings.validation_fraction
        limit = self._limit(hashes, share, source)
        self._encode(source, columns, lambda h: "valid" if h <= limit else "train", cache, on_progress)
        if valid is not None:
            self._encode(*valid(), lambda _: "valid", cache, on_progress, only=("valid",))
        self.load_cache(cache)
        return report, hashes

    def _survey(self, source: Source, columns: Columns, on_progress: OnProgress) -> tuple[DataReport, np.ndarray]:
        """Fit every field; hash the rows, and count repeated ones."""
        duplicates = Duplicates()
        collected: dict[int, list[Any]] = {at: [] for at, field in enumerate(self.fields) if at and field.is_scalar}
        same: dict[str, str] = {}  # one object for equal texts: labels repeat

        def inputs() -> Iterator[Any]:
            for n, row in enumerate(self.values(source, columns)):
                duplicates.add(self.input.key(row[0]))
                if n % 1000 == 0:
                    on_progress(n)
                for at, values in collected.items():
                    value = row[at]
                    values.append(same.setdefault(value, value) if type(value) is str else value)
                yield row[0]

        stream = inputs()
        self._fit(self.input, stream, source)
        for _ in stream:  # the hashes are of all rows, also where the field needs only the first ones
            pass
        for at, field in enumerate(self.fields[1:], 1):
            if at in collected:
                self._fit(field, iter(collected.pop(at)), source)
            elif field.is_fitted:
                self._fit(field, (row[at] for row in self.values(source, columns)), source)
        report = DataReport(
            rows=len(duplicates),
            broken=self._bad.count + source.broken.count,
            broken_places=(*source.broken.places, *map(str, self._bad.first)),
            duplicates=duplicates.count,
        )
        return report, duplicates.hashes()

    @staticmethod
    def _fit(field: Field, values: Iterator[Any], source: Source) -> None:
        try:
            field.fit(values)
        except DataError as error:
            raise error if error.file else DataError(str(error), file=source.path) from None

    def _limit(self, hashes: np.ndarray, share: float, source: Source) -> int:
        """Rows whose hash is at most this are held back: an exact share, and the same text never in both parts."""
        if not share:
            return -1
        distinct = np.unique(hashes)
        if len(distinct) < 2:
            rows = "has no rows" if not len(hashes) else "has only one distinct row"
            raise DataError(f"{rows}: too little to train on and to check with", file=source.path)
        held = min(max(round(len(distinct) * share), 1), len(distinct) - 1)
        return int(distinct[held - 1])

    def _encode(
        self,
        source: Source,
        columns: Columns,
        part_of: Callable[[int], str],
        cache: Path,
        on_progress: OnProgress,
        only: Sequence[str] = PARTS,
    ) -> None:
        formats = {field.name: field.storage for field in self.fields}
        done = 0
        with ExitStack() as stack:  # closes the stores, or after an error leaves none behind
            writers = {part: stack.enter_context(StoreWriter(cache / part, formats)) for part in only}
            for rows in chunked(self.numbered(source, columns), 1024):
                encoded = self._encode_rows(rows, source)
                for i, (_, row) in enumerate(rows):
                    part = part_of(digest(self.input.key(row[0])))
                    if part in writers:
                        writers[part].append(**{name: values[i] for name, values in encoded.items()})
                done += len(rows)
                on_progress(done)

    def _encode_rows(self, rows: Sequence[tuple[int, list[Any]]], source: Source) -> dict[str, list[Any]]:
        encoded = {}
        for at, field in enumerate(self.fields):
            try:
                encoded[field.name] = check_encoded(field, field.encode([values[at] for _, values in rows]), len(rows))
            except DataError as error:
                number, _ = rows[(error.row or 1) - 1]
                raise DataError(error.message, file=source.path, row=number, field=field.name) from None
        return encoded

    @contextmanager
    def encoded(self, source: Source, columns: Columns) -> Iterator[Store]:
        """The rows of another file, encoded as those of the training data, while it is evaluated."""
        with tempfile.TemporaryDirectory(prefix="recurra-") as folder:
            self._encode(source, columns, lambda _: "data", Path(folder), lambda _: None, only=("data",))
            store = Store(Path(folder) / "data")
            if not len(store):
                raise DataError("has no rows to evaluate on", file=source.path)
            yield store

    # the run folder ------------------------------------------------------------------------------------------------
    def load_cache(self, cache: Path) -> None:
        """Open the encoded parts."""
        self.stores = {part: Store(cache / part) for part in PARTS if (cache / part).exists()}

    def save(self, folder: Path, fields: Sequence[Field] | None = None) -> None:
        """Write the columns and what the fields have learnt; of some fields only where they share it."""
        write_json(folder / "columns.json", self.columns)
        for field in self.fields if fields is None else fields:
            field.save(folder)

    def load(self, folder: Path, fields: Sequence[Field] | None = None) -> None:
        """Read what `save` wrote."""
        self.columns = dict(read_json(folder / "columns.json"))
        for field in self.fields if fields is None else fields:
            field.load(folder)

    # use -----------------------------------------------------------------------------------------------------------
    def inputs(self, file: str) -> Iterator[Any] | None:
        """The values of the input field in a table, or a file that is one value itself; None where each line is one."""
        if self.input.is_single_input(file):
            return iter([file])
        if not is_table(file):
            return None
        source = open_source(file, encoding=self.settings.encoding)
        column = self.input.find(source, ())
        return (self.input.value(row, column) for row in source.rows())

    def input_value(self, example: Any) -> Any:
        """The value of the input field that an example gives: itself, or a mapping that names it."""
        if isinstance(example, dict):
            names = [self.columns.get(self.input.name), self.input.column, self.input.name]
            for name in names:
                if name and name in example:
                    example = example[name]
                    break
            else:
                wanted = " or ".join(dict.fromkeys(repr(name) for name in names if name))
                has = ", ".join(map(repr, example)) or "nothing"
                raise CallError(f"an input object wants {wanted}; this one has {has}")
        return self.input.normalize_input(example)

    def check_inputs(self, values: Sequence[Any]) -> list[Any]:
        """Values of the input field, checked. CallError with the number of one that cannot be used."""
        for number, value in enumerate(values, 1):
            if message := self.input.check_input(value):
                raise CallError(f"example {number}: {self.input.name} {message}")
        return list(values)
