"""The native backend for a padded batch with gradients.

Only valid time steps are computed. The kernels read and write x, y and their gradients in place, in the padded layout. Saved
for the backward pass are x, y and, for the N valid time steps, (N, D, saved * H) numbers, where `saved` is that of the kernel.
Where the kernels cannot compute a gradient, for example a second derivative, `ordinary_gradients` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from ...errors import CallError
from ..call import Backend, Call, record_run
from ..eligibility import memory_reason
from ..ordinary_gradients import ordinary_gradients
from . import int8, loader, small_batch
from .kernels import CELLS, INT8_CELLS, kernel_of
from .packed_index import PackedIndex
from .saved_output import SavedOutput
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
    y, *final = _Sequence.apply(without_tensors, call.needs_gradient, len(call.masks), *tensors)  # type: ignore[no-untyped-call]
    return [y, *(final[p * D + d] for d in range(D) for p in range(components))]


def _masks(call: Call) -> list[Tensor]:
    """`Call.masks` for the kernel: a mask that is one number becomes (1, 1, H)."""
    one = (1, 1, 1)
    return [(m.expand(1, 1, call.hidden_size) if m.shape == one else m).contiguous() for m in call.masks]


class _Sequence(torch.autograd.Function):
    """y and the components*D tensors (B, H) of the final state from x (B, T, I), the initial state and the weights.

    y is (B, T, D*H), or (T, B, D*H) with `Call.time_first`. No output is a view, so that all may be changed in place.
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
    ) -> tuple[Tensor, ...]:
        masks, weights = tensors[:count], tensors[count:]
        (B, T, _), H, D = x.shape, call.hidden_size, call.directions
        index = PackedIndex.of(lengths, B, T)
        saved = x.new_empty(index.total, D, kernel_of(call.cell).saved * H) if save else None
        y = index.padded(D * H, x)
        final = torch.empty_like(initial)
        _run(
            call,
            index,
            weights,
            masks,
            x=_with_contiguous_features(x),
            y=y,
            saved=saved,
            initial_state=initial,
            final_state=final,
        )
        if call.time_first:
            y.transpose_(0, 1)
        if saved is not None:
            kept = SavedOutput(y)
            ctx.save_for_backward(x, initial, kept.alias, saved, *tensors)
            ctx.expected = [(t.dtype, t.shape) for t in (x, initial, kept.alias, saved, *tensors)]
            ctx.call, ctx.count, ctx.index, ctx.was_changed = call, count, index, kept.was_changed
        ctx.set_materialize_grads(False)
        return y, *(part.clone() for part in final)

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor | None, *grads_final: Tensor | None) -> tuple[Tensor | None, ...]:
        call, index = ctx.call, ctx.index
        x, initial, y, saved, *tensors = _check_saved(ctx.saved_tensors, ctx.expected)
        masks, weights = tensors[: ctx.count], tensors[ctx.count :]
        needs_x, needs_initial, *needs = ctx.needs_input_grad[4:]
        if call.time_first:
            y, grad_y = y.transpose(0, 1), None if grad_y is None else grad_y.transpose(0, 1)
        given = [g for g in (grad_y, *grads_final) if g is not None]
        if torch.is_grad_enabled() or memory_reason((*given, x, initial, y, saved, *tensors)):
            call = call._replace(x=x, lengths=index.original_lengths(), weights=weights, masks=masks, time_first=False)
            grads = _ordinary_gradients(
                call, initial, [grad_y, *grads_final], (needs_x, needs_initial, *needs[ctx.count :])
            )
            return None, None, None, None, *grads[:2], *[None] * ctx.count, *grads[2:]
        weights, masks = [w.contiguous() for w in weights], [m.contiguous() for m in masks]
        x, initial, saved = _with_contiguous_features(x), initial.contiguous(), saved.contiguous()
        if ctx.was_changed():  # in place, by the caller: compute it again
            y = index.padded(call.directions * call.hidden_size, x)
            _run(call, index, weights, masks, x=x, y=y, saved=None, initial_state=initial,
                 final_state=torch.empty_like(initial))  # fmt: skip
        grad_initial = torch.empty_like(initial)
        grad_x = index.padded(x.shape[2], x) if needs_x else None
        grads_of_weights = [
            torch.zeros_like(w) if needed else None for w, needed in zip(weights, needs[ctx.count :], strict=True)
        ]
        _run(
            call,
            index,
            weights,
            masks,
            x=x,
            y=_with_contiguous_features(y),
            saved=saved,
            initial_state=initial,
            grad_y=None if grad_y is None else _with_contiguous_features(grad_y),
            grad_final_state=_stacked(grads_final, initial),
            grad_x=grad_x,
            grad_initial_state=grad_initial,
            grad_weights=grads_of_weights,
        )
        return (
            *(None, None, None, None, grad_x, grad_initial if needs_initial else None),
            *([None] * ctx.count),
            *grads_of_weights,
        )


def _stacked(grads_final: Sequence[Tensor | None], initial: Tensor) -> Tensor | None:
    """The gradients of the final state in one tensor, as the kernels read them; None if there are none."""
    if all(grad is None for grad in grads_final):
        return None
    zeros = initial.new_zeros(()).expand(initial.shape[1:])
    return torch.stack([zeros if grad is None else grad for grad in grads_final])


def _check_saved(tensors: Sequence[Tensor], expected: Sequence[tuple[torch.dtype, torch.Size]]) -> Sequence[Tensor]:
    """The saved tensors. Raises CallError if `torch.autograd.graph.saved_tensors_hooks` returned others."""
    for tensor, (dtype, shape) in zip(tensors, expected, strict=True):
        if tensor.dtype != dtype or tensor.shape != shape:
            raise CallError(
                f"saved_tensors_hooks returned {tensor.dtype} of shape {tuple(tensor.shape)} for the backward pass; "
                f"expected {dtype} of shape {tuple(shape)}, as it was saved"
            )
    return tensors


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


def _ordinary_gradients(
    call: Call, initial: Tensor, grads: Sequence[Tensor | None], needed: Sequence[bool]
) -> list[Tensor | None]:
    """The gradients of x, the initial state (components*D, B, H) and the weights, without kernels."""
    components, D = len(call.cell.states), call.directions
    order = [p * D + d for d in range(D) for p in range(components)]  # of the state in a `Call`
    needs_x, needs_initial, *needs_weights = needed
    create_graph = torch.is_grad_enabled()
    call = call._replace(state=[initial[k] for k in order])
    grads = [grads[0], *(grads[1 + k] for k in order)]
    needed = [needs_x, *[needs_initial] * len(order), *needs_weights]
    grad_x, *others = ordinary_gradients(call, grads, needed, create_graph)
    grads_of_state, grads_of_weights = others[: len(order)], others[len(order) :]
    if all(grad is None for grad in grads_of_state):
        return [grad_x, None, *grads_of_weights]
    by_place = dict(zip(order, grads_of_state, strict=True))
    parts = [torch.zeros_like(initial[k]) if (g := by_place[k]) is None else g for k in range(len(order))]
    return [grad_x, torch.stack(parts), *grads_of_weights]


BACKEND = Backend(
    "native",
    run,
    unsupported,
    cells=(*CELLS, *INT8_CELLS),
    heuristic_skip=heuristic_skip,
    supports_masks=True,
    computed_steps=computed_steps,
)
