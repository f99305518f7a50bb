"""The field of the tag of each token."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import numpy as np

from ..data.words.tag_schemes import Scheme, all_tags, check_tags, find_scheme, repair_tags
from ..errors import DataError
from ..files import read_json, write_json
from .token_lists import TokenField, describe_unseen, token_texts

TAG_NAMES = (
    *("tags", "upos", "ner_tags", "slots", "chunk_tags", "pos_tags", "labels", "ner", "ner_tag", "tag", "iob", "bio"),
    *("pos", "chunks", "slot", "标签", "标注", "词性"),
)

MAX_TAGS = 10_000


@final
class Tags(TokenField):
    """The tag of each token.

    Tags that violate the rules of the scheme are repaired. A tag that does not occur in the training data has an id after those
    of the training data and is counted in `unseen`. If `scheme` is None, `fit` infers it from the tags.
    """

    option = "tags"
    names = TAG_NAMES
    position = -1
    storage = "ragged:int32"

    def __init__(self, name: str, column: str | None, scheme: Scheme | None) -> None:
        super().__init__(name, column)
        self.scheme: Scheme = scheme or "plain"
        self.scheme_is_open = scheme is None
        self.tags: list[str] = []
        self.counts: dict[str, int] = {}
        self.unseen: Counter[str] = Counter()
        self.repaired = 0
        self.repaired_example = ""

    def fit(self, values: Iterable[Any]) -> None:
        """Infer the scheme and collect the tags."""
        counts: Counter[str] = Counter()
        for value in values:
            counts.update(token_texts(value))
            if len(counts) > MAX_TAGS:
                raise DataError(
                    f"there are more than {MAX_TAGS:,} tags; if the column is wrong, name another with --tags"
                )
        if self.scheme_is_open:
            self.scheme = find_scheme(counts)
        check_tags(counts, self.scheme)
        self.counts = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        self.tags = all_tags(counts, self.scheme)
        if len(self.tags) == 1:
            raise DataError(f"all tokens have the tag {self.tags[0]!r}; at least two tags are required")

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        """The ids of the tags of each cell, int32 (T,), after repair."""
        ids = {tag: at for at, tag in enumerate([*self.tags, *self.unseen])}
        encoded = []
        for value in values:
            tags = self._repair(token_texts(value))
            for tag in tags:
                if tag not in ids:
                    ids[tag] = len(ids)
                if ids[tag] >= len(self.tags):
                    self.unseen[tag] += 1
            encoded.append(np.array([ids[tag] for tag in tags], np.int32))
        return encoded

    def _repair(self, tags: list[str]) -> list[str]:
        """Tags that follow the rules of the scheme.

        Tags of another scheme, which only evaluation data may have, are returned unchanged.
        """
        try:
            check_tags(set(tags), self.scheme)
        except DataError:
            return tags
        repaired = repair_tags(tags, self.scheme)
        changed = [at for at, (tag, other) in enumerate(zip(tags, repaired, strict=True)) if tag != other]
        if changed and not self.repaired:
            self.repaired_example = f"{tags[changed[0]]} was changed to {repaired[changed[0]]}"
        self.repaired += len(changed)
        return repaired

    def tags_of(self, ids: Iterable[int], unseen: Iterable[str] = ()) -> list[str]:
        """The tags with these ids. `unseen` contains the unseen tags in the order in which they were counted."""
        tags = [*self.tags, *unseen]
        return [tags[at] for at in ids]

    @contextmanager
    def separate_counts(self) -> Iterator[Counter[str]]:
        """A new counter `unseen` for tags encoded in the block; the previous counts are restored afterwards."""
        saved = self.unseen, self.repaired, self.repaired_example
        self.unseen, self.repaired = Counter(), 0
        try:
            yield self.unseen
        finally:
            self.unseen, self.repaired, self.repaired_example = saved

    def save(self, folder: Path) -> None:
        """Write scheme, tags and counts."""
        saved = {"scheme": self.scheme, "tags": self.tags, "counts": self.counts, "unseen": self.unseen}
        write_json(folder / f"{self.name}.json", saved)

    def load(self, folder: Path) -> None:
        """Read the file that `save` wrote."""
        saved = read_json(folder / f"{self.name}.json")
        self.scheme, self.tags, self.counts = saved["scheme"], list(saved["tags"]), dict(saved["counts"])
        self.unseen = Counter(saved["unseen"])

    def describe(self) -> list[str]:
        """Lines about the tags, the scheme, repaired tags and unseen tags."""
        total = max(sum(self.counts.values()), 1)
        shown = ", ".join(f"{tag} {count / total:.0%}" for tag, count in itertools.islice(self.counts.items(), 5))
        lines = [
            f"{len(self.counts)} tags: {shown}{', ...' if len(self.counts) > 5 else ''}; {self._describe_scheme()}"
        ]
        if self.repaired:
            lines.append(
                f"{self.repaired:,} tags violated the rules of the scheme {self.scheme} and were repaired; "
                f"the first: {self.repaired_example}"
            )
        return lines + describe_unseen(self.unseen, "tags")

    def _describe_scheme(self) -> str:
        if self.scheme == "plain":
            return "the tags encode no spans"
        types = len({tag.partition("-")[2] for tag in self.tags if tag != "O"})
        return f"scheme {self.scheme}, {types} span type{'s' * (types != 1)}"
