"""A row to tag, as it is given: text, which is cut, or a list of tokens, with the columns that are read beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...data.sources.conll import as_tokens
from ...data.words.pretokenize import cut
from ...errors import CallError
from ...fields.token_features import Feature
from ...fields.words import Words


class TokenRow(NamedTuple):
    """A row to tag: its tokens; of raw text where each begins and ends, and the text; and the columns beside them."""

    tokens: list[str]
    offsets: list[tuple[int, int]] | None
    text: str | None
    beside: list[Any]


def row_of(value: Any, beside: Sequence[Any], words: Words, features: Sequence[Feature], number: int) -> TokenRow:
    """The row that example `number` gives: `value` for the words, and for each of `features` what it has, or None.

    Raises CallError where that cannot be used.
    """
    where = f"example {number}: "
    reads = f"this run also reads {', '.join(str(field.asked) for field in features)} beside each word"
    if isinstance(value, str):
        if features:
            raise CallError(f"{where}{words.name} are raw text, but {reads}: give lists")
        assert words.level is not None  # fit() or the settings have filled it
        tokens, offsets = cut(value, words.level)
        return TokenRow(tokens, offsets, value, [])
    if not isinstance(value, list):
        raise CallError(f"{where}{words.name} is {value!r:.40}; wanted text or a list of tokens")
    if value and (said := words.check(value)):
        raise CallError(f"{where}{words.name} {said}")
    for field, given in zip(features, beside, strict=True):
        if given is None:
            raise CallError(f"{where}{reads}; give an object with them")
        entries = len(as_tokens(given) or ())
        if entries != len(value):
            raise CallError(f"{where}{field.asked} has {entries} entries for {len(value)} words")
    return TokenRow([str(token) for token in value], None, None, list(beside))
