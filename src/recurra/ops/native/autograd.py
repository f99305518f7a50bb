"""The native backend for a padded batch with gradients.

Only valid time steps are computed. The kernels read and write x, y and their gradients in place, in the padded layout. Saved
for the backward pass are x, y and, for the N valid time steps, (N, D, saved * H) numbers, where `saved` is that of the kernel.
A second derivative uses the reference backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from .. import reference
from ..call import Backend, Call, record_run
from . import int8, loader, small_batch
from .kernels import CELLS, INT8_CELLS, kernel_of
from .packed_index import PackedIndex
from .supported import computed_steps, heuristic_skip, unsupported

with suppress(ImportError):  # `loader.load` reports the reason
    from ._native import run_sequence


def run(call: Call) -> list[Tensor]:
    """See `Backend.run`."""
    record_run("native")
    if type(call.cell) in INT8_CELLS:
        return int8.run(call)
    if small_batch.fits(call):
        return small_batch.run(call)
    components, D, (B, _, _) = len(call.cell.states), call.directions, call.x.shape
    if call.state:  # ordered by direction, then component; the kernels need the components first
        initial = torch.stack([call.state[d * components + p] for p in range(components) for d in range(D)])
    else:
        initial = call.x.new_zeros(components * D, B, call.hidden_size)
    weights = [weight.contiguous() for weight in call.weights]
    without_tensors = call._replace(x=None, lengths=None, state=(), weights=(), masks=())  # type: ignore[arg-type]
    tensors = (call.lengths, call.x, initial, *_masks(call), *weights)
    y, final = _Sequence.apply(without_tensors, call.needs_gradient, len(call.masks), *tensors)  # type: ignore[no-untyped-call]
    state = final.unbind(0)
    batch_first = y if call.lengths is not None else y.transpose(0, 1)
    return [batch_first, *(state[p * D + d] for d in range(D) for p in range(components))]


def _masks(call: Call) -> list[Tensor]:
    """`Call.masks` for the kernel: a mask that is one number becomes (1, 1, H)."""
    one = (1, 1, 1)
    return [(m.expand(1, 1, call.hidden_size) if m.shape == one else m).contiguous() for m in call.masks]


class _Sequence(torch.autograd.Function):
    """y and the final state (components*D, B, H) from x (B, T, I), the initial state and the weights.

    y is (T, B, D*H) without lengths, else (B, T, D*H).
    """

    @staticmethod
    def forward(
        ctx: Any,
        call: Call,
        save: bool,
        count: int,
        lengths: Tensor | None,
        x: Tensor,
        initial: Tensor,
        *tensors: Tensor,
    ) -> tuple[Tensor, Tensor]:
        masks, weights = tensors[:count], tensors[count:]
        (B, T, _), H, D = x.shape, call.hidden_size, call.directions
        index = PackedIndex.of(lengths, B, T)
        saved = x.new_empty(index.total, D, kernel_of(call.cell).saved * H) if save else None
        y = x.new_empty(T, B, D * H) if lengths is None else index.padded(D * H, x)
        final = torch.empty_like(initial)
        _run(
            call,
            index,
            weights,
            masks,
            x=_with_contiguous_features(x),
            y=y.transpose(0, 1) if lengths is None else y,
            saved=saved,
            initial_state=initial,
            final_state=final,
        )
        if save:
            ctx.save_for_backward(lengths, x, initial, y, saved, *tensors)
            ctx.call, ctx.count, ctx.index = call, count, index
        ctx.set_materialize_grads(False)
        return y, final

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor | None, grad_final: Tensor | None) -> tuple[Tensor | None, ...]:
        call, index = ctx.call, ctx.index
        lengths, x, initial, y, saved, *tensors = ctx.saved_tensors
        masks, weights = tensors[: ctx.count], tensors[ctx.count :]
        if lengths is None:
            y, grad_y = y.transpose(0, 1), None if grad_y is None else grad_y.transpose(0, 1)
        if torch.is_grad_enabled():
            call = call._replace(lengths=lengths, masks=masks)
            return None, None, None, None, *_differentiable(ctx, call, grad_y, grad_final, x, initial, weights)
        needs_x, needs_initial, *needs = ctx.needs_input_grad[4:]
        grad_initial = torch.empty_like(initial)
        grad_x = index.padded(x.shape[2], x) if needs_x else None
        grads = [torch.zeros_like(w) if needed else None for w, needed in zip(weights, needs[ctx.count :], strict=True)]
        _run(
            call,
            index,
            weights,
            masks,
            x=_with_contiguous_features(x),
            y=y,
            saved=saved,
            initial_state=initial,
            grad_y=None if grad_y is None else _with_contiguous_features(grad_y),
            grad_final_state=None if grad_final is None else grad_final.contiguous(),
            grad_x=grad_x,
            grad_initial_state=grad_initial,
            grad_weights=grads,
        )
        return None, None, None, None, grad_x, grad_initial if needs_initial else None, *[None] * ctx.count, *grads


def _with_contiguous_features(x: Tensor) -> Tensor:
    """x (B, T, *) with the features of a time step next to each other, as the kernels read it.

    Expanded axes, such as those of the gradient of a sum, stay expanded."""
    if x.stride(2) == 1:
        return x
    once = [slice(None) if stride else slice(1) for stride in x.stride()[:2]]
    return x[tuple(once)].contiguous().expand(x.shape)


def _run(
    call: Call,
    index: PackedIndex,
    weights: Sequence[Tensor],
    masks: Sequence[Tensor],
    *,
    x: Tensor,
    y: Tensor,
    saved: Tensor | None,
    initial_state: Tensor,
    final_state: Tensor | None = None,
    grad_y: Tensor | None = None,
    grad_final_state: Tensor | None = None,
    grad_x: Tensor | None = None,
    grad_initial_state: Tensor | None = None,
    grad_weights: Sequence[Tensor | None] | None = None,
) -> None:
    """The forward pass, or with `grad_weights`, which the kernel adds to, the backward pass."""
    H, D = call.hidden_size, call.directions
    n = len(weights) // D  # 2 without biases, else 4
    grads: list[Tensor | None] = [None] * len(weights) if grad_weights is None else list(grad_weights)
    recurrent_dropout_mask, zoneout_mask = _masks_by_direction(masks, call, index)
    run_sequence(
        target=loader.target(),
        backward=grad_weights is not None,
        threads=torch.get_num_threads(),
        gomp_parallel=loader.gomp_parallel(),
        cell=kernel_of(call.cell).name,
        is_double=x.dtype == torch.float64,
        save_for_backward=saved is not None,
        T=index.T,
        B=index.B,
        I=x.shape[2],
        H=H,
        D=D,
        step_offsets=index.step_offsets,
        batch_sizes=index.batch_sizes,
        lengths=index.lengths,
        batch_indices=index.batch_indices,
        x=x,
        y=y,
        saved=saved,
        initial_state=initial_state,
        final_state=final_state,
        weight_ih=list(weights[0::n]),
        weight_hh=list(weights[1::n]),
        bias_ih=list(weights[2::n]) if call.bias else [],
        bias_hh=list(weights[3::n]) if call.bias else [],
        scale_ih=[],
        scale_hh=[],
        recurrent_dropout_mask=recurrent_dropout_mask,
        zoneout_mask=zoneout_mask,
        grad_x=grad_x,
        grad_y=grad_y,
        grad_initial_state=grad_initial_state,
        grad_final_state=grad_final_state,
        grad_weight_ih=grads[0::n],
        grad_weight_hh=grads[1::n],
        grad_bias_ih=grads[2::n] if call.bias else [],
        grad_bias_hh=grads[3::n] if call.bias else [],
    )


def _masks_by_direction(
    masks: Sequence[Tensor], call: Call, index: PackedIndex
) -> tuple[list[Tensor | None], list[list[Tensor | None]]]:
    """The recurrent dropout mask of each direction, and the zoneout masks (T, B, H) by direction and state component."""
    recurrent_dropout_mask: list[Tensor | None] = []
    zoneout_mask: list[list[Tensor | None]] = []
    n, shape = len(masks) // call.directions, (index.T, index.B, call.hidden_size)
    for d in range(call.directions if masks else 0):
        recurrent, *zoneout = masks[d * n : (d + 1) * n]
        recurrent_dropout_mask.append(recurrent if recurrent.numel() else None)
        zoneout_mask.append([mask.expand(shape) if mask.numel() else None for mask in zoneout])
    return recurrent_dropout_mask, zoneout_mask


def _differentiable(
    ctx: Any,
    call: Call,
    grad_y: Tensor | None,
    grad_final: Tensor | None,
    x: Tensor,
    initial: Tensor,
    weights: list[Tensor],
) -> list[Tensor | None]:
    """The same gradients by way of the reference backend, which autograd can differentiate again."""
    components, D = len(call.cell.states), call.directions
    state = [initial[p * D + d] for d in range(D) for p in range(components)]
    y, *final = reference.run(call._replace(x=x, state=state, weights=weights))
    outputs, grads = [], []
    if grad_y is not None:
        outputs.append(y)
        grads.append(grad_y)
    if grad_final is not None:
        outputs += [final[d * components + p] for p in range(components) for d in range(D)]
        grads += grad_final.unbind(0)
    needs, masks = ctx.needs_input_grad[4:], [None] * ctx.count
    inputs = [t for t, needed in zip((x, initial, *masks, *weights), needs, strict=True) if t is not None and needed]
    found = iter(torch.autograd.grad(outputs, inputs, grads, create_graph=True, allow_unused=True))
    return [next(found) if needed else None for needed in needs]


BACKEND = Backend(
    "native",
    run,
    unsupported,
    cells=(*CELLS, *INT8_CELLS),
    heuristic_skip=heuristic_skip,
    supports_masks=True,
    computed_steps=computed_steps,
)
