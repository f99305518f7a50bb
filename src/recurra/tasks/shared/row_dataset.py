"""The dataset of N-to-1 tasks: a table with an input of any type, and one or more targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, final

from ...data.sources.json_line import parse_json_line
from ...data.sources.sources import Source, is_table, open_source
from ...data.store.store import Store
from ...errors import CallError
from ...fields.base import Field
from ...fields.text import Text
from ...settings import Settings
from ..base import Dataset, DatasetInfo, OnProgress
from ..inputs.base import Input
from ..inputs.pretrained import Pretrained
from ..inputs.registry import INPUTS, choose_input
from .row_reader import RowReader

AnySettings = Settings[Any, Any, Any]
F = TypeVar("F", bound=Field)


@final
class RowDataset(Dataset):
    """An input and targets, a row each.

    settings   of the run, perhaps still open
    targets    fields of the target columns
    input      the input; None: of the type that the settings name or the data show, for which the settings have the
               groups `InputData` and `InputModel`
    check      refuses an input that the task cannot learn from, once it is known: raises DataError
    """

    def __init__(
        self,
        settings: AnySettings,
        targets: Sequence[Field],
        input: Input | None = None,
        check: Callable[[Input, Source], None] = lambda input, source: None,
    ) -> None:
        self.settings, self.targets, self.check = settings, list(targets), check
        self.fixed = input is not None
        for field in self.targets:
            if field.sequence:
                raise CallError(
                    f"target {field.name!r} ({type(field).__name__}) has rows of variable length; a target of an N-to-1 task "
                    "has one value a row, or a fixed number of them (kind 'float32:3')"
                )
        self.pretrained: Pretrained | None = None
        self.input: Input = input or INPUTS[settings.data.input or "text"](settings.data)
        self.rows = RowReader([self.input.field, *self.targets], settings.data)

    # reading -------------------------------------------------------------------------------------------------------
    def prepare(self, data: str | Path, valid: str | Path | None, cache: Path, on_progress: OnProgress) -> DatasetInfo:
        info, choice = DatasetInfo(), list[str]()
        source = self.rows.open(data)
        if not self.fixed:
            choice = self._choose(source, info)
        self._use_pretrained(info)
        source = self.input.adapt_source(source, self._others)
        self.check(self.input, source)

        def validation() -> tuple[Source, dict[str, str]]:
            other = self._open(str(valid))
            return other, self.rows.find_columns(other)

        columns = self.rows.find_columns(source)
        report, _ = self.rows.read(source, columns, cache, on_progress, None if valid is None else validation)
        lengths = self.stores["train"].lengths(self.input.field.name)
        info.rows, info.valid_rows = len(self.stores["train"]), len(self.stores["valid"])
        info.time_steps, info.stats = int(lengths.sum()), {"lengths": lengths}
        described = [line for field in self.rows.fields for line in field.describe()]
        info.messages = [*report.lines(), *described, *info.messages, *choice]
        return info

    def _choose(self, source: Source, info: DatasetInfo) -> list[str]:
        """Settle the type of the input. The line that reports it, where the user left it open."""
        name, reason = choose_input(self.settings, source, self._others)
        info.settings["data"] = {"input": name}
        self.input = INPUTS[name](self.settings.data)
        self.rows.fields[0] = self.input.field
        return [] if self.settings.data.input else [f"input: {name} ({reason})"]

    def _use_pretrained(self, info: DatasetInfo) -> None:
        """Vectors and a language model are for text, which `choose_input` has checked."""
        if isinstance(self.input.field, Text) and not self.fixed:
            data = self.settings.data
            default = type(data).model_fields["vocabulary_size"].default
            self.pretrained = Pretrained(self.settings.model, one_way=True)
            size = None if data.vocabulary_size == default else data.vocabulary_size
            self.pretrained.settle(self.input.field, size, info)

    def _others(self, source: Source) -> list[str]:
        """The columns of the targets, where they can be found without the input's."""
        return [field.find(source, ()) for field in self.targets]

    def _open(self, data: str | Path) -> Source:
        return self.input.adapt_source(self.rows.open(data), self._others)

    def target(self, kind: type[F]) -> F:
        """The target field of a class."""
        return next(field for field in self.targets if isinstance(field, kind))

    @property
    def stores(self) -> dict[str, Store]:
        """The encoded parts: train and valid."""
        return self.rows.stores

    def load_cache(self, cache: Path) -> None:
        self.rows.load_cache(cache)

    def save(self, folder: Path) -> None:
        self.rows.save(folder)

    def load(self, folder: Path) -> None:
        self.rows.load(folder)

    @contextmanager
    def encoded(self, data: str | Path) -> Iterator[Store]:
        """The rows of another file, while it is evaluated."""
        source = self._open(data)
        with self.rows.encoded(source, self.rows.find_columns(source)) as store:
            yield store

    # use -----------------------------------------------------------------------------------------------------------
    def inputs(self, file: str) -> Iterator[Any] | None:
        if self.input.field.is_single_input(file):
            return iter([file])
        if not is_table(file):
            return None
        source = self.input.adapt_source(open_source(file, encoding=self.rows.settings.encoding), self._others)
        column = self.input.field.find(source, ())
        return (self.input.field.value(row, column) for row in source.rows())

    def parse_line(self, line: str) -> Any:
        return parse_json_line(line)

    def encode_examples(self, examples: Sequence[Any]) -> list[Any]:
        """The inputs of examples to predict from, encoded. CallError with the number of one that cannot be used."""
        return list(self.input.field.encode(self.rows.check_inputs([self._value(example) for example in examples])))

    def _value(self, example: Any) -> Any:
        value = self.input.from_example(example) if isinstance(example, dict) else None
        return self.rows.input_value(example) if value is None else value
