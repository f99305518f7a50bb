"""The dataset of a language model: one long sequence of tokens for each part, in the run's cache."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import numpy as np

from ...data.sources.json_line import parse_json_line
from ...data.sources.text import TextSource, open_text
from ...data.store.store import Store, StoreWriter
from ...data.words.documents import SAMPLE, pieces_of
from ...data.words.vocabulary import Vocabulary, build
from ...errors import DataError
from ...files import read_json, write_json
from ..base import Dataset, DatasetInfo, OnProgress
from .scoring import MAX_SCORED
from .settings import LanguageSettings
from .tokenizer import TextTokenizer

COLUMNS = {"tokens": "ragged:int32", "characters": "int64"}  # of a store: a row for each chunk of the text


@final
class TextDataset(Dataset):
    """A text. Its end is held back for validation.

    vocabulary   of the tokens
    separator    what separates short texts that are independent: blank lines (poems), line ends (log traces), or nothing
    stores       the encoded parts: train and valid
    """

    vocabulary: Vocabulary

    def __init__(self, settings: LanguageSettings) -> None:
        self.settings = settings.data
        self.separator = ""
        self.stores: dict[str, Store] = {}

    # reading -------------------------------------------------------------------------------------------------------
    def prepare(self, data: str | Path, valid: str | Path | None, cache: Path, on_progress: OnProgress) -> DatasetInfo:
        settings, source = self.settings, self._open(data)
        characters, beginning = 0, ""

        def chunks() -> Iterator[str]:
            nonlocal characters, beginning
            for chunk in source.chunks():
                characters += len(chunk)
                beginning += chunk[: max(SAMPLE - len(beginning), 0)]
                on_progress(characters)
                yield chunk

        lines = (line for chunk in chunks() for line in chunk.split("\n"))
        texts = lines if settings.tokenization == "words" else chunks()
        self.vocabulary = build(texts, settings.tokenization, size=settings.vocabulary_size, min_count=settings.min_count)
        self.separator, why = pieces_of(beginning)
        held_back = 0.0 if valid is not None else settings.validation_fraction
        end = int(characters * (1 - held_back))
        self._encode(source, {"train": (0, end)} | ({"valid": (end, characters)} if held_back else {}), cache)
        if valid is not None:
            self._encode(self._open(valid), {"valid": (0, None)}, cache)
        self.load_cache(cache)
        train, check = (len(self.stores[part].flat("tokens")) for part in ("train", "valid"))
        if train < 64 or check < 2:
            raise DataError(
                f"{train + check:,} {settings.tokenization} are too few to learn a language model from; give a longer text",
                file=source.path,
            )
        unit = "of them" if settings.tokenization == "characters" else settings.tokenization
        messages = [
            f"{characters:,} characters: {train:,} {settings.tokenization} to train on, {check:,} to check with",
            f"vocabulary: {len(self.vocabulary):,} {unit}; {', '.join(self.vocabulary.notes) or 'all are kept'}",
        ]
        if why:
            messages.append(why)
        if check > MAX_SCORED:
            messages.append(f"while training, figures are of the first {MAX_SCORED:,} or so of those to check with")
        return DatasetInfo(rows=train, valid_rows=check, time_steps=train, messages=messages)

    def _open(self, data: str | Path) -> TextSource:
        settings = self.settings
        return open_text(data, encoding=settings.encoding, column=settings.text, skip_broken=settings.on_error == "skip")

    def _encode(self, source: TextSource, parts: Mapping[str, tuple[int, int | None]], folder: Path) -> None:
        """Write the tokens of the characters from..to of each part, and with each chunk how many characters it has."""
        for part, (begin, end) in parts.items():
            with StoreWriter(folder / part, COLUMNS) as writer:
                tokenizer = self.tokenizer()
                at = 0
                for chunk in source.chunks():
                    piece = chunk[max(begin - at, 0) : None if end is None else max(end - at, 0)]
                    at += len(chunk)
                    if piece:
                        writer.append(tokens=np.array(tokenizer.push(piece), np.int32), characters=len(piece))
                writer.append(tokens=np.array(tokenizer.flush(), np.int32), characters=0)

    def load_cache(self, cache: Path) -> None:
        self.stores = {part: Store(cache / part) for part in ("train", "valid")}

    @contextmanager
    def encoded(self, data: str | Path) -> Iterator[Store]:
        """The tokens of another text, while it is evaluated."""
        with tempfile.TemporaryDirectory(prefix="recurra-") as folder:
            self._encode(self._open(data), {"data": (0, None)}, Path(folder))
            yield Store(Path(folder) / "data")

    def save(self, folder: Path) -> None:
        self.vocabulary.save(folder, "text")
        write_json(folder / "language.json", {"separator": self.separator})

    def load(self, folder: Path) -> None:
        self.vocabulary = Vocabulary.load(folder, "text")
        self.separator = str(read_json(folder / "language.json")["separator"])

    # use -----------------------------------------------------------------------------------------------------------
    def tokenizer(self) -> TextTokenizer:
        """A tokenizer at the beginning of a text."""
        return TextTokenizer(self.vocabulary)

    @property
    def text_start(self) -> list[int]:
        """The tokens that the network reads before a text begins: the end of whatever text was before it."""
        before = {"characters": self.separator or "\n", "subwords": "\n"}.get(self.vocabulary.tokenization)
        ids = [] if before is None else self.vocabulary.encode(before).tolist()
        return [i for i in ids if i != self.vocabulary.unknown] or [self.vocabulary.end]

    def inputs(self, file: str) -> Iterator[Any] | None:
        return None

    def parse_line(self, line: str) -> str:
        try:
            found = parse_json_line(line)
        except DataError:  # a model of JSON reads a line that begins as an object
            return line
        return found if isinstance(found, str) else str(found.get("text", line)) if isinstance(found, dict) else line
