"""The cells with 8-bit weights (`recurra.cells.int8`) over a padded batch. The kernel (native/int8.h) computes no gradients."""

from __future__ import annotations

from contextlib import suppress

import torch
from torch import Tensor

from ..call import Call
from . import loader
from .kernels import kernel_of
from .packed_index import PackedIndex

with suppress(ImportError):  # `loader.load` reports the reason
    from ._native import run_sequence

NAMES = (
    "scale_ih",
    "scale_hh",
    "weight_ih",
    "weight_hh",
    "bias_ih",
    "bias_hh",
)  # of a direction, in the order of the cell


def arguments(call: Call) -> dict[str, list[Tensor]]:
    """The weights of a call by name, one tensor for each direction; no biases if the call has none."""
    n = len(call.weights) // call.directions
    weights = [weight.contiguous() for weight in call.weights]
    return {name: weights[k::n] if k < n else [] for k, name in enumerate(NAMES)}


def run(call: Call) -> list[Tensor]:
    """See `Backend.run`."""
    (B, T, I), H, D, components = call.x.shape, call.hidden_size, call.directions, len(call.cell.states)
    x = call.x if call.x.stride(2) == 1 else call.x.contiguous()
    index = PackedIndex.of(call.lengths, B, T)
    if call.state:  # ordered by direction, then component; the kernels need the components first
        initial = torch.stack([call.state[d * components + p] for p in range(components) for d in range(D)])
    else:
        initial = x.new_zeros(components * D, B, H)
    y, final = index.padded(D * H, x), torch.empty_like(initial)
    run_sequence(
        target=loader.target(),
        backward=False,
        threads=torch.get_num_threads(),
        gomp_parallel=loader.gomp_parallel(),
        cell=kernel_of(call.cell).name,
        is_double=False,
        save_for_backward=False,
        T=T,
        B=B,
        I=I,
        H=H,
        D=D,
        step_offsets=index.step_offsets,
        batch_sizes=index.batch_sizes,
        lengths=index.lengths,
        batch_indices=index.batch_indices,
        x=x,
        y=y,
        saved=None,
        initial_state=initial,
        final_state=final,
        **arguments(call),
        recurrent_dropout_mask=[],
        zoneout_mask=[],
        grad_x=None,
        grad_y=None,
        grad_initial_state=None,
        grad_final_state=None,
        grad_weight_ih=[],
        grad_weight_hh=[],
        grad_bias_ih=[],
        grad_bias_hh=[],
    )
    state = [component.clone() for component in final]  # no views
    return [
        y.transpose_(0, 1) if call.time_first else y,
        *(state[p * D + d] for d in range(D) for p in range(components)),
    ]
