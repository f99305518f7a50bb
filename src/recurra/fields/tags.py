"""The field of the tag of each token."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data.words.tag_schemes import Scheme, all_tags, check_tags, find_scheme, mend
from ..errors import DataError
from ..files import read_json, write_json
from .token_lists import TokenField, unseen_in_words, written

TAG_NAMES = (
    *("tags", "upos", "ner_tags", "slots", "chunk_tags", "pos_tags", "labels", "ner", "pos", "chunks", "tag"),
    *("标签", "标注", "词性"),
)


class Tags(TokenField):
    """The tag of each token. `scheme` None: found from the tags.

    What breaks the scheme's rules is mended. A tag that the training data did not have gets a number past the others',
    and is counted in `unseen`.
    """

    option = "column"
    known = TAG_NAMES
    place = -1

    def __init__(self, name: str, asked: str | None, scheme: Scheme | None) -> None:
        super().__init__(name, asked)
        self.scheme = scheme
        self.tags: list[str] = []
        self.counts: dict[str, int] = {}
        self.unseen: Counter[str] = Counter()
        self.mended = 0
        self.example = ""

    def fit(self, values: Iterable[Any]) -> None:
        counts: Counter[str] = Counter()
        for value in values:
            counts.update(written(value))
            if len(counts) > 10_000:
                raise DataError("more than 10,000 tags: is that the right column? --column names another")
        if self.scheme is None:
            self.scheme = find_scheme(counts)
        check_tags(counts, self.scheme)
        self.counts = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        self.tags = all_tags(counts, self.scheme)
        if len(self.tags) == 1:
            raise DataError(f"every token has the one tag {self.tags[0]!r}: there is nothing to learn")

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        index = {tag: at for at, tag in enumerate([*self.tags, *self.unseen])}
        found = []
        for value in values:
            tags = self._mend(written(value))
            for tag in tags:
                if tag not in index:
                    index[tag] = len(index)
                if index[tag] >= len(self.tags):
                    self.unseen[tag] += 1
            found.append(np.array([index[tag] for tag in tags], np.int32))
        return found

    def _mend(self, tags: list[str]) -> list[str]:
        """By the rules of the scheme. A tag of no known letter, which only data to evaluate on can have, is left."""
        assert self.scheme is not None
        try:
            check_tags(set(tags), self.scheme)
        except DataError:
            return tags
        whole = mend(tags, self.scheme)
        changed = [at for at, (one, other) in enumerate(zip(tags, whole, strict=True)) if one != other]
        if changed and not self.mended:
            self.example = f"{tags[changed[0]]} taken as {whole[changed[0]]}"
        self.mended += len(changed)
        return whole

    def names(self, numbers: Iterable[int]) -> list[str]:
        """Tags by number, those not seen in training too."""
        every = [*self.tags, *self.unseen]
        return [every[number] for number in numbers]

    def forget(self) -> None:
        """Count anew what was unseen and mended."""
        self.unseen, self.mended = Counter(), 0

    def save(self, folder: Path) -> None:
        saved = {"scheme": self.scheme, "tags": self.tags, "counts": self.counts, "unseen": self.unseen}
        write_json(folder / f"{self.name}.json", saved)

    def load(self, folder: Path) -> None:
        saved = read_json(folder / f"{self.name}.json")
        self.scheme, self.tags, self.counts = saved["scheme"], list(saved["tags"]), dict(saved["counts"])
        self.unseen = Counter(saved["unseen"])

    def describe(self) -> list[str]:
        total = max(sum(self.counts.values()), 1)
        shown = ", ".join(f"{tag} {count / total:.0%}" for tag, count in itertools.islice(self.counts.items(), 5))
        lines = [
            f"{len(self.counts)} tags: {shown}{', ...' if len(self.counts) > 5 else ''}; {self._scheme_in_words()}"
        ]
        if self.mended:
            lines.append(
                f"{self.mended:,} tags break the rules of {self.scheme} and were mended, the first: {self.example}"
            )
        return lines + unseen_in_words(self.unseen, "tags")

    def _scheme_in_words(self) -> str:
        if self.scheme == "plain":
            return "no scheme of spans"
        types = len({tag.partition("-")[2] for tag in self.tags if tag != "O"})
        return f"scheme {self.scheme}, {types} type{'s' * (types != 1)} of spans"
