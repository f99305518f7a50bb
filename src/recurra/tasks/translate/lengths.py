"""What the lengths of the training pairs tell about sources and answers later on."""

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
    """Tokens of the pairs that were read.

    ratio      of a target's length to its source's that nearly all training pairs stay below, end marks included
    longest    the longest target of the training part
    positions  the longest source of all parts
    """

    ratio: float = 1.0
    longest: int = 1
    positions: int = 1

    @classmethod
    def of(cls, stores: Mapping[str, Store]) -> PairLengths:
        """The lengths of encoded parts."""
        sources, targets = stores["train"].lengths("source"), stores["train"].lengths("target")
        return cls(
            ratio=float(np.quantile((targets + 1) / (sources + 1), 0.999)),
            longest=int(targets.max()),
            positions=max(int(store.lengths("source").max()) for store in stores.values()),
        )

    def max_answer_length(self, source_length: int) -> int:
        """Tokens that the answer may have: what nearly all training pairs needed, and some more."""
        return min(math.ceil(1.3 * self.ratio * (source_length + 1)) + 5, 2 * self.longest + 10)
