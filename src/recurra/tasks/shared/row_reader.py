"""Reads tables into fields: finds the columns, checks the rows, fits the fields, splits and encodes.

A dataset has a `RowReader` and adapts it to its files. Rows are streamed in chunks. Training data are read in two passes after
the first rows have been inspected:

    survey    fits the fields, hashes the rows for the split, and keeps texts, labels and numbers (`survey.py`)
    encode    writes the encoded rows; the file is read again only if it has other values, such as arrays
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...data.report import DataReport
from ...data.sources.inspect.json_shapes import flatten
from ...data.sources.reading import FileReading
from ...data.sources.row_errors import BadRows, in_use
from ...data.sources.skipped_rows import SkippedRows
from ...data.sources.sources import Source
from ...data.store.kept_rows import NumberedRow, chunks_of
from ...data.store.store import Store
from ...errors import CallError, DataError
from ...fields.base import Field
from ...files import read_json, write_json
from ...settings import DataSettings
from ..base import OnProgress
from .data_cache import DataCache
from .encode_rows import CHUNK, all_rows, write_rows
from .input_values import key_of_input, named_in_lines
from .row_state import RowFacts, state_of_rows
from .survey import Survey

PARTS = ("train", "valid")
Problem = Callable[[Sequence[Any]], tuple[Field, str] | None]
Columns = dict[str, str]  # of each field, by its name
OnSkip = Callable[[DataError], None]


class RowReader:
    """Reads the rows of tables into fields. The first field is the input; its hash decides the part of the split.

    Args:
        fields: the fields; a dataset may change the list before data are read.
        settings: the settings of reading, `on_error` and `validation_fraction`.
        problem: returns the first field of a row that cannot be used and its problem, or None; by default `first_problem`.
        examples: returns the examples in the values of one row; by default the row itself.

    Attributes:
        reading: how files are read, with the cache of encoded data.
        depends_on: what else determines the rows, such as settings of the model or classes that change them.
        facts: after `read`, what is known about the rows, such as lines for the user.
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
        self.depends_on: dict[str, Any] = {}
        self.facts = RowFacts(DataReport(0), [], [])
        self._bad = BadRows(Path(), skip=False)

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

    def numbered(self, source: Source, columns: Columns, on_skip: OnSkip | None = None) -> Iterator[NumberedRow]:
        """Yield the field values of each example with its row number. `on_skip` is called with the error of a skipped row."""
        bad, usable = BadRows(source.path, self.skips, on_skip), False
        source.on_skip = on_skip
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
        *,
        data: Sequence[str | Path | None] = (),
    ) -> DataReport:
        """Fit the fields to the training data, split them, and encode them into `cache`; or take all this from an earlier run.

        Args:
            source: the training data.
            columns: the column of each field.
            cache: the folder of the encoded parts.
            on_progress: called with the number of rows so far.
            valid: opens the validation data. None: a fraction of the rows becomes the validation part.
            data: the names of the data, if the encoded rows are kept for later runs.

        Returns:
            The report about the data.
        """
        self.columns = columns
        functions = [self.problem, self.examples]
        media = [field for field in self.fields if field.names_files]
        kept = DataCache(
            self.reading,
            [] if self.is_loaded else [one for one in data if one is not None],
            lambda: state_of_rows(source, columns, self.fields, functions, self.depends_on),
            (lambda row: [field.value(row, columns[field.name]) for field in media]) if media else None,
        )

        def restore(folder: Path, values: dict[str, Any]) -> None:
            self.facts = RowFacts.from_json(values, self.fields)
            self.load(folder)
            self.is_loaded = False  # the fields are those of this data

        if not kept.take(cache, restore):
            report = self._read(source, columns, cache, on_progress, valid)
            self.facts = RowFacts.of(report, source, self.fields)
            kept.keep(cache, self.save, self.facts.to_json(self.fields))
        self.load_cache(cache)
        return self.facts.report

    def _read(
        self,
        source: Source,
        columns: Columns,
        cache: Path,
        on_progress: OnProgress,
        valid: Callable[[], tuple[Source, Columns]] | None,
    ) -> DataReport:
        """Fit, split and encode; see `read`."""
        with SkippedRows(cache.parent) as skipped:
            on_skip: list[OnSkip | None] = [skipped.add]  # the first pass reports the rows that it skips

            def rows() -> Iterator[NumberedRow]:
                return self.numbered(source, columns, on_skip.pop() if on_skip else None)

            with Survey(self.fields, rows, source.path, cache / ".rows") as survey:
                survey.fit(on_progress, keep_fitted=self.is_loaded)
                report = DataReport(
                    rows=len(survey.duplicates),
                    broken=self._bad.count + source.broken.count,
                    broken_places=(*source.broken.places, *map(str, self._bad.first)),
                    duplicates=survey.duplicates.count,
                )
                survey.write(cache, 0.0 if valid is not None else self.settings.validation_fraction, on_progress)
            if valid is not None:
                self._encode(*valid(), "valid", cache, on_progress, skipped.add)
        return report

    def _encode(
        self,
        source: Source,
        columns: Columns,
        part: str,
        cache: Path,
        on_progress: OnProgress,
        on_skip: OnSkip | None = None,
    ) -> None:
        """Encode all rows of a file into one part."""
        chunks = chunks_of(self.numbered(source, columns, on_skip), CHUNK)
        write_rows(self.fields, chunks, source.path, cache, {part: all_rows}, on_progress)

    @contextmanager
    def encoded(self, source: Source, columns: Columns) -> Iterator[Store]:
        """Encode the rows of another file into a temporary store for an evaluation."""
        with tempfile.TemporaryDirectory(prefix="recurra-") as folder:
            self._encode(source, columns, "data", Path(folder), lambda _: None)
            store = Store(Path(folder) / "data")
            if not len(store):
                raise DataError("has no rows to evaluate on", file=source.path)
            yield store

    # the run folder ------------------------------------------------------------------------------------------------
    def load_cache(self, cache: Path) -> None:
        """Open the encoded parts in `cache`."""
        self.stores = {part: Store(cache / part) for part in PARTS if (cache / part).exists()}

    def save(self, folder: Path, fields: Sequence[Field] | None = None) -> None:
        """Write the columns and the fitted fields. `fields` excludes fields that use the vocabulary of another field."""
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
        """Return the input values in a file; None where each line of the file is one input."""
        if self.input.is_single_input(file):
            return iter([file])
        if self.reading.is_table(file):
            return self.inputs_in(self.reading.open(file, unlabeled=True))
        return named_in_lines(file, self.reading.encoding, self.input, self._names) if self.input.names_files else None

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

    @property
    def _names(self) -> list[str]:
        """The keys of the input in an example that is a mapping."""
        return [name for name in (self.columns.get(self.input.name), self.input.column, self.input.name) if name]

    def input_value(self, example: Any) -> Any:
        """Return the input value of an example, which is the value itself or a mapping that has it."""
        if isinstance(example, dict):
            example = flatten(example)
            example = self.input.of_mapping(example, key_of_input(example, self._names))
        return self.input.normalize_input(example)

    def check_inputs(self, values: Sequence[Any]) -> list[Any]:
        """Return the input values. Raises CallError with the number of an example that cannot be used."""
        for number, value in enumerate(values, 1):
            if message := self.input.check_input(value):
                raise CallError(f"example {number}: {self.input.name} {message}")
        return list(values)
