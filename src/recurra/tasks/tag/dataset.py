"""The dataset of a tagger: sequences of tokens with tags, token features and sentence labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from ...data.sources.inspect.json_shapes import flatten
from ...data.sources.json_line import parse_json_line
from ...data.sources.list_cells import as_tokens
from ...data.sources.reading import FileReading
from ...data.sources.rows import Source
from ...data.sources.tagged import open_tagged, tagged_facts
from ...data.store.store import Store
from ...errors import DataError
from ...fields.base import Field
from ...fields.sentence_label import SentenceLabel, find_sentence_label
from ...fields.tags import Tags
from ...fields.token_features import TokenFeature
from ...fields.token_lists import TokenField
from ...fields.words import Words
from ...settings import Settings
from ..base import Batch, DataQuality, Dataset, DatasetInfo, Description, OnProgress, roles_of
from ..inputs.pretrained import Pretrained
from ..shared.quality import quality_of
from ..shared.row_reader import RowReader
from .known import check_known
from .settings import NO_SENTENCE_LABEL
from .token_sequence import TokenSequence, parse_example


class TaggedExamples(NamedTuple):
    """Encoded sequences for evaluation, with counts of the tags and sentence labels that do not occur in the training data."""

    store: Store
    unseen_tags: Counter[str]
    unseen_sentence_labels: Counter[str]


@final
class TagDataset(Dataset):
    """Sequences of tokens.

    Attributes:
        settings: The settings of the run, which may still be open.
        words: The field of the tokens.
        tags: The field of the tag of each token.
        features: The fields of additional input columns.
        sentence_label: The field of the label of the sequence; None if there is none. If the settings leave it open, `prepare`
            looks for it.
    """

    keeps_vocabulary: ClassVar[bool] = True
    reading: FileReading

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
            keep_digits=data.keep_digits,
        )
        self.tags = Tags("tags", data.tags, data.scheme)
        columns = [name.strip() for name in (data.token_features or "").split(",") if name.strip()]
        self.features = [TokenFeature(f"token_feature{at}", column) for at, column in enumerate(columns, 1)]
        self.sentence_label: SentenceLabel | None = None
        self.unused_label: list[str] = []
        self.pretrained: Pretrained | None = None
        self.rows = RowReader([self.words, self.tags, *self.features], data, problem=self._problem)
        self.reading = self.rows.reading
        self.reading.special = tagged_facts
        if data.sentence_label not in (None, NO_SENTENCE_LABEL):
            self._add_sentence_label(data.sentence_label)

    def _add_sentence_label(self, column: str | None) -> None:
        self.sentence_label = SentenceLabel("sentence_label", column)
        self.rows.fields.append(self.sentence_label)

    # reading -------------------------------------------------------------------------------------------------------
    def prepare(self, data: str | Path, valid: str | Path | None, cache: Path, on_progress: OnProgress) -> DatasetInfo:
        """Find the columns, fit the fields and encode the data; see `Dataset.prepare`."""
        info, source = DatasetInfo(), self._open(data)
        if not self.rows.is_loaded:
            self._find_sentence_label(source)
            self.pretrained = Pretrained(self.settings.model, unidirectional=False)
            self.pretrained.configure(self.words, None, info)
        else:
            self.tags.unseen.clear()

        def validation() -> tuple[Source, dict[str, str]]:
            other = self._open(str(valid))
            return other, self.rows.find_columns(other)

        columns = self.rows.find_columns(source)
        report = self.rows.read(
            source, columns, cache, on_progress, None if valid is None else validation, data=(data, valid)
        )
        check_known(self.stores, valid is None, self.tags, self.sentence_label, source.path)
        lengths = self.stores["train"].lengths(self.words.name)
        info.rows, info.valid_rows = len(self.stores["train"]), len(self.stores["valid"])
        info.time_steps, info.stats = int(lengths.sum()), {"lengths": lengths}
        lines = [*self.rows.facts.source, *self.unused_label, *self.rows.facts.fields]
        info.messages = [self._describe_columns(source), *report.lines(), *lines, *info.messages]
        return info

    def describe(self, data: str | Path) -> Description:
        """Return the columns of words, tags and labels; see `Dataset.describe`."""
        source = self._open(data)
        self._find_sentence_label(source)
        roles = roles_of(source, self.rows.find_columns(source))
        return Description(roles, [*source.describe(), *self.unused_label])

    def _find_sentence_label(self, source: Source) -> None:
        """If the settings leave the sentence label open, look for it in the columns that no other field uses."""
        if self.sentence_label is None and self.settings.data.sentence_label is None:
            taken = list(self.rows.find_columns(source).values())
            column = find_sentence_label(source, taken)
            if column is None:
                return
            values = {str(row.values.get(column)) for row in source.first_rows()}
            if len(values) > 1:
                self._add_sentence_label(None)
            else:
                self.unused_label = [f"column {column!r} is {min(values)!r} in every row and is not used as a label"]

    def _describe_columns(self, source: Source) -> str:
        columns = self.rows.columns
        features = ", ".join(columns[field.name] for field in self.features)
        parts = [f"words {columns[self.words.name]}", f"tags {columns[self.tags.name]}"]
        if features:
            parts.append(f"token features {features}")
        if self.sentence_label is not None:
            parts.append(f"sentence label {columns[self.sentence_label.name]}")
        return f"{source.format}: {', '.join(parts)}"

    def _open(self, data: str | Path) -> Source:
        return open_tagged(data, self.reading, tokenization=self.settings.data.tokenization)

    def _problem(self, values: Sequence[Any]) -> tuple[Field, str] | None:
        """The first field of a row that is not valid by itself, or whose number of entries differs from that of the words."""
        if problem := self.rows.first_problem(values):
            return problem
        words = len(as_tokens(values[0]) or ())
        for field, value in zip(self.rows.fields[1:], values[1:], strict=True):
            if field.sequence and (count := len(as_tokens(value) or ())) != words:
                return field, f"has {count} {'entry' if count == 1 else 'entries'} for {words} words"
        return None

    @property
    def stores(self) -> dict[str, Store]:
        """The encoded data: train and valid."""
        return self.rows.stores

    @property
    def resolved(self) -> dict[str, Any]:
        """The settings of the group `data` that `prepare` has resolved."""
        return {
            "scheme": self.tags.scheme,
            "tokenization": self.words.tokenization,
            "character_ngrams": self.words.character_ngrams,
            "keep_digits": self.words.keep_digits,
            "sentence_label": NO_SENTENCE_LABEL
            if self.sentence_label is None
            else self.rows.columns[self.sentence_label.name],
        }

    def load_cache(self, cache: Path) -> None:
        """Open the encoded data."""
        self.rows.load_cache(cache)

    def quality(self) -> DataQuality:
        """Return facts about the encoded parts; see `Dataset.quality`."""
        return quality_of(self.rows.stores, self.rows.fields)

    def save(self, folder: Path) -> None:
        """Write the fields."""
        self.rows.save(folder)

    def load(self, folder: Path) -> None:
        """Read the fields."""
        self.rows.load(folder)

    # batches -------------------------------------------------------------------------------------------------------
    def collate(self, store: Store, rows: np.ndarray) -> Batch:
        """The batch of some rows of a store.

        The inputs are x (B, T) or (B, T, 1 + n-grams), lengths (B,) and each feature (B, T); the targets are tags (B, T) and,
        with sentence labels, sentence_label (B,).
        """
        x, lengths = store.ragged(self.words.name, rows)
        inputs = {"x": torch.from_numpy(x), "lengths": torch.from_numpy(lengths)}
        for field in self.features:
            inputs[field.name] = torch.from_numpy(store.ragged(field.name, rows)[0])
        targets = {"tags": torch.from_numpy(store.ragged(self.tags.name, rows)[0]).long()}
        if self.sentence_label is not None:
            targets["sentence_label"] = torch.from_numpy(np.array(store.column(self.sentence_label.name)[rows]))
        return Batch(inputs, targets, int(lengths.sum()), int(x.shape[0] * x.shape[1]))

    def network_inputs(self, batch: Batch) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The arguments of the network: x, lengths and features."""
        inputs = batch.inputs
        return inputs["x"], inputs["lengths"], [inputs[field.name] for field in self.features]

    def validation_examples(self) -> TaggedExamples:
        """The validation data."""
        unseen_sentence_labels = Counter() if self.sentence_label is None else self.sentence_label.unseen
        return TaggedExamples(self.stores["valid"], self.tags.unseen, unseen_sentence_labels)

    @contextmanager
    def encoded(self, data: str | Path) -> Iterator[TaggedExamples]:
        """The encoded sequences of another file."""
        source = self._open(data)
        with ExitStack() as stack:
            unseen_tags = stack.enter_context(self.tags.separate_counts())
            unseen_sentence_labels = (
                Counter() if self.sentence_label is None else stack.enter_context(self.sentence_label.separate_counts())
            )
            store = stack.enter_context(self.rows.encoded(source, self.rows.find_columns(source)))
            yield TaggedExamples(store, unseen_tags, unseen_sentence_labels)

    # use -----------------------------------------------------------------------------------------------------------
    def inputs(self, file: str) -> Iterator[Any] | None:
        """The examples in a table or a file of columns; None if each line of the file is an example."""
        if not Path(file).is_file():
            return None
        if self.reading.facts(file).format not in ("columns", "conllu") and not self.reading.is_table(file):
            return None
        source = self._open(file)
        columns = {field.name: self._column(field, source) for field in (self.words, *self.features)}
        return (
            row if isinstance(row, DataError) else self._example({name: row.values[at] for name, at in columns.items()})
            for row in source.rows_or_errors()
        )

    def _example(self, cells: dict[str, Any]) -> dict[str, Any]:
        """The example in the cells of a row: a text is one as in a pipe, unless its tokens have features in other cells."""
        return {name: as_tokens(cell) for name, cell in cells.items()} if self.features else cells

    def _column(self, field: TokenField, source: Source) -> str:
        known = self.rows.columns.get(field.name)
        if known is not None and not field.column and known in source.columns:
            return known
        try:
            return field.find(source, ())
        except DataError as error:  # `predict` has no option for the column
            raise DataError(
                error.message.replace(f"--{field.option}", f"--set {field.option}=NAME"), file=error.file
            ) from None

    def parse_line(self, line: str) -> Any:
        """The example in a line: a JSON object, a JSON list of words, or raw text."""
        value = parse_json_line(line, "{[")
        return line if isinstance(value, list) and not all(isinstance(word, str) for word in value) else value

    def parse_example(self, example: Any, number: int = 1) -> TokenSequence:
        """The sequence of an example: raw text, a list of tokens, or an object with either and the features.

        Raises CallError, which contains the number of the example, if it is not valid.
        """
        example = flatten(example) if isinstance(example, dict) else example
        features = [self._feature_value(example, field) for field in self.features]
        return parse_example(self._words_value(example), features, self.words, self.features, number)

    def _feature_value(self, example: Any, field: TokenFeature) -> Any:
        """The value of a feature in an object, by any of its names; None if it is missing."""
        names = self._names(field) if isinstance(example, dict) else []
        return next((example[name] for name in names if name in example), None)

    def _words_value(self, example: Any) -> Any:
        if isinstance(example, dict) and not any(name in example for name in self._names(self.words)):
            for name in ("tokens", "text"):  # the keys in the output of `predict`
                if name in example:
                    return example[name]
        return self.rows.input_value(example)

    def _names(self, field: TokenField) -> list[str]:
        return [name for name in (self.rows.columns.get(field.name), field.column, field.name) if name]

    def encode_sequences(self, sequences: Sequence[TokenSequence]) -> list[list[np.ndarray]]:
        """The encoded words, then the encoded values of each feature; each is a list with an array for each sequence."""
        words = self.words.encode([sequence.tokens for sequence in sequences])
        features = [
            field.encode([sequence.features[k] for sequence in sequences]) for k, field in enumerate(self.features)
        ]
        return [words, *features]
