"""The number of floating-point operations of a layer, for `torch.utils.flop_counter.FlopCounterMode`.

Inside this mode a layer calls its operator (see `recurra.ops`), whatever backend runs it, and the formulas are registered here
when recurra.nn is imported. As torch does, they count the matrix products, 2 operations for each multiplication: every weight
matrix multiplies one vector per valid time step and sequence. The backward pass has twice as many, for the gradients of the
vectors and of the weights. Layers of cells without an operator consist of operations that torch counts itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from .. import ops


def forward_flops(
    x: Tensor, lengths: Tensor | None, state: Any, weights: Sequence[Tensor], *rest: Any, **named: Any
) -> int:
    """Return the number of operations of a call; the arguments are those of the operator. Padding is not counted.

    While a graph is traced, the values of lengths are not known, and all time steps are counted.
    """
    B, T, _ = x.shape
    steps = B * T if lengths is None or ops.traced(lengths) else int(lengths.sum())
    return 2 * steps * sum(weight.numel() for weight in weights if weight.dim() == 2)


def backward_flops(grads: Any, *args: Any, **named: Any) -> int:
    """Return the number of operations of the backward pass. The forward pass, which it repeats, is not counted."""
    return 2 * forward_flops(*args, **named)


for _cell in dict.fromkeys(cell for backend in ops.BACKENDS for cell in backend.cells):
    register_flop_formula(getattr(torch.ops.recurra, _cell.name), get_raw=True)(forward_flops)
    register_flop_formula(getattr(torch.ops.recurra, f"{_cell.name}_backward"), get_raw=True)(backward_flops)
