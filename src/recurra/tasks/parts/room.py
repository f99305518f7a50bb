"""How large a network the time allows: a small one that saw its pairs often beats a large one that hardly saw them.

The dates of all locales, 5 minutes on two cores: 4 passes with 256 features, 12 with 128.
"""

from __future__ import annotations

from collections.abc import Callable

SIZES = (64, 96, 128, 192, 256, 384, 512)
SUMS = 3.6e12  # products with their sums, counted as two, that two cores of our day do in a minute of training
SHARE = 0.85  # of the time is training; the rest goes into evaluations and reading


def passes_wanted(rows: int) -> float:
    """Passes after which more room helps more than more passes do: 10 of 50,000 rows, fewer of more, by the root."""
    return float(10 * (50_000 / max(rows, 1)) ** 0.5)


def size_for(work: Callable[[int], float], rows: int, minutes: float | None, most: int) -> tuple[int, float]:
    """The largest of SIZES, up to `most`, that the time takes over `rows` as often as is wanted, and the passes it gives.

    work     numbers multiplied in a pass forwards by a network of a size; backwards it is twice that
    minutes  None: there is time for the largest
    """
    if minutes is None:
        return most, float("inf")
    given = {size: SHARE * minutes * SUMS / (6 * max(work(size), 1.0)) for size in SIZES if size <= most}
    size = max((size for size, passes in given.items() if passes >= passes_wanted(rows)), default=min(given))
    return size, given[size]
