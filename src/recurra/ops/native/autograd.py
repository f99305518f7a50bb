"""The back end `native`: our own kernels for the CPU (native/), which know lengths and meet at no barrier.

Only live steps are computed; x, y and the gradients by them are read and written where they lie. Kept for the backward
pass: x, y and, for the N live steps, (N, D*S*H) numbers, S = 1 for rnn, 4 for gru, 5 for lstm. A second derivative goes
through the reference.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import reference
from ..call import Backend, Call, note
from . import loader, small_batch
from .loader import Kernel, kernel_of
from .packed_index import LiveSteps
from .supported import refuses, slow, work


def run(call: Call) -> list[Tensor]:
    """See `Backend.run`."""
    note("native")
    if small_batch.fits(call):
        return small_batch.run(call)
    parts, D, (B, _, _) = len(call.cell.states), call.directions, call.x.shape
    if call.state:  # laid out by direction, then part; the kernels want parts first
        first = torch.stack([call.state[d * parts + p] for p in range(parts) for d in range(D)])
    else:
        first = call.x.new_zeros(parts * D, B, call.hidden_size)
    weights = [part.contiguous() for part in call.weights]
    bare = call._replace(x=None, lengths=None, state=(), weights=(), masks=())  # type: ignore[arg-type]
    tensors = (call.lengths, call.x, first, *_masks(call), *weights)
    y, last = _Sequence.apply(bare, call.wants_gradient, len(call.masks), *tensors)  # type: ignore[no-untyped-call]
    state = last.unbind(0)
    by_row = y if call.lengths is not None else y.transpose(0, 1)
    return [by_row, *(state[p * D + d] for d in range(D) for p in range(parts))]


def _masks(call: Call) -> list[Tensor]:
    """`Call.masks` as the kernel reads them: a share that is one number becomes a row of them, (1, 1, H)."""
    one = (1, 1, 1)
    return [(m.expand(1, 1, call.hidden_size) if m.shape == one else m).contiguous() for m in call.masks]


class _Sequence(torch.autograd.Function):
    """y and the last state (parts*D, B, H) from x (B, T, I), the first state and the weights.

    y is (T, B, D*H) without lengths, else (B, T, D*H).
    """

    @staticmethod
    def forward(
        ctx: Any, call: Call, keep: bool, count: int, lengths: Tensor | None, x: Tensor, first: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, Tensor]:
        masks, weights = tensors[:count], tensors[count:]
        kernel, (B, T, _), H, D = kernel_of(call.cell), x.shape, call.hidden_size, call.directions
        steps = LiveSteps.of(lengths, B, T)
        gates = x.new_empty(steps.total, D, kernel.saved * H) if keep else None
        y = x.new_empty(T, B, D * H) if lengths is None else steps.padded(D * H, x)
        by_row, last = y.transpose(0, 1) if lengths is None else y, torch.empty_like(first)
        _run(call, kernel, steps, weights, masks, [_laid(x), gates, by_row, first, last], keep=keep)
        if keep:
            ctx.save_for_backward(lengths, x, first, y, gates, *tensors)
            ctx.call, ctx.count, ctx.kernel, ctx.steps = call, count, kernel, steps
        ctx.set_materialize_grads(False)
        return y, last

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor | None, grad_last: Tensor | None) -> tuple[Tensor | None, ...]:
        call, kernel, steps = ctx.call, ctx.kernel, ctx.steps
        lengths, x, first, y, gates, *tensors = ctx.saved_tensors
        masks, weights = tensors[: ctx.count], tensors[ctx.count :]
        if lengths is None:
            y, grad_y = y.transpose(0, 1), None if grad_y is None else grad_y.transpose(0, 1)
        if torch.is_grad_enabled():
            call = call._replace(lengths=lengths, masks=masks)
            return None, None, None, None, *_differentiable(ctx, call, grad_y, grad_last, x, first, weights)
        grad_first = torch.empty_like(first)
        grad_y = None if grad_y is None else _laid(grad_y)
        grad_last = None if grad_last is None else grad_last.contiguous()
        wants_x, wants_first, *wants = ctx.needs_input_grad[4:]
        grad_x = steps.padded(x.shape[2], x) if wants_x else None
        grads = [torch.zeros_like(w) if wanted else None for w, wanted in zip(weights, wants[ctx.count :], strict=True)]
        data = [_laid(x), gates, y, first, None, grad_y, grad_last, grad_first, grad_x]
        _run(call, kernel, steps, weights, masks, data, grads, keep=True)
        return None, None, None, None, grad_x, grad_first if wants_first else None, *[None] * ctx.count, *grads


def _laid(x: Tensor) -> Tensor:
    """x (B, T, *) as the kernels read it: the numbers of a step side by side. Rows or steps that are one in memory, such as
    those of the gradient of a sum, stay one."""
    if x.stride(2) == 1:
        return x
    apart = [slice(None) if stride else slice(1) for stride in x.stride()[:2]]
    return x[tuple(apart)].contiguous().expand(x.shape)


def _of_direction(items: Any, d: int, D: int) -> Any:
    n = len(items) // D
    return items[d * n : (d + 1) * n]


def _run(
    call: Call,
    kernel: Kernel,
    steps: LiveSteps,
    weights: Any,
    masks: Any,
    data: list[Tensor | None],
    grads: list[Tensor | None] | None = None,
    *,
    keep: bool,
) -> None:
    """The forward pass; with `grads`, which are added to, the backward pass. `data` as in native/module.cpp."""
    (module, target), D = loader.loaded(), call.directions
    data = [*data, *([None] * (9 - len(data)))]
    x, y, grad_y, grad_x = data[0], data[2], data[5], data[8]
    assert x is not None
    reads, keeps, strides = _addresses_of_masks(masks, call, steps)
    index = (steps.offset, steps.alive, steps.lengths, steps.rows)
    layout = [stride for part in (x, y, grad_x, grad_y) for stride in ((0, 0) if part is None else part.stride()[:2])]
    module.run(
        target,
        kernel.number,
        x.dtype == torch.float64,
        keep,
        grads is not None,
        [steps.T, steps.B, x.shape[2], call.hidden_size, D, torch.get_num_threads()],
        [part.data_ptr() for part in index],
        layout,
        _addresses(data),
        _addresses_by_direction(weights, D),
        _addresses_by_direction(grads or [None] * len(weights), D),
        reads,
        keeps,
        strides,
        loader.parallel(),
    )


def _addresses(tensors: Any) -> list[int]:
    return [0 if part is None else part.data_ptr() for part in tensors]


def _addresses_by_direction(weights: Any, D: int) -> list[int]:
    """Each kind of weight, of two directions: 0 is none."""
    parts = zip(*([*_of_direction(weights, d, D), None, None][:4] for d in range(D)), strict=True)
    return _addresses(part for of in parts for part in [*of, None][:2])


def _addresses_of_masks(masks: Any, call: Call, steps: LiveSteps) -> tuple[list[int], list[int], list[int]]:
    """Of what multiplies h, by direction; of what stays, by direction and part; and its strides by step and row."""
    reads, keeps, strides = [0, 0], [0, 0, 0, 0], [0] * 8
    for d in range(call.directions if masks else 0):
        read, *stays = _of_direction(masks, d, call.directions)
        reads[d] = read.data_ptr() if read.numel() else 0
        for k, keep in enumerate(stays, 2 * d):
            if keep.numel():
                keeps[k] = keep.data_ptr()
            if keep.shape[:2] == (steps.T, steps.B):
                strides[2 * k : 2 * k + 2] = steps.B * call.hidden_size, call.hidden_size
    return reads, keeps, strides


def _differentiable(
    ctx: Any,
    call: Call,
    grad_y: Tensor | None,
    grad_last: Tensor | None,
    x: Tensor,
    first: Tensor,
    weights: list[Tensor],
) -> list[Tensor | None]:
    """The same gradients by way of the reference, which autograd can differentiate again."""
    parts, D = len(call.cell.states), call.directions
    state = [first[p * D + d] for d in range(D) for p in range(parts)]
    y, *last = reference.run(call._replace(x=x, state=state, weights=weights))
    outputs, grads = [], []
    if grad_y is not None:
        outputs.append(y)
        grads.append(grad_y)
    if grad_last is not None:
        outputs += [last[d * parts + p] for p in range(parts) for d in range(D)]
        grads += grad_last.unbind(0)
    wants, masks = ctx.needs_input_grad[4:], [None] * ctx.count
    inputs = [t for t, wanted in zip((x, first, *masks, *weights), wants, strict=True) if t is not None and wanted]
    found = iter(torch.autograd.grad(outputs, inputs, grads, create_graph=True, allow_unused=True))
    return [next(found) if wanted else None for wanted in wants]


BACKEND = Backend("native", run, refuses, slow, masks=True, work=work)
