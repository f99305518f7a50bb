"""Tasks over the rows of a table: reading, splitting, batches by length, evaluation. Each such task adds its own file.

A subclass declares `fields()`, the first of them the input whose text decides the split, and gives the network, the loss
and the figures. Rows are read twice at most, in pieces, and encoded once into memory-mapped arrays.
"""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field as Setting
from torch import Tensor, nn

from ...data.batching import LengthBatches
from ...data.report import DataReport
from ...data.sources import Row, Source, is_table, open_source
from ...data.split import Duplicates, digest
from ...data.store import Store, StoreWriter
from ...errors import CallError, DataError
from ...files import read_json, write_json
from ...settings import DataSettings, ModelSettings, Settings
from ..base import Batch, Reading, Say, Session, Task, chunked, device_of
from . import adversarial
from .encoder import EncoderModel, Members, Numbers, SequenceEncoder, SequenceToVector
from .fields import Field, Series
from .stream import VectorSession

EVALUATION_STEPS = 65_536  # padded time steps of a batch when nothing is kept for the backward pass


class RowData(DataSettings):
    """Settings of tasks whose examples are rows."""

    max_length: int | None = Setting(None, ge=2, description="longer rows train on their two ends")


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
        for field in fields:
            others = [column for column in (*taken, *found.values()) if column != field.asked]
            known = self.columns.get(field.name)  # where the training data had it, unless the user says otherwise
            found[field.name] = known if not field.asked and known in source.columns else field.find(source, others)
        return found

    def _rows(self, source: Source, columns: dict[str, str]) -> Iterator[list[Any]]:
        """The fields' values of each row that is whole; the others stop the run or are left out, as the user chose."""
        broken: list[tuple[Row, Field, str]] = []
        count = 0
        for row in source.rows():
            values = [field.value(row, columns[field.name]) for field in self.fields]
            wrong = self._wrong(values)
            if wrong is None:
                yield values
                continue
            count += 1
            if len(broken) < 3:
                broken.append((row, *wrong))
        self.left_out = count
        self.left_places = [str(row.error(said, columns[field.name])) for row, field, said in broken]
        if broken and self.settings.data.broken == "stop":
            row, field, said = broken[0]
            rest = ""
            if count > 1:
                named = ", ".join(str(other.number) for other, _, _ in broken[1:])
                rest = f"; {count - 1} more rows cannot be used (row {named}{', ...' if count > 3 else ''})"
            where = "" if row.line is None else f" (line {row.line})"
            raise DataError(
                f"{said}{where}{rest}. Mend the file, or leave such rows out with --set broken=skip",
                file=row.file,
                row=row.number,
                field=columns[field.name],
            )

    def _wrong(self, values: Sequence[Any]) -> tuple[Field, str] | None:
        """The first field of a row whose value cannot be used, and what is wrong with it, in words; or None."""
        for field, value in zip(self.fields, values, strict=True):
            if said := field.check(value):
                return field, said
        return None

    def _survey(
        self, source: Source, columns: dict[str, str], tick: Callable[[int], None]
    ) -> tuple[DataReport, np.ndarray]:
        """Fit every field, in one pass each; hash the rows, and count what is the same."""
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
                if not error.file and not len(duplicates):
                    error = DataError(f"none of the {self.left_out:,} rows can be used; {self.left_places[0]}")
                raise error if error.file else DataError(str(error), file=source.path) from None
            for _ in stream:  # a field that needs no fitting has not asked for the rows
                pass
        report = DataReport(
            rows=len(duplicates),
            broken=self.left_out + source.broken.count,
            broken_places=(*source.broken.places, *self.left_places),
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
            for rows in chunked(self._rows(source, columns), 1024):
                encoded = self._encode_rows(rows, source, done)
                for i, row in enumerate(rows):
                    part = part_of(digest(self.input.key(row[0])))
                    if part in writers:
                        writers[part].append(**{name: values[i] for name, values in encoded.items()})
                done += len(rows)
                tick(done)

    def _encode_rows(self, rows: Sequence[Sequence[Any]], source: Source, done: int) -> dict[str, list[Any]]:
        encoded = {}
        for at, field in enumerate(self.fields):
            values = [row[at] for row in rows]
            try:
                encoded[field.name] = field.encode(values)
            except DataError as error:
                raise DataError(
                    error.message, file=source.path, row=done + (error.row or 1), field=field.name
                ) from None
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


class RowTask(RowReader):
    """One output for each row. See the module's docstring."""

    Data: ClassVar[type[DataSettings]] = RowData
    Model: ClassVar[type[ModelSettings]] = EncoderModel
    batches: LengthBatches

    def choose(self, reading: Reading) -> Settings:
        """Settings of a middling size for what is open; a task that knows its data better says so here."""
        model = {
            "hidden_size": 64,
            "num_layers": 1,
            "dropout": 0.1,
            "input_dropout": 0.0,
            "members": 1,
            "adversarial": 0.0,
        }
        training = {"batch_size": 32, "learning_rate": 3e-3, "epochs": 20.0, "averaging": 0.99, "patience": 8}
        return self.settings.with_open(model=model, training=training)

    # network -------------------------------------------------------------------------------------------------------
    def front(self) -> tuple[nn.Module, int]:
        """What makes vectors (B, T, I) of the encoded input, and I. Numbers over time need nothing."""
        assert isinstance(self.input, Series) and self.input.width, "a task whose input is no series defines front()"
        return Numbers(), self.input.width

    def network(self) -> nn.Module:
        model = self.settings.model
        assert isinstance(model, EncoderModel) and model.hidden_size and model.num_layers  # choose() has filled them
        members = [self._member(model) for _ in range(model.members or 1)]
        return members[0] if len(members) == 1 else Members(members, self.merge)

    def _member(self, model: EncoderModel) -> SequenceToVector:
        assert model.hidden_size and model.num_layers
        front, input_size = self.front()
        encoder = SequenceEncoder(
            front,
            input_size,
            self.cell,
            hidden_size=model.hidden_size,
            num_layers=model.num_layers,
            bidirectional=model.bidirectional,
            pooling=model.pooling,
            dropout=model.dropout or 0.0,
            input_dropout=model.input_dropout or 0.0,
            backend=model.backend,
        )
        return SequenceToVector(encoder, self.outputs)

    @property
    @abstractmethod
    def outputs(self) -> int:
        """How many numbers the network gives for a row."""

    def merge(self, outputs: Tensor) -> Tensor:
        """One output (B, C) from those of several networks (M, B, C)."""
        return outputs.mean(0)

    # training ------------------------------------------------------------------------------------------------------
    def _cut(self, lengths: np.ndarray) -> np.ndarray:
        limit = getattr(self.settings.data, "max_length", None)
        return lengths if limit is None else np.minimum(lengths, limit)

    def _batches(self) -> LengthBatches:
        training = self.settings.training
        assert training.batch_size is not None  # choose() has filled it
        return LengthBatches(
            self._cut(self.stores["train"].lengths(self.input.name)), training.batch_size, seed=training.seed
        )

    def train_batches(self, epoch: int) -> Sequence[np.ndarray]:
        if not hasattr(self, "batches"):
            self.batches = self._batches()
        return self.batches.epoch(epoch)

    def cost(self, keys: Sequence[np.ndarray]) -> np.ndarray:
        lengths = self.batches.lengths
        return np.array([len(rows) * max(int(lengths[rows].max()), 1) for rows in keys])

    def padding(self, epoch: int = 0) -> float:
        """Share of an epoch's computed steps that is padding."""
        return self.batches.padding_share(list(self.train_batches(epoch)))

    def batch(self, key: np.ndarray) -> Batch:
        return self._gather(self.stores["train"], key, cut=True)

    def _gather(self, store: Store, rows: np.ndarray, *, cut: bool) -> Batch:
        name = self.input.name
        limit = getattr(self.settings.data, "max_length", None) if cut else None
        x, lengths = store.ragged(name, rows, longest=limit)
        if limit is not None:
            half = limit // 2
            for b in np.flatnonzero(lengths == limit):
                whole = store.ragged(name, rows[b : b + 1])[0][0]
                x[b, limit - half :] = whole[len(whole) - half :]  # the end says as much as the beginning
        targets = {field.name: torch.from_numpy(np.array(store.column(field.name)[rows])) for field in self.fields[1:]}
        return Batch(
            {"x": torch.from_numpy(x), "lengths": torch.from_numpy(lengths)},
            targets,
            int(lengths.sum()),
            int(x.shape[0] * x.shape[1]),
        )

    def loss(self, network: nn.Module, batch: Batch, state: Any) -> tuple[Tensor, Any]:
        output = network(batch.inputs["x"], batch.inputs["lengths"])
        smoothing = getattr(self.settings.training, "label_smoothing", 0.0)
        several = (getattr(self.settings.model, "members", None) or 1) > 1
        losses = [self.row_losses(one, batch, smoothing).mean() for one in (output if several else [output])]
        return torch.stack(losses).mean(), None

    def descend(
        self, network: nn.Module, batch: Batch, state: Any, backward: Callable[[Tensor], None]
    ) -> tuple[Tensor, Any]:
        size = getattr(self.settings.model, "adversarial", None)
        if not size:
            return super().descend(network, batch, state, backward)
        return adversarial.descend(network, lambda: self.loss(network, batch, None)[0], size, backward), None

    @abstractmethod
    def row_losses(self, output: Tensor, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
        """The loss of each row, (B,)."""

    @abstractmethod
    def figures(self, outputs: Tensor, targets: dict[str, Tensor]) -> dict[str, Any]:
        """The metrics from the network's outputs on a whole part."""

    # figures -------------------------------------------------------------------------------------------------------
    def evaluate(self, network: nn.Module, data: str | Path | None, tick: Callable[[int], None]) -> dict[str, Any]:
        if data is None:
            return self._evaluate_store(network, self.stores["valid"], tick)
        with self.stored(data) as store:
            return self._evaluate_store(network, store, tick)

    def _evaluate_store(self, network: nn.Module, store: Store, tick: Callable[[int], None]) -> dict[str, Any]:
        lengths = store.lengths(self.input.name)
        outputs: list[Tensor | None] = [None] * len(store)
        losses = torch.zeros(len(store), dtype=torch.float64)
        device = device_of(network)
        for rows in LengthBatches(lengths, 256, seed=0, max_tokens=EVALUATION_STEPS).in_order():
            batch = self._gather(store, rows, cut=False).to(device)
            output = network(batch.inputs["x"], batch.inputs["lengths"])
            losses[rows] = self.row_losses(output, batch).double().cpu()
            for row, value in zip(rows, output.float().cpu(), strict=True):
                outputs[row] = value
            tick(len(rows))
        targets = {field.name: torch.from_numpy(np.array(store.column(field.name))) for field in self.fields[1:]}
        whole = torch.stack([output for output in outputs if output is not None])
        return {"loss": float(losses.mean()), **self.figures(whole, targets)}

    # use -----------------------------------------------------------------------------------------------------------
    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        if not len(examples):
            return []
        values = [self._input_value(example) for example in examples]
        for number, value in enumerate(values, 1):
            if said := self.input.unusable(value):
                raise CallError(f"example {number}: {self.input.name} {said}")
        arrays = self.input.encode(values)
        lengths = np.array([len(array) for array in arrays])
        results: list[dict[str, Any]] = [{} for _ in examples]
        for rows in LengthBatches(lengths, 256, seed=0, max_tokens=EVALUATION_STEPS).in_order():
            x = padded([arrays[row] for row in rows])
            output = network(x.to(device_of(network)), torch.from_numpy(lengths[rows]).to(device_of(network)))
            for row, decoded in zip(rows, self.decode(output.float().cpu()), strict=True):
                results[row] = decoded
        return results

    @abstractmethod
    def decode(self, outputs: Tensor) -> list[dict[str, Any]]:
        """One JSON object a row of the network's outputs."""

    def streams(self) -> tuple[bool, str]:
        if getattr(self.settings.model, "bidirectional", False):
            return False, "the backward direction needs the end first; --set bidirectional=false streams"
        if why := self.input.whole():
            return False, why
        return True, ""

    def session(self, network: nn.Module) -> Session:
        if not self.streams()[0]:
            return super().session(network)
        return VectorSession(network, self.input, lambda output: self.decode(output)[0])


def evenly(count: int, most: int) -> np.ndarray:
    """At most so many of the rows 0 to `count`, evenly picked, in order."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))


def padded(arrays: Iterable[np.ndarray]) -> Tensor:
    """(B, T) or (B, T, I), zeros after each row's end."""
    return nn.utils.rnn.pad_sequence([torch.from_numpy(array) for array in arrays], batch_first=True)
