"""Facts about encoded rows that a diagnosis needs: unknown tokens, classes, validation examples that are trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...data.store.store import Store
from ...data.words.vocabulary import SPECIAL_TOKENS
from ...fields.base import Field
from ...fields.label import Label
from ...fields.text import Text
from ..dataset import DataQuality

UNKNOWN = SPECIAL_TOKENS.index("<unknown>")


def quality_of(stores: Mapping[str, Store], fields: Sequence[Field]) -> DataQuality:
    """Return the facts about the parts `train` and `valid`; the first field is the input."""
    train, valid = stores["train"], stores["valid"]
    tokens = [
        field for field in fields if isinstance(field, Text) and not field.character_ngrams
    ]  # n-grams read any word
    labels = [field for field in fields if isinstance(field, Label)]
    shared, compared = _shared(train, valid, fields[0])
    return DataQuality(
        unknown={field.name: unknown_fraction(np.asarray(train.flat(field.name))) for field in tokens},
        classes={field.name: _counts(train, field) for field in labels},
        shared=shared,
        compared=compared,
    )


def unknown_fraction(tokens: np.ndarray) -> float:
    """Return the fraction of token IDs (N,) that stand for unknown tokens."""
    return float((tokens == UNKNOWN).mean()) if tokens.size else 0.0


def _counts(store: Store, field: Label) -> dict[str, int]:
    counts = np.bincount(np.asarray(store.column(field.name)), minlength=len(field.classes))
    return {name: int(count) for name, count in zip(field.classes, counts, strict=True)}


def _shared(train: Store, valid: Store, field: Field) -> tuple[int | None, int]:
    """Number of validation inputs that are in the training part, and of those that were compared."""
    if not field.sequence:
        return None, 0
    seen = {key for key in map(_Rows(train, field), range(len(train))) if key is not None}
    keys = [key for key in map(_Rows(valid, field), range(len(valid))) if key is not None]
    return sum(key in seen for key in keys), len(keys)


class _Rows:
    """Encoded inputs as bytes; None for a text with an unknown token."""

    def __init__(self, store: Store, field: Field) -> None:
        self.values = store.flat(field.name)
        self.ends = np.concatenate([[0], np.cumsum(store.lengths(field.name))])
        self.is_text = isinstance(field, Text)

    def __call__(self, row: int) -> bytes | None:
        values = np.asarray(self.values[self.ends[row] : self.ends[row + 1]])
        if self.is_text and (values.reshape(len(values), -1)[:, 0] == UNKNOWN).any():
            return None
        return values.tobytes()
