"""Parts of a data set by a stable hash of each row, and exact duplicates by the same hash.

A hash sends equal rows to the same part, on every machine and in every order, and needs no list of who is where.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recurra.errors import SettingError


def digest(key: bytes | str, salt: str = "") -> int:
    """64 bits of BLAKE2b (RFC 7693) of `key`; another `salt` gives independent bits."""
    data = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
    key_bytes = hashlib.sha256(salt.encode()).digest() if salt else b""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8, key=key_bytes).digest(), "little")


def part_of(key: bytes | str, shares: Mapping[str, float], salt: str = "") -> str:
    """The part that the row `key` belongs to; `shares` of the parts add up to 1. SettingError if they do not."""
    if not shares or min(shares.values()) < 0 or not math.isclose(sum(shares.values()), 1, abs_tol=1e-9):
        raise SettingError(f"the shares of the parts must be at least 0 and add up to 1, not {dict(shares)}")
    at = digest(key, salt) / 2**64
    reached = 0.0
    for name, share in shares.items():
        reached += share
        if at < reached:
            return name
    return name  # the sum may be a rounding error short of 1


class Duplicates:
    """Exact repeats of rows, by 8 bytes a row. Two different rows meet with a chance of rows^2 / 2^65."""

    def __init__(self) -> None:
        self._hashes = array("Q")

    def add(self, key: bytes | str) -> None:
        self._hashes.append(digest(key))

    def __len__(self) -> int:
        """Rows added."""
        return len(self._hashes)

    @property
    def count(self) -> int:
        """Rows that repeat an earlier one."""
        return len(self._hashes) - len(np.unique(self.hashes()))

    def repeats(self) -> NDArray[np.bool_]:
        """Which rows repeat an earlier one, (rows,)."""
        mask = np.ones(len(self._hashes), np.bool_)
        mask[np.unique(self.hashes(), return_index=True)[1]] = False
        return mask

    def hashes(self) -> NDArray[np.uint64]:
        return np.array(self._hashes, np.uint64)
