"""A few time steps of a small batch without gradients. The kernel (native/small_batch.h) reads the weights unpacked.

Nothing is packed, sorted or kept between calls. So a call costs little more than its arithmetic, and it always uses the current
weights, however they were changed. Every result has its own memory.
"""

from __future__ import annotations

from contextlib import suppress

import torch
from torch import Tensor

from ..call import Call
from . import loader
from .kernels import kernel_of

with suppress(ImportError):  # `loader.load` reports the reason
    from ._native import run_small

STEPS = 8  # from this many time steps on, packing the weights pays off
ROWS = 8  # for larger batches, the matrix products of the other kernel are faster


def fits(call: Call) -> bool:
    """Whether this kernel is made for a call that the native backend supports."""
    B, T, _ = call.x.shape
    return T < STEPS and B <= ROWS and call.lengths is None and not call.masks and not call.needs_gradient


def run(call: Call) -> list[Tensor]:
    """See `Backend.run`."""
    x, H, D = call.x if call.x.stride(2) == 1 else call.x.contiguous(), call.hidden_size, call.directions
    B, T, I = x.shape
    y, final_state = x.new_empty(T, B, D * H), [x.new_empty(B, H) for _ in range(D * len(call.cell.states))]
    weights = [weight.contiguous() for weight in call.weights]
    n = len(weights) // D  # 2 without biases, else 4
    run_small(
        target=loader.target(),
        threads=torch.get_num_threads(),
        gomp_parallel=loader.gomp_parallel(),
        cell=kernel_of(call.cell).name,
        is_double=x.dtype == torch.float64,
        T=T,
        B=B,
        I=I,
        H=H,
        D=D,
        x=x,
        y=y,
        initial_state=[component.contiguous() for component in call.state],
        final_state=final_state,
        weight_ih=weights[0::n],
        weight_hh=weights[1::n],
        bias_ih=weights[2::n] if call.bias else [],
        bias_hh=weights[3::n] if call.bias else [],
    )
    return [y if call.time_first else y.transpose_(0, 1), *final_state]
