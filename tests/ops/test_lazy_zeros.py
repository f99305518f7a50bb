"""Zeros that take memory only where they are written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from recurra import nn
from recurra.ops.native.lazy_zeros import lazy_zeros

STATUS = Path("/proc/self/status")


def resident() -> int:
    """Bytes of this process's own memory."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("shape", [(3, 5), (700, 800)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_they_are_zeros_like_any_other(shape: tuple[int, int], dtype: torch.dtype) -> None:
    made = lazy_zeros(shape, torch.empty(1, dtype=dtype))
    assert made.shape == shape and made.dtype == dtype and made.is_contiguous() and not made.any()
    made[1] = 2
    assert made.sum() == 2 * shape[1]
    other = lazy_zeros(shape, made)
    del made
    assert not other.any()


@pytest.mark.skipif(not STATUS.exists(), reason="the system does not say how much memory is in use")
def test_a_batch_of_one_long_row_takes_the_memory_of_its_live_steps() -> None:
    """x aside, which is the caller's: the padded y and the gradient of x alone would be 64 MB each."""
    torch.manual_seed(0)
    layer = nn.Recurrent("gru", 64, 64, backend="native")
    lengths = torch.tensor([4000] + [50] * 63)
    x = lazy_zeros((64, 4000, 64), torch.empty(1)).requires_grad_()
    layer(x[:, :9], lengths=lengths.clamp(max=9))[0].sum().backward()  # what is made once
    x.grad = None
    before = resident()
    y = layer(x, lengths=lengths)[0]
    y.sum().backward()
    live, numbers = int(lengths.sum()), (4 + 1 + 1 + 1) * 64  # kept by the kernel, its y, y, the gradient of x
    assert resident() - before < 1.3 * live * numbers * 4 + 4e6
