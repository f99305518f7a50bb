"""Fields of rows that are lists of tokens: the words, columns beside them, the tag of each, and the label of the row."""

from __future__ import annotations

import itertools
import re
import unicodedata
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from ...data.counting import LossyCounter
from ...data.rows import Source
from ...data.schemes import Scheme, all_tags, check_tags, find_scheme, mend
from ...data.spelling import BUCKETS, PIECES, runs
from ...data.tagged import as_tokens
from ...data.vocabulary import Vocabulary
from ...data.words import HAN
from ...errors import DataError, SettingError
from ...files import read_json, write_json
from .fields import Field, Label, Lexicon

WORD_NAMES = ("tokens", "words", "form", "text", "sentence", "characters", "chars", "词", "句子", "文本")
TAG_NAMES = (
    *("tags", "upos", "ner_tags", "slots", "chunk_tags", "pos_tags", "labels", "ner", "pos", "chunks", "tag"),
    *("标签", "标注", "词性"),
)
LABEL_NAMES = ("intent", "label", "class", "category", "意图", "类别")
NEIGHBOURS = 5  # runs of two and three characters that one stands in
PAD, UNKNOWN = 0, 1
TokenLevel = Literal["words", "characters"]
_HAN = re.compile(f"[{HAN}]")
_DIGIT = re.compile(r"\d")


class TokenRow(NamedTuple):
    """A row to tag: its tokens; of raw text where each begins and ends, and the text; and the columns beside them."""

    tokens: list[str]
    offsets: list[tuple[int, int]] | None
    text: str | None
    beside: list[Any]


class TokenField(Field):
    """A list of tokens a row."""

    sequence = True
    option: str  # what names its column on the command line
    known: tuple[str, ...] = ()

    def find(self, source: Source, taken: Sequence[str]) -> str:
        if self.asked is not None:
            return named(source, self.asked)
        free = [column for column in source.columns if column not in taken]
        if source.format == "columns":
            return self._of_columns(source)
        by_name = {column.strip().lower(): column for column in reversed(free)}
        for name in self.known:
            if name in by_name:
                return by_name[name]
        rows = [row.values for row in source.look()]
        fits = [column for column in free if all(self.check(row.get(column)) is None for row in rows)]
        there = ", ".join(source.columns[:20])
        if len(fits) == 1:
            return fits[0]
        raise DataError(
            f"the {self.name} could be {' or '.join(map(repr, fits))}; name the column with --{self.option}"
            if fits
            else f"no column holds the {self.name}, a list in each row; name it with --{self.option} (there are {there})",
            file=source.path,
        )

    @abstractmethod
    def _of_columns(self, source: Source) -> str:
        """The column of a file of columns, which have no names."""

    def check(self, value: Any) -> str | None:
        tokens = as_tokens(value)
        if tokens is None:
            return "is missing" if value is None else f"is {value!r:.40}, not a list of tokens"
        if not tokens:
            return "is empty"
        for at, token in enumerate(tokens, 1):
            if token is None or isinstance(token, (list, dict)) or not str(token).strip():
                return f"has {token!r:.40} as token {at}; wanted text"
        return None

    @property
    def kind(self) -> str:
        return "ragged:int32"


def named(source: Source, asked: str) -> str:
    """The column of that name or number. DataError naming the ones there are."""
    if asked not in source.columns and asked.isdecimal() and 1 <= int(asked) <= len(source.columns):
        return source.columns[int(asked) - 1]
    return source.need(asked)


def normal(token: str) -> str:
    """A token as words are counted: composed, lower case, every digit a 0."""
    return _DIGIT.sub("0", unicodedata.normalize("NFC", token).lower())


class Words(TokenField):
    """The tokens, each as the number of its word and, with `spelling`, the numbers of the pieces that tell of it.

    level      words, or characters where nearly all tokens are one; None: found. It also says how raw text is cut
    spelling   the pieces are runs of letters in the word (recurra.data.spelling) that other words have too; of a
               character the runs of characters it stands in that occur again
    ahead      whether a character's runs may reach to later ones; not in a stream
    """

    option = "words"
    known = WORD_NAMES

    def __init__(
        self,
        name: str,
        asked: str | None,
        *,
        level: TokenLevel | None,
        size: int,
        min_count: int | None,
        spelling: bool | None,
        ahead: bool,
    ) -> None:
        super().__init__(name, asked)
        self.level, self.size, self.min_count, self.ahead = level, size, min_count, ahead
        self.spelling = True if spelling is None else spelling
        self.places = False
        self.notes: list[str] = []
        self.more: Vocabulary | None = None  # of a language model
        self._set([], [])

    def _set(self, words: Sequence[str], pieces: Sequence[str]) -> None:
        self.words, self.pieces = list(words), list(pieces)
        self.ids = {word: at for at, word in enumerate(self.words, UNKNOWN + 1)}
        self.piece_ids = {piece: at for at, piece in enumerate(self.pieces, 1)}
        self._known: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        """Numbers there are: of padding, of what is unknown, of the words."""
        return len(self.words) + UNKNOWN + 1

    @property
    def width(self) -> int:
        """Pieces of a token, at most."""
        return 0 if not self.spelling else PIECES if self.level == "words" else NEIGHBOURS

    @property
    def kind(self) -> str:
        return f"ragged:int32:{1 + self.width}" if self.spelling else "ragged:int32"

    def find(self, source: Source, taken: Sequence[str]) -> str:
        self.places = bool(getattr(source, "places", False))
        return super().find(source, taken)

    def _of_columns(self, source: Source) -> str:
        return source.columns[0]

    def fit(self, values: Iterable[Any]) -> None:
        counter, around = LossyCounter(), LossyCounter()
        tokens = single = 0
        for value in values:
            row = [str(token) for token in as_tokens(value) or ()]
            counter.add(row)
            tokens += len(row)
            single += sum(len(token) == 1 for token in row)
            if self.spelling and self.level != "words" and single > 0.5 * tokens:  # characters, by what is seen so far
                for found in neighbours(row, 0, ahead=self.ahead):
                    around.add(found)
        if self.level is None:
            self.level = "characters" if single > 0.95 * tokens else "words"
        words = Counter[str]()
        for token, count in counter.counts.items():
            words[normal(token)] += count
        counted, self.notes = LossyCounter(), counter.notes()
        counted.counts = words
        if self.level == "words":
            around = LossyCounter()
            for token in counter.counts if self.spelling else ():
                around.add(_runs(token))
        words_kept = counted.kept(self.size, self.min_count or 2)
        if self.more is not None:
            if self.more.level != self.level:
                raise SettingError(f"the tokens are {self.level}, and the language model's {self.more.level}; train one "
                                   f"with --set level={self.level}")  # fmt: skip
            words_kept = list(dict.fromkeys([*words_kept, *map(normal, self.more.tokens[3:])]))
        self._set(words_kept, around.kept(BUCKETS, 2))

    def take(self, vocabulary: Vocabulary) -> None:
        """Know the words of a language model too, beside those of the rows."""
        self.more = vocabulary

    def lexicon(self) -> Lexicon:
        return Lexicon(self.words, UNKNOWN + 1, str(self.level), normal)

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        return [self.numbers([str(token) for token in as_tokens(value) or ()]) for value in values]

    def numbers(self, tokens: Sequence[str], before: Sequence[str] = ()) -> np.ndarray:
        """(T, 1 + width), or (T,) without spelling. `before`: the characters that stood before these in a stream."""
        ids = [self.ids.get(normal(token), UNKNOWN) for token in tokens]
        if not self.spelling:
            return np.array(ids, np.int32)
        rows = np.zeros((len(tokens), 1 + self.width), np.int32)
        rows[:, 0] = ids
        if self.level == "words":
            for row, token in zip(rows, tokens, strict=True):
                row[1:] = self._spelt(token)
        else:
            every = neighbours([*before, *tokens], len(before), ahead=self.ahead)
            for row, found in zip(rows, every, strict=True):
                row[1 : 1 + len(found)] = [self.piece_ids.get(run, 0) for run in found]
        return rows

    def _spelt(self, token: str) -> np.ndarray:
        """The numbers of a word's pieces, (PIECES,) padded with 0; those that are not known are left out."""
        if (found := self._known.get(token)) is None:
            found = np.zeros(PIECES, np.int32)
            numbers = [self.piece_ids[run] for run in _runs(token) if run in self.piece_ids][:PIECES]
            found[: len(numbers)] = numbers
            if len(self._known) < 50_000:
                self._known[token] = found
        return found

    def nothing(self) -> np.ndarray:
        return np.zeros((0, 1 + self.width) if self.spelling else 0, np.int32)

    def save(self, folder: Path) -> None:
        write_json(folder / f"{self.name}.json", {"words": self.words, "pieces": self.pieces})

    def load(self, folder: Path) -> None:
        saved = read_json(folder / f"{self.name}.json")
        self._set(saved["words"], saved["pieces"])

    def describe(self) -> list[str]:
        what = "runs of letters in them" if self.level == "words" else "runs that they stand in"
        spelling = f", {len(self.pieces):,} {what}" if self.spelling else ""
        lines = [f"{self.name}: {len(self.words):,} {self.level}{spelling}"]
        if self.places:
            lines.append("each character has the number of its place in a word after it: the numbers are left out")
        return lines + self.notes


def _runs(token: str) -> list[str]:
    return runs(token, singles=bool(_HAN.search(token)))  # a Chinese character means something alone


def neighbours(tokens: Sequence[str], begin: int, *, ahead: bool) -> Iterator[list[str]]:
    """For each of tokens[begin:] the runs of two and three that end with it; with `ahead` also those that it begins
    and is in the middle of. Where it stands in a run is part of the run's name."""
    marked = ["^", "^", *tokens, "$", "$"]
    places = [(-1, 1), (-2, 1), *([(0, 2), (0, 3), (-1, 2)] if ahead else [])]
    for at in range(begin + 2, len(tokens) + 2):
        yield [f"{first}{''.join(marked[at + first : at + end])}" for first, end in places]


class Beside(TokenField):
    """A column beside the words that is read with them, such as the part of speech."""

    option = "features"

    def _of_columns(self, source: Source) -> str:
        raise AssertionError("a feature's column is always named")

    def fit(self, values: Iterable[Any]) -> None:
        counts: Counter[str] = Counter()
        for value in values:
            counts.update(str(token) for token in as_tokens(value) or ())
            if len(counts) > 100_000:
                raise DataError(f"more than 100,000 values in the column {self.asked!r}: too many to read beside words")
        self._set(sorted(counts))

    def _set(self, values: Sequence[str]) -> None:
        self.values = list(values)
        self.ids = {value: at for at, value in enumerate(self.values, UNKNOWN + 1)}

    def __len__(self) -> int:
        return len(self.values) + UNKNOWN + 1

    def encode(self, values: Sequence[Any]) -> list[np.ndarray]:
        rows = ([self.ids.get(str(token), UNKNOWN) for token in as_tokens(value) or ()] for value in values)
        return [np.array(row, np.int32) for row in rows]

    def save(self, folder: Path) -> None:
        write_json(folder / f"{self.name}.json", {"values": self.values})

    def load(self, folder: Path) -> None:
        self._set(read_json(folder / f"{self.name}.json")["values"])

    def describe(self) -> list[str]:
        return [f"beside each word: column {self.asked}, {len(self.values)} values"]


class Tags(TokenField):
    """The tag of each token. `scheme` None: found from the tags.

    What breaks the scheme's rules is mended. A tag that the training data did not have gets a number past the others',
    and is counted in `unseen`.
    """

    option = "column"
    known = TAG_NAMES

    def __init__(self, name: str, asked: str | None, scheme: Scheme | None) -> None:
        super().__init__(name, asked)
        self.scheme = scheme
        self.tags: list[str] = []
        self.counts: dict[str, int] = {}
        self.unseen: Counter[str] = Counter()
        self.mended = 0
        self.example = ""

    def _of_columns(self, source: Source) -> str:
        if len(source.columns) < 2:
            raise DataError("there is one column only: no tags beside the words", file=source.path)
        return source.columns[-1]

    def fit(self, values: Iterable[Any]) -> None:
        counts: Counter[str] = Counter()
        for value in values:
            counts.update(str(tag) for tag in as_tokens(value) or ())
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
            given = [str(tag) for tag in as_tokens(value) or ()]
            tags = self._mend(given)
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


class RowLabel(Label):
    """The label of the whole row, learnt beside the tags. -1: not seen in training, and counted."""

    def __init__(self, name: str, asked: str | None) -> None:
        super().__init__(name, asked)
        self.unseen: Counter[str] = Counter()

    def find(self, source: Source, taken: Sequence[str]) -> str:
        return named(source, self.asked or find_row_label(source, taken) or self.name)

    def fit(self, values: Iterable[Any]) -> None:
        try:
            super().fit(values)
        except DataError as error:
            raise DataError(f"{error.message}; to learn the tags alone: --intent none") from None

    def encode(self, values: Sequence[Any]) -> list[int]:
        index = {label: at for at, label in enumerate(self.classes)}
        found = [index.get(str(value).strip(), -1) for value in values]
        self.unseen.update(str(value).strip() for value, at in zip(values, found, strict=True) if at < 0)
        return found

    def describe(self) -> list[str]:
        return [f"intent: {line}" for line in super().describe()] + unseen_in_words(self.unseen, "intents")


def find_row_label(source: Source, taken: Sequence[str]) -> str | None:
    """A column with a name that the label of a row has, and one short text in each row; or None."""
    if source.format in ("columns", "conllu"):
        return None
    by_name = {column.strip().lower(): column for column in source.columns if column not in taken}
    for name in LABEL_NAMES:
        if name in by_name:
            values = [row.values.get(by_name[name]) for row in source.look()]
            if all(isinstance(value, (str, int)) and len(str(value).split()) == 1 for value in values):
                return by_name[name]
    return None


def unseen_in_words(unseen: Counter[str], what: str) -> list[str]:
    if not unseen:
        return []
    shown = ", ".join(f"{name} {count}" for name, count in unseen.most_common(3))
    return [
        f"{len(unseen)} {what} of the validation data are not in the training data: {shown}; they count as mistakes"
    ]
