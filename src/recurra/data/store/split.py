"""Splitting a dataset by a stable hash of each example, and exact duplicates by the same hash.

Equal examples have equal hashes and are therefore in the same part, on every machine and in any order of the file.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recurra.errors import DataError, SettingError


def digest(key: bytes | str, salt: str = "") -> int:
    """Return 64 bits of BLAKE2b (RFC 7693) of `key`. Different values of `salt` give independent bits."""
    data = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
    key_bytes = hashlib.sha256(salt.encode()).digest() if salt else b""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8, key=key_bytes).digest(), "little")


def part_of(key: bytes | str, fractions: Mapping[str, float], salt: str = "") -> str:
    """Return the name of the part to which the example `key` belongs.

    `fractions` are the sizes of the parts by name. Raises SettingError where one is negative or the sum is not 1.

    >>> part_of("a warm film", {"train": 0.8, "valid": 0.2})
    'train'
    """
    if not fractions or min(fractions.values()) < 0 or not math.isclose(sum(fractions.values()), 1, abs_tol=1e-9):
        raise SettingError(f"the fractions of the parts must be at least 0 and add up to 1, not {dict(fractions)}")
    position = digest(key, salt) / 2**64
    cumulative = 0.0
    for name, fraction in fractions.items():
        cumulative += fraction
        if position < cumulative:
            return name
    return name  # the sum may be less than 1 by a rounding error


def valid_limit(hashes: NDArray[np.uint64], fraction: float, path: Path) -> int:
    """Return the largest hash of the validation part: an exact fraction, with equal inputs in the same part.

    Raises DataError if the rows of `path` are too few.
    """
    if not fraction:
        return -1
    distinct = np.unique(hashes)
    if len(distinct) < 2:
        rows = "has no rows" if not len(hashes) else "has only one distinct row"
        raise DataError(f"{rows}, which is too few for training and validation", file=path)
    valid_rows = min(max(round(len(distinct) * fraction), 1), len(distinct) - 1)
    return int(distinct[valid_rows - 1])


class Duplicates:
    """Counts exact duplicates with 8 bytes per example. The probability of a false duplicate is about N^2 / 2^65."""

    def __init__(self) -> None:
        self._hashes = array("Q")

    def add(self, key: bytes | str) -> None:
        """Add an example."""
        self._hashes.append(digest(key))

    def __len__(self) -> int:
        """Number of examples added."""
        return len(self._hashes)

    @property
    def count(self) -> int:
        """Number of examples that repeat an earlier one."""
        return len(self._hashes) - len(np.unique(self.hashes()))

    def repeats(self) -> NDArray[np.bool_]:
        """Whether each example repeats an earlier one, (N,)."""
        mask = np.ones(len(self._hashes), np.bool_)
        mask[np.unique(self.hashes(), return_index=True)[1]] = False
        return mask

    def hashes(self) -> NDArray[np.uint64]:
        """Hashes of the examples in the order in which they were added, (N,)."""
        return np.array(self._hashes, np.uint64)
