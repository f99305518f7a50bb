"""The backend `reference`: a plain loop over time in ordinary torch. It defines the results.

It supports every call, except that torch.jit.trace would record the loop for one number of time steps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..cells import Cell, check_step, failure
from ..errors import CallError
from .axes import exchange_first_axes
from .call import Backend, Call, record_run
from .eligibility import jit_tracing, mixes_dtensors
from .variable_length import valid_mask, valid_or_old


def run(call: Call) -> list[Tensor]:
    """See `Backend.run`. At padding the old state is kept, by selection and not by multiplication."""
    record_run("reference")
    x, T = call.x.transpose(0, 1), call.x.shape[1]  # (T, B, I)
    valid = None
    if call.lengths is not None:
        valid = valid_mask(call.lengths, T)
        x = torch.where(valid, x, 0)  # padding may hold NaN, which must not reach a gradient
    outputs, final = [], []
    for d in range(call.directions):
        try:
            y, state = _one_direction(call.one_direction(d), x, valid, reverse=d == 1)
        except Exception as error:
            if problem := failure(call.cell, error):
                raise problem from error
            raise
        outputs.append(y)
        final += state
    y = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)
    return [y if call.time_first or valid is not None else exchange_first_axes(y), *final]


def _one_direction(call: Call, x: Tensor, valid: Tensor | None, reverse: bool) -> tuple[Tensor, list[Tensor]]:
    """x (T, B, I) -> y and the final state. In reverse the padding comes first and changes nothing.

    y is (T, B, H); with padding it is (B, T, H) if the call wants that.
    """
    cell, (T, B, I) = call.cell, x.shape
    params = dict(zip(cell.parameters(I, call.hidden_size, call.bias), call.weights, strict=True))
    projected = cell.project(x, params)
    state = cell.state_type(*(call.state or [x.new_zeros(B, size) for size in call.sizes]))
    recurrent_mask, *zoneout_masks = call.masks or [x.new_empty(0)] * (1 + len(state))
    keep_fractions = [
        keep.expand(T, *component.shape) if keep.numel() else None
        for keep, component in zip(zoneout_masks, state, strict=True)
    ]
    step = with_recurrent_dropout(cell, recurrent_mask).step if recurrent_mask.numel() else cell.step
    ys: list[Tensor] = []
    for t in reversed(range(T)) if reverse else range(T):
        new_state: Any = step(projected[t], state, params)
        if not ys:  # reports the mistakes of a user-defined cell
            check_step(cell, state, new_state)
        new_state = cell.state_type(*new_state)
        if call.masks:
            new_state = cell.state_type(
                *(_zoneout(*component, t) for component in zip(new_state, state, keep_fractions, strict=True))
            )
        if valid is not None:
            new_state = cell.state_type(
                *(valid_or_old(valid[t], new, old) for new, old in zip(new_state, state, strict=True))
            )
        state = new_state
        ys.append(state[0] if valid is None else torch.where(valid[t], state[0], 0))
    batch_first = valid is not None and not call.time_first
    if ys:
        y = torch.stack(ys[::-1] if reverse else ys, dim=int(batch_first))
    else:  # the results still depend on the inputs, with a gradient of zero
        nothing = sum(tensor.flatten()[:0].sum() for tensor in (x, *params.values()))
        y = x.new_zeros((B, 0, call.sizes[0]) if batch_first else (0, B, call.sizes[0])) + nothing
        state = [component + nothing for component in state]
    # Copies, because a step may have saved its result for the backward pass, and the caller may change it in place.
    return y, [component.clone(memory_format=torch.contiguous_format) for component in state]


def _zoneout(new: Tensor, old: Tensor, keep: Tensor | None, t: int) -> Tensor:
    """Zoneout of one state component at step t: the fraction `keep[t]` keeps its old value."""
    return new if keep is None else keep[t] * old + (1 - keep[t]) * new


def with_recurrent_dropout(cell: Cell, mask: Tensor) -> Cell:
    """`cell` with recurrent dropout: its gates read h times `mask`, and everything else reads h unchanged.

    This works for every cell whose step begins with `gates_of`. Raises CallError for any other cell.
    """
    base: Any = type(cell)

    class WithRecurrentDropout(base):  # type: ignore[misc]
        name = cell.name

        def gates_of(self, projected: Tensor, state: Any, params: Any) -> Any:
            called.append(True)
            return super().gates_of(projected, state._replace(**{cell.states[0]: state[0] * mask}), params)

        def step(self, *args: Any) -> Any:
            called.clear()
            new_state = super().step(*args)
            if not called:
                raise CallError(
                    f"recurrent_dropout does not support the cell {cell}, whose step does not begin with gates_of; "
                    "let step call gates_of(projected, state, params) first"
                )
            return new_state

    called: list[bool] = []
    dropped: Cell = WithRecurrentDropout(**vars(cell))
    return dropped


def unsupported(call: Call) -> str | None:
    """See `Backend.unsupported`."""
    if jit_tracing():
        return (
            "torch.jit.trace and torch.onnx.export(dynamo=False) would record the loop for one number of time steps; "
            "use torch.export"
        )
    lengths = () if call.lengths is None else (call.lengths,)
    if mixes_dtensors((call.x, *lengths, *call.state, *call.weights)):
        return "a DTensor and a Tensor are mixed; convert the Tensor with torch.distributed.tensor.distribute_tensor"
    return None


BACKEND = Backend("reference", run, unsupported, supports_masks=True)
