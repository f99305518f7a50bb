"""Keeps freed memory for the next step instead of returning it to the system.

A training step allocates the same large tensors again and again. The C library returns large blocks as soon as they are
freed, so each step would receive new pages, which the system has to map and clear. For a tensor of 50 MB this takes about
twenty times as long as filling it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from functools import cache

# mallopt's parameters, from glibc's malloc.h
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_LARGEST = 2**31 - 1


@cache
def keep_freed_memory() -> str:
    """Configure the C library once for this process, and describe the result. MALLOC_... variables take precedence."""
    if own := sorted(name for name in os.environ if name.startswith("MALLOC_")):
        return f"set by {', '.join(own)}"
    if not sys.platform.startswith("linux"):
        return "default of the system"
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return "default of the system"
    settings = {_MMAP_MAX: 0, _TRIM_THRESHOLD: _LARGEST, _TOP_PAD: 64 << 20, _ARENA_MAX: 1}
    return "kept" if all(mallopt(name, value) for name, value in settings.items()) else "partly kept"


def return_freed_memory() -> None:
    """Return what reading the data has allocated and freed to the system, once; a step needs other sizes."""
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
