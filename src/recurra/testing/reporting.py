"""What the checks share: sizes that differ, comparison of tensors, and errors in a user's code as one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from .. import cells
from ..errors import CallError


def sizes_beside(I: int, H: int) -> tuple[int, int]:
    """Return B and T: small odd numbers that differ from each other and from I and H, and B > H where H is small."""
    B, T = [size for size in (7, 9, 5, 11) if size not in (I, H)][:2]
    return B, T


@contextmanager
def reporting(cell: cells.Cell, what: str, method: str = "") -> Iterator[None]:
    """Turn what the cell's own code raises while it does `what` into a CallError of one line, with file and line."""
    try:
        yield
    except CallError:
        raise
    except Exception as error:
        message = f"{what} failed with {type(error).__name__}: {cells.first_line(error)}"
        if where := cells.raised_at(type(cell), error):
            raise CallError(f"{cell}: {message} ({where})") from error
        raise cells.problem(cell, message, method) from error


def distance(a: Tensor, b: Tensor) -> float:
    """Return the largest absolute difference; infinity where there is a NaN or the shapes differ."""
    if a.shape != b.shape:
        return float("inf")
    return (a - b).abs().nan_to_num(nan=float("inf")).max().item() if a.numel() else 0.0


def magnitude(a: Tensor) -> float:
    """Return the largest absolute value, at least 1."""
    return max(1.0, a.detach().abs().max().item()) if a.numel() else 1.0
