"""The field of the tag of each token."""

from __future__ import annotations

import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, final

import numpy as np

from ..data.words.tag_notation import Notation, find_notation, is_bracketed, is_iob1, looks_like_spans, notations
from ..data.words.tag_schemes import Scheme, all_tags, check_tags, find_scheme, repair_tags
from ..errors import DataError
from ..files import read_json, write_json
from .label_names import look_alike_warnings
from .token_lists import TokenField, describe_unseen, token_texts

TAG_NAMES = (
    *("tags", "upos", "ner_tags", "slots", "chunk_tags", "pos_tags", "labels", "ner", "ner_tag", "tag", "iob", "bio"),
    *("pos", "chunks", "slot", "标签", "标注", "词性"),
)

MAX_TAGS = 10_000


@final
class Tags(TokenField):
    """The tag of each token.

    Tags are converted to the form `B-PER` and to Unicode form NFC (`tag_notation.py`). Tags that violate the rules of the
    scheme are repaired. A tag that does not occur in the training data has an id after those
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
        self.notation: Notation | None = None  # how the training data write the tags, if they encode spans
        self.conversions = ""
        self.iob1 = False
        self.unseen: Counter[str] = Counter()
        self.repaired = 0
        self.repaired_example = ""

    def fit(self, values: Iterable[Any]) -> None:
        """Infer the notation and the scheme, and collect the tags."""
        counts: Counter[str] = Counter()
        pairs: set[tuple[str, str]] = set()
        for value in values:
            tags = _names(value)
            counts.update(tags)
            pairs.update(pairwise(["O", *tags]))
            if len(counts) > MAX_TAGS:
                raise DataError(
                    f"the column has more than {MAX_TAGS:,} different tags; select another column with --tags"
                )
        if self.scheme_is_open and is_bracketed(counts):
            example = next(tag for tag in counts if "(" in tag)
            raise DataError(
                f"tags such as {example!r} are brackets around spans, as in CoNLL-2012; expected a tag for each token, such as "
                "B-PER: convert them, or name another column with --tags (--scheme plain keeps them)"
            )
        if self.scheme_is_open or self.scheme != "plain":
            self.notation = find_notation(counts, strict=self.scheme_is_open)
        if self.notation is not None:
            self.conversions = self.notation.describe(sorted(counts))
            pairs = {(self.notation.convert(before), self.notation.convert(tag)) for before, tag in pairs}
            counts = self._converted_counts(counts)
        if self.scheme_is_open:
            self.scheme = find_scheme(counts)
        check_tags(counts, self.scheme)
        self.iob1 = self.scheme == "bio" and is_iob1(pairs)
        self.counts = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        self.tags = all_tags(counts, self.scheme)
        if len(self.tags) == 1:
            raise DataError(f"all tokens have the tag {self.tags[0]!r}; at least two tags are required")

    def _converted_counts(self, counts: Counter[str]) -> Counter[str]:
        converted: Counter[str] = Counter()
        for tag, count in counts.items():
            converted[self._convert(tag)] += count
        return converted

    def _convert(self, tag: str) -> str:
        """The tag in the form `B-PER`. Other files may write the tags in another way than the training data."""
        if self.notation is None:
            return tag
        name = self.notation.convert(tag)
        if not self.tags or name in self.tags:
            return name
        return next((other for one in notations() if (other := one.convert(tag)) in self.tags), name)

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        """The ids of the tags of each cell, int32 (T,), after repair."""
        ids = {tag: at for at, tag in enumerate([*self.tags, *self.unseen])}
        encoded = []
        for value in values:
            tags = self._repair([self._convert(tag) for tag in _names(value)])
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
        saved = {
            "scheme": self.scheme,
            "notation": None if self.notation is None else self.notation._asdict(),
            "tags": self.tags,
            "counts": self.counts,
            "unseen": self.unseen,
        }
        write_json(folder / f"{self.name}.json", saved)

    def load(self, folder: Path) -> None:
        """Read the file that `save` wrote."""
        saved = read_json(folder / f"{self.name}.json")
        self.scheme, self.tags, self.counts = saved["scheme"], list(saved["tags"]), dict(saved["counts"])
        self.unseen = Counter(saved["unseen"])
        notation = saved.get("notation")
        self.notation = None if notation is None else Notation(**notation)

    def describe(self) -> list[str]:
        """Lines about the tags, the scheme, repaired tags and unseen tags."""
        total = max(sum(self.counts.values()), 1)
        shown = ", ".join(f"{tag} {count / total:.0%}" for tag, count in itertools.islice(self.counts.items(), 5))
        lines = [
            f"{len(self.counts)} tags: {shown}{', ...' if len(self.counts) > 5 else ''}; {self._describe_scheme()}"
        ]
        lines += self._describe_notation()
        if self.repaired and not self.iob1:
            lines.append(
                f"{self.repaired:,} tags violated the rules of the scheme {self.scheme} and were repaired; "
                f"the first: {self.repaired_example}"
            )
        types = Counter[str]()
        for tag, count in self.counts.items():
            types[tag if self.scheme == "plain" else tag.partition("-")[2]] += count
        lines += look_alike_warnings(types, "tags" if self.scheme == "plain" else "types of spans")
        return lines + describe_unseen(self.unseen, "tags")

    def _describe_notation(self) -> list[str]:
        """A line about a conversion of the tags, or about tags that are not converted although they look like spans."""
        if self.conversions:
            keep = "; use --scheme plain to keep them as they are" if self.scheme_is_open else ""
            return [
                f"the tags look like spans and are converted to the scheme {self.scheme} ({self.conversions}){keep}"
            ]
        if self.iob1:
            return [
                "the tags are in IOB1, where B only separates adjacent spans of one type; they are converted to bio"
            ]
        if self.scheme == "plain" and self.scheme_is_open and (tag := looks_like_spans(self.counts)):
            return [
                f"warning: tags such as {tag!r} look like spans, but not all tags follow one scheme; they are plain tags"
            ]
        if self.scheme == "plain" and len(self.tags) > 2 and all(tag.isdecimal() for tag in self.tags):
            return ["the tags are numbers without names, so that spans cannot be recognized"]
        return []

    def _describe_scheme(self) -> str:
        if self.scheme == "plain":
            return "the tags encode no spans"
        types = len({tag.partition("-")[2] for tag in self.tags if tag != "O"})
        return f"scheme {self.scheme}, {types} span type{'s' * (types != 1)}"


def _names(value: Any) -> list[str]:
    """The tags of a cell, in Unicode form NFC."""
    return [unicodedata.normalize("NFC", tag).strip() for tag in token_texts(value)]
