"""The unit of a token of a language model, and how words are split: as the user says, or by the beginning of the text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ...data.words.documents import SAMPLE_CHARACTERS
from ...data.words.pretokenized import detect_pretokenized
from ...data.words.token_stream import split_at_boundaries
from ...data.words.tokenizers import TokenizerName, WordTokenizer
from ...data.words.vocabulary import Tokenization, Vocabulary, build
from ...errors import SettingError
from .settings import LanguageData


class TokenizationChoice(NamedTuple):
    """The result of `choose_tokenization`.

    tokenization   unit of a token
    tokenizer      how words are split; None for other units
    messages       the reason, for the user
    """

    tokenization: Tokenization
    tokenizer: TokenizerName | None
    messages: list[str]


def choose_tokenization(given: LanguageData, beginning: str) -> TokenizationChoice:
    """Choose what the settings of the user leave open.

    Text whose tokens are separated by blanks (see `data/words/pretokenized.py`) is split into words at blanks. Other text is
    split into characters, and its words by the patterns of recurra. Raises SettingError where a tokenizer is set and tokens are
    no words.
    """
    tokenization: Tokenization | None = given.tokenization
    if given.tokenizer is not None:
        if tokenization not in (None, "words"):
            raise SettingError(
                f"tokenizer = {given.tokenizer!r} splits text into words, but tokenization is {tokenization}; remove one of "
                "the two"
            )
        return TokenizationChoice("words", given.tokenizer, [])
    if tokenization not in (None, "words"):
        return TokenizationChoice(tokenization, None, [])
    pretokenized = detect_pretokenized(beginning)
    if not pretokenized.found:
        return TokenizationChoice(tokenization or "characters", "recurra" if tokenization else None, [])
    other = "--tokenizer recurra" if tokenization else "--tokenization characters"
    line = (
        f"tokenized text ({pretokenized.reason}): words are split at blanks and keep their case; {other} changes this"
    )
    return TokenizationChoice("words", "blanks", [line])


def tokenization_of(vocabulary: Vocabulary) -> TokenizationChoice:
    """Return the choice with which a vocabulary was built."""
    tokenizer: TokenizerName | None = "recurra" if vocabulary.tokenization == "words" else None
    if vocabulary.tokenizer is not None:
        tokenizer = vocabulary.tokenizer.name
    return TokenizationChoice(vocabulary.tokenization, tokenizer, [])


def build_vocabulary(chunks: Iterable[str], choice: TokenizationChoice, settings: LanguageData) -> Vocabulary:
    """Build the vocabulary of a text that is read in chunks, none of which may cut a word."""
    tokenizer = WordTokenizer(choice.tokenizer) if choice.tokenizer else None
    texts = chunks if tokenizer is None else split_at_boundaries(chunks, tokenizer.last_boundary)
    return build(
        texts,
        choice.tokenization,
        size=settings.vocabulary_size,
        min_count=settings.min_count,
        tokenizer=tokenizer if choice.tokenizer == "blanks" else None,
    )


def sample_of(chunks: Iterable[str]) -> str:
    """Return the beginning of a text, up to `SAMPLE_CHARACTERS`."""
    beginning = ""
    for chunk in chunks:
        beginning += chunk[: SAMPLE_CHARACTERS - len(beginning)]
        if len(beginning) == SAMPLE_CHARACTERS:
            break
    return beginning
