"""Reading of rows: columns found, rows checked, vocabularies fitted, a part held back, all encoded once.

A subclass fills `fields`, the first of them the input whose content decides the split; what it makes of a row is its own
matter. Rows are read twice at most, in pieces, and encoded once into memory-mapped arrays.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
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
from ..base import Reading, Say, Task, chunked


class RowReader(Task):
    """A task whose examples are rows: reading, splitting, encoding. What it makes of a row is its own matter."""

    fields: list[Field]
    columns: dict[str, str] = MappingProxyType({})  # type: ignore[assignment]  # of the training data, by field
    stores: dict[str, Store]

    @property
    def input(self) -> Field:
        """The sequence that goes in."""
        return self.fields[0]

    # reading -------------------------------------------------------------------------------------------------------
    def read(
        self, data: str | Path, valid: str | Path | None, cache: Path, say: Say, tick: Callable[[int], None]
    ) -> Reading:
        source = self._source(data)
        columns = self.columns = self._columns(source)
        report, hashes = self._survey(source, columns, tick)
        share = 0.0 if valid is not None else self.settings.data.valid_share
        limit = self._limit(hashes, share, source)
        self._encode(source, columns, lambda h: "valid" if h <= limit else "train", cache, tick)
        if valid is not None:
            other = self._source(valid)
            self._encode(other, self._columns(other), lambda _: "valid", cache, tick, only=("valid",))
        self.open(cache)
        lines = report.lines()
        for field in self.fields:
            lines += field.describe()
        lengths = self.stores["train"].lengths(self.input.name)
        return Reading(
            rows=len(self.stores["train"]),
            valid_rows=len(self.stores["valid"]),
            steps_of_time=int(lengths.sum()),
            facts={"lengths": lengths},
            lines=lines,
        )

    def _source(self, data: str | Path) -> Source:
        settings = self.settings.data
        return open_source(data, encoding=settings.encoding, skip_broken=settings.broken == "skip")

    def _columns(self, source: Source) -> dict[str, str]:
        """Field name -> column."""
        return self._find(source, self.fields)

    def _find(self, source: Source, fields: Sequence[Field]) -> dict[str, str]:
        """The columns of some fields. Asked-for columns are taken first, so that the others are not found in them."""
        found: dict[str, str] = {}
        taken = [field.asked for field in fields if field.asked]
        for column in taken:
            if taken.count(column) > 1:
                names = " and ".join(field.name for field in fields if field.asked == column)
                raise DataError(f"column {column!r} is asked for twice, as {names}", file=source.path)
        for field in fields:
            others = [column for column in (*taken, *found.values()) if column != field.asked]
            known = self.columns.get(field.name)  # where the training data had it, unless the user says otherwise
            found[field.name] = known if not field.asked and known in source.columns else field.find(source, others)
        return found

    def _rows(self, source: Source, columns: dict[str, str]) -> Iterator[list[Any]]:
        """The fields' values of the examples in each whole row; other rows stop the run or are left out, as the user chose."""
        return (values for _, values in self._numbered(source, columns))

    def _numbered(self, source: Source, columns: dict[str, str]) -> Iterator[tuple[int, list[Any]]]:
        """As `_rows`, each with the number of its row."""
        bad, usable = BadRows(source.path, self.settings.data.broken == "skip"), False
        for row in source.rows():
            values = [field.value(row, columns[field.name]) for field in self.fields]
            wrong = self._wrong(values)
            if wrong is None:
                usable = True
                yield from ((row.number, example) for example in self._examples(values))
            else:
                field, said = wrong
                bad.add_error(row.error(said, columns[field.name]))
        self.bad = bad
        bad.settle(others=usable)

    def _examples(self, values: list[Any]) -> Iterator[list[Any]]:
        """The examples in the values of a whole row: one; a task whose cells may hold several says so here."""
        yield values

    def _wrong(self, values: Sequence[Any]) -> tuple[Field, str] | None:
        """The first field of a row whose value cannot be used, and what is wrong with it, in words; or None."""
        for field, value in zip(self.fields, values, strict=True):
            if said := field.check(value):
                return field, said
        return None

    def _survey(
        self, source: Source, columns: dict[str, str], tick: Callable[[int], None]
    ) -> tuple[DataReport, np.ndarray]:
        """Fit every field, in one pass each that it asks for; hash the rows, and count what is the same."""
        duplicates = Duplicates()
        for at, field in enumerate(self.fields):

            def values(at: int = at, first: bool = at == 0) -> Iterator[Any]:
                for n, row in enumerate(self._rows(source, columns)):
                    if first:
                        duplicates.add(self.input.key(row[0]))
                        if n % 1000 == 0:
                            tick(n)
                    yield row[at]

            stream = values()
            try:
                field.fit(stream)
            except DataError as error:
                raise error if error.file else DataError(str(error), file=source.path) from None
            if at == 0:  # the hashes and the count are of all rows, also where the field has not asked for them
                for _ in stream:
                    pass
        report = DataReport(
            rows=len(duplicates),
            broken=self.bad.count + source.broken.count,
            broken_places=(*source.broken.places, *map(str, self.bad.first)),
            duplicates=duplicates.count,
        )
        return report, duplicates.hashes()

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
        columns: dict[str, str],
        part_of: Callable[[int], str],
        cache: Path,
        tick: Callable[[int], None],
        only: Sequence[str] = ("train", "valid"),
    ) -> None:
        kinds = {field.name: field.kind for field in self.fields}
        done = 0
        with ExitStack() as stack:  # closes the stores, or after an error leaves none behind
            writers = {part: stack.enter_context(StoreWriter(cache / part, kinds)) for part in only}
            for rows in chunked(self._numbered(source, columns), 1024):
                encoded = self._encode_rows(rows, source)
                for i, (_, row) in enumerate(rows):
                    part = part_of(digest(self.input.key(row[0])))
                    if part in writers:
                        writers[part].append(**{name: values[i] for name, values in encoded.items()})
                done += len(rows)
                tick(done)

    def _encode_rows(self, rows: Sequence[tuple[int, list[Any]]], source: Source) -> dict[str, list[Any]]:
        encoded = {}
        for at, field in enumerate(self.fields):
            try:
                encoded[field.name] = field.encode([values[at] for _, values in rows])
            except DataError as error:
                number, _ = rows[(error.row or 1) - 1]
                raise DataError(error.message, file=source.path, row=number, field=field.name) from None
        return encoded

    @contextmanager
    def stored(self, data: str | Path) -> Iterator[Store]:
        """The rows of another file, encoded as those of the training data, while it is evaluated."""
        source = self._source(data)
        with tempfile.TemporaryDirectory(prefix="recurra-") as folder:
            self._encode(source, self._columns(source), lambda _: "data", Path(folder), lambda _: None, only=("data",))
            store = Store(Path(folder) / "data")
            if not len(store):
                raise DataError("has no rows to evaluate on", file=source.path)
            yield store

    def open(self, cache: Path) -> None:
        self.stores = {part: Store(cache / part) for part in ("train", "valid") if (cache / part).exists()}

    def save_vocabulary(self, folder: Path) -> None:
        write_json(folder / "columns.json", self.columns)
        for field in self.fields:
            field.save(folder)

    def load_vocabulary(self, folder: Path) -> None:
        self.columns = dict(read_json(folder / "columns.json"))
        for field in self.fields:
            field.load(folder)

    def inputs(self, file: str) -> Iterator[Any] | None:
        """What to predict from, where `file` is a table, or one value; one of JSON lines is read as lines."""
        if self.input.is_one(file):
            return iter([file])
        return self.inputs_of(open_source(file, encoding=self.settings.data.encoding)) if is_table(file) else None

    def inputs_of(self, source: Source) -> Iterator[Any]:
        """What to predict from, of each row."""
        column = self.input.find(source, ())
        return (self.input.value(row, column) for row in source.rows())

    def _input_value(self, example: Any) -> Any:
        """The input field of an example: the value itself, or a mapping that names it."""
        if isinstance(example, dict):
            names = [self.columns.get(self.input.name), self.input.asked, self.input.name]
            for name in names:
                if name and name in example:
                    example = example[name]
                    break
            else:
                wanted = " or ".join(dict.fromkeys(repr(name) for name in names if name))
                has = ", ".join(map(repr, example)) or "nothing"
                raise CallError(f"an input object wants {wanted}; this one has {has}")
        return self.input.meant(example)

    def _input_values(self, examples: Sequence[Any]) -> list[Any]:
        """The values of the input field that examples mean. CallError with the number of one that cannot be used."""
        values = [self._input_value(example) for example in examples]
        for number, value in enumerate(values, 1):
            if said := self.input.unusable(value):
                raise CallError(f"example {number}: {self.input.name} {said}")
        return values
