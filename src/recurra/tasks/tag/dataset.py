"""The dataset of a tagger: rows of tokens with a tag each, token features, and the label of the row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from ...data.sources.conll import TokenColumns, as_tokens, looks_like_columns, open_tagged
from ...data.sources.files import suffixes
from ...data.sources.json_line import parse_json_line
from ...data.sources.rows import Source
from ...data.sources.sources import TABLES
from ...data.store.store import Store
from ...errors import DataError
from ...fields.base import Field
from ...fields.intent import RowLabel, find_row_label
from ...fields.tags import Tags
from ...fields.token_features import Feature
from ...fields.token_lists import TokenField
from ...fields.words import Words
from ...settings import Settings
from ..base import Batch, Dataset, DatasetInfo, OnProgress
from ..inputs.pretrained import Pretrained
from ..shared.row_reader import RowReader
from .row import TokenRow, token_row
from .settings import NO_INTENT

NUMBERED = "each character has the number of its place in a word after it: the numbers are left out"


class TaggedRows(NamedTuple):
    """Encoded rows to evaluate on, with the counts of their tags and labels that the training data do not have."""

    store: Store
    unseen_tags: Counter[str]
    unseen_intents: Counter[str]


@final
class TagDataset(Dataset):
    """Rows of tokens.

    settings  of the run, perhaps still open
    words     the tokens
    tags      the tag of each token
    features  the columns that are read together with the words
    intent    the label of the row; None where there is none. Where the settings leave it open, `prepare` looks for it
    """

    def __init__(self, settings: Settings[Any, Any, Any]) -> None:
        data, model = settings.data, settings.model
        self.settings = settings
        self.words = Words(
            "words",
            data.words,
            tokenization=data.tokenization,
            size=data.vocabulary_size,
            min_count=data.min_count,
            character_ngrams=data.character_ngrams,
            lookahead=model.bidirectional,
        )
        self.tags = Tags("tags", data.tags, data.scheme)
        columns = [name.strip() for name in (data.token_features or "").split(",") if name.strip()]
        self.features = [Feature(f"beside{at}", column) for at, column in enumerate(columns, 1)]
        self.intent: RowLabel | None = None
        self.pretrained: Pretrained | None = None
        self.rows = RowReader([self.words, self.tags, *self.features], data, problem=self._problem)
        if data.sentence_label not in (None, NO_INTENT):
            self._add_intent(data.sentence_label)

    def _add_intent(self, column: str | None) -> None:
        self.intent = RowLabel("intent", column)
        self.rows.fields.append(self.intent)

    # reading -------------------------------------------------------------------------------------------------------
    def prepare(self, data: str | Path, valid: str | Path | None, cache: Path, on_progress: OnProgress) -> DatasetInfo:
        info, source = DatasetInfo(), self._open(data)
        self._find_intent(source)
        self.pretrained = Pretrained(self.settings.model, one_way=False)
        self.pretrained.settle(self.words, None, info)

        def validation() -> tuple[Source, dict[str, str]]:
            other = self._open(str(valid))
            return other, self.rows.find_columns(other)

        columns = self.rows.find_columns(source)
        report, _ = self.rows.read(source, columns, cache, on_progress, None if valid is None else validation)
        lengths = self.stores["train"].lengths(self.words.name)
        info.rows, info.valid_rows = len(self.stores["train"]), len(self.stores["valid"])
        info.time_steps, info.stats = int(lengths.sum()), {"lengths": lengths}
        info.messages = [self._describe_columns(source), *report.lines(), *self._describe(source), *info.messages]
        return info

    def _find_intent(self, source: Source) -> None:
        """Look for the label of the row, where the settings leave it open, in the columns of no other field."""
        if self.intent is None and self.settings.data.sentence_label is None:
            taken = list(self.rows.find_columns(source).values())
            if find_row_label(source, taken):
                self._add_intent(None)

    def _describe_columns(self, source: Source) -> str:
        at = self.rows.columns
        features = "".join(f", {at[field.name]} beside them" for field in self.features)
        intent = "" if self.intent is None else f", {at[self.intent.name]} of the whole row"
        return f"{source.format}: words {at[self.words.name]}, tags {at[self.tags.name]}{features}{intent}"

    def _describe(self, source: Source) -> list[str]:
        lines = self.words.describe()
        if isinstance(source, TokenColumns) and source.places:
            lines.insert(1, NUMBERED)
        return [*lines, *(line for field in self.rows.fields[1:] for line in field.describe())]

    def _open(self, data: str | Path) -> Source:
        return open_tagged(data, encoding=self.settings.data.encoding, skip_broken=self.rows.skips)

    def _problem(self, values: Sequence[Any]) -> tuple[Field, str] | None:
        """The first field of a row that cannot be used: on its own, or because it has not one entry for each word."""
        if problem := self.rows.first_problem(values):
            return problem
        words = len(as_tokens(values[0]) or ())
        for field, value in zip(self.rows.fields[1:], values[1:], strict=True):
            if field.sequence and (count := len(as_tokens(value) or ())) != words:
                return field, f"has {count} {'entry' if count == 1 else 'entries'} for {words} words"
        return None

    @property
    def stores(self) -> dict[str, Store]:
        """The encoded parts: train and valid."""
        return self.rows.stores

    @property
    def resolved(self) -> dict[str, Any]:
        """The settings of the group `data` that reading has resolved."""
        return {
            "scheme": self.tags.scheme,
            "tokenization": self.words.tokenization,
            "character_ngrams": self.words.character_ngrams,
            "intent": NO_INTENT if self.intent is None else self.rows.columns[self.intent.name],
        }

    def load_cache(self, cache: Path) -> None:
        self.rows.load_cache(cache)

    def save(self, folder: Path) -> None:
        self.rows.save(folder)

    def load(self, folder: Path) -> None:
        self.rows.load(folder)

    # batches -------------------------------------------------------------------------------------------------------
    def collate(self, store: Store, rows: np.ndarray) -> Batch:
        """Inputs x, lengths (B,) and each feature (B, T); targets tags (B, T) and, where rows have a label, intent (B,)."""
        x, lengths = store.ragged(self.words.name, rows)
        inputs = {"x": torch.from_numpy(x), "lengths": torch.from_numpy(lengths)}
        for field in self.features:
            inputs[field.name] = torch.from_numpy(store.ragged(field.name, rows)[0])
        targets = {"tags": torch.from_numpy(store.ragged(self.tags.name, rows)[0]).long()}
        if self.intent is not None:
            targets["intent"] = torch.from_numpy(np.array(store.column(self.intent.name)[rows]))
        return Batch(inputs, targets, int(lengths.sum()), int(x.shape[0] * x.shape[1]))

    def network_inputs(self, batch: Batch) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The arguments of the network: x, lengths, features."""
        inputs = batch.inputs
        return inputs["x"], inputs["lengths"], [inputs[field.name] for field in self.features]

    def validation_rows(self) -> TaggedRows:
        """The validation part."""
        unseen_intents = Counter() if self.intent is None else self.intent.unseen
        return TaggedRows(self.stores["valid"], self.tags.unseen, unseen_intents)

    @contextmanager
    def encoded(self, data: str | Path) -> Iterator[TaggedRows]:
        """The rows of another file, while it is evaluated."""
        source = self._open(data)
        with ExitStack() as stack:
            unseen_tags = stack.enter_context(self.tags.separate_counts())
            unseen_intents = Counter() if self.intent is None else stack.enter_context(self.intent.separate_counts())
            store = stack.enter_context(self.rows.encoded(source, self.rows.find_columns(source)))
            yield TaggedRows(store, unseen_tags, unseen_intents)

    # use -----------------------------------------------------------------------------------------------------------
    def inputs(self, file: str) -> Iterator[Any] | None:
        """The rows of a table, or of a file that looks like one of columns."""
        path, encoding = Path(file), self.settings.data.encoding
        table = TABLES.get(suffixes(path)[0])
        if table == "jsonl" or not path.is_file() or (table is None and not looks_like_columns(path, encoding)):
            return None
        source = open_tagged(file, encoding=encoding)
        columns = {field.name: self._column(field, source) for field in (self.words, *self.features)}
        return ({name: as_tokens(row.values[at]) for name, at in columns.items()} for row in source.rows())

    def _column(self, field: TokenField, source: Source) -> str:
        known = self.rows.columns.get(field.name)
        if known is not None and not field.column and known in source.columns:
            return known
        try:
            return field.find(source, ())
        except DataError as error:  # an option of train is a setting here
            raise DataError(
                error.message.replace(f"--{field.option}", f"--set {field.option}=NAME"), file=error.file
            ) from None

    def parse_line(self, line: str) -> Any:
        """A line of a file of inputs: a JSON object, the list of the words, or raw text."""
        value = parse_json_line(line, "{[")
        return line if isinstance(value, list) and not all(isinstance(word, str) for word in value) else value

    def token_row(self, example: Any, number: int = 1) -> TokenRow:
        """The row of an example: raw text, a list of tokens, or an object with either and the features.

        Raises CallError, which names example `number`, where it cannot be used.
        """
        features = [self._feature_value(example, field) for field in self.features]
        return token_row(self._words_value(example), features, self.words, self.features, number)

    def _feature_value(self, example: Any, field: Feature) -> Any:
        """What an object has for a feature, by any of its names; None where it has nothing."""
        names = self._names(field) if isinstance(example, dict) else []
        return next((example[name] for name in names if name in example), None)

    def _words_value(self, example: Any) -> Any:
        if isinstance(example, dict) and not any(name in example for name in self._names(self.words)):
            for name in ("tokens", "text"):  # as the results of predict have them
                if name in example:
                    return example[name]
        return self.rows.input_value(example)

    def _names(self, field: TokenField) -> list[str]:
        return [name for name in (self.rows.columns.get(field.name), field.column, field.name) if name]

    def encode_rows(self, rows: Sequence[TokenRow]) -> list[list[np.ndarray]]:
        """The encoded words of each row, and the encoded values of each feature: a list of arrays for each field."""
        words = self.words.encode([row.tokens for row in rows])
        return [words, *(field.encode([row.features[k] for row in rows]) for k, field in enumerate(self.features))]
