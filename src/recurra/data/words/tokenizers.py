"""Word tokenizers of NLTK and jieba, and filters for stop words and parts of speech.

    recurra   the built-in patterns (recurra.data.words.pretokenize)
    blanks    the words between blanks as they are, for text that is already tokenized; `<unk>` is the unknown word
    nltk      sentences by Punkt, words by NLTK's Treebank rules, parts of speech by its perceptron tagger (English)
    jieba     Chinese words and parts of speech, by a dictionary and a hidden Markov model

A word tokenizer is data: a run saves it, including its stop words, with the vocabulary. The libraries are imported when text is
tokenized.
"""

from __future__ import annotations

import importlib
import re
import tempfile
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

from recurra.data.words.pretokenize import clean, join, last_token_boundary, last_word_boundary, word_pretokenizer
from recurra.data.words.pretokenized import UNKNOWN_WORDS
from recurra.errors import SettingError, near

TokenizerName = Literal["recurra", "blanks", "nltk", "jieba"]
TaggedWords = list[tuple[str, str]]

# Prefixes of the tags of each library: those of the Penn Treebank and of ICTCLAS.
PARTS_OF_SPEECH = {
    "nltk": {"noun": "NN", "verb": "VB", "adjective": "JJ", "adverb": "RB", "pronoun": "PRP", "number": "CD"},
    "jieba": {"noun": "n", "verb": "v", "adjective": "a", "adverb": "d", "pronoun": "r", "number": "m"},
}
_MARKUP = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
_WORD_PRETOKENIZER = word_pretokenizer()


@dataclass(frozen=True)
class WordTokenizer:
    """A function from a text to its words, in their original case. Use `choose_tokenizer` to create one.

    Args:
        name: The library.
        language: The language of NLTK's sentence tokenizer.
        stop_words: Words to remove, in lower case.
        keep_pos: The parts of speech to keep; () keeps all.
    """

    name: TokenizerName = "recurra"
    language: str = "english"
    stop_words: tuple[str, ...] = ()
    keep_pos: tuple[str, ...] = ()

    def __call__(self, text: str) -> list[str]:
        if self.name == "blanks":
            return self._without_stop_words(clean(text).split())
        text = unicodedata.normalize("NFC", clean(text))
        if self.keep_pos:
            prefixes = tuple(PARTS_OF_SPEECH[self.name][part] for part in self.keep_pos)
            tagged = _nltk_tags(text, self.language) if self.name == "nltk" else _jieba_tags(text)
            words = [word for word, tag in tagged if tag.startswith(prefixes)]
        elif self.name == "nltk":
            words = _nltk_words(text, self.language)
        elif self.name == "jieba":
            words = _jieba_words(text)
        else:
            words = [word for word, _ in _WORD_PRETOKENIZER.pre_tokenize_str(text)]
        return self._without_stop_words(words)

    def _without_stop_words(self, words: list[str]) -> list[str]:
        stop_words = _as_set(self.stop_words)
        return [word for word in words if word.lower() not in stop_words] if stop_words else words

    @property
    def is_exact(self) -> bool:
        """Whether words are kept as they are written: neither lower case nor Unicode normalization changes them."""
        return self.name == "blanks"

    @property
    def unknown_words(self) -> tuple[str, ...]:
        """Words of a text that stand for unknown words."""
        return UNKNOWN_WORDS if self.name == "blanks" else ()

    def join(self, words: list[str]) -> str:
        """The text of words."""
        return " ".join(words) if self.name == "blanks" else join(words)

    def last_boundary(self, text: str, start: int) -> int:
        """The last position at or after `start` where `text` can be split between words, or 0."""
        return last_token_boundary(text, start, "blanks") if self.is_exact else last_word_boundary(text, start)

    @property
    def why_not_streamable(self) -> str | None:
        """Why text in chunks cannot be tokenized, as a clause; None if it can."""
        if self.name in ("recurra", "blanks"):
            return None
        return f"{self.name} tokenizes complete texts only; --set tokenizer=recurra enables streaming"

    def to_json(self) -> dict[str, Any]:
        """A JSON object, from which `from_json` creates the tokenizer again."""
        return asdict(self)

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> WordTokenizer:
        """The tokenizer of a JSON object. Raises ValueError if the object is not valid."""
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in saved.items()
        }
        tokenizer = cls(**values)
        parts = PARTS_OF_SPEECH.get(tokenizer.name, {})
        valid = isinstance(tokenizer.stop_words, tuple) and all(isinstance(word, str) for word in tokenizer.stop_words)
        if tokenizer.name not in get_args(TokenizerName) or not valid or not set(tokenizer.keep_pos) <= set(parts):
            raise ValueError(f"tokenizer {saved!r:.80}")
        return tokenizer

    def __str__(self) -> str:
        library = {
            "recurra": "",
            "blanks": ", split at blanks",
            "nltk": f", tokenized by NLTK ({self.language})",
            "jieba": ", tokenized by jieba",
        }
        kept = f", {' and '.join(part + 's' for part in self.keep_pos)} only" if self.keep_pos else ""
        stop_words = f", without {len(self.stop_words):,} stop words" if self.stop_words else ""
        return library[self.name] + kept + stop_words


def choose_tokenizer(
    name: TokenizerName, language: str, stop_words: str | None, keep_pos: str | None
) -> WordTokenizer | None:
    """The word tokenizer of the settings; None for the built-in patterns without filters.

    Args:
        name: The library.
        language: The language of NLTK's sentence tokenizer.
        stop_words: The language whose NLTK stop words are removed.
        keep_pos: The parts of speech to keep, separated by commas.

    Raises:
        SettingError: If a value is not supported, or a library or its data is missing; the message contains the command
            that installs it.
    """
    parts = tuple(part.strip() for part in (keep_pos or "").split(",") if part.strip())
    if parts and name not in PARTS_OF_SPEECH:
        raise SettingError(
            "keep_pos requires a tokenizer that tags parts of speech: --tokenizer nltk, or jieba for Chinese"
        )
    for part in parts:
        if part not in PARTS_OF_SPEECH[name]:
            raise SettingError(f"keep_pos has {part!r}; {near(part, PARTS_OF_SPEECH[name])}")
    if language != "english" and name != "nltk":
        raise SettingError(f"tokenizer_language requires --tokenizer nltk, and tokenizer is {name}; remove it")
    if parts and name == "nltk" and language != "english":
        raise SettingError(f"NLTK tags parts of speech in English, not in {language}; remove keep_pos")
    stop = _stop_words(stop_words) if stop_words else ()
    if name == "recurra" and not stop:
        return None
    tokenizer = WordTokenizer(name, language, stop, parts)
    tokenizer("One word.")  # raises an error for missing data before a file is read
    return tokenizer


@lru_cache(maxsize=4)
def _as_set(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(words)


def _import_library(name: str) -> Any:
    """Import a library of the extra `text`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escape sequences in the source of the library
        try:
            return importlib.import_module(name)
        except ImportError:
            library = name.partition(".")[0]
            raise SettingError(f"{library} is not installed; install it with pip install 'recurra[text]'") from None


# NLTK ------------------------------------------------------------------------------------------------------------------
@contextmanager
def _require_data(*names: str) -> Iterator[None]:
    """Report missing data packages of NLTK."""
    try:
        yield
    except LookupError:
        raise SettingError(
            f"NLTK data is missing ({', '.join(names)}); install it with python -m nltk.downloader {' '.join(names)}; "
            "if it is installed outside your home folder, set NLTK_DATA to that folder"
        ) from None


def _nltk() -> Any:
    return _import_library("nltk")


def _nltk_words(text: str, language: str) -> list[str]:
    """The words of a text without markup such as <br />."""
    nltk = _nltk()
    with _require_data("punkt_tab"):
        words: list[str] = nltk.word_tokenize(_MARKUP.sub(" ", text), language=language)
    return words


def _nltk_tags(text: str, language: str) -> TaggedWords:
    words = _nltk_words(text, language)
    with _require_data("averaged_perceptron_tagger_eng"):
        tagged: TaggedWords = _nltk().pos_tag(words)
    return tagged


def _stop_words(language: str) -> tuple[str, ...]:
    nltk = _nltk()
    with _require_data("stopwords"):
        known = nltk.corpus.stopwords.fileids()
    if language not in known:
        raise SettingError(f"NLTK has no stop words for {language!r}; {near(language, known)}")
    return tuple(sorted({word.strip().lower() for word in nltk.corpus.stopwords.words(language) if word.strip()}))


# jieba -----------------------------------------------------------------------------------------------------------------
@lru_cache(maxsize=1)
def _jieba() -> Any:
    """jieba's tokenizer, without log messages.

    jieba would read its cache from the system's folder for temporary files, to which anybody can write. It uses a temporary
    folder of its own instead, which is removed afterwards.
    """
    jieba = _import_library("jieba")
    jieba.setLogLevel(60)  # above every level
    tokenizer = jieba.Tokenizer()
    with tempfile.TemporaryDirectory(prefix="recurra-") as folder:
        tokenizer.tmp_dir = folder
        tokenizer.initialize()
    return tokenizer


@lru_cache(maxsize=1)
def _jieba_tagger() -> Any:
    tokenizer = _jieba()
    return _import_library("jieba.posseg").POSTokenizer(tokenizer)


def _jieba_words(text: str) -> list[str]:
    return [word for word in _jieba().lcut(text) if not word.isspace()]


def _jieba_tags(text: str) -> TaggedWords:
    return [(pair.word, pair.flag) for pair in _jieba_tagger().lcut(text) if not pair.word.isspace()]
