"""A few steps of few rows where no gradient is wanted: the kernel of native/few.h, which reads the weights as they lie.

Nothing is packed, sorted or kept, so a step costs little more than its arithmetic, and weights that have changed since the
last call, in whatever way, are seen. Every result is memory of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..call import Call
from . import loader

STEPS = 8  # with as many, packing the weights pays
ROWS = 8  # so many rows at a step, and the products of large matrices are faster


def fits(call: Call) -> bool:
    """Whether it is made for this call, one that the native back end can run."""
    B, T, _ = call.x.shape
    return T < STEPS and B <= ROWS and call.lengths is None and not call.masks and not call.wants_gradient


def run(call: Call) -> list[Tensor]:
    """See `Backend.run`."""
    module, target = loader.loaded()
    x, H, D = call.x if call.x.stride(2) == 1 else call.x.contiguous(), call.hidden_size, call.directions
    B, T, I = x.shape
    y, last = x.new_empty(T, B, D * H), [x.new_empty(B, H) for _ in range(D * len(call.cell.states))]
    first, weights = [part.contiguous() for part in call.state], [part.contiguous() for part in call.weights]
    data = [x.data_ptr(), y.data_ptr()]
    for parts in (first, last):
        data += [part.data_ptr() for part in parts]
        data += [0] * (4 - len(parts))
    n = len(weights) // D
    for d in range(2):
        mine = weights[d * n : (d + 1) * n]
        data += [part.data_ptr() for part in mine]
        data += [0] * (4 - len(mine))
    sizes = [T, B, I, H, D, x.stride(0), x.stride(1), torch.get_num_threads()]
    number, double = loader.kernel_of(call.cell).number, x.dtype == torch.float64
    module.few(target, number, double, sizes, data, loader.parallel())
    return [y.transpose(0, 1), *last]
