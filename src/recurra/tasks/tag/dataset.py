"""Reading of tagged rows: the fields of a tagger, found in a file or in what predict is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ...data.sources.conll import as_tokens, looks_like_columns, open_tagged
from ...data.sources.files import suffixes
from ...data.sources.rows import Source
from ...data.sources.sources import TABLES
from ...errors import DataError
from ...fields.base import Field
from ...fields.intent import RowLabel, find_row_label
from ...fields.tags import Tags
from ...fields.token_features import Feature
from ...fields.token_lists import TokenField
from ...fields.words import Words
from ...settings import DataSettings, ModelSettings, Settings
from ..base import Reading, Say
from ..shared.pretrained import Pretrained
from .row import TokenRow, row_of
from .settings import TagData, TagModel


class TagReader(Pretrained):
    """`words`, the `tags` of them, `beside`: the columns read with the words, and `intent`, the row's label, or None."""

    Data: ClassVar[type[DataSettings]] = TagData
    Model: ClassVar[type[ModelSettings]] = TagModel
    in_use: ClassVar[tuple[str, ...]] = ("data.words", "data.broken", "data.encoding")

    def __init__(self, settings: Settings, **given: Any) -> None:
        super().__init__(settings, **given)
        data, model = settings.data, settings.model
        assert isinstance(data, TagData) and isinstance(model, TagModel)
        self.words = Words(
            "words",
            data.words,
            level=data.level,
            size=data.vocabulary_size,
            min_count=data.min_count,
            spelling=data.spelling,
            ahead=model.bidirectional,
        )
        self.tags = Tags("tags", data.column, data.scheme)
        asked = [name.strip() for name in (data.features or "").split(",") if name.strip()]
        self.beside = [Feature(f"beside{at}", column) for at, column in enumerate(asked, 1)]
        self.intent: RowLabel | None = None
        self.fields = [self.words, self.tags, *self.beside]
        if data.intent not in (None, "none"):
            self._add_intent(data.intent)

    def _add_intent(self, asked: str | None) -> None:
        self.intent = RowLabel("intent", asked)
        self.fields = [*self.fields, self.intent]

    # reading -------------------------------------------------------------------------------------------------------
    def read(
        self, data: str | Path, valid: str | Path | None, cache: Path, say: Say, tick: Callable[[int], None]
    ) -> Reading:
        source = self._source(data)
        settings = self.settings.data
        assert isinstance(settings, TagData)
        if self.intent is None and settings.intent is None:
            taken = list(self._columns(source).values())  # a column of words or tags is not the row's label too
            if find_row_label(source, taken):
                self._add_intent(None)
        reading = super().read(data, valid, cache, say, tick)
        at = self.columns
        beside = "".join(f", {at[field.name]} beside them" for field in self.beside)
        intent = "" if self.intent is None else f", {at['intent']} of the whole row"
        reading.lines.insert(0, f"{source.format}: words {at['words']}, tags {at['tags']}{beside}{intent}")
        return reading

    def _source(self, data: str | Path) -> Source:
        settings = self.settings.data
        return open_tagged(data, encoding=settings.encoding, skip_broken=settings.broken == "skip")

    def _wrong(self, values: Sequence[Any]) -> tuple[Field, str] | None:
        """As for every row; and each token has one of everything."""
        if wrong := super()._wrong(values):
            return wrong
        counts = [
            len(as_tokens(value) or ()) for field, value in zip(self.fields, values, strict=True) if field.sequence
        ]
        for field, count in zip(self.fields[1:], counts[1:], strict=False):
            if count != counts[0]:
                return field, f"has {count} {'entry' if count == 1 else 'entries'} for {counts[0]} words"
        return None

    # use -----------------------------------------------------------------------------------------------------------
    def inputs(self, file: str) -> Iterator[Any] | None:
        """The rows of a table, or of a file that looks like one of columns."""
        path, encoding = Path(file), self.settings.data.encoding
        table = TABLES.get(suffixes(path)[0])
        if table == "jsonl" or not path.is_file() or (table is None and not looks_like_columns(path, encoding)):
            return None
        source = open_tagged(file, encoding=encoding)
        columns = {field.name: self._column(field, source) for field in (self.words, *self.beside)}
        return ({name: as_tokens(row.values[at]) for name, at in columns.items()} for row in source.rows())

    def _columns(self, source: Source) -> dict[str, str]:
        self._ask_anew()
        return super()._columns(source)

    def _ask_anew(self) -> None:
        """The column of the words may be named anew in use."""
        assert isinstance(self.settings.data, TagData)
        self.words.asked = self.settings.data.words

    def _column(self, field: TokenField, source: Source) -> str:
        self._ask_anew()
        known = self.columns.get(field.name)
        if not field.asked and known in source.columns:
            return known
        try:
            return field.find(source, ())
        except DataError as error:  # an option of train is a setting here
            raise DataError(
                error.message.replace(f"--{field.option}", f"--set {field.option}=NAME"), file=error.file
            ) from None

    def tokens_of(self, example: Any, number: int = 1) -> TokenRow:
        """An example as tokens: raw text, which is cut; a list of tokens; or an object with either, and what is beside."""
        beside = [self._given(example, field) for field in self.beside]
        return row_of(self._input_value(example), beside, self.words, self.beside, number)

    def _given(self, example: Any, field: Field) -> Any:
        """What an object has for a field, by any of its names; None where it has nothing."""
        names = self._names(field) if isinstance(example, dict) else []
        return next((example[name] for name in names if name in example), None)

    def _names(self, field: Field) -> list[str]:
        return [name for name in (self.columns.get(field.name), field.asked, field.name) if name]

    def _input_value(self, example: Any) -> Any:
        if isinstance(example, dict) and not any(name in example for name in self._names(self.words)):
            for name in ("tokens", "text"):  # as predict itself writes them
                if name in example:
                    return example[name]
        return super()._input_value(example)
