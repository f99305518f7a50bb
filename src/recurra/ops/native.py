"""The back end `native`: our own kernels for the CPU (native/), which know lengths and meet at no barrier.

Only live steps are computed, and stand one after the other, (N, ...), step by step with the longest row first; padding
is met at the door and nowhere else. What the input adds to all gates is one product of big matrices, and so is the
gradient of each weight: those are torch's. The recurrence between them, forward and backward, is the kernel's. Kept for
the backward pass: x as it came, the live y, and (N, D*S*H) numbers, S = 1 for rnn, 4 for gru, 5 for lstm. A second
derivative goes through the reference.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..cells import GRU, LSTM, RNN
from . import kernels, reference
from .call import Backend, Call, all_steps, note
from .kernels import Kernel, kernel_of
from .pages import sparse_zeros


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
    def count(self) -> int:
        """N"""
        return self.B * self.T if self.places is None else len(self.places)

    def gather(self, padded: Tensor) -> Tensor:
        """(B, T, C) -> (N, C). A batch whose memory is in the order of time is read as it lies."""
        B, T, C = padded.shape
        if self.places is None:
            return padded.transpose(0, 1).reshape(T * B, C)
        if padded.stride(0) == T * padded.stride(1):
            return padded.reshape(B * T, C).index_select(0, self.places)
        by_time = self.places % T * B + self.places // T
        return padded.transpose(0, 1).reshape(T * B, C).index_select(0, by_time)

    def scatter(self, live: Tensor) -> Tensor:
        """(N, C) -> (B, T, C), zero on dead steps."""
        if self.places is None:
            return live.view(self.T, self.B, -1).transpose(0, 1)
        shape = (self.B * self.T, live.shape[1])
        mostly_dead = 2 * self.count < self.B * self.T
        padded = sparse_zeros(shape, live) if mostly_dead else live.new_zeros(shape)
        return padded.index_put_((self.places,), live).view(self.B, self.T, -1)

    def before(self, y: Tensor, first: Tensor, d: int) -> Tensor:
        """The hidden state before each step of direction `d`: y (N, H) of that direction, first (B, H) -> (N, H)."""
        begins = int(self.alive[0])  # rows that live at all
        at, first = torch.arange(self.count), first[self.rows[:begins]]
        if d == 0:  # a row keeps its place from one step to the next
            return torch.cat([first, y.index_select(0, at[begins:] - self.alive[:-1].repeat_interleave(self.alive[1:]))])
        before = y.index_select(0, (at + self.alive.repeat_interleave(self.alive)).clamp_(max=self.count - 1))
        before[self.offset[self.lengths[:begins] - 1] + torch.arange(begins)] = first  # each begins at its own last step
        return before


def run(call: Call) -> list[Tensor]:
    """See `Backend.run`."""
    note("native")
    parts, D, (B, _, _) = len(call.cell.states), call.directions, call.x.shape
    if call.state:  # laid out by direction, then part; the kernels want parts first
        first = torch.stack([call.state[d * parts + p] for p in range(parts) for d in range(D)])
    else:
        first = call.x.new_zeros(parts * D, B, call.hidden_size)
    weights = [part.contiguous() for part in call.weights]
    bare = call._replace(x=None, state=(), weights=())  # type: ignore[arg-type]
    y, last = _Sequence.apply(bare, call.x, first, *weights)  # type: ignore[no-untyped-call]
    state = last.unbind(0)
    by_row = y if call.lengths is not None else y.transpose(0, 1)
    return [by_row, *(state[p * D + d] for d in range(D) for p in range(parts))]


class _Sequence(torch.autograd.Function):
    """y and the last state (parts*D, B, H) from x (B, T, I), the first state and the weights.

    y is (T, B, D*H) as the kernels have written it where all steps are live, else scattered to (B, T, D*H).
    """

    @staticmethod
    def forward(ctx: Any, call: Call, x: Tensor, first: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
        kernel, (B, T, _), H, D = kernel_of(call), x.shape, call.hidden_size, call.directions
        steps = LiveSteps.of(call.lengths, B, T)
        live_x, whole = steps.gather(x), steps.places is None
        gates = x.new_empty(len(live_x), D, kernel.saved * H)
        for d in range(D):
            weight_ih, _, *biases = _of_direction(weights, d, D)
            target = gates[:, d, : kernel.gates * H]
            if biases:
                torch.addmm(biases[0], live_x, weight_ih.t(), out=target)
            else:
                torch.mm(live_x, weight_ih.t(), out=target)
        y, last = x.new_empty((T, B, D * H) if whole else (len(live_x), D * H)), torch.empty_like(first)
        keep = any(ctx.needs_input_grad)
        _run(call, kernel, steps, weights, keep, [gates, y, first, last])
        if keep:
            ctx.save_for_backward(x, first, y, gates, *weights)
            ctx.call, ctx.kernel, ctx.steps = call, kernel, steps
        ctx.set_materialize_grads(False)
        return y if whole else steps.scatter(y), last

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor | None, grad_last: Tensor | None) -> tuple[Tensor | None, ...]:
        call, kernel, steps = ctx.call, ctx.kernel, ctx.steps
        x, first, y, gates, *weights = ctx.saved_tensors
        if grad_y is not None and steps.places is None:
            grad_y = grad_y.transpose(0, 1)
        if torch.is_grad_enabled():
            return None, *_differentiable(ctx, grad_y, grad_last, x, first, weights)
        H, D = call.hidden_size, call.directions
        y = y.view(-1, D * H)
        deltas = x.new_empty(len(y), D, kernel.deltas * H)
        grad_first = torch.empty_like(first)
        live_grad = None if grad_y is None else steps.gather(grad_y).contiguous()
        grad_last = None if grad_last is None else grad_last.contiguous()
        data = [gates, y, first, None, live_grad, grad_last, grad_first, deltas]
        _run(call, kernel, steps, weights, True, data, back=True)
        del data, live_grad

        _, wants_x, wants_first, *wants = ctx.needs_input_grad
        live_x = steps.gather(x)
        grad_x, grads = None, []
        for d in range(D):
            weight_ih, _, *biases = _of_direction(weights, d, D)
            by_input = deltas[:, d, : kernel.gates * H]
            by_hidden = deltas[:, d, kernel.recurrent * H : (kernel.recurrent + kernel.gates) * H]
            want = _of_direction(wants, d, D)
            turned = kernel.turned * H
            grads.append(torch.mm(by_input.t(), live_x).roll(-turned, 0) if want[0] else None)
            grads.append(_by_hidden_weight(by_hidden, y[:, d * H : (d + 1) * H], first[d], steps, d) if want[1] else None)
            if biases:
                grads.append(by_input.sum(0).roll(-turned) if want[2] else None)
                grads.append(by_hidden.sum(0) if want[3] else None)
            if wants_x:
                weight = weight_ih.roll(turned, 0)
                grad_x = torch.mm(by_input, weight) if grad_x is None else grad_x.addmm_(by_input, weight)
        grad_x = None if grad_x is None else steps.scatter(grad_x)
        return None, grad_x, grad_first if wants_first else None, *grads


def _of_direction(items: Any, d: int, D: int) -> Any:
    n = len(items) // D
    return items[d * n : (d + 1) * n]


def _run(
    call: Call,
    kernel: Kernel,
    steps: LiveSteps,
    weights: Any,
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
        kernels.parallel(),
    )


def _two(parts: list[Any]) -> list[Any]:
    return parts if len(parts) == 2 else [*parts, None]


def _by_hidden_weight(deltas: Tensor, y: Tensor, first: Tensor, steps: LiveSteps, d: int) -> Tensor:
    """deltas (N, G*H), y (N, H) of one direction, first (B, H) -> the gradient of weight_hh: each delta times the
    hidden state before its step."""
    if steps.places is not None:
        return torch.mm(deltas.t(), steps.before(y, first, d))
    B = steps.B  # what came before lies one step beside: nothing needs to be gathered
    inner, outer, before = (
        (slice(B, None), slice(0, B), y[:-B]) if d == 0 else (slice(0, -B), slice(len(y) - B, None), y[B:])
    )
    return torch.addmm(torch.mm(deltas[outer].t(), first), deltas[inner].t(), before)


def _differentiable(
    ctx: Any, grad_y: Tensor | None, grad_last: Tensor | None, x: Tensor, first: Tensor, weights: list[Tensor]
) -> list[Tensor | None]:
    """The same gradients by way of the reference, which autograd can differentiate again."""
    call, parts, D = ctx.call, len(ctx.call.cell.states), ctx.call.directions
    state = [first[p * D + d] for d in range(D) for p in range(parts)]
    y, *last = reference.run(call._replace(x=x, state=state, weights=weights))
    outputs, grads = [], []
    if grad_y is not None:
        outputs.append(y)
        grads.append(grad_y)
    if grad_last is not None:
        outputs += [last[d * parts + p] for p in range(parts) for d in range(D)]
        grads += grad_last.unbind(0)
    inputs = [t for t, wanted in zip((x, first, *weights), ctx.needs_input_grad[1:], strict=True) if wanted]
    found = iter(torch.autograd.grad(outputs, inputs, grads, create_graph=True, allow_unused=True))
    return [next(found) if wanted else None for wanted in ctx.needs_input_grad[1:]]


def refuses(call: Call) -> str | None:
    """See `Backend.refuses`."""
    if type(call.cell) not in (RNN, LSTM, GRU):
        return f"there are kernels for rnn, lstm and gru, not for {call.cell.name}"
    x = call.x
    if not x.is_cpu:
        return f"the kernels are for the CPU, and x is on {x.device}"
    if x.dtype not in (torch.float32, torch.float64):
        return f"the kernels compute in float32 or float64, and x is {x.dtype}"
    if any(part.dtype != x.dtype for part in (*call.weights, *call.state)):
        return "x, the weights and the state are of different dtypes"
    if torch.is_autocast_enabled("cpu"):
        return "autocast asks for another dtype than that of x"
    if 0 in x.shape[:2] or call.hidden_size == 0:
        return "there is nothing to compute: B, T or H is 0"
    if torch._C._are_functorch_transforms_active():
        return "torch.func's transforms need to see every operation"
    module, why = kernels.load()
    return why if module is None else None


# What benchmarks/kernels.py shows.
_FEW_STEPS = 8
_NARROW = 64


def slow(call: Call) -> str | None:
    """See `Backend.slow`."""
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


BACKEND = Backend("native", run, refuses, slow, work=work)
