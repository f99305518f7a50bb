"""Freed memory is kept for the next step instead of being handed back to the system.

A training step asks for the same large tensors again and again. The C library gives large blocks back as soon as they
are freed, so each step would get fresh pages, and the system would have to map and clear every one of them: on a 50 MB
tensor that costs some twenty times as long as filling it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

# mallopt's parameters, from glibc's malloc.h
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_LARGEST = 2**31 - 1


@cache
def keep_freed_memory() -> str:
    """Tell the C library once, for this process; what it does now, in words. Somebody's own MALLOC_... settings stay."""
    if own := sorted(name for name in os.environ if name.startswith("MALLOC_")):
        return f"as {', '.join(own)} says"
    if not sys.platform.startswith("linux"):
        return "the system's own way"
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return "the system's own way"
    settings = {_MMAP_MAX: 0, _TRIM_THRESHOLD: _LARGEST, _TOP_PAD: 64 << 20, _ARENA_MAX: 1}
    return "kept" if all(mallopt(name, value) for name, value in settings.items()) else "partly kept"
