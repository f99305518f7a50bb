"""The dataset of a language model: one long sequence of tokens per part, stored in the cache of the run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from ...data.sources.columns import find_text
from ...data.sources.inspect.json_shapes import flatten
from ...data.sources.json_line import parse_json_line
from ...data.sources.reading import FileReading
from ...data.sources.rows import Row
from ...data.sources.skipped_rows import SkippedRows
from ...data.sources.text import TextSource, open_text, text_of
from ...data.store.store import Store, StoreWriter
from ...data.words.blank_words import BlankWordCounter, has_blanks
from ...data.words.documents import detect_independent_texts
from ...data.words.vocabulary import Vocabulary
from ...errors import DataError
from ...files import read_json, write_json
from ..base import DataQuality, Dataset, DatasetInfo, Description, OnProgress
from ..shared.data_cache import DataCache
from ..shared.quality import unknown_fraction
from .scoring import MAX_SCORED
from .settings import LanguageSettings
from .tokenization import build_vocabulary, choose_tokenization, sample_of, tokenization_of
from .tokenizer import TextTokenizer

# of a store: one row per chunk of the text, with its numbers of characters, and of words between blanks and line ends (0
# where no blanks separate words)
COLUMNS = {"tokens": "ragged:int32", "characters": "int64", "words": "int64"}


@final
class TextDataset(Dataset):
    """A text, whose end is the validation part when no validation file is given.

    vocabulary   vocabulary of the tokens
    separator    string that separates short independent texts: a blank line (poems) or a line break (log traces); empty
                 where the text is continuous
    column       column of the text in the training data; None if these have no columns
    stores       encoded parts, "train" and "valid"
    is_loaded    whether the vocabulary was loaded from a run
    """

    keeps_vocabulary: ClassVar[bool] = True
    vocabulary: Vocabulary
    reading: FileReading

    def __init__(self, settings: LanguageSettings) -> None:
        self.settings = settings.data
        self.reading = FileReading(settings.data, lambda: [self.settings.text] if self.settings.text else [])
        self.separator = ""
        self.column: str | None = None
        self.stores: dict[str, Store] = {}
        self.is_loaded = False

    # reading -------------------------------------------------------------------------------------------------------
    def prepare(self, data: str | Path, valid: str | Path | None, cache: Path, on_progress: OnProgress) -> DatasetInfo:
        """Build the vocabulary, detect independent texts, and encode both parts into `cache`."""
        source = self._open(data)
        self.column = source.column
        facts: dict[str, Any] = {}
        names = [] if self.is_loaded else [data] if valid is None else [data, valid]
        kept = DataCache(self.reading, names, lambda: [type(self).__name__, self.column])

        def restore(folder: Path, found: dict[str, Any]) -> None:
            self.load(folder)
            self.is_loaded = False  # the vocabulary is that of this text
            facts.update(found)

        if not kept.take(cache, restore):
            facts = self._read(source, valid, cache, on_progress)
            kept.keep(cache, self.save, facts)
        self.load_cache(cache)
        return self._info(source, facts)

    def _read(
        self, source: TextSource, valid: str | Path | None, cache: Path, on_progress: OnProgress
    ) -> dict[str, Any]:
        """Build the vocabulary and encode both parts. Return the facts that are reported to the user."""
        settings = self.settings
        characters, beginning = 0, sample_of(source.chunks())

        def chunks() -> Iterator[str]:
            nonlocal characters
            for chunk in source.chunks():
                characters += len(chunk)
                on_progress(characters)
                yield chunk

        if self.is_loaded:
            choice = tokenization_of(self.vocabulary)
            for _ in chunks():
                pass
        else:
            choice = choose_tokenization(settings, beginning)
            self.vocabulary = build_vocabulary(chunks(), choice, settings)
        self.separator, structure = detect_independent_texts(beginning)
        fraction = 0.0 if valid is not None else settings.validation_fraction
        end = int(characters * (1 - fraction))
        with SkippedRows(cache.parent) as skipped:
            parts: dict[str, tuple[int, int | None]] = {"train": (0, end)}
            self._encode(source, parts | ({"valid": (end, characters)} if fraction else {}), cache, skipped.add)
            if valid is not None:
                self._encode(self._open(valid), {"valid": (0, None)}, cache, skipped.add)
        return {
            "characters": characters,
            "structure": structure,
            "source": [*source.describe(), *choice.messages],
            "tokenization": choice.tokenization,
            "tokenizer": choice.tokenizer,
        }

    def _info(self, source: TextSource, facts: dict[str, Any]) -> DatasetInfo:
        characters, structure, tokenization = facts["characters"], facts["structure"], facts["tokenization"]
        train_tokens, valid_tokens = (len(self.stores[part].flat("tokens")) for part in ("train", "valid"))
        if train_tokens < 64 or valid_tokens < 2:
            raise DataError(
                f"{train_tokens + valid_tokens:,} {tokenization} are too few to train a language model; "
                "use a longer text",
                file=source.path,
            )
        messages = [
            *facts["source"],
            f"{characters:,} characters: {train_tokens:,} {tokenization} for training, {valid_tokens:,} for validation",
            f"vocabulary: {len(self.vocabulary) - 1:,} {tokenization}; "  # without padding
            f"{self._kept() if self.is_loaded else ', '.join(self.vocabulary.notes) or 'all are kept'}",
        ]
        if structure:
            messages.append(structure)
        if valid_tokens > MAX_SCORED:
            messages.append(f"validation metrics during training use about the first {MAX_SCORED:,} of these tokens")
        return DatasetInfo(
            rows=train_tokens,
            valid_rows=valid_tokens,
            time_steps=train_tokens,
            settings={"data": {"tokenization": tokenization, "tokenizer": facts["tokenizer"]}},
            messages=messages,
        )

    def _kept(self) -> str:
        unknown = np.mean(self.stores["train"].flat("tokens") == self.vocabulary.unknown)
        return f"that of the run, in which {unknown:.1%} of these tokens are unknown"

    def _open(self, data: str | Path) -> TextSource:
        settings = self.settings
        return open_text(
            data,
            column=settings.text,
            skip_broken=settings.on_error == "skip",
            options=self.reading.options,
            trained=self.reading.trained,
        )

    def describe(self, data: str | Path) -> Description:
        """Return the column of the text; see `Dataset.describe`."""
        return Description(notes=self._open(data).describe() or ["text: the whole file"])

    def _encode(
        self,
        source: TextSource,
        parts: Mapping[str, tuple[int, int | None]],
        folder: Path,
        on_skip: Callable[[DataError], None] | None = None,
    ) -> None:
        """Write the tokens of each part, given by its range of characters, and the other columns of each chunk."""
        for at, (part, (begin, end)) in enumerate(parts.items()):
            source.on_skip = None if at else on_skip  # each pass reads the whole file
            with StoreWriter(folder / part, COLUMNS) as writer:
                tokenizer, counter = self.tokenizer(), BlankWordCounter()
                position, spaced = 0, None
                for chunk in source.chunks():
                    piece = chunk[max(begin - position, 0) : None if end is None else max(end - position, 0)]
                    position += len(chunk)
                    if piece:
                        tokens, words = np.array(tokenizer.push(piece), np.int32), counter.push(piece)
                        spaced = has_blanks(piece) if spaced is None else spaced
                        writer.append(tokens=tokens, characters=len(piece), words=words if spaced else 0)
                words = counter.flush() if spaced else 0
                writer.append(tokens=np.array(tokenizer.flush(), np.int32), characters=0, words=words)

    def load_cache(self, cache: Path) -> None:
        """Open the encoded parts that `prepare` wrote."""
        self.stores = {part: Store(cache / part) for part in ("train", "valid")}

    @contextmanager
    def encoded(self, data: str | Path) -> Iterator[Store]:
        """Encode another text into a temporary store, for the time of an evaluation."""
        with tempfile.TemporaryDirectory(prefix="recurra-") as folder:
            self._encode(self._open(data), {"data": (0, None)}, Path(folder))
            yield Store(Path(folder) / "data")

    def quality(self) -> DataQuality:
        """Return the fraction of unknown tokens; see `Dataset.quality`."""
        return DataQuality(unknown={"text": unknown_fraction(np.asarray(self.stores["train"].flat("tokens")))})

    def save(self, folder: Path) -> None:
        """Write the vocabulary and the separator."""
        self.vocabulary.save(folder, "text")
        write_json(folder / "language.json", {"separator": self.separator, "column": self.column})

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        self.vocabulary, self.is_loaded = Vocabulary.load(folder, "text"), True
        saved = read_json(folder / "language.json")
        self.separator, self.column = str(saved["separator"]), saved.get("column")

    # inference -----------------------------------------------------------------------------------------------------
    def tokenizer(self) -> TextTokenizer:
        """Return a tokenizer at the beginning of a text."""
        return TextTokenizer(self.vocabulary)

    @property
    def text_start(self) -> list[int]:
        """The tokens that the network reads before a text begins: the separator that would end an earlier text."""
        before = {"characters": self.separator or "\n", "subwords": "\n"}.get(self.vocabulary.tokenization)
        ids = [] if before is None else self.vocabulary.encode(before).tolist()
        return [i for i in ids if i != self.vocabulary.unknown] or [self.vocabulary.end]

    def inputs(self, file: str) -> Iterator[Any] | None:
        """Return the texts in a table, if the training data were one; else None: each line of a file is an input."""
        if self.column is None or not self.reading.is_table(file):
            return None
        source = self.reading.open(file)
        column = self.column if self.column in source.columns else find_text(source, self.settings.text)
        return (row if isinstance(row, DataError) else _row_text(row, column) for row in source.rows_or_errors())

    def parse_line(self, line: str) -> str:
        """Return the text of a line: a JSON string, a field of a JSON object, or the line itself.

        The field is that of the training data or `text`. Without any, an object is a line of text, such as one of a log, if the
        training data had no columns. Raises DataError for an object that has no text.
        """
        try:
            value = parse_json_line(line)
        except DataError:  # a line that only begins like JSON is text, for example in a language model of source code
            return line
        if not isinstance(value, dict):
            return value if isinstance(value, str) else line
        values = flatten(value)
        name = next((name for name in (self.column, "text") if name in values), None)
        if name is None and self.column is None:
            return line
        if name is None:
            raise DataError(
                f"the object has no {self.column!r}, the text; it has {', '.join(map(repr, value)) or 'no keys'}"
            )
        try:
            return text_of(values[name], name)
        except ValueError as error:
            raise DataError(str(error), field=name) from None


def _row_text(row: Row, column: str) -> str | DataError:
    """The text of a row, or the error of one that has none."""
    try:
        return text_of(row.values[column], column)
    except ValueError as error:
        return row.error(str(error), column)
