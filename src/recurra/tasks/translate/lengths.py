"""Lengths of the training pairs, from which the limits for later sources and answers follow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from ...data.store.store import Store


@final
@dataclass(frozen=True)
class PairLengths:
    """Numbers of tokens of the pairs.

    ratio              length of the target divided by the length of the source, end tokens included: the 0.999 quantile of the
                       training pairs
    max_target_length  length of the longest target of the training split
    max_source_length  length of the longest source of all splits
    """

    ratio: float = 1.0
    max_target_length: int = 1
    max_source_length: int = 1

    @classmethod
    def of(cls, stores: Mapping[str, Store]) -> PairLengths:
        """The lengths of the encoded splits."""
        sources, targets = stores["train"].lengths("source"), stores["train"].lengths("target")
        return cls(
            ratio=float(np.quantile((targets + 1) / (sources + 1), 0.999)),
            max_target_length=int(targets.max()),
            max_source_length=max(int(store.lengths("source").max()) for store in stores.values()),
        )

    def max_answer_length(self, source_length: int) -> int:
        """The largest number of tokens of an answer, somewhat above the length that nearly all training pairs have."""
        return min(math.ceil(1.3 * self.ratio * (source_length + 1)) + 5, 2 * self.max_target_length + 10)
