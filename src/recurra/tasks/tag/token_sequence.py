"""A row to tag as the caller gives it: raw text, or a list of tokens, with the features of the tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...data.sources.conll import as_tokens
from ...data.words.pretokenize import cut
from ...errors import CallError
from ...fields.token_features import TokenFeature
from ...fields.words import Words


class TokenSequence(NamedTuple):
    """A row to tag.

    tokens    the tokens
    offsets   where each token begins and ends in the text; None where the row is a list of tokens
    text      the raw text; None where the row is a list of tokens
    features  the value of each feature column, a list with an entry for each token
    """

    tokens: list[str]
    offsets: list[tuple[int, int]] | None
    text: str | None
    features: list[Any]


def token_sequence(
    value: Any, feature_values: Sequence[Any], words: Words, features: Sequence[TokenFeature], number: int
) -> TokenSequence:
    """The row of example `number`. `value`: text or tokens; `feature_values`: of each of `features`, None where missing.

    Raises CallError where the example cannot be used.
    """
    where = f"example {number}: "
    reads = f"this run also reads {', '.join(field.column for field in features)} beside each word"
    if isinstance(value, str):
        if features:
            raise CallError(f"{where}{words.name} are raw text, but {reads}: give lists")
        tokens, offsets = cut(value, words.tokenization)
        return TokenSequence(tokens, offsets, value, [])
    if not isinstance(value, list):
        raise CallError(f"{where}{words.name} is {value!r:.40}; wanted text or a list of tokens")
    if value and (problem := words.check(value)):
        raise CallError(f"{where}{words.name} {problem}")
    for field, entries in zip(features, feature_values, strict=True):
        if entries is None:
            raise CallError(f"{where}{reads}; give an object with them")
        count = len(as_tokens(entries) or ())
        if count != len(value):
            raise CallError(f"{where}{field.column} has {count} entries for {len(value)} words")
    return TokenSequence([str(token) for token in value], None, None, list(feature_values))
