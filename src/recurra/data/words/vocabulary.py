"""Text to numbers and back: characters, words or subwords, with three marks that no text can spell.

Id 0 is padding, 1 an unknown token, 2 the end of a text or paragraph; the rest follow by falling frequency. Words
and subwords are encoded by the `tokenizers` library, whose JSON is what is saved; characters by a table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models

from recurra.data.words import count
from recurra.data.words.ngrams import MAX_NGRAMS, pieces
from recurra.data.words.pretokenize import (
    clean,
    join,
    last_subword_boundary,
    subword_pretokenizer,
    subword_decoder,
    last_word_boundary,
    word_pretokenizer,
    word_normalizer,
)
from recurra.data.words.tokenizers import WordTokenizer
from recurra.data.words.token_stream import CharacterTokenStream, BufferedTokenStream, TokenStream
from recurra.errors import RunError, SettingError

Tokenization = Literal["characters", "words", "subwords"]
Ids = NDArray[np.int32]

MARKS = ("<pad>", "<unknown>", "<end>")
_HIDDEN = tuple(f"{mark} " for mark in MARKS)  # inside the tokenizer; a blank occurs in no word and no byte-level token
_FORMAT = 2  # 1 where no tokenizer is saved
_BATCH = 256  # texts encoded at once, by as many threads as TOKENIZERS_PARALLELISM allows
_UNKNOWN_TEXT = "\ufffd"


class Vocabulary:
    """Made by `build` or `Vocabulary.load`. `tokens[i]` spells id i; subwords are spelt in byte-level letters."""

    pad, unknown, end = 0, 1, 2

    def __init__(
        self,
        tokenization: Tokenization,
        tokens: Sequence[str],
        *,
        merges: Sequence[tuple[str, str]] = (),
        lowercase: bool = False,
        notes: Sequence[str] = (),
        tokenizer: WordTokenizer | None = None,
    ) -> None:
        if tokenization not in get_args(Tokenization):
            raise SettingError(f"there is no tokenization {tokenization!r}; there are {', '.join(get_args(Tokenization))}")
        self.tokenization: Tokenization = tokenization
        self.lowercase = lowercase and tokenization == "words"
        self.notes = list(notes)
        self.tokens = [*MARKS, *tokens]
        self.tokenizer = tokenizer if tokenization == "words" else None
        self._ids = {word: at for at, word in enumerate(tokens, len(MARKS))} if self.tokenizer else {}
        self._merges = list(merges)
        self._table = _character_table(tokens) if tokenization == "characters" else None
        self._tokenizer = None if tokenization == "characters" else self._make_tokenizer(tokens)

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        return f"Vocabulary({self.tokenization}, {len(self):,} entries)"

    def _make_tokenizer(self, tokens: Sequence[str]) -> Tokenizer:
        ids = {token: at for at, token in enumerate([*_HIDDEN, *tokens])}
        if self.tokenization == "words":
            tokenizer = Tokenizer(models.WordLevel(ids, unk_token=_HIDDEN[self.unknown]))
            tokenizer.normalizer = word_normalizer(self.lowercase)
            tokenizer.pre_tokenizer = word_pretokenizer()
        else:
            tokenizer = Tokenizer(models.BPE(ids, self._merges, unk_token=_HIDDEN[self.unknown]))
            tokenizer.pre_tokenizer = subword_pretokenizer()
            tokenizer.decoder = subword_decoder()
        return tokenizer

    def encode(self, text: str) -> Ids:
        """The ids of `text`, int32 (T,). No end mark is added."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Iterable[str]) -> list[Ids]:
        """The ids of each text; faster than one by one."""
        if self._table is not None:
            table = self._table
            return [table[np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)] for text in texts]
        if self.tokenizer is not None:
            return [np.array([self._id(word) for word in self.tokenizer(text)], np.int32) for text in texts]
        assert self._tokenizer is not None
        ids: list[Ids] = []
        stream = iter(texts)
        while batch := [clean(text) for text in islice(stream, _BATCH)]:
            coded = self._tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            ids += [np.array(one.ids, np.int32) for one in coded]
        return ids

    def encode_with_ngrams(self, texts: Iterable[str]) -> list[Ids]:
        """The ids of each text's words and beside each id the pieces of its word: int32 (T, 1 + MAX_NGRAMS). Words only."""
        if self.tokenization != "words":
            raise SettingError(f"only words have a spelling; this vocabulary is of {self.tokenization}")
        if self.tokenizer is not None:
            return [self._spelt(self.tokenizer(text)) for text in texts]
        assert self._tokenizer is not None
        found: list[Ids] = []
        stream = iter(texts)
        while batch := [clean(text) for text in islice(stream, _BATCH)]:
            for text, one in zip(batch, self._tokenizer.encode_batch(batch, add_special_tokens=False), strict=True):
                rows = np.zeros((len(one.ids), 1 + MAX_NGRAMS), np.int32)
                rows[:, 0] = one.ids
                for row, (begin, end) in zip(rows, one.offsets, strict=True):
                    row[1:] = pieces(text[begin:end])
                found.append(rows)
        return found

    def _id(self, word: str) -> int:
        return self._ids.get(self.normal(word), self.unknown)

    def _spelt(self, words: Sequence[str]) -> Ids:
        rows = np.zeros((len(words), 1 + MAX_NGRAMS), np.int32)
        for row, word in zip(rows, words, strict=True):
            row[0], row[1:] = self._id(word), pieces(word)
        return rows

    def normal(self, word: str) -> str:
        """A word as this vocabulary writes it: composed and in lower case, where words are."""
        return word_normalizer(self.lowercase).normalize_str(clean(word)) if self.tokenization == "words" else word

    def cut(self, text: str) -> list[str]:
        """The stretch of `text` that each of its tokens stands for, unknown ones too."""
        if self.tokenizer is not None:
            return self.tokenizer(text)
        if self._tokenizer is None:
            return list(text)
        text = clean(text)
        return [text[begin:end] for begin, end in self._tokenizer.encode(text, add_special_tokens=False).offsets]

    def decode(self, ids: Iterable[int], unknown: Sequence[str] = ()) -> str:
        """The text of `ids`. Padding and end marks give nothing, an unknown token U+FFFD, or its own of the words `unknown`.

        Characters and subwords give back what was encoded; words are joined as a person would write them. `unknown`, one
        for each id, is for characters and words.
        """
        given = [int(i) for i in ids]
        wanted = [i for i in given if i not in (self.pad, self.end)]
        spelt = {at: word for at, word in enumerate(unknown) if word}
        words = [
            spelt.get(at, _UNKNOWN_TEXT) if i == self.unknown else self.tokens[i]
            for at, i in enumerate(given)
            if i not in (self.pad, self.end)
        ]
        if self.tokenization == "characters":
            return "".join(words)
        if self.tokenization == "words":
            return join(words)
        assert self._tokenizer is not None
        return self._tokenizer.decode(wanted, skip_special_tokens=False).replace(_HIDDEN[1], _UNKNOWN_TEXT)

    def stream(self, *, spelt: bool = False) -> TokenStream:
        """A tokeniser for text that arrives in pieces; equals `encode`, or `encode_with_ngrams`, of the whole for every cutting."""
        if self.tokenizer is not None and self.tokenizer.whole:
            raise SettingError(f"this text does not stream: {self.tokenizer.whole}")
        if spelt:
            return BufferedTokenStream(lambda text: self.encode_with_ngrams([text])[0], last_word_boundary)
        if self.tokenization == "characters":
            return CharacterTokenStream(self.encode)
        return BufferedTokenStream(self.encode, last_word_boundary if self.tokenization == "words" else last_subword_boundary)

    def save(self, folder: Path, name: str) -> None:
        """Write `folder/name.json`."""
        record: dict[str, Any] = {
            "format": _FORMAT if self.tokenizer else 1,
            "tokenization": self.tokenization,
            "lowercase": self.lowercase,
            "notes": self.notes,
            "tokens": self.tokens[len(MARKS) :],
            "merges": self._merges,
        }
        if self.tokenizer is not None:
            record["tokenizer"] = self.tokenizer.record()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, name: str) -> Vocabulary:
        """What `save` wrote. RunError where it is missing, damaged or of a newer format."""
        path = folder / f"{name}.json"
        try:
            record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if record["format"] > _FORMAT:
                raise RunError(f"{path}: format {record['format']} is newer than this recurra reads ({_FORMAT})")
            tokens = record["tokens"]
            if not all(isinstance(token, str) for token in tokens) or len(set(tokens)) != len(tokens):
                raise ValueError("tokens")
            merges = [(left, right) for left, right in record["merges"]]
            tokenizer = WordTokenizer.of(record["tokenizer"]) if record.get("tokenizer") else None
            return cls(
                record["tokenization"],
                tokens,
                merges=merges,
                lowercase=record["lowercase"],
                notes=record["notes"],
                tokenizer=tokenizer,
            )
        except FileNotFoundError:
            raise RunError(f"{path}: the vocabulary is missing") from None
        except RunError:
            raise
        except Exception as error:  # also what the tokenizers library raises: a bare Exception
            raise RunError(f"{path}: the vocabulary is damaged ({type(error).__name__}: {error})") from None


def build(texts: Iterable[str], tokenization: Tokenization, *, size: int | None = None, min_count: int = 1,
          lowercase: bool = True, tokenizer: WordTokenizer | None = None) -> Vocabulary:  # fmt: skip
    """A vocabulary of at most `size` entries, the three marks included, from one streaming pass.

    size       None keeps every character or word; for subwords it means 8,000
    min_count  tokens seen less often are unknown; for subwords, pairs seen less often are not merged
    lowercase  words only: characters and subwords keep the case
    tokenizer     words only: what cuts the text, if not our own patterns

    Memory is bounded: rare tokens are dropped while counting a text with very many, subwords are learnt from a
    sample of at most 20 million characters; `notes` then says so. Raises SettingError for a size that is too small.
    """
    if size is not None and size <= len(MARKS):
        raise SettingError(f"a vocabulary needs more than {len(MARKS)} entries, not {size}")
    room = None if size is None else size - len(MARKS)
    if tokenization == "subwords":
        vocabulary, merges, notes = count.learn_subwords(texts, (size or 8000) - len(MARKS), min_count)
        tokens = sorted(vocabulary, key=vocabulary.__getitem__)
        return Vocabulary(tokenization, tokens, merges=merges, notes=notes)
    if tokenization not in get_args(Tokenization):
        raise SettingError(f"there is no tokenization {tokenization!r}; there are {', '.join(get_args(Tokenization))}")
    words = tokenization == "words"
    counter = count.count_words(texts, lowercase, tokenizer) if words else count.count_characters(texts)
    return Vocabulary(tokenization, counter.kept(room, min_count), lowercase=lowercase, notes=counter.notes(), tokenizer=tokenizer)


def _character_table(tokens: Sequence[str]) -> Ids:
    """code point -> id (4.5 MB)."""
    table = np.full(0x110000, Vocabulary.unknown, np.int32)
    for at, character in enumerate(tokens, len(MARKS)):
        table[ord(character)] = at
    return table
