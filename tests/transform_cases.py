"""Layers over all cells, and the comparison that the tests of autograd, transforms and tracing share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from cells_registry import CELLS, worst
from torch import Tensor

from recurra import cells, nn, ops

EPS = torch.finfo(torch.float64).eps
DROP_INS = ("RNN", "GRU", "LSTM")
KERNELS = [cell for cell in CELLS if type(cell) in ops.BACKENDS[0].cells]  # those of the native backend

every_drop_in = pytest.mark.parametrize("kind", DROP_INS)
every_kernel = pytest.mark.parametrize("cell", KERNELS, ids=str)
every_length = pytest.mark.parametrize("T", [1, 9])  # the kernel of small batches, and that of sequences


def recurrent(cell: cells.Cell, backend: str = "auto", I: int = 3, H: int = 4, **options: Any) -> nn.Recurrent:
    """A layer in float64 with seeded weights."""
    torch.manual_seed(0)
    return nn.Recurrent(cell, I, H, dtype=torch.float64, backend=backend, **options)


def drop_in(kind: str, I: int = 3, H: int = 4, backend: str = "auto", **options: Any) -> tuple[Any, Any]:
    """Our layer and that of torch.nn with the same weights, in float64."""
    torch.manual_seed(0)
    ours = getattr(nn, kind)(I, H, dtype=torch.float64, backend=backend, **options)
    theirs = getattr(torch.nn, kind)(I, H, dtype=torch.float64, **options)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def randn(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def components(state: Any) -> list[Tensor]:
    """The components of the final state of any layer."""
    if isinstance(state, nn.State):
        return list(state.tensors().values())
    return list(state) if isinstance(state, tuple) else [state]


def assert_close(found: Sequence[Tensor], exact: Sequence[Tensor], terms: int = 100) -> None:
    """Sums of some `terms` numbers, added in another order, differ by that many roundings of the largest at most."""
    assert len(found) == len(exact)
    for a, b in zip(found, exact, strict=True):
        scale = max(1.0, b.abs().max().item() if b.numel() else 0.0)
        assert worst(a.detach(), b.detach()) <= terms * EPS * scale
