"""The back end `native`: our own kernels for the CPU (native/), which know lengths and meet at no barrier.

Only live steps are computed, and stand one after the other, (N, ...), step by step with the longest row first; padding
is met at the door and nowhere else. What the input adds to all gates is one product of big matrices, and so is the
gradient of each weight: those are torch's. The recurrence between them, forward and backward, is the kernel's. Kept for
the backward pass: x as it came, the live y, and (N, D*S*H) numbers, S = 1 for rnn, 4 for gru, 5 for lstm. A second
derivative goes through the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..cells import GRU, LSTM, RNN
from . import few, kernels, reference
from .call import Backend, Call, all_steps, note
from .kernels import Kernel, kernel_of
from .pages import sparse_zeros

_PIECE = 4096  # steps of rows in the products with x: what is gathered for one stays in the cache


class LiveSteps(NamedTuple):
    """The live steps of a batch, in the order (N,) in which the kernels have them."""

    B: int
    T: int
    rows: Tensor  # (B,) int64: the row at each place, longest first
    lengths: Tensor  # (B,): theirs
    offset: Tensor  # (T,): where each step begins
    alive: Tensor  # (T,): how many rows it has
    places: Tensor | None  # (N,): where each stands in (B*T,); None: all steps are live, and (N,) is (T*B,)

    @classmethod
    def of(cls, lengths: Tensor | None, B: int, T: int) -> LiveSteps:
        steps = torch.arange(T)
        if lengths is None:
            return cls(B, T, torch.arange(B), torch.full((B,), T), steps * B, torch.full((T,), B), None)
        lengths, rows = lengths.sort(descending=True, stable=True)
        live = steps[:, None] < lengths  # (T, B)
        alive = live.sum(1)
        return cls(B, T, rows, lengths, alive.cumsum(0) - alive, alive, (rows * T + steps[:, None])[live])

    @property
    def total(self) -> int:
        """N"""
        return self.B * self.T if self.places is None else len(self.places)

    def pieces(self) -> Iterator[slice]:
        """(N,) cut into pieces that stay in the cache, at the ends of steps where all are live."""
        size = _PIECE if self.places is not None else max(_PIECE // self.B, 1) * self.B
        return (slice(begin, min(begin + size, self.total)) for begin in range(0, self.total, size))

    def gather(self, padded: Tensor, piece: slice = slice(None)) -> Tensor:
        """(B, T, C) -> (N, C), or a piece of it. A batch whose memory is in the order of time is read as it lies."""
        B, T, C = padded.shape
        if self.places is None:
            begin, end, _ = piece.indices(self.total)
            return padded.transpose(0, 1)[begin // B : end // B].reshape(-1, C)
        places = self.places[piece]
        if padded.stride(0) == T * padded.stride(1):
            return padded.reshape(B * T, C).index_select(0, places)
        return padded.transpose(0, 1).reshape(T * B, C).index_select(0, places % T * B + places // T)

    def padded(self, C: int, like: Tensor) -> Tensor:
        """(B, T, C), zero, for `put`."""
        if self.places is None:
            return like.new_empty(self.T, self.B, C).transpose(0, 1)
        shape = (self.B, self.T, C)
        return sparse_zeros(shape, like) if 2 * self.total < self.B * self.T else like.new_zeros(shape)

    def put(self, padded: Tensor, live: Tensor, piece: slice = slice(None)) -> None:
        """The way back of `gather`."""
        B, T, C = padded.shape
        if self.places is None:
            padded.transpose(0, 1).view(T * B, C)[piece] = live
        else:
            padded.view(B * T, C).index_put_((self.places[piece],), live)

    def rows_of(self) -> Tensor:
        """(N,): the row of each step."""
        return self.rows[torch.arange(self.total) - self.offset.repeat_interleave(self.alive)]

    def before(self, d: int) -> tuple[Tensor, Tensor, Tensor]:
        """Where in (N,) the step before each step of direction `d` is; the steps that have none, and their rows."""
        begins = int(self.alive[0])  # rows that live at all
        at, rows = torch.arange(self.total), self.rows[:begins]
        if d == 0:  # a row keeps its place from one step to the next
            earlier = self.alive.roll(1).repeat_interleave(self.alive)
            return (at - earlier).clamp_(min=0), at[:begins], rows
        later = (at + self.alive.repeat_interleave(self.alive)).clamp_(max=self.total - 1)
        return later, self.offset[self.lengths[:begins] - 1] + torch.arange(begins), rows  # its own last step


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
    y, last = _Sequence.apply(bare, len(call.masks), *tensors)  # type: ignore[no-untyped-call]
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
        ctx: Any, call: Call, count: int, lengths: Tensor | None, x: Tensor, first: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, Tensor]:
        masks, weights = tensors[:count], tensors[count:]
        kernel, (B, T, _), H, D = kernel_of(call), x.shape, call.hidden_size, call.directions
        steps = LiveSteps.of(lengths, B, T)
        whole = steps.places is None
        gates = x.new_empty(steps.total, D, kernel.saved * H)
        for piece in steps.pieces():
            live_x = steps.gather(x, piece)
            for d in range(D):
                weight_ih, _, *biases = _of_direction(weights, d, D)
                target = gates[piece, d, : kernel.gates * H]
                if biases:
                    torch.addmm(biases[0], live_x, weight_ih.t(), out=target)
                else:
                    torch.mm(live_x, weight_ih.t(), out=target)
        y, last = x.new_empty((T, B, D * H) if whole else (steps.total, D * H)), torch.empty_like(first)
        keep = any(ctx.needs_input_grad)
        _run(call, kernel, steps, weights, masks, keep, [gates, y, first, last])
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
            return None, None, None, *_differentiable(ctx, call, grad_y, grad_last, x, first, weights)
        H, D = call.hidden_size, call.directions
        y = y.view(-1, D * H)
        deltas = x.new_empty(len(y), D, kernel.deltas * H)
        grad_first = torch.empty_like(first)
        live_grad = None if grad_y is None else steps.gather(grad_y).contiguous()
        grad_last = None if grad_last is None else grad_last.contiguous()
        data = [gates, y, first, None, live_grad, grad_last, grad_first, deltas]
        _run(call, kernel, steps, weights, masks, True, data, back=True)
        del data, live_grad

        wants_x, wants_first, *wants = ctx.needs_input_grad[3:]
        wants = wants[ctx.count :]
        grad_x = steps.padded(x.shape[2], x) if wants_x else None
        grads = [torch.zeros_like(w) if wanted else None for w, wanted in zip(weights, wants, strict=True)]
        reads = [_of_direction(masks, d, D)[0] if masks else None for d in range(D)]
        _products(kernel, steps, deltas, x, y, first, reads, weights, grad_x, grads)
        return None, None, None, grad_x, grad_first if wants_first else None, *[None] * ctx.count, *grads


def _products(
    kernel: Kernel,
    steps: LiveSteps,
    deltas: Tensor,
    x: Tensor,
    y: Tensor,
    first: Tensor,
    reads: list[Tensor | None],
    weights: list[Tensor],
    grad_x: Tensor | None,
    grads: list[Tensor | None],
) -> None:
    """The gradients by x (B, T, I) and by the weights from the deltas (N, D, *): large products, a piece at a time.

    `grad_x` and each of `grads` are zeros to be filled, or None where nobody asks.
    """
    D, H = deltas.shape[1], first.shape[2]
    before = [steps.before(d) for d in range(D)]
    turned = kernel.turned * H
    masked = any(read is not None and read.numel() for read in reads)
    rows = steps.rows_of() if masked else None
    of_x = [_of_direction(weights, d, D)[0].roll(turned, 0) for d in range(D)]
    for piece in steps.pieces():
        live_x = steps.gather(x, piece)
        live_grad = None if grad_x is None else torch.zeros_like(live_x)
        for d in range(D):
            by_input, by_hidden = _by_sums(deltas[piece, d], kernel, H)
            weight_ih, weight_hh, *_ = _of_direction(grads, d, D)
            if weight_ih is not None:
                weight_ih.addmm_(by_input.t(), live_x)
            if weight_hh is not None:
                hidden, read = _hidden_before(y[:, d * H : (d + 1) * H], first[d], before[d], piece), reads[d]
                if rows is not None and read is not None:
                    hidden *= read.index_select(0, rows[piece])
                weight_hh.addmm_(by_hidden.t(), hidden)
            if live_grad is not None:
                live_grad.addmm_(by_input, of_x[d])
        if grad_x is not None and live_grad is not None:
            steps.put(grad_x, live_grad, piece)
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


def _hidden_before(y: Tensor, first: Tensor, before: tuple[Tensor, Tensor, Tensor], piece: slice) -> Tensor:
    """The hidden state before the steps of a piece: y (N, H) of one direction, first (B, H), `LiveSteps.before`."""
    index, born, rows = before
    hidden = y.index_select(0, index[piece])
    here = (born >= piece.start) & (born < piece.stop)
    hidden[born[here] - piece.start] = first[rows[here]]
    return hidden


def _of_direction(items: Any, d: int, D: int) -> Any:
    n = len(items) // D
    return items[d * n : (d + 1) * n]


def _run(
    call: Call,
    kernel: Kernel,
    steps: LiveSteps,
    weights: Any,
    masks: Any,
    keep: bool,
    data: list[Tensor | None],
    *,
    back: bool = False,
) -> None:
    module, target = kernels.loaded()
    assert data[1] is not None
    D = call.directions
    mine = [_of_direction(weights, d, D) for d in range(D)]
    hidden, biases = [part[1] for part in mine], [part[3] if call.bias else None for part in mine]
    tensors = [*data, *([None] * (8 - len(data)))]
    reads, keeps, strides = _addresses_of_masks(masks, call, steps)
    index = (steps.offset, steps.alive, steps.lengths, steps.rows)
    module.run(
        target,
        kernel.number,
        data[1].dtype == torch.float64,
        keep,
        back,
        [steps.T, steps.B, call.hidden_size, D, torch.get_num_threads()],
        [part.data_ptr() for part in index],
        [0 if part is None else part.data_ptr() for part in tensors],
        [0 if part is None else part.data_ptr() for part in [*_two(hidden), *_two(biases)]],
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


def _two(parts: list[Any]) -> list[Any]:
    return parts if len(parts) == 2 else [*parts, None]


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
    wants, masks = ctx.needs_input_grad[3:], [None] * ctx.count
    inputs = [t for t, wanted in zip((x, first, *masks, *weights), wants, strict=True) if t is not None and wanted]
    found = iter(torch.autograd.grad(outputs, inputs, grads, create_graph=True, allow_unused=True))
    return [next(found) if wanted else None for wanted in wants]


def refuses(call: Call) -> str | None:
    """See `Backend.refuses`."""
    if type(call.cell) not in (RNN, LSTM, GRU):
        return f"there are kernels for rnn, lstm and gru, not for {call.cell.name}"
    x = call.x
    if not x.is_cpu:
        return f"the kernels are for the CPU, and x is on {x.device}"
    if x.dtype not in (torch.float32, torch.float64):
        return f"the kernels compute in float32 or float64, and x is {x.dtype}"
    dtype = x.dtype
    for part in (*call.weights, *call.state, *call.masks):
        if part.dtype != dtype:
            return "x, the weights, the state and the masks are of different dtypes"
        if not part.is_cpu:
            return f"the kernels are for the CPU, and a weight, a state or a mask is on {part.device}"
    if call.masks and any(mask.requires_grad for mask in call.masks):
        return "a gradient by a mask is wanted"
    if why := _misshapen(call):
        return why
    if torch.is_autocast_enabled("cpu"):
        return "autocast asks for another dtype than that of x"
    if 0 in x.shape[:2] or call.hidden_size == 0:
        return "there is nothing to compute: B, T or H is 0"
    if torch._C._are_functorch_transforms_active():
        return "torch.func's transforms need to see every operation"
    module, why = kernels.load()
    return why if module is None else None


def _misshapen(call: Call) -> str | None:
    """Kernels are given addresses alone: what does not have the shape of the call must not come so far."""
    (B, T, I), H, D = call.x.shape, call.hidden_size, call.directions
    rows, n = kernel_of(call).gates * H, 4 if call.bias else 2
    wanted = [(rows, I), (rows, H), (rows,), (rows,)][:n] * D
    if [w.shape for w in call.weights] != wanted:
        return f"the weights have the shapes {[tuple(w.shape) for w in call.weights]}; wanted {wanted}"
    parts = len(call.cell.states)
    if call.state and [part.shape for part in call.state] != [(B, H)] * (parts * D):
        return f"the state has the shapes {[tuple(part.shape) for part in call.state]}; wanted {parts * D} of {(B, H)}"
    if call.lengths is not None and call.lengths.shape != (B,):
        return f"lengths has the shape {tuple(call.lengths.shape)}; wanted {(B,)}"
    for k, mask in enumerate(call.masks):
        shapes = ((0,), (B, H)) if k % (1 + parts) == 0 else ((0,), (1, 1, 1), (T, B, H))
        if mask.shape not in shapes or len(call.masks) != (1 + parts) * D:
            return f"mask {k} of {len(call.masks)} has the shape {tuple(mask.shape)}; wanted one of {shapes}"
    return None


# What benchmarks/kernels.py shows.
_FEW_STEPS = 8
_NARROW = 64


def slow(call: Call) -> str | None:
    """See `Backend.slow`."""
    if call.masks or few.fits(call):
        return None
    if call.x.shape[1] < _FEW_STEPS:
        return f"with fewer than {_FEW_STEPS} steps, calling the kernels costs more than they save"
    if isinstance(call.cell, LSTM) and call.lengths is None:
        if not call.wants_gradient:
            return "torch's LSTM is faster where no gradient is wanted and all rows are equally long"
        if call.hidden_size > _NARROW:
            return f"torch's LSTM is as fast where all rows are equally long and H is above {_NARROW}"
    return None


def work(call: Call) -> int:
    """See `Backend.work`: live steps alone."""
    return all_steps(call) if call.lengths is None else int(call.lengths.sum()) * call.directions


BACKEND = Backend("native", run, refuses, slow, masks=True, work=work)
