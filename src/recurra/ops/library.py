"""`recurra::rnn`, `recurra::lstm`, `recurra::lstmp`, `recurra::gru`: a cell over time as one operator of torch.library.

In eager mode the operator only runs the back end that was chosen, and autograd records what that back end does: nothing
is computed twice. So there the layers call the back end without it, which for a single step is most of the time. y lies in
memory step after step; with lengths row after row, where rows of few live steps touch few pages. Under tracing
(torch.export, torch.compile) it must stay one node, whatever T is; there the backward pass is a second operator,
`recurra::<cell>_backward`, which runs the forward pass once more, with gradients on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ..cells import GRU, LSTM, RNN, Cell
from ..cells.lstmp import LSTMP
from .call import Call
from .checks import check_lengths, traced
from .dispatch import choose

_ARGUMENTS = (
    "Tensor x, Tensor? lengths, Tensor[] state, Tensor[] weights, "
    "int hidden_size, bool bias, bool bidirectional, Tensor[] masks, str options, str backend"
)
_library: Any = torch.library.Library("recurra", "DEF")  # type: ignore[no-untyped-call]


def options_of(cell: Cell) -> str:
    """The options of a cell as the operator takes them: JSON."""
    return json.dumps(asdict(cell))


def operator_of(cell: Cell) -> Callable[..., list[Tensor]] | None:
    """The operator of a cell, or None: a cell of the user's own has none, nor has a subclass with another equation."""
    return _operators.get(type(cell))


def execute(call: Call, backend: str) -> list[Tensor]:
    """Run a call with no operator around it; with lengths y lies in memory row after row."""
    y, *state = choose(call, backend).run(call)
    return [y if call.lengths is None else y.contiguous(), *state]


def wants_operator(x: Tensor) -> bool:
    """Whether somebody looks on who must see one operation: a graph is traced, or torch.func transforms it."""
    return torch.compiler.is_compiling() or traced(x) or torch._C._are_functorch_transforms_active()


def _make(cls: type[Cell]) -> Callable[..., list[Tensor]]:
    """Define and register the operator of one cell."""
    name = cls.name

    @lru_cache
    def cell_with(options: str) -> Cell:
        return cls(**json.loads(options))

    def call_of(
        x: Tensor,
        lengths: Tensor | None,
        state: Sequence[Tensor],
        weights: Sequence[Tensor],
        hidden_size: int,
        bias: bool,
        bidirectional: bool,
        masks: Sequence[Tensor],
        options: str,
    ) -> Call:
        return Call(cell_with(options), x, lengths, state, weights, hidden_size, bias, bidirectional, masks)

    def eager(*args: Any) -> list[Tensor]:
        call = call_of(*args[:-1])
        if call.lengths is not None and call.lengths.is_cpu:  # on a GPU looking would wait; the layer has looked
            call = call._replace(lengths=check_lengths(call.lengths, call.x.shape[1]))
        return execute(call, args[-1])

    def fake(*args: Any) -> list[Tensor]:
        call = call_of(*args[:-1])
        B, T, _ = call.x.shape
        H = call.directions * call.sizes[0]
        y = call.x.new_empty((T, B, H)).transpose(0, 1) if call.lengths is None else call.x.new_empty((B, T, H))
        return [y, *(call.x.new_empty((B, size)) for size in call.sizes * call.directions)]

    def forward(*args: Any) -> list[Tensor]:
        x, lengths, state, weights, *numbers, masks, options, backend = args
        if traced(x):
            outputs: tuple[Tensor, ...] = _Traced.apply(  # type: ignore[no-untyped-call]
                operator,
                backward_operator,
                lengths,
                masks,
                len(state),
                (numbers, options, backend),
                x,
                *state,
                *weights,
            )
            return list(outputs)
        return eager(*args)

    def backward(grads: Sequence[Tensor], *args: Any) -> list[Tensor]:
        x, lengths, state, weights, *rest = args
        if traced(x):
            with torch._C._AutoDispatchBelowAutograd():
                return list(backward_operator(grads, *args))
        inputs = [t.detach().requires_grad_() for t in (x, *state, *weights)]
        x, state, weights = inputs[0], inputs[1 : len(state) + 1], inputs[len(state) + 1 :]
        with torch.enable_grad():
            outputs = eager(x, lengths, state, weights, *rest)
            pairs = [(y, grad) for y, grad in zip(outputs, grads, strict=True) if y.requires_grad]
            return _grads(pairs, inputs)

    def fake_backward(grads: Sequence[Tensor], *args: Any) -> list[Tensor]:
        x, _, state, weights, *_ = args
        return [torch.empty_like(t, memory_format=torch.contiguous_format) for t in (x, *state, *weights)]

    for op, arguments, plain, autograd, shapes in (
        (name, _ARGUMENTS, eager, forward, fake),
        (f"{name}_backward", f"Tensor[] grads, {_ARGUMENTS}", backward, backward, fake_backward),
    ):
        _library.define(f"{op}({arguments}) -> Tensor[]", tags=(torch.Tag.pt2_compliant_tag,))
        _library.impl(op, plain, "CompositeExplicitAutograd")
        _library.impl(op, autograd, "Autograd")
        torch.library.register_fake(f"recurra::{op}", shapes, lib=_library)
    operator = getattr(torch.ops.recurra, name).default
    backward_operator = getattr(torch.ops.recurra, f"{name}_backward").default
    return operator  # type: ignore[no-any-return]


def _grads(pairs: Sequence[tuple[Tensor, Tensor]], inputs: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of all inputs, contiguous, zero where an input has no part in the outputs."""
    outputs, grads = zip(*pairs, strict=True)
    found = torch.autograd.grad(outputs, inputs, grads, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g.contiguous() for g, t in zip(found, inputs, strict=True)]


class _Traced(torch.autograd.Function):
    """The pair of operators as autograd sees it while a graph is traced."""

    @staticmethod
    def forward(
        ctx: Any,
        operator: Callable[..., list[Tensor]],
        backward_operator: Callable[..., list[Tensor]],
        lengths: Tensor | None,
        masks: Sequence[Tensor],
        parts: int,
        rest: tuple[list[Any], str, str],
        x: Tensor,
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(x, lengths, *masks, *tensors)
        ctx.backward_operator, ctx.masks, ctx.parts, ctx.rest = backward_operator, len(masks), parts, rest
        numbers, *names = rest
        with torch._C._AutoDispatchBelowAutograd():
            return tuple(operator(x, lengths, tensors[:parts], tensors[parts:], *numbers, masks, *names))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        x, lengths, *tensors = ctx.saved_tensors
        masks, tensors = tensors[: ctx.masks], tensors[ctx.masks :]
        state, weights = tensors[: ctx.parts], tensors[ctx.parts :]
        numbers, *names = ctx.rest
        found = ctx.backward_operator(list(grads), x, lengths, state, weights, *numbers, masks, *names)
        return (None, None, None, None, None, None, *found)


_operators: dict[type[Cell], Callable[..., list[Tensor]]] = {cls: _make(cls) for cls in (RNN, LSTM, LSTMP, GRU)}
