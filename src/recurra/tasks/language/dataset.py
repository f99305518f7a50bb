"""Reading a text for a language model: one long sequence of tokens for each part, in the run's cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ...data.sources.text import TextSource, open_text
from ...data.store.store import Store, StoreWriter
from ...data.words.documents import SAMPLE, pieces_of
from ...data.words.vocabulary import Vocabulary, build
from ...errors import DataError
from ...files import read_json, write_json
from ..base import Reading, Say, Task
from .session import Front
from .settings import LanguageData

SCORED = 200_000  # tokens held back, about, that figures are of while training


class TextReader(Task):
    """A task over a text. `separator` is what parts short pieces that stand alone: blank lines, line ends; or nothing."""

    vocabulary: Vocabulary
    stores: dict[str, Store]
    separator = ""  # blank lines (poems), line ends (traces of a log)

    def read(
        self, data: str | Path, valid: str | Path | None, cache: Path, say: Say, tick: Callable[[int], None]
    ) -> Reading:
        settings = self.settings.data
        assert isinstance(settings, LanguageData)
        source = self._source(data)
        characters, looked = 0, ""

        def counted() -> Iterator[str]:
            nonlocal characters, looked
            for chunk in source.chunks():
                characters += len(chunk)
                looked += chunk[: max(SAMPLE - len(looked), 0)]
                tick(characters)
                yield chunk

        pieces = (line for chunk in counted() for line in chunk.split("\n")) if settings.level == "words" else counted()
        self.vocabulary = build(pieces, settings.level, size=settings.vocabulary_size, min_count=settings.min_count)
        self.separator, said_of_pieces = pieces_of(looked)
        held = 0.0 if valid is not None else settings.valid_share
        cut = int(characters * (1 - held))
        self._encode(source, {"train": (0, cut), "valid": (cut, characters)} if held else {"train": (0, cut)}, cache)
        if valid is not None:
            self._encode(self._source(valid), {"valid": (0, None)}, cache)
        self.open(cache)
        train, check = (len(self.stores[part].flat("tokens")) for part in ("train", "valid"))
        if train < 64 or check < 2:
            raise DataError(
                f"{train + check:,} {settings.level} are too few to learn a language model from; give a longer text",
                file=source.path,
            )
        lines = [f"{characters:,} characters: {train:,} {settings.level} to train on, {check:,} to check with"]
        unit = "of them" if settings.level == "characters" else settings.level
        lines.append(
            f"vocabulary: {len(self.vocabulary):,} {unit}; {', '.join(self.vocabulary.notes) or 'all are kept'}"
        )
        lines += [said_of_pieces] if said_of_pieces else []
        if check > SCORED:
            lines.append(f"while training, figures are of the first {SCORED:,} or so of those to check with")
        return Reading(rows=train, valid_rows=check, steps_of_time=train, facts={}, lines=lines)

    def _source(self, data: str | Path) -> TextSource:
        settings = self.settings.data
        assert isinstance(settings, LanguageData)
        return open_text(data, encoding=settings.encoding, column=settings.text, skip_broken=settings.broken == "skip")

    def _encode(self, source: TextSource, parts: dict[str, tuple[int, int | None]], cache: Path) -> None:
        """Write the characters from..to of each part as one run of tokens, and how many characters they were."""
        for part, (begin, end) in parts.items():
            with StoreWriter(cache / part, {"tokens": "ragged:int32", "characters": "int64"}) as writer:
                front = self._front()
                at = written = 0
                for chunk in source.chunks():
                    piece = chunk[max(begin - at, 0) : None if end is None else max(end - at, 0)]
                    at += len(chunk)
                    if piece:
                        written += len(piece)
                        writer.append(tokens=np.array(front.push(piece), np.int32), characters=len(piece))
                writer.append(tokens=np.array(front.flush(), np.int32), characters=0)

    def _front(self) -> Front:
        return Front(self.vocabulary)

    def open(self, cache: Path) -> None:
        self.stores = {part: Store(cache / part) for part in ("train", "valid")}

    def save_vocabulary(self, folder: Path) -> None:
        self.vocabulary.save(folder, "text")
        write_json(folder / "language.json", {"separator": self.separator})

    def load_vocabulary(self, folder: Path) -> None:
        self.vocabulary = Vocabulary.load(folder, "text")
        self.separator = str(read_json(folder / "language.json")["separator"])
