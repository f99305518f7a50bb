"""An example to tag: raw text or a list of tokens, with the features of the tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...data.sources.list_cells import as_tokens
from ...data.words.pretokenize import tokenize
from ...errors import CallError
from ...fields.token_features import TokenFeature
from ...fields.words import Words


class TokenSequence(NamedTuple):
    """A sequence to tag.

    tokens    the tokens
    offsets   the first and the end character of each token in the text; None for a list of tokens
    text      the raw text; None for a list of tokens
    features  the values of each feature, with an entry for each token
    """

    tokens: list[str]
    offsets: list[tuple[int, int]] | None
    text: str | None
    features: list[Any]


def parse_example(
    value: Any, feature_values: Sequence[Any], words: Words, features: Sequence[TokenFeature], number: int
) -> TokenSequence:
    """The sequence of an example.

    Args:
        value: Raw text or a list of tokens.
        feature_values: The values of each of `features`; None for a missing one.
        words: The field of the words.
        features: The fields of the token features.
        number: The number of the example in error messages.

    Raises:
        CallError: If the example is not valid.
    """
    where = f"example {number}: "
    required = f"this run requires the token features {', '.join(field.column for field in features)}"
    if isinstance(value, str):
        if features:
            raise CallError(f"{where}{words.name} are raw text, but {required}; pass lists")
        tokens, offsets = tokenize(value, words.text_tokenization)
        return TokenSequence(tokens, offsets, value, [])
    if not isinstance(value, list):
        raise CallError(f"{where}{words.name} is {value!r:.40}; expected text or a list of tokens")
    if value and (problem := words.check(value)):
        raise CallError(f"{where}{words.name} {problem}")
    for field, entries in zip(features, feature_values, strict=True):
        if entries is None:
            raise CallError(f"{where}{required}; pass an object that contains them")
        count = len(as_tokens(entries) or ())
        if count != len(value):
            raise CallError(f"{where}{field.column} has {count} entries for {len(value)} words")
    return TokenSequence([str(token) for token in value], None, None, list(feature_values))
