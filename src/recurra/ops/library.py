"""`recurra::rnn`, `recurra::lstm`, `recurra::lstmp`, `recurra::gru`: a cell over time as one operator of torch.library.

In eager mode the operator runs the chosen backend, and autograd records what that backend does, so nothing is computed
twice. There the layers call the backend without the operator, because for a single step its overhead would dominate. y is
time-major in memory; with lengths it is batch-major, so that short sequences touch few memory pages. Under tracing
(torch.export, torch.compile), and for a mode that sees every operation, a call stays one node for any T. Its backward pass
is a second operator, `recurra::<cell>_backward`, which runs the forward pass again with gradients enabled.

Every cell that at least one backend has kernels for has an operator.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ..cells import Cell
from .call import Call
from .checks import check_lengths
from .dispatch import BACKENDS, choose
from .eligibility import observed, ordinary_reason, without_autocast
from .ordinary_gradients import ordinary_gradients

_ARGUMENTS = (
    "Tensor x, Tensor? lengths, Tensor[] state, Tensor[] weights, "
    "int hidden_size, bool bias, bool bidirectional, Tensor[] masks, str options, str backend"
)
_library: Any = torch.library.Library("recurra", "DEF")  # type: ignore[no-untyped-call]


def options_of(cell: Cell) -> str:
    """The options of a cell in the form that the operator takes: JSON."""
    return json.dumps(asdict(cell))


def operator_of(cell: Cell) -> Callable[..., list[Tensor]] | None:
    """The operator of a cell. None for a user-defined cell, and for a subclass, whose equation may differ."""
    return _operators.get(type(cell))


def execute(call: Call, backend: str) -> list[Tensor]:
    """Runs a call without an operator around it."""
    return choose(call, backend).run(call)


def _make(cls: type[Cell]) -> Callable[..., list[Tensor]]:
    """Defines and registers the operator of one cell."""
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
        call = given = call_of(*args[:-1])
        if call.lengths is not None and call.lengths.is_cpu:  # on a GPU this would wait; the layer has checked
            call = call._replace(lengths=check_lengths(call.lengths, call.x.shape[1]))
        y, *state = execute(call, args[-1])
        return [y if given.lengths is None else y.contiguous(), *state]  # in memory as `fake` declares it

    def fake(*args: Any) -> list[Tensor]:
        call = call_of(*args[:-1])
        B, T, _ = call.x.shape
        H = call.directions * call.sizes[0]
        y = call.x.new_empty((T, B, H)).transpose(0, 1) if call.lengths is None else call.x.new_empty((B, T, H))
        return [y, *(call.x.new_empty((B, size)) for size in call.sizes * call.directions)]

    def forward(*args: Any) -> list[Tensor]:
        x, lengths, state, weights, *numbers, masks, options, backend = args
        if not observed(x):
            return eager(*args)
        outputs: tuple[Tensor, ...] = _Observed.apply(  # type: ignore[no-untyped-call]
            operator,
            backward_operator,
            lambda *args: call_of(*args[:-1]),
            lengths,
            masks,
            len(state),
            (numbers, options, backend),
            x,
            *state,
            *weights,
        )
        return list(outputs)

    def eager_backward(grads: Sequence[Tensor], *args: Any) -> list[Tensor]:
        x, lengths, state, weights, *rest = args
        inputs = [t.detach().requires_grad_() for t in (x, *state, *weights)]
        x, state, weights = inputs[0], inputs[1 : len(state) + 1], inputs[len(state) + 1 :]
        with _recording(x):
            outputs = eager(x, lengths, state, weights, *rest)
            pairs = [(y, grad) for y, grad in zip(outputs, grads, strict=True) if y.requires_grad]
            return _grads(pairs, inputs)

    def backward(grads: Sequence[Tensor], *args: Any) -> list[Tensor]:
        if not observed(args[0]):
            return eager_backward(grads, *args)
        with torch._C._AutoDispatchBelowAutograd():
            return list(backward_operator(grads, *args))

    def fake_backward(grads: Sequence[Tensor], *args: Any) -> list[Tensor]:
        x, _, state, weights, *_ = args
        return [torch.empty_like(t, memory_format=torch.contiguous_format) for t in (x, *state, *weights)]

    for op, arguments, plain, autograd, shapes in (
        (name, _ARGUMENTS, eager, forward, fake),
        (f"{name}_backward", f"Tensor[] grads, {_ARGUMENTS}", eager_backward, backward, fake_backward),
    ):
        _library.define(f"{op}({arguments}) -> Tensor[]", tags=(torch.Tag.pt2_compliant_tag,))
        _library.impl(op, plain, "CompositeExplicitAutograd")
        _library.impl(op, autograd, "Autograd")
        torch.library.register_fake(f"recurra::{op}", shapes, lib=_library)
    operator = getattr(torch.ops.recurra, name).default
    backward_operator = getattr(torch.ops.recurra, f"{name}_backward").default
    return operator  # type: ignore[no-any-return]


@contextmanager
def _recording(x: Tensor) -> Iterator[None]:
    """Inside the block autograd records, also in a kernel that the dispatcher called below autograd; autocast is off."""
    include, exclude = torch._C._dispatch_tls_local_include_set(), torch._C._dispatch_tls_local_exclude_set()
    above = torch._C._ForceDispatchKeyGuard(include, exclude - torch._C._dispatch_keys(x))
    with above, torch.enable_grad(), without_autocast(x):
        yield


def _grads(pairs: Sequence[tuple[Tensor, Tensor]], inputs: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of all inputs, contiguous, and zero where the outputs do not depend on an input."""
    outputs, grads = zip(*pairs, strict=True)
    grads_of_inputs = torch.autograd.grad(outputs, inputs, grads, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g.contiguous() for g, t in zip(grads_of_inputs, inputs, strict=True)]


class _Observed(torch.autograd.Function):
    """The forward and backward operators as one autograd function, where a graph is recorded or a mode is active."""

    @staticmethod
    def forward(
        ctx: Any,
        operator: Callable[..., list[Tensor]],
        backward_operator: Callable[..., list[Tensor]],
        call_of: Callable[..., Call],
        lengths: Tensor | None,
        masks: Sequence[Tensor],
        components: int,
        rest: tuple[list[Any], str, str],
        x: Tensor,
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        kept = None if lengths is None else lengths.clone()  # the caller may change it in place
        ctx.save_for_backward(x, kept, *masks, *tensors)
        ctx.operators, ctx.masks, ctx.components, ctx.rest = (backward_operator, call_of), len(masks), components, rest
        numbers, *names = rest
        with torch._C._AutoDispatchBelowAutograd():
            return tuple(operator(x, lengths, tensors[:components], tensors[components:], *numbers, masks, *names))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        x, lengths, *tensors = ctx.saved_tensors
        masks, tensors = tensors[: ctx.masks], tensors[ctx.masks :]
        state, weights = tensors[: ctx.components], tensors[ctx.components :]
        numbers, *names = ctx.rest
        backward_operator, call_of = ctx.operators
        args = (x, lengths, state, weights, *numbers, masks, *names)
        found: Sequence[Tensor | None]
        if torch.is_grad_enabled() or ordinary_reason((x, *tensors, *grads)):
            found = ordinary_gradients(call_of(*args), grads, ctx.needs_input_grad[7:], torch.is_grad_enabled())
        else:
            found = backward_operator(list(grads), *args)
        return (None, None, None, None, None, None, None, *found)


_operators: dict[type[Cell], Callable[..., list[Tensor]]] = {
    cls: _make(cls) for cls in dict.fromkeys(cls for backend in BACKENDS for cls in backend.cells)
}
