"""Other ways to cut text into words, and words to leave out: NLTK's and jieba's cutting, stop words, parts of speech.

    recurra   our own patterns (recurra.data.words.pretokenize), where stop words are left out
    nltk      sentences by Punkt, words by NLTK's Treebank rules, parts of speech by its perceptron (English)
    jieba     Chinese words, by dictionary and hidden Markov model, and their parts of speech

A tokenizer is data: a run keeps it in its vocabulary, stop words and all. The libraries are imported when text is cut.
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

from recurra.data.words.pretokenize import clean, word_pretokenizer
from recurra.errors import SettingError, near

Name = Literal["recurra", "nltk", "jieba"]
Pairs = list[tuple[str, str]]  # words with their tags

# How the tags of each library begin: the Penn Treebank's, and those of ICTCLAS.
PARTS = {
    "nltk": {"noun": "NN", "verb": "VB", "adjective": "JJ", "adverb": "RB", "pronoun": "PRP", "number": "CD"},
    "jieba": {"noun": "n", "verb": "v", "adjective": "a", "adverb": "d", "pronoun": "r", "number": "m"},
}
_MARKUP = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
_OWN = word_pretokenizer()


@dataclass(frozen=True)
class WordTokenizer:
    """A way to cut; called with a text it gives its words, in their own case. Made by `choose_tokenizer`.

    language    of NLTK's sentences; stop_words  left out, in lower case; keep_pos  parts of speech kept, () for all
    """

    name: Name = "recurra"
    language: str = "english"
    stop_words: tuple[str, ...] = ()
    keep_pos: tuple[str, ...] = ()

    def __call__(self, text: str) -> list[str]:
        text = unicodedata.normalize("NFC", clean(text))
        if self.keep_pos:
            begins = tuple(PARTS[self.name][part] for part in self.keep_pos)
            tagged = _nltk_tags(text, self.language) if self.name == "nltk" else _jieba_tags(text)
            words = [word for word, tag in tagged if tag.startswith(begins)]
        elif self.name == "nltk":
            words = _nltk_words(text, self.language)
        elif self.name == "jieba":
            words = _jieba_words(text)
        else:
            words = [word for word, _ in _OWN.pre_tokenize_str(text)]
        stop = _set_of(self.stop_words)
        return [word for word in words if word.lower() not in stop] if stop else words

    @property
    def whole(self) -> str | None:
        """Why a text must be whole before it is cut, in words; None where it may come in pieces."""
        if self.name == "recurra":
            return None
        return f"{self.name} cuts a text that is whole, for what follows decides; --set tokenizer=recurra streams"

    def record(self) -> dict[str, Any]:
        """As JSON, for `WordTokenizer.of`."""
        return asdict(self)

    @classmethod
    def of(cls, record: dict[str, Any]) -> WordTokenizer:
        """What `record` gave. ValueError where it is something else."""
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in record.items()
        }
        made = cls(**values)
        parts = PARTS.get(made.name, {})
        words = isinstance(made.stop_words, tuple) and all(isinstance(word, str) for word in made.stop_words)
        if made.name not in get_args(Name) or not words or not set(made.keep_pos) <= set(parts):
            raise ValueError(f"cutter {record!r:.80}")
        return made

    def __str__(self) -> str:
        by = {"recurra": "", "nltk": f" cut by NLTK ({self.language})", "jieba": " cut by jieba"}[self.name]
        kept = f", only {', '.join(part + 's' for part in self.keep_pos)}" if self.keep_pos else ""
        return by + kept + (f", without {len(self.stop_words):,} stop words" if self.stop_words else "")


def choose_tokenizer(name: Name, language: str, stop_words: str | None, keep_pos: str | None) -> WordTokenizer | None:
    """The tokenizer of the settings; None for our own with nothing left out.

    stop_words  the language whose list of NLTK's is left out;  keep_pos  parts of speech, with commas between

    Raises SettingError for what there is not, and for a library or tables that are missing, with the way to get them.
    """
    parts = tuple(part.strip() for part in (keep_pos or "").split(",") if part.strip())
    if parts and name == "recurra":
        raise SettingError("keep_pos wants words whose part of speech is known: --tokenizer nltk, or jieba for Chinese")
    for part in parts:
        if part not in PARTS[name]:
            raise SettingError(f"keep_pos has {part!r}; {near(part, PARTS[name])}")
    if language != "english" and name != "nltk":
        raise SettingError(f"cutter_language is for --tokenizer nltk, and tokenizer is {name}; leave it out")
    if parts and name == "nltk" and language != "english":
        raise SettingError(f"NLTK knows parts of speech of English, not of {language}; leave keep_pos out")
    stop = _stop_words(stop_words) if stop_words else ()
    if name == "recurra" and not stop:
        return None
    made = WordTokenizer(name, language, stop, parts)
    made("One word.")  # what is missing is told before anything is read
    return made


@lru_cache(maxsize=4)
def _set_of(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(words)


def _imported(name: str) -> Any:
    """A library of the extra `text`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old spellings in its source
        try:
            return importlib.import_module(name)
        except ImportError:
            raise SettingError(f"this needs {name.partition('.')[0]}; get it: pip install 'recurra[text]'") from None


# NLTK ------------------------------------------------------------------------------------------------------------------
@contextmanager
def _tables(*names: str) -> Iterator[None]:
    """Tell of tables that are not there."""
    try:
        yield
    except LookupError:
        raise SettingError(
            f"NLTK's tables are not here ({', '.join(names)}); get them: python -m nltk.downloader {' '.join(names)}, "
            "and if they lie elsewhere than in your home, set NLTK_DATA to that folder"
        ) from None


def _nltk() -> Any:
    return _imported("nltk")


def _nltk_words(text: str, language: str) -> list[str]:
    """Marks of HTML, such as <br />, are not words."""
    nltk = _nltk()
    with _tables("punkt_tab"):
        words: list[str] = nltk.word_tokenize(_MARKUP.sub(" ", text), language=language)
    return words


def _nltk_tags(text: str, language: str) -> Pairs:
    words = _nltk_words(text, language)
    with _tables("averaged_perceptron_tagger_eng"):
        tagged: Pairs = _nltk().pos_tag(words)
    return tagged


def _stop_words(language: str) -> tuple[str, ...]:
    nltk = _nltk()
    with _tables("stopwords"):
        known = nltk.corpus.stopwords.fileids()
    if language not in known:
        raise SettingError(f"NLTK has no stop words of {language!r}; {near(language, known)}")
    return tuple(sorted({word.strip().lower() for word in nltk.corpus.stopwords.words(language) if word.strip()}))


# jieba -----------------------------------------------------------------------------------------------------------------
@lru_cache(maxsize=1)
def _jieba() -> Any:
    """jieba's tokenizer. It says nothing, and its cache, which it would read from a folder that anybody can write to, is
    made in one of our own that is gone afterwards."""
    jieba = _imported("jieba")
    jieba.setLogLevel(60)  # above every level
    tokenizer = jieba.Tokenizer()
    with tempfile.TemporaryDirectory(prefix="recurra-") as folder:
        tokenizer.tmp_dir = folder
        tokenizer.initialize()
    return tokenizer


@lru_cache(maxsize=1)
def _jieba_tagger() -> Any:
    tokenizer = _jieba()
    return _imported("jieba.posseg").POSTokenizer(tokenizer)


def _jieba_words(text: str) -> list[str]:
    return [word for word in _jieba().lcut(text) if not word.isspace()]


def _jieba_tags(text: str) -> Pairs:
    return [(pair.word, pair.flag) for pair in _jieba_tagger().lcut(text) if not pair.word.isspace()]
