"""Reads tables into fields: finds the columns, checks the rows, fits the fields, splits and encodes.

A dataset has a `RowReader` and adapts it to its files. Rows are streamed in chunks. Training data are read in two passes after
the first rows have been inspected:

    survey    fits the fields and hashes the rows for the split. The values of fields of labels or numbers are collected in
              this pass; each further field with something to fit, such as a second text, takes another pass
    encode    writes the encoded rows to the cache
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...data.report import DataReport
from ...data.sources.inspect.json_shapes import flatten
from ...data.sources.reading import FileReading
from ...data.sources.row_errors import BadRows, in_use
from ...data.sources.skipped_rows import SkippedRows
from ...data.sources.sources import Source
from ...data.store.split import Duplicates, digest, valid_limit
from ...data.store.store import Store, StoreWriter
from ...errors import CallError, DataError
from ...fields.base import Field, fit_field
from ...files import read_json, write_json
from ...settings import DataSettings
from ..base import OnProgress, chunked
from .encode_rows import encode_rows

PARTS = ("train", "valid")
Problem = Callable[[Sequence[Any]], tuple[Field, str] | None]
Columns = dict[str, str]  # of each field, by its name


class RowReader:
    """Reads the rows of tables into fields. The first field is the input; its hash decides the part of the split.

    Args:
        fields: the fields; a dataset may change the list before data are read.
        settings: the settings of reading, `on_error` and `validation_fraction`.
        problem: returns the first field of a row that cannot be used and its problem, or None; by default `first_problem`.
        examples: returns the examples in the values of one row; by default the row itself.

    Attributes:
        reading: how files are read.
        columns: the column of each field in the training data.
        stores: the encoded parts, `train` and `valid`.
        is_loaded: whether the fields are those of a run, and are not fitted by `read`.
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
        self.reading = FileReading(settings, lambda: [field.column for field in self.fields if field.column])
        self.problem, self.examples = problem or self.first_problem, examples
        self.columns: Columns = {}
        self.stores, self.is_loaded = dict[str, Store](), False
        self._bad = BadRows(Path(), skip=False)
        self._on_skip: Callable[[DataError], None] | None = None

    @property
    def input(self) -> Field:
        """The field of the input sequence."""
        return self.fields[0]

    @property
    def skips(self) -> bool:
        """Whether rows that cannot be used are skipped."""
        return self.settings.on_error == "skip"

    def open(self, data: str | Path) -> Source:
        """Open the rows of `data` as the settings say."""
        return self.reading.open(data)

    # columns -------------------------------------------------------------------------------------------------------
    def find_columns(self, source: Source, fields: Sequence[Field] | None = None) -> Columns:
        """Return the columns of some fields, by default of all, by field name. Named columns are assigned first.

        A field without a named column keeps the column of the training data, where it exists.
        """
        fields = self.fields if fields is None else fields
        found, taken = Columns(), [field.column for field in fields if field.column]
        for column in taken:
            if taken.count(column) > 1:
                names = " and ".join(field.name for field in fields if field.column == column)
                raise DataError(f"column {column!r} is used twice, as {names}", file=source.path)
        for field in fields:
            others = [column for column in (*taken, *found.values()) if column != field.column]
            known = self.columns.get(field.name)
            if known is None or field.column or known not in source.columns:
                known = self._find(field, source, others)
            found[field.name] = known
            field.inspect(source, found[field.name])
        return found

    def _find(self, field: Field, source: Source, taken: Sequence[str]) -> str:
        try:
            return field.find(source, taken)
        except DataError as error:  # the commands that use a run have no option for a column, but --set
            raise in_use(error) if self.columns else error from None

    # rows ----------------------------------------------------------------------------------------------------------
    def values(self, source: Source, columns: Columns) -> Iterator[list[Any]]:
        """Yield the field values of each example; rows that cannot be used raise an error at the end, or are skipped."""
        return (values for _, values in self.numbered(source, columns))

    def numbered(self, source: Source, columns: Columns) -> Iterator[tuple[int, list[Any]]]:
        """Yield the field values of each example with its row number."""
        bad, usable = BadRows(source.path, self.skips, self._on_skip), False
        source.on_skip = self._on_skip
        for row in source.rows():
            values = [field.value(row, columns[field.name]) for field in self.fields]
            problem = self.problem(values)
            if problem is None:
                usable = True
                yield from ((row.number, example) for example in self.examples(values))
            else:
                field, message = problem
                bad.add_error(row.error(message, columns[field.name]))
        self._bad = bad
        bad.settle(others=usable)

    def first_problem(self, values: Sequence[Any]) -> tuple[Field, str] | None:
        """Return the first field of a row whose value cannot be used, and the problem; None where there is none."""
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
        """Fit the fields to the training data, split them, and encode them into `cache`.

        Args:
            source: the training data.
            columns: the column of each field.
            cache: the folder of the encoded parts.
            on_progress: called with the number of rows so far.
            valid: opens the validation data. None: a fraction of the rows becomes the validation part.

        Returns:
            The report about the data and the hash of each row.
        """
        self.columns = columns
        report, hashes = self._survey(source, columns, on_progress)
        limit = valid_limit(hashes, 0.0 if valid is not None else self.settings.validation_fraction, source.path)
        with SkippedRows(cache.parent) as skipped:  # each file is encoded in one pass
            self._on_skip = skipped.add
            self._encode(source, columns, lambda h: "valid" if h <= limit else "train", cache, on_progress)
            if valid is not None:
                self._encode(*valid(), lambda _: "valid", cache, on_progress, only=("valid",))
        self._on_skip = None
        self.load_cache(cache)
        return report, hashes

    def _survey(self, source: Source, columns: Columns, on_progress: OnProgress) -> tuple[DataReport, np.ndarray]:
        """Fit the fields, hash the rows and count repeated rows."""
        duplicates = Duplicates()
        collected: dict[int, list[Any]] = {at: [] for at, field in enumerate(self.fields) if at and field.is_scalar}
        interned: dict[str, str] = {}  # equal labels share one object

        def inputs() -> Iterator[Any]:
            for n, row in enumerate(self.values(source, columns)):
                duplicates.add(self.input.key(row[0]))
                if n % 1000 == 0:
                    on_progress(n)
                for at, values in collected.items():
                    value = row[at]
                    values.append(interned.setdefault(value, value) if type(value) is str else value)
                yield row[0]

        fitted, stream = [] if self.is_loaded else self.fields, inputs()
        for field in fitted[:1]:
            fit_field(field, stream, source.path)
        deque(stream, maxlen=0)  # all rows are hashed, also where fitting needs only the first ones
        for at, field in enumerate(fitted[1:], 1):
            if at in collected:
                fit_field(field, iter(collected.pop(at)), source.path)
            elif field.is_fitted:
                fit_field(field, (row[at] for row in self.values(source, columns)), source.path)
        report = DataReport(
            rows=len(duplicates),
            broken=self._bad.count + source.broken.count,
            broken_places=(*source.broken.places, *map(str, self._bad.first)),
            duplicates=duplicates.count,
        )
        return report, duplicates.hashes()

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
        with ExitStack() as stack:  # closes the stores, or removes them after an error
            writers = {part: stack.enter_context(StoreWriter(cache / part, formats)) for part in only}
            for rows in chunked(self.numbered(source, columns), 1024):
                encoded = encode_rows(self.fields, rows, source.path)
                for i, (_, row) in enumerate(rows):
                    part = part_of(digest(self.input.key(row[0])))
                    if part in writers:
                        writers[part].append(**{name: values[i] for name, values in encoded.items()})
                done += len(rows)
                on_progress(done)

    @contextmanager
    def encoded(self, source: Source, columns: Columns) -> Iterator[Store]:
        """Encode the rows of another file into a temporary store for an evaluation."""
        with tempfile.TemporaryDirectory(prefix="recurra-") as folder:
            self._encode(source, columns, lambda _: "data", Path(folder), lambda _: None, only=("data",))
            store = Store(Path(folder) / "data")
            if not len(store):
                raise DataError("has no rows to evaluate on", file=source.path)
            yield store

    # the run folder ------------------------------------------------------------------------------------------------
    def load_cache(self, cache: Path) -> None:
        """Open the encoded parts in `cache`."""
        self.stores = {part: Store(cache / part) for part in PARTS if (cache / part).exists()}

    def save(self, folder: Path, fields: Sequence[Field] | None = None) -> None:
        """Write the columns and the fitted fields; `fields` leaves out those that share their vocabulary."""
        write_json(folder / "columns.json", self.columns)
        for field in self.fields if fields is None else fields:
            field.save(folder)

    def load(self, folder: Path, fields: Sequence[Field] | None = None) -> None:
        """Read what `save` wrote."""
        self.columns, self.is_loaded = dict(read_json(folder / "columns.json")), True
        for field in self.fields if fields is None else fields:
            field.load(folder)

    # use -----------------------------------------------------------------------------------------------------------
    def inputs(self, file: str) -> Iterator[Any] | None:
        """Return the input values in a table, or a file that is one value; None where each line of the file is one input."""
        if self.input.is_single_input(file):
            return iter([file])
        if not self.reading.is_table(file):
            return None
        return self.inputs_in(self.reading.open(file, unlabeled=True))

    def inputs_in(self, source: Source) -> Iterator[Any]:
        """Yield the input value of each row, and for a row that cannot be parsed its DataError: every row has one answer."""
        column = self.input_column(source)
        for row in source.rows_or_errors():
            yield row if isinstance(row, DataError) else self.input.value(row, column)

    def input_column(self, source: Source) -> str:
        """Return the column of the input in a table given to `predict`: that of the training data, if it exists."""
        known = self.columns.get(self.input.name)
        if not self.input.column and known is not None and known in source.columns:
            return known
        return self._find(self.input, source, ())

    def input_value(self, example: Any) -> Any:
        """Return the input value of an example, which is the value itself or a mapping that has it."""
        if isinstance(example, dict):
            example = flatten(example)
            names = [self.columns.get(self.input.name), self.input.column, self.input.name]
            for name in names:
                if name and name in example:
                    example = self.input.of_mapping(example, name)
                    break
            else:
                expected = " or ".join(dict.fromkeys(repr(name) for name in names if name))
                keys = ", ".join(map(repr, example)) or "no keys"
                raise CallError(f"an input object requires the key {expected}; this one has {keys}")
        return self.input.normalize_input(example)

    def check_inputs(self, values: Sequence[Any]) -> list[Any]:
        """Return the input values. Raises CallError with the number of an example that cannot be used."""
        for number, value in enumerate(values, 1):
            if message := self.input.check_input(value):
                raise CallError(f"example {number}: {self.input.name} {message}")
        return list(values)
