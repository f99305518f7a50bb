"""The back end `native`: our own kernels for the CPU (native/), which know lengths and meet at no barrier.

Only live steps are computed, and stand one after the other, (N, ...), step by step with the longest row first. What the
input adds to all gates is one product of big matrices, and so is the gradient of each weight: those are torch's. The
recurrence between them, forward and backward, is the kernel's. Kept for the backward pass: the live x, y, and (N, D*S*H)
numbers, S = 1 for rnn, 4 for gru, 5 for lstm. A second derivative goes through the reference.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..cells import GRU, LSTM, RNN
from ..errors import BackendError
from . import reference
from .call import Backend, Call, all_steps, note

TARGET = "RECURRA_NATIVE"  # an instruction set by name instead of the widest, or "off"


class _Kernel(NamedTuple):
    """What the kernel of a cell keeps and gives, in units of H: see native/*.h."""

    number: int
    gates: int
    saved: int
    deltas: int  # gradients of the sums before the gates: the first `gates` of them by W x + b
    recurrent: int  # where those by U h + c begin
    turned: int = 0  # how far the first ones are turned against the order of the gates


def _kernel(call: Call) -> _Kernel:
    if isinstance(call.cell, RNN):
        return _Kernel(0 if call.cell.nonlinearity == "tanh" else 1, gates=1, saved=1, deltas=1, recurrent=0)
    if isinstance(call.cell, LSTM):
        return _Kernel(2, gates=4, saved=5, deltas=4, recurrent=0)
    return _Kernel(3, gates=3, saved=4, deltas=4, recurrent=1, turned=1)


@cache
def _module() -> tuple[ModuleType | None, str]:
    """The compiled kernels and the instruction set to use; or None, and why."""
    asked = os.environ.get(TARGET, "")
    if asked == "off":
        return None, f"switched off by {TARGET}=off"
    try:
        from . import _native  # type: ignore[attr-defined]
    except ImportError as error:
        return None, f"the kernels are not built here ({error}); install recurra where there is a C++ compiler"
    targets: list[str] = _native.targets()
    if asked and asked not in targets:
        return None, f"{TARGET}={asked}, and this machine has {', '.join(targets)}"
    return _native, asked or targets[0]


def state_of_kernels() -> str:
    """In words: the instruction set they use, or why they are not there."""
    module, said = _module()
    return said if module is not None else f"none, {said}"


@cache
def _parallel() -> int:
    """GOMP_parallel of the OpenMP that torch runs on, so that its threads are ours too; 0: threads of our own."""
    try:
        return ctypes.cast(ctypes.CDLL(None).GOMP_parallel, ctypes.c_void_p).value or 0
    except (AttributeError, OSError):
        return 0


class _Steps(NamedTuple):
    """The live steps of a batch, in the order (N,) in which the kernels have them."""

    rows: Tensor  # (B,) int64: the row at each place, longest first
    lengths: Tensor  # (B,): theirs
    offset: Tensor  # (T,): where each step begins
    alive: Tensor  # (T,): how many rows it has
    of_x: Tensor | None  # (N,): places in (B*T,); None: all are live
    of_y: Tensor | None  # (N,): places in (T*B,)

    @classmethod
    def of(cls, lengths: Tensor | None, B: int, T: int) -> _Steps:
        steps = torch.arange(T)
        if lengths is None:
            return cls(torch.arange(B), torch.full((B,), T), steps * B, torch.full((T,), B), None, None)
        lengths, rows = lengths.sort(descending=True, stable=True)
        live = steps[:, None] < lengths  # (T, B)
        alive = live.sum(1)
        of_x = (rows * T + steps[:, None])[live]
        of_y = (rows + steps[:, None] * B)[live]
        return cls(rows, lengths, alive.cumsum(0) - alive, alive, of_x, of_y)


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
    return [y.transpose(0, 1), *(state[p * D + d] for d in range(D) for p in range(parts))]


class _Sequence(torch.autograd.Function):
    """(T, B, D*H) and the last state (parts*D, B, H) from x (B, T, I), the first state and the weights."""

    @staticmethod
    def forward(ctx: Any, call: Call, x: Tensor, first: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
        kernel, (B, T, _), H, D = _kernel(call), x.shape, call.hidden_size, call.directions
        steps = _Steps.of(call.lengths, B, T)
        if steps.of_x is None:
            live_x, y = x.transpose(0, 1).reshape(T * B, -1), x.new_empty(T, B, D * H)
        else:
            live_x, y = x.reshape(B * T, -1).index_select(0, steps.of_x), x.new_zeros(T, B, D * H)
        gates = x.new_empty(len(live_x), D, kernel.saved * H)
        for d in range(D):
            weight_ih, _, *biases = _of_direction(weights, d, D)
            target = gates[:, d, : kernel.gates * H]
            if biases:
                torch.addmm(biases[0], live_x, weight_ih.t(), out=target)
            else:
                torch.mm(live_x, weight_ih.t(), out=target)
        last = torch.empty_like(first)
        keep = any(ctx.needs_input_grad)
        _run(call, kernel, steps, weights, keep, T, [gates, y, first, last])
        if keep:
            ctx.save_for_backward(x, live_x, first, y, gates, *weights)
            ctx.call, ctx.kernel, ctx.steps = call, kernel, steps
        ctx.set_materialize_grads(False)
        return y, last

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor | None, grad_last: Tensor | None) -> tuple[Tensor | None, ...]:
        call, kernel, steps = ctx.call, ctx.kernel, ctx.steps
        x, live_x, first, y, gates, *weights = ctx.saved_tensors
        if torch.is_grad_enabled():
            return None, *_differentiable(ctx, grad_y, grad_last, x, first, weights)
        (B, T, I), H, D = x.shape, call.hidden_size, call.directions
        grad_y = None if grad_y is None else grad_y.contiguous()
        grad_last = None if grad_last is None else grad_last.contiguous()
        deltas = x.new_empty(len(live_x), D, kernel.deltas * H)
        grad_first = torch.empty_like(first)
        data = [gates, y, first, None, grad_y, grad_last, grad_first, deltas]
        _run(call, kernel, steps, weights, True, T, data, back=True)

        _, wants_x, wants_first, *wants = ctx.needs_input_grad
        grad_x, grads = None, []
        for d in range(D):
            weight_ih, _, *biases = _of_direction(weights, d, D)
            by_input = deltas[:, d, : kernel.gates * H]
            by_hidden = deltas[:, d, kernel.recurrent * H : (kernel.recurrent + kernel.gates) * H]
            want = _of_direction(wants, d, D)
            turned = kernel.turned * H
            grads.append(torch.mm(by_input.t(), live_x).roll(-turned, 0) if want[0] else None)
            grads.append(_by_hidden_weight(by_hidden, y[..., d * H : (d + 1) * H], first[d], steps, d) if want[1] else None)
            if biases:
                grads.append(by_input.sum(0).roll(-turned) if want[2] else None)
                grads.append(by_hidden.sum(0) if want[3] else None)
            if wants_x:
                weight = weight_ih.roll(turned, 0)
                grad_x = torch.mm(by_input, weight) if grad_x is None else grad_x.addmm_(by_input, weight)
        if grad_x is not None and steps.of_x is not None:
            grad_x = x.new_zeros(B * T, I).index_copy_(0, steps.of_x, grad_x).view(B, T, I)
        elif grad_x is not None:
            grad_x = grad_x.view(T, B, I).transpose(0, 1)
        return None, grad_x, grad_first if wants_first else None, *grads


def _of_direction(items: Any, d: int, D: int) -> Any:
    n = len(items) // D
    return items[d * n : (d + 1) * n]


def _run(
    call: Call,
    kernel: _Kernel,
    steps: _Steps,
    weights: Any,
    keep: bool,
    T: int,
    data: list[Tensor | None],
    *,
    back: bool = False,
) -> None:
    module, target = _module()
    assert module is not None and data[1] is not None
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
        [T, len(steps.rows), call.hidden_size, D, torch.get_num_threads()],
        [part.data_ptr() for part in index],
        [0 if part is None else part.data_ptr() for part in tensors],
        [0 if part is None else part.data_ptr() for part in [*_two(hidden), *_two(biases)]],
        _parallel(),
    )


def _two(parts: list[Any]) -> list[Any]:
    return parts if len(parts) == 2 else [*parts, None]


def _by_hidden_weight(deltas: Tensor, y: Tensor, first: Tensor, steps: _Steps, d: int) -> Tensor:
    """deltas (N, G*H), y (T, B, H) of one direction, first (B, H) -> the gradient of weight_hh: each delta times the
    hidden state before its step."""
    T, B, H = y.shape
    begins = int(steps.alive[0])  # rows of the first step
    if steps.of_y is None:
        flat = y.flatten(0, 1)
        inner, outer = (slice(B, None), slice(0, B)) if d == 0 else (slice(0, -B), slice((T - 1) * B, None))
        before = flat[:-B] if d == 0 else flat[B:]
        return torch.addmm(torch.mm(deltas[outer].t(), first), deltas[inner].t(), before)
    flat = y.reshape(T * B, H)
    if d == 0:
        inner_before = flat.index_select(0, steps.of_y[begins:] - B)
        start = torch.mm(deltas[:begins].t(), first[steps.rows[:begins]])
        return torch.addmm(start, deltas[begins:].t(), inner_before)
    before = flat.index_select(0, (steps.of_y + B).clamp_(max=T * B - 1))
    rows = steps.rows[:begins]  # those that live at all; each begins at its own last step
    ends = steps.offset[steps.lengths[:begins] - 1] + torch.arange(begins)
    before[ends] = first[rows]
    return torch.mm(deltas.t(), before)


def _differentiable(
    ctx: Any, grad_y: Tensor | None, grad_last: Tensor | None, x: Tensor, first: Tensor, weights: list[Tensor]
) -> list[Tensor | None]:
    """The same gradients by way of the reference, which autograd can differentiate again."""
    call, parts, D = ctx.call, len(ctx.call.cell.states), ctx.call.directions
    state = [first[p * D + d] for d in range(D) for p in range(parts)]
    y, *last = reference.run(call._replace(x=x, state=state, weights=weights))
    outputs, grads = [], []
    if grad_y is not None:
        outputs.append(y.transpose(0, 1))
        grads.append(grad_y)
    if grad_last is not None:
        outputs += [last[d * parts + p] for p in range(parts) for d in range(D)]
        grads += grad_last.unbind(0)
    inputs = [t for t, wanted in zip((x, first, *weights), ctx.needs_input_grad[1:], strict=True) if wanted]
    found = iter(torch.autograd.grad(outputs, inputs, grads, create_graph=True, allow_unused=True))
    return [next(found) if wanted else None for wanted in ctx.needs_input_grad[1:]]


class Steps:
    """Single steps of B streams through a stack of layers: buffers are bound and weights packed once, here.

    `run()` reads `x` (B, I), and changes the parts of `state` in place; `y` is the last layer's h. The weights are
    copies: bind anew when they have changed. Raises BackendError where the kernels cannot.
    """

    def __init__(self, calls: list[Call]) -> None:
        for call in calls:
            why = "the reverse direction sees the end first" if call.bidirectional else BACKEND.refuses(call)
            if why:
                raise BackendError(f"back end 'native' cannot step this layer: {why}")
        module, target = _module()
        assert module is not None
        self._steps, self._kept = module.Steps(target, torch.get_num_threads(), _parallel()), list[Tensor]()
        self.x = x = calls[0].x.new_zeros(calls[0].x.shape[0], calls[0].x.shape[2])
        self.state: list[Tensor] = []
        for call in calls:
            kernel, B, I, H = _kernel(call), len(x), x.shape[1], call.hidden_size
            double = x.dtype == torch.float64
            parts = x.new_zeros(len(call.cell.states), B, H)
            packed = []
            for weight, K in zip(call.weights[:2], (I, H), strict=True):
                packed.append(x.new_zeros(self._steps.packed_size(kernel.number, double, K, H)))
                source = weight.detach().contiguous()
                self._steps.pack(kernel.number, double, source.data_ptr(), K, H, packed[-1].data_ptr())
            biases = [bias.detach().clone() for bias in call.weights[2:]]
            data = [x, parts, x.new_zeros(B, H), *packed, *biases]
            addresses = [part.data_ptr() for part in data]
            self._steps.add(kernel.number, double, B, I, H, addresses + [0] * (7 - len(addresses)))
            self._kept += data
            self.state += parts.unbind(0)
            x = parts[0]
        self.y = x
        self.run = self._steps.__call__  # without a detour through Python


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
    module, why = _module()
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
