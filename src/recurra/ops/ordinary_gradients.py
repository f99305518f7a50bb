"""The gradients of a call in ordinary operations, where a backward kernel cannot be used.

They can be differentiated again (`create_graph=True`), computed for a batch of output gradients (`is_grads_batched=True`)
and recorded. They take longer than a kernel, because the plain loop runs again, forward and backward.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from . import reference
from .call import Call
from .eligibility import without_autocast


def ordinary_gradients(
    call: Call, grads: Sequence[Tensor | None], needed: Sequence[bool], create_graph: bool
) -> list[Tensor | None]:
    """The gradients of x, the state and the weights of `call`, in this order; None where not `needed`.

    `grads` are those of y and of the final state. Each input is replaced by a view, or with `create_graph=False` by a detached
    alias, and the gradients are those of the aliases. So no path outside this call is counted, although x or the state may
    depend on the weights, and one tensor may be given several times.
    """
    tensors = (call.x, *call.state, *call.weights)
    with torch.enable_grad(), without_autocast(call.x):
        if create_graph:
            inputs = [t.view_as(t) if n else t for t, n in zip(tensors, needed, strict=True)]
        else:
            inputs = [t.detach().requires_grad_(n) for t, n in zip(tensors, needed, strict=True)]
        states = len(call.state)
        outputs = reference.run(call._replace(x=inputs[0], state=inputs[1 : states + 1], weights=inputs[states + 1 :]))
        pairs = [(y, g) for y, g in zip(outputs, grads, strict=True) if g is not None and y.requires_grad]
        wanted = [t for t, n in zip(inputs, needed, strict=True) if n]
        if not pairs or not wanted:
            return [None] * len(tensors)
        found = iter(
            torch.autograd.grad(
                [y for y, _ in pairs], wanted, [g for _, g in pairs], create_graph=create_graph, allow_unused=True
            )
        )
    return [next(found) if n else None for n in needed]
