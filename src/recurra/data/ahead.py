"""Computes results in a thread while the program reads what follows."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_WAITING = 2  # results that may wait, so that the memory does not grow


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ahead(function: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R]]:
    """Yield (item, function(item)) in order. `function` runs in one other thread, one item after the other.

    It saves time where `function` releases the lock of the interpreter, as the tokenizers library does, which then also uses
    all cores. Errors appear in the order of the items: an error of `function` before an error of a later item.

    >>> list(ahead(str.upper, ["a", "b"]))
    [('a', 'A'), ('b', 'B')]
    """
    source, waiting = iter(items), deque[tuple[T, Future[R]]]()
    failure: Exception | None = None
    pool = ThreadPoolExecutor(1, "recurra-ahead")
    try:
        while True:
            try:
                item = next(source)
            except StopIteration:
                break
            except Exception as error:
                failure = error
                break
            waiting.append((item, pool.submit(function, item)))
            if len(waiting) > _WAITING:
                item, result = waiting.popleft()
                yield item, result.result()
        for item, result in waiting:
            yield item, result.result()
        if failure is not None:
            raise failure
    finally:
        pool.shutdown(cancel_futures=True)
