"""Zeros of which most will never be written: they take memory only where they are."""

from __future__ import annotations

import mmap
import sys
from typing import Any

import torch
from torch import Tensor

_LARGE = 1 << 20  # bytes; asking the system for less costs more than filling it with zeros


def sparse_zeros(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Zeros of `shape` in the dtype of `like`, on the CPU, from pages that the system gives when they are first written.

    Reading a page that was never written takes no memory either.
    """
    count = torch.Size(shape).numel()
    if count * like.element_size() < _LARGE:
        return like.new_zeros(shape)
    private: dict[str, Any] = {} if sys.platform == "win32" else {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS}
    pages = mmap.mmap(-1, count * like.element_size(), **private)
    return torch.frombuffer(pages, dtype=like.dtype, count=count).view(shape)
