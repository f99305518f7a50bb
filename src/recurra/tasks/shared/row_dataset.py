"""The dataset of N-to-1 tasks: a table with an input of any type and one or more targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar, final

from ...data.sources.json_line import parse_json_line
from ...data.sources.reading import FileReading
from ...data.sources.sources import Source
from ...data.store.store import Store
from ...errors import CallError
from ...fields.base import Field
from ...fields.text import Text
from ...settings import Settings
from ..base import DataQuality, Dataset, DatasetInfo, Description, OnProgress, roles_of, used_columns
from ..inputs.base import Input
from ..inputs.pretrained import Pretrained
from ..inputs.registry import INPUTS, choose_input
from ..inputs.time_series import reject_time_series
from .quality import quality_of
from .row_reader import RowReader

AnySettings = Settings[Any, Any, Any]


class TargetChoice(NamedTuple):
    """The targets for a file, and the settings of the group `data` that follow from it."""

    targets: Sequence[Field]
    settings: dict[str, Any]


ChooseTargets = Callable[[Source], TargetChoice]
F = TypeVar("F", bound=Field)


@final
class RowDataset(Dataset):
    """Reads a table with one example per row: an input and targets.

    Args:
        settings: the settings of the task, in which open settings may be None.
        targets: the fields of the targets. A target has one value or a fixed number of values for each example.
        input: the input. None: the type is selected by the settings or by the data; the settings must then have the groups
            `InputData` and `InputModel`.
        choose_targets: replaces the targets when the training data are opened, for a task whose targets depend on the data.

    Attributes:
        input: the input, selected once the data are read.
        rows: the `RowReader` of the fields.
        stores: the encoded parts, `train` and `valid`.

    Raises:
        CallError: a target is a sequence.

    Example:
        >>> from recurra.fields import Label, Series
        >>> from recurra.settings import ClassTraining, Settings, as_given, settings_from
        >>> from recurra.tasks.shared import EncoderModel, RowData, RowDataset, SeriesInput
        >>> settings = settings_from(as_given(Settings[RowData, EncoderModel, ClassTraining]), {})
        >>> dataset = RowDataset(settings, [Label("label")], SeriesInput(Series("window")))
        >>> [field.name for field in dataset.rows.fields]
        ['window', 'label']
    """

    keeps_vocabulary: ClassVar[bool] = True
    reading: FileReading

    def __init__(
        self,
        settings: AnySettings,
        targets: Sequence[Field],
        input: Input | None = None,
        *,
        choose_targets: ChooseTargets | None = None,
    ) -> None:
        self.settings, self.targets = settings, list(targets)
        self.fixed, self.choose_targets = input is not None, choose_targets
        for field in self.targets:
            if field.sequence:
                raise CallError(
                    f"target {field.name!r} ({type(field).__name__}) is a sequence; a target of an N-to-1 task has one value "
                    "for each example, or a fixed number of values (storage 'float32:3')"
                )
        self.pretrained: Pretrained | None = None
        self.input: Input = input or INPUTS[settings.data.input or "text"](settings.data)
        self.rows = RowReader([self.input.field, *self.targets], settings.data)
        self.reading = self.rows.reading

    # reading -------------------------------------------------------------------------------------------------------
    def prepare(self, data: str | Path, valid: str | Path | None, cache: Path, on_progress: OnProgress) -> DatasetInfo:
        """Select the input, find the columns, fit the fields, split and encode; see `Dataset.prepare`."""
        info, selection = DatasetInfo(), list[str]()
        source = self.rows.open(data)
        if not self.rows.is_loaded:
            self._choose_targets(source, info)
            if not self.fixed:
                selection = self._select_input(source, info)
            self._use_pretrained(info)
        source = self.input.adapt_source(source, self._others)
        if not self.fixed:
            reject_time_series(self.input.field, source, self._others)

        def validation() -> tuple[Source, dict[str, str]]:
            other = self._open(str(valid))
            return other, self.rows.find_columns(other)

        columns = self.rows.find_columns(source)
        self.rows.depends_on = {"input": type(self.input), "targets": self.choose_targets}
        report = self.rows.read(
            source, columns, cache, on_progress, None if valid is None else validation, data=(data, valid)
        )
        lengths = self.stores["train"].lengths(self.input.field.name)
        info.rows, info.valid_rows = len(self.stores["train"]), len(self.stores["valid"])
        info.time_steps, info.stats = int(lengths.sum()), {"lengths": lengths}
        used = used_columns(source, self._all_columns(columns))
        info.messages = [*report.lines(), *used, *self.rows.facts.fields, *info.messages, *selection]
        return info

    def describe(self, data: str | Path) -> Description:
        """Return the type of the input and the column of each field; see `Dataset.describe`."""
        info, source = DatasetInfo(), self.rows.open(data)
        self._choose_targets(source, info)
        notes = [] if self.fixed else self._select_input(source, info)
        source = self.input.adapt_source(source, self._others)
        return Description(roles_of(source, self._all_columns(self.rows.find_columns(source))), notes)

    def _all_columns(self, columns: dict[str, str]) -> dict[str, str]:
        """The columns by role, with the further columns of the targets."""
        more = {f"{field.name} {n}": c for field in self.targets for n, c in enumerate(field.more_columns[1:], 2)}
        return columns | more

    def _choose_targets(self, source: Source, info: DatasetInfo) -> None:
        """Replace the targets, if they depend on the data."""
        if self.choose_targets is not None:
            choice = self.choose_targets(source)
            self.targets = list(choice.targets)
            self.rows.fields[1:] = self.targets
            info.settings["data"] = dict(choice.settings)

    def _select_input(self, source: Source, info: DatasetInfo) -> list[str]:
        """Select the type of the input. Return the message about it, where the user has not set the type."""
        name, reason = choose_input(self.settings, source, self._others)
        info.settings.setdefault("data", {})["input"] = name
        self.input = INPUTS[name](self.settings.data)
        self.rows.fields[0] = self.input.field
        return [] if self.settings.data.input else [f"input: {name} ({reason})"]

    def _use_pretrained(self, info: DatasetInfo) -> None:
        """Use pretrained weights for text; `choose_input` has checked that they are not requested for other inputs."""
        if isinstance(self.input.field, Text) and not self.fixed:
            data = self.settings.data
            default = type(data).model_fields["vocabulary_size"].default
            self.pretrained = Pretrained(self.settings.model, unidirectional=True)
            size = None if data.vocabulary_size == default else data.vocabulary_size
            self.pretrained.configure(self.input.field, size, info)

    def _others(self, source: Source) -> list[str]:
        """The columns of the targets, found before that of the input."""
        found = [(field.find(source, ()), field) for field in self.targets]
        return list(dict.fromkeys(column for first, field in found for column in (first, *field.more_columns)))

    def _open(self, data: str | Path) -> Source:
        return self.input.adapt_source(self.rows.open(data), self._others)

    def target(self, cls: type[F]) -> F:
        """Return the target field of a class, such as `Label`."""
        return next(field for field in self.targets if isinstance(field, cls))

    @property
    def stores(self) -> dict[str, Store]:
        """The encoded parts, `train` and `valid`."""
        return self.rows.stores

    def load_cache(self, cache: Path) -> None:
        """Open the encoded parts in `cache`."""
        self.rows.load_cache(cache)

    def quality(self) -> DataQuality:
        """Return facts about the encoded parts; see `Dataset.quality`."""
        return quality_of(self.rows.stores, self.rows.fields)

    def save(self, folder: Path) -> None:
        """Write the columns and the fitted fields."""
        self.rows.save(folder)

    def load(self, folder: Path) -> None:
        """Read the columns and the fitted fields."""
        self.rows.load(folder)

    @contextmanager
    def encoded(self, data: str | Path) -> Iterator[Store]:
        """Encode the rows of another file into a temporary store for an evaluation."""
        source = self._open(data)
        with self.rows.encoded(source, self.rows.find_columns(source)) as store:
            yield store

    # use -----------------------------------------------------------------------------------------------------------
    def inputs(self, file: str) -> Iterator[Any] | None:
        """Return the inputs in a table, or a file that is one input; None where each line is one input."""
        if self.input.field.is_single_input(file) or not self.reading.is_table(file):
            return self.rows.inputs(file)
        return self.rows.inputs_in(self.input.adapt_source(self.reading.open(file, unlabeled=True), self._others))

    def parse_line(self, line: str) -> Any:
        """Return the input of a line, which may be JSON."""
        return parse_json_line(line)

    def encode_examples(self, examples: Sequence[Any]) -> list[Any]:
        """Encode the inputs of examples. Raises CallError with the number of an example that cannot be used."""
        return list(self.input.field.encode(self.rows.check_inputs([self._value(example) for example in examples])))

    def _value(self, example: Any) -> Any:
        value = self.input.from_example(example) if isinstance(example, dict) else None
        return self.rows.input_value(example) if value is None else value
