"""Numbers that probably mark missing values, such as -200 and -9999."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_LIKELY = (-1.0, -9.0, -99.0, -200.0, -500.0, -999.0, -9999.0, -99999.0, -999999.0, -32768.0, -99.9, -999.9, -9999.9, -999.25,
           999.0, 999.9, 9999.0, 9999.9, 99999.0, 99999.9, 999999.0, 32767.0, 1e20, -1e20)  # fmt: skip
MIN_ROWS = 2  # rows with the number
_FAR = 1.0  # distance to the nearest other number, in ranges of the middle 98 % of the others


def find_sentinels(values: NDArray[np.float64]) -> list[float]:
    """Return the elements of values (N,) that probably mark missing data.

    Such a value is a common marker, occurs several times, and is far from all other values.

    >>> find_sentinels(np.array([2.5, 3.0, -200.0, 2.75, -200.0, 3.5]))
    [-200.0]
    """
    observed = values[~np.isnan(values)]
    found: list[float] = []
    for _ in range(2):  # markers at both ends
        rest = observed[~np.isin(observed, found)]
        if len(rest) < 4:
            return found
        extremes = {float(rest.min()), float(rest.max())} & set(_LIKELY)
        for marker in sorted(extremes):
            others = rest[rest != marker]
            if np.count_nonzero(rest == marker) < MIN_ROWS or len(np.unique(others)) < 2:
                continue
            low, high = np.quantile(others, [0.01, 0.99])
            if float(np.abs(others - marker).min()) > _FAR * max(float(high - low), 1e-12) and marker not in found:
                found.append(marker)
    return found


def sentinel_messages(columns: Mapping[str, NDArray[np.float64]], row_numbers: Sequence[int]) -> list[str]:
    """Return warnings about the columns that have numbers that probably mark missing values."""
    found: dict[float, list[str]] = {}
    for column, values in columns.items():
        for marker in find_sentinels(values):
            rows = np.flatnonzero(values == marker)
            found.setdefault(marker, []).append(
                f"{column} ({len(rows):,} rows, the first is {row_numbers[int(rows[0])]})"
            )
    return [
        f"warning: {marker:g} in {', '.join(places[:4])}{', ...' if len(places) > 4 else ''} is far from the other numbers; "
        f"if it marks missing values, use --missing={marker:g}"
        for marker, places in found.items()
    ]
