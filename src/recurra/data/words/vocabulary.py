"""Vocabularies of characters, words or subwords: text to token ids and back.

Id 0 is padding, 1 an unknown token, 2 the end of a text or paragraph; no text can contain these special tokens. The other ids
follow by descending frequency. Words and subwords are encoded by the `tokenizers` library, characters by a table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from tokenizers import Tokenizer, models

from recurra.data.words import count
from recurra.data.words.characters import Ids, character_table, encode_characters
from recurra.data.words.ngrams import with_ngram_ids
from recurra.data.words.pretokenize import (
    clean,
    join,
    last_subword_boundary,
    last_word_boundary,
    subword_decoder,
    subword_pretokenizer,
    word_normalizer,
    word_pretokenizer,
)
from recurra.data.words.token_stream import BufferedTokenStream, CharacterTokenStream, TokenStream
from recurra.data.words.tokenizers import WordTokenizer
from recurra.data.words.word_numbers import WordNumbers
from recurra.errors import RunError, SettingError

Tokenization = Literal["characters", "words", "subwords"]

SPECIAL_TOKENS = ("<pad>", "<unknown>", "<end>")
# Their names inside the tokenizer: no word and no byte-level token contains a space.
_INTERNAL_NAMES = tuple(f"{token} " for token in SPECIAL_TOKENS)
_FORMAT = 2  # 1 if no word tokenizer is saved
_BATCH = 256  # texts encoded at once, by as many threads as TOKENIZERS_PARALLELISM allows
_UNKNOWN_TEXT = "\ufffd"


class Vocabulary:
    """A mapping between text and token ids, created by `build` or `Vocabulary.load`.

    Attributes:
        tokenization: The kind of tokens: characters, words or subwords.
        tokens: The text of each id; subwords in byte-level characters.
        lowercase: Whether words are converted to lower case.
        tokenizer: The word tokenizer; None for the built-in patterns.
        notes: Lines about the construction, for the user.
    """

    pad, unknown, end = 0, 1, 2  # the ids of the special tokens

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
            raise _unknown_tokenization(tokenization)
        self.tokenization: Tokenization = tokenization
        self.lowercase = lowercase and tokenization == "words"
        self.notes = list(notes)
        self.tokens = [*SPECIAL_TOKENS, *tokens]
        self.tokenizer = tokenizer if tokenization == "words" else None
        self._ids = {word: at for at, word in enumerate(tokens, len(SPECIAL_TOKENS))} if self.tokenizer else {}
        self._merges = list(merges)
        first = len(SPECIAL_TOKENS)
        self._table = character_table(tokens, first, self.unknown) if tokenization == "characters" else None
        self._encoder = None if tokenization == "characters" else self._make_encoder(tokens)

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        return f"Vocabulary({self.tokenization}, {len(self):,} entries)"

    def _make_encoder(self, tokens: Sequence[str]) -> Tokenizer:
        ids = {token: at for at, token in enumerate([*_INTERNAL_NAMES, *tokens])}
        unknown = _INTERNAL_NAMES[self.unknown]
        if self.tokenization == "words":
            encoder = Tokenizer(models.WordLevel(ids, unk_token=unknown))
            encoder.normalizer = word_normalizer(self.lowercase)
            encoder.pre_tokenizer = word_pretokenizer()
        else:
            encoder = Tokenizer(models.BPE(ids, self._merges, unk_token=unknown))
            encoder.pre_tokenizer = subword_pretokenizer()
            encoder.decoder = subword_decoder()
        return encoder

    def encode(self, text: str) -> Ids:
        """The ids of `text`, int32 (T,), without an end token."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Iterable[str]) -> list[Ids]:
        """The ids of each text, int32 (T,); faster than separate calls of `encode`."""
        if self._table is not None:
            return [encode_characters(self._table, text) for text in texts]
        if self.tokenizer is not None:
            return [np.array([self._id(word) for word in self.tokenizer(text)], np.int32) for text in texts]
        assert self._encoder is not None
        ids: list[Ids] = []
        stream = iter(texts)
        while batch := [clean(text) for text in islice(stream, _BATCH)]:
            encodings = self._encoder.encode_batch_fast(batch, add_special_tokens=False)
            ids += [np.array(encoding.ids, np.int32) for encoding in encodings]
        return ids

    def encode_with_ngrams(self, texts: Iterable[str]) -> list[Ids]:
        """The id of each word, followed by the ids of its character n-grams: int32 (T, 1 + MAX_NGRAMS) for each text.

        Raises SettingError if the tokens are not words.
        """
        if self.tokenization != "words":
            raise SettingError(f"only words have character n-grams; this vocabulary consists of {self.tokenization}")
        if self.tokenizer is not None:
            return [with_ngram_ids(map(self._id, words), words) for words in map(self.tokenizer, texts)]
        assert self._encoder is not None
        encoded: list[Ids] = []
        stream = iter(texts)
        while batch := [clean(text) for text in islice(stream, _BATCH)]:
            encodings = self._encoder.encode_batch(batch, add_special_tokens=False)
            for text, encoding in zip(batch, encodings, strict=True):
                encoded.append(with_ngram_ids(encoding.ids, [text[begin:end] for begin, end in encoding.offsets]))
        return encoded

    def _id(self, word: str) -> int:
        return self._ids.get(self.normalize(word), self.unknown)

    def normalize(self, word: str) -> str:
        """The form of a word in this vocabulary: NFC and, if `lowercase`, lower case. Other tokens are unchanged."""
        if self.tokenization != "words" or (self.tokenizer is not None and self.tokenizer.is_exact):
            return word
        return word_normalizer(self.lowercase).normalize_str(clean(word))

    def tokenize(self, text: str) -> list[str]:
        """The part of `text` that corresponds to each of its tokens, including unknown tokens."""
        if self.tokenizer is not None:
            return self.tokenizer(text)
        if self._encoder is None:
            return list(text)
        text = clean(text)
        return [text[begin:end] for begin, end in self._encoder.encode(text, add_special_tokens=False).offsets]

    def decode(self, ids: Iterable[int], unknown: Sequence[str] = ()) -> str:
        """The text of `ids`.

        Padding and end tokens are omitted. Characters and subwords restore the encoded text; words are joined with spaces
        where these are usual.

        Args:
            ids: The token ids.
            unknown: For characters and words, the text of unknown tokens: an entry for each id, "" for none. An unknown
                token without text becomes U+FFFD.
        """
        all_ids = [int(i) for i in ids]
        text_ids = [i for i in all_ids if i not in (self.pad, self.end)]
        unknown_texts = {at: word for at, word in enumerate(unknown) if word}
        words = [
            unknown_texts.get(at, _UNKNOWN_TEXT) if i == self.unknown else self.tokens[i]
            for at, i in enumerate(all_ids)
            if i not in (self.pad, self.end)
        ]
        if self.tokenization == "characters":
            return "".join(words)
        if self.tokenization == "words":
            return join(words) if self.tokenizer is None else self.tokenizer.join(words)
        assert self._encoder is not None
        text = self._encoder.decode(text_ids, skip_special_tokens=False)
        return text.replace(_INTERNAL_NAMES[self.unknown], _UNKNOWN_TEXT)

    def stream(self, *, with_ngrams: bool = False) -> TokenStream:
        """An incremental tokenizer. Its ids equal those of `encode`, or of `encode_with_ngrams`, for any chunks of a text.

        Raises SettingError if the word tokenizer requires complete texts.
        """
        if self.tokenizer is not None and self.tokenizer.why_not_streamable:
            raise SettingError(f"this text cannot be streamed: {self.tokenizer.why_not_streamable}")
        if self.tokenization == "characters" and not with_ngrams:
            return CharacterTokenStream(self.encode)
        boundary = last_word_boundary if self.tokenizer is None else self.tokenizer.last_boundary
        if with_ngrams:
            return BufferedTokenStream(lambda text: self.encode_with_ngrams([text])[0], boundary)
        return BufferedTokenStream(self.encode, boundary if self.tokenization == "words" else last_subword_boundary)

    def save(self, folder: Path, name: str) -> None:
        """Write `folder/name.json`."""
        saved: dict[str, Any] = {
            "format": _FORMAT if self.tokenizer else 1,
            "tokenization": self.tokenization,
            "lowercase": self.lowercase,
            "notes": self.notes,
            "tokens": self.tokens[len(SPECIAL_TOKENS) :],
            "merges": self._merges,
        }
        if self.tokenizer is not None:
            saved["tokenizer"] = self.tokenizer.to_json()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(saved, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, name: str) -> Vocabulary:
        """Read a file that `save` wrote. Raises RunError if it is missing, damaged or of a newer format."""
        path = folder / f"{name}.json"
        try:
            saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if saved["format"] > _FORMAT:
                raise RunError(
                    f"{path}: format {saved['format']} is newer than this version of recurra reads ({_FORMAT})"
                )
            tokens = saved["tokens"]
            if not all(isinstance(token, str) for token in tokens) or len(set(tokens)) != len(tokens):
                raise ValueError("tokens")
            merges = [(left, right) for left, right in saved["merges"]]
            tokenizer = WordTokenizer.from_json(saved["tokenizer"]) if saved.get("tokenizer") else None
            return cls(
                saved["tokenization"],
                tokens,
                merges=merges,
                lowercase=saved["lowercase"],
                notes=saved["notes"],
                tokenizer=tokenizer,
            )
        except FileNotFoundError:
            raise RunError(f"{path} does not exist; the run folder is incomplete") from None
        except RunError:
            raise
        except Exception as error:  # the tokenizers library raises a bare Exception
            raise RunError(f"{path}: the vocabulary is damaged ({type(error).__name__}: {error})") from None


def build(
    texts: Iterable[str],
    tokenization: Tokenization,
    *,
    size: int | None = None,
    min_count: int = 1,
    lowercase: bool = True,
    tokenizer: WordTokenizer | None = None,
    numbers: WordNumbers | None = None,
) -> Vocabulary:
    """Build a vocabulary in one streaming pass.

    Memory is bounded: rare tokens of a large text are dropped while tokens are counted, and subwords are learnt from a sample
    of at most 20 million characters. `notes` reports both.

    Args:
        texts: The texts.
        tokenization: characters, words or subwords.
        size: The maximum number of entries, including the special tokens. None: all characters or words; 8,000 subwords.
        min_count: Rarer tokens are unknown; for subwords, rarer pairs are not merged.
        lowercase: Convert words to lower case. Characters and subwords preserve case.
        tokenizer: For words, replaces the built-in patterns.
        numbers: For words of the built-in patterns, keeps the words of the texts, so that their ids can be read afterwards.

    Raises:
        SettingError: If `size` is too small.
    """
    if size is not None and size <= len(SPECIAL_TOKENS):
        raise SettingError(f"a vocabulary needs more than {len(SPECIAL_TOKENS)} entries, not {size}")
    max_tokens = None if size is None else size - len(SPECIAL_TOKENS)
    if tokenization == "subwords":
        ids, merges, notes = count.learn_subwords(texts, (size or 8000) - len(SPECIAL_TOKENS), min_count)
        tokens = sorted(ids, key=ids.__getitem__)
        return Vocabulary(tokenization, tokens, merges=merges, notes=notes)
    if tokenization not in get_args(Tokenization):
        raise _unknown_tokenization(tokenization)
    lowercase = lowercase and not (tokenizer is not None and tokenizer.is_exact)
    if tokenization == "characters":
        counter = count.count_characters(texts)
        tokens = counter.most_frequent(max_tokens, min_count)
    else:
        keep = {} if numbers is None else {"keep": numbers.add}
        counter, hashes = count.count_words(texts, lowercase, tokenizer, **keep)
        tokens = counter.most_frequent(max_tokens, min_count)
        if numbers is not None:
            numbers.complete(hashes, tokens, len(SPECIAL_TOKENS), Vocabulary.unknown)
    return Vocabulary(tokenization, tokens, lowercase=lowercase, notes=counter.notes(), tokenizer=tokenizer)


def _unknown_tokenization(tokenization: str) -> SettingError:
    return SettingError(f"unknown tokenization {tokenization!r}; expected one of {', '.join(get_args(Tokenization))}")
