"""Zeros that take memory only where they are written."""

from __future__ import annotations

import mmap
import sys
from typing import Any

import torch
from torch import Tensor

_LARGE = 1 << 20  # bytes; for less memory, a system call costs more than filling it with zeros


def lazy_zeros(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Zeros of `shape` in the dtype of `like`, on the CPU. The system provides a memory page when it is first written.

    Reading a page that was never written takes no memory either.
    """
    count = torch.Size(shape).numel()
    if count * like.element_size() < _LARGE:
        return like.new_zeros(shape)
    private: dict[str, Any] = {} if sys.platform == "win32" else {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS}
    pages = mmap.mmap(-1, count * like.element_size(), **private)
    # `data`, because autograd forbids changing a view in place that was made inside a function
    return torch.frombuffer(pages, dtype=like.dtype, count=count).view(shape).data
