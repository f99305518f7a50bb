"""The back end `native`: our own kernels for the CPU (native/), which know lengths and meet at no barrier.

Only live steps are computed, and stand one after the other, (N, ...), step by step with the longest row first; padding
is met at the door and nowhere else. All is the kernel's but the gradients of the weights, which are products of big
matrices over all steps: those are torch's. Kept for the backward pass: x as it came, the live y, and (N, D*S*H) numbers,
S = 1 for rnn, 4 for gru, 5 for lstm. A second derivative goes through the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from . import few, kernels, reference
from .call import Backend, Call, note
from .kernels import Kernel, kernel_of
from .limits import refuses, slow, work
from .live import LiveSteps


def run(call: Call) -> list[Tensor]:
    """See `Backend.run`."""
    note("native")
    if few.fits(call):
        return few.run(call)
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

    y is (T, B, D*H) as the kernels have written it where all steps are live, else scattered to (B, T, D*H).
    """

    @staticmethod
    def forward(
        ctx: Any, call: Call, keep: bool, count: int, lengths: Tensor | None, x: Tensor, first: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, Tensor]:
        masks, weights = tensors[:count], tensors[count:]
        kernel, (B, T, _), H, D = kernel_of(call.cell), x.shape, call.hidden_size, call.directions
        steps = LiveSteps.of(lengths, B, T)
        whole, laid = steps.places is None, x if x.stride(2) == 1 else x.contiguous()
        gates = x.new_empty(steps.total, D, kernel.saved * H) if keep else None
        y, last = x.new_empty((T, B, D * H) if whole else (steps.total, D * H)), torch.empty_like(first)
        _run(call, kernel, steps, weights, masks, laid, [laid, gates, y, first, last], keep=keep)
        if keep:
            ctx.save_for_backward(lengths, x, first, y, gates, *tensors)
            ctx.call, ctx.count, ctx.kernel, ctx.steps = call, count, kernel, steps
        ctx.set_materialize_grads(False)
        if whole:
            return y, last
        padded = steps.padded(D * H, y)
        steps.put(padded, y)
        return padded, last

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor | None, grad_last: Tensor | None) -> tuple[Tensor | None, ...]:
        call, kernel, steps = ctx.call, ctx.kernel, ctx.steps
        lengths, x, first, y, gates, *tensors = ctx.saved_tensors
        masks, weights = tensors[: ctx.count], tensors[ctx.count :]
        if grad_y is not None and steps.places is None:
            grad_y = grad_y.transpose(0, 1)
        if torch.is_grad_enabled():
            call = call._replace(lengths=lengths, masks=masks)
            return None, None, None, None, *_differentiable(ctx, call, grad_y, grad_last, x, first, weights)
        H, D = call.hidden_size, call.directions
        y = y.view(-1, D * H)
        deltas = x.new_empty(len(y), D, kernel.deltas * H)
        grad_first = torch.empty_like(first)
        live_grad = None if grad_y is None else steps.gather(grad_y).contiguous()
        grad_last = None if grad_last is None else grad_last.contiguous()
        wants_x, wants_first, *wants = ctx.needs_input_grad[4:]
        wants = wants[ctx.count :]
        grad_x = steps.padded(x.shape[2], x) if wants_x else None
        data = [None, gates, y, first, None, live_grad, grad_last, grad_first, grad_x, deltas]
        _run(call, kernel, steps, weights, masks, x if grad_x is None else grad_x, data, keep=True, back=True)
        del data, live_grad, gates

        grads = [torch.zeros_like(w) if wanted else None for w, wanted in zip(weights, wants, strict=True)]
        reads = [_of_direction(masks, d, D)[0] if masks else None for d in range(D)]
        _products(kernel, steps, deltas, x, y, first, reads, grads)
        return None, None, None, None, grad_x, grad_first if wants_first else None, *[None] * ctx.count, *grads


def _products(
    kernel: Kernel,
    steps: LiveSteps,
    deltas: Tensor,
    x: Tensor,
    y: Tensor,
    first: Tensor,
    reads: list[Tensor | None],
    grads: list[Tensor | None],
) -> None:
    """The gradients by the weights from the deltas (N, D, *): large products, a piece at a time.

    Each of `grads` is zeros, to be filled, or None where nobody asks.
    """
    D, H = deltas.shape[1], first.shape[2]
    masked = [None if read is None or not read.numel() else read for read in reads]
    rows = steps.rows_of() if any(read is not None for read in masked) else None
    before = [_Before(steps, d, y[:, d * H : (d + 1) * H], first[d], masked[d], rows) for d in range(D)]
    turned = kernel.turned * H
    for piece in steps.pieces():
        live_x = steps.gather(x, piece)
        for d in range(D):
            by_input, by_hidden = _by_sums(deltas[piece, d], kernel, H)
            weight_ih, weight_hh, *_ = _of_direction(grads, d, D)
            if weight_ih is not None:
                weight_ih.addmm_(by_input.t(), live_x)
            if weight_hh is not None:
                for part, hidden in before[d].of(piece):
                    weight_hh.addmm_(by_hidden[part].t(), hidden)
    for d in range(D):
        weight_ih, _, bias_ih, bias_hh = [*_of_direction(grads, d, D), None, None][:4]
        if bias_ih is not None or bias_hh is not None:
            by_input, by_hidden = _by_sums(deltas[:, d].sum(0, keepdim=True), kernel, H)  # both in one reading
            for bias, total in ((bias_ih, by_input), (bias_hh, by_hidden)):
                if bias is not None:
                    bias.copy_(total[0])
        for part in (weight_ih, bias_ih):
            if part is not None and turned:
                part.copy_(part.roll(-turned, 0))


def _by_sums(deltas: Tensor, kernel: Kernel, H: int) -> tuple[Tensor, Tensor]:
    """The gradients by W x + b and by U h + c of some steps of one direction, (N, G*H) each."""
    begin = kernel.recurrent * H
    return deltas[:, : kernel.gates * H], deltas[:, begin : begin + kernel.gates * H]


class _Before:
    """The hidden state before each step of direction `d`, as the gates have read it: y (N, H) and first (B, H), times `read`
    (B, H) if there is one; `rows` (N,) then says whose each step is. Without it y, moved by one step, may do as it lies."""

    def __init__(
        self, steps: LiveSteps, d: int, y: Tensor, first: Tensor, read: Tensor | None, rows: Tensor | None
    ) -> None:
        self.steps, self.d, self.y, self.first, self.read, self.rows = steps, d, y, first, read, rows
        self.before = None if steps.places is None and read is None else steps.before(d)

    def of(self, piece: slice) -> Iterator[tuple[slice, Tensor]]:
        """For the steps of a piece, in parts: which of them, and the states (n, H)."""
        if self.before is None:
            yield from self._moved(piece)
            return
        index, born, rows = self.before
        hidden = self.y.index_select(0, index[piece])
        here = (born >= piece.start) & (born < piece.stop)
        hidden[born[here] - piece.start] = self.first[rows[here]]
        if self.read is not None and self.rows is not None:
            hidden *= self.read.index_select(0, self.rows[piece])
        yield slice(None), hidden

    def _moved(self, piece: slice) -> Iterator[tuple[slice, Tensor]]:
        B, n = self.steps.B, piece.stop - piece.start
        if self.d == 0 and piece.start == 0:
            yield slice(0, B), self.first
            yield slice(B, n), self.y[: n - B]
        elif self.d == 0:
            yield slice(0, n), self.y[piece.start - B : piece.stop - B]
        else:
            later = self.y[piece.start + B : piece.stop + B]
            yield slice(0, len(later)), later
            yield slice(len(later), n), self.first[: n - len(later)]


def _of_direction(items: Any, d: int, D: int) -> Any:
    n = len(items) // D
    return items[d * n : (d + 1) * n]


def _run(
    call: Call,
    kernel: Kernel,
    steps: LiveSteps,
    weights: Any,
    masks: Any,
    laid: Tensor,
    data: list[Tensor | None],
    *,
    keep: bool,
    back: bool = False,
) -> None:
    """`laid` (B, T, I): x, or backwards the gradient by it, which lies where its strides say."""
    (module, target), D = kernels.loaded(), call.directions
    parts = zip(*([*_of_direction(weights, d, D), None, None][:4] for d in range(D)), strict=True)
    reads, keeps, strides = _addresses_of_masks(masks, call, steps)
    index = (steps.offset, steps.alive, steps.lengths, steps.rows)
    module.run(
        target,
        kernel.number,
        laid.dtype == torch.float64,
        keep,
        back,
        [steps.T, steps.B, laid.shape[2], call.hidden_size, D, laid.stride(0), laid.stride(1), torch.get_num_threads()],
        [part.data_ptr() for part in index],
        [0 if part is None else part.data_ptr() for part in [*data, *([None] * (10 - len(data)))]],
        [0 if part is None else part.data_ptr() for of in parts for part in [*of, None][:2]],
        reads,
        keeps,
        strides,
        kernels.parallel(),
    )


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
