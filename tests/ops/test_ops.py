"""Operators and backends: every backend answers to the plain loop, in values and in every gradient."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
import torch
from cells_registry import (
    Leaky,
    assert_as_exact,
    can_run,
    errors_of_the_loop,
    every_cell,
    every_operator,
    random_call,
    values_and_grads,
    worst,
)
from torch import Tensor

from recurra import cells, ops
from recurra.errors import BackendError, CallError
from recurra.ops.variable_length import segments

REFERENCE = ops.BACKENDS[-1]
SIZES = [(1, 1, 1, 1), (4, 7, 5, 3), (5, 33, 1, 9)]  # the last is long enough to be cut into segments


@every_cell
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("lengths", ["none", "full", "ragged"])
def test_back_ends_agree(cell: cells.Cell, dtype: torch.dtype, bidirectional: bool, state: bool, lengths: str) -> None:
    for size in SIZES:
        call = random_call(cell, size, lengths=lengths, state=state, bidirectional=bidirectional)
        exact = values_and_grads(REFERENCE, call, torch.float64)
        loop = errors_of_the_loop(call, exact, dtype)
        for backend in can_run(call):
            assert_as_exact(values_and_grads(backend, call, dtype), exact, loop, dtype)


@every_cell
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("state", [False, True])
def test_padded_is_alone(cell: cells.Cell, bidirectional: bool, state: bool) -> None:
    """A row in a padded batch gives what it gives alone, with all gradients; what is in the padding has no part."""
    call = random_call(cell, (5, 9, 3, 4), state=state, bidirectional=bidirectional)
    assert call.lengths is not None
    poisoned = call.x.clone()
    for row, length in enumerate(call.lengths.tolist()):
        poisoned[row, length:] = float("nan")
    for backend in can_run(call):
        inputs = [t.clone().requires_grad_() for t in (poisoned, *call.state, *call.weights)]
        batch, alone = [], []
        S = len(call.state)
        for rows in (None, *range(5)):
            x, first, weights = inputs[0], inputs[1 : S + 1], inputs[S + 1 :]
            lengths: Tensor | None = call.lengths
            if rows is not None:
                length = call.lengths[rows]
                x, first, lengths = x[rows : rows + 1, :length], [part[rows : rows + 1] for part in first], None
            run = backend.run if x.shape[1] else REFERENCE.run
            y, *last = run(call._replace(x=x, lengths=lengths, state=first, weights=weights))
            loss = (y * torch.linspace(-1, 1, y.shape[2])).cos().sum(-1)
            loss = loss.sum() if rows is not None else loss[ops_live(call.lengths, 9)].sum()
            loss = loss + sum((part * (k + 1)).sin().sum() for k, part in enumerate(last))
            (batch if rows is None else alone).append((y, last, loss))
        (y, last, loss), total = batch[0], sum(loss for _, _, loss in alone)
        assert isinstance(total, Tensor)
        tolerance = 64 * torch.finfo(torch.float64).eps  # sums of some tens of terms of size one, in another order
        for row, (y1, last1, _) in enumerate(alone):
            length = int(call.lengths[row])
            assert worst(y[row : row + 1, :length], y1) <= tolerance
            assert y[row, length:].eq(0).all(), "zero past the length"
            assert all(worst(a[row : row + 1], b) <= tolerance for a, b in zip(last, last1, strict=True))
        ours = torch.autograd.grad(loss, inputs, retain_graph=True)
        theirs = torch.autograd.grad(total, inputs)
        for a, b in zip(ours, theirs, strict=True):
            assert worst(a, b) <= tolerance * max(1.0, b.abs().max().item())
        assert ours[0][~ops_live(call.lengths, 9)].eq(0).all(), "no gradient into the padding"


def ops_live(lengths: Tensor, T: int) -> Tensor:
    return torch.arange(T) < lengths[:, None]


def test_relu_does_not_grow_along_the_padding() -> None:
    """With weights that let h grow without bound, short rows of a long batch have the right gradients."""
    call = random_call(cells.RNN("relu"), (4, 400, 2, 3), bidirectional=False)
    weights = [w.abs() * 20 for w in call.weights]
    short = call._replace(weights=weights, lengths=torch.tensor([3, 0, 2, 1]))
    exact = values_and_grads(REFERENCE, short, torch.float64)
    for backend in can_run(short):
        ours = values_and_grads(backend, short, torch.float64)
        assert_as_exact(ours, exact, errors_of_the_loop(short, exact, torch.float64), torch.float64)


@every_cell
def test_empty_batch_and_no_steps(cell: cells.Cell) -> None:
    for size in ((0, 3, 2, 4), (2, 0, 2, 4)):
        call = random_call(cell, size, lengths="none")
        y, *last = ops.choose(call, "auto").run(call)
        assert y.shape == (size[0], size[1], 8)
        assert all(part.shape == (size[0], 4) for part in last)
        if size[1] == 0:
            assert all(torch.equal(a, b) and a is not b for a, b in zip(last, call.state, strict=True))


def arguments(call: ops.Call, backend: str) -> tuple[Any, ...]:
    return (*call.arguments, ops.options_of(call.cell), backend)


@every_operator
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", ["none", "ragged"])
def test_opcheck(cell: cells.Cell, bidirectional: bool, lengths: str) -> None:
    operator = ops.operator_of(cell)
    for state in (False, True):
        call = random_call(cell, (3, 4, 2, 3), lengths=lengths, state=state, bidirectional=bidirectional)
        call = call._replace(x=call.x.requires_grad_(), weights=[w.requires_grad_() for w in call.weights])
        for backend in can_run(call):
            torch.library.opcheck(operator, arguments(call, backend.name))  # raises with what is wrong


@every_operator
@pytest.mark.parametrize("state", [False, True])
def test_gradcheck(cell: cells.Cell, state: bool) -> None:
    call = random_call(cell, (3, 4, 2, 2), state=state)
    operator = ops.operator_of(cell)
    assert operator is not None
    inputs = [t.requires_grad_() for t in (call.x, *call.state, *call.weights)]
    S = len(call.state)

    for backend in can_run(call):

        def run(x: Tensor, *rest: Tensor, name: str = backend.name) -> tuple[Tensor, ...]:
            replaced = call._replace(x=x, state=list(rest[:S]), weights=list(rest[S:]))
            return tuple(operator(*arguments(replaced, name)))

        assert torch.autograd.gradcheck(run, inputs)
    if cell != cells.RNN("relu"):  # the last `run` is the reference's: its second derivatives come from autograd
        assert torch.autograd.gradgradcheck(run, inputs)


@every_operator
def test_the_backward_operator_is_autograd(cell: cells.Cell) -> None:
    """What a traced graph calls for its backward pass gives the gradients that eager autograd gives, to the bit."""
    call = random_call(cell, (4, 6, 3, 5))
    inputs = [t.requires_grad_() for t in (call.x, *call.state, *call.weights)]
    operator = ops.operator_of(cell)
    assert operator is not None
    outputs = operator(*arguments(call, "auto"))
    grads = [torch.randn_like(output) for output in outputs]
    eager = torch.autograd.grad(outputs, inputs, grads)
    backward = getattr(torch.ops.recurra, f"{cell.name}_backward")
    traced = backward(grads, *arguments(call, "auto"))
    assert all(torch.equal(a, b) for a, b in zip(eager, traced, strict=True))


@every_operator
def test_a_bad_length_is_told_where_the_operator_is_called(cell: cells.Cell) -> None:
    call = random_call(cell, (3, 4, 2, 3))
    operator = ops.operator_of(cell)
    assert operator is not None
    for wrong in (-1, 5):
        call = call._replace(lengths=torch.tensor([1, wrong, 2]))
        with pytest.raises(CallError, match=f"lengths has {wrong} in row 1; expected 0 <= length <= T = 4"):
            operator(*arguments(call, "auto"))


@every_cell
def test_plan_is_what_ran(cell: cells.Cell) -> None:
    for size in ((2, 3, 2, 4), (2, 0, 2, 4)):
        call = random_call(cell, size)
        for name in ops.names():
            why = next((b.unsupported_reason(call) for b in ops.BACKENDS if b.name == name), None)
            if why:
                with pytest.raises(BackendError, match=re.escape(f"backend '{name}' cannot run this call: {why}")):
                    ops.plan(call, name)
                continue
            plan = ops.plan(call, name)
            with ops.watch() as ran:
                ops.execute(call, name)
            assert ran == [plan.runs]
            assert {plan.runs, *plan.others} == {b.name for b in ops.BACKENDS}
            assert all(why in str(plan) and why for why in plan.others.values())


def test_auto_prefers_the_fastest_and_says_why_not() -> None:
    fused = random_call(cells.LSTM(), (2, 3, 2, 4))
    fused = fused._replace(x=fused.x.half(), weights=[weight.half() for weight in fused.weights], state=[])
    assert ops.plan(fused, "auto").runs == "torch"
    assert "float16" in ops.plan(fused, "auto").others["native"]
    plan = ops.plan(random_call(Leaky(), (2, 3, 2, 4)), "auto")
    assert plan.runs == "reference"
    assert "not for leaky" in plan.others["torch"]


def test_a_subclass_with_another_equation_is_not_taken_for_its_parent() -> None:
    class Doubled(cells.GRU):
        def project(self, x: Tensor, params: cells.Params) -> Tensor:
            return 2 * super().project(x, params)

    assert ops.operator_of(Doubled()) is None
    assert ops.plan(random_call(Doubled(), (2, 3, 2, 4)), "auto").runs == "reference"


def test_unknown_back_end() -> None:
    with pytest.raises(BackendError, match="unknown backend 'torhc'; did you mean 'torch'"):
        ops.choose(random_call(cells.LSTM(), (2, 3, 2, 4)), "torhc")


def test_watch_nests() -> None:
    call = random_call(cells.GRU(), (2, 3, 2, 4))
    with ops.watch() as outer:
        ops.execute(call, "torch")
        with ops.watch() as inner:
            ops.execute(call, "reference")
    ops.execute(call, "torch")
    assert (outer, inner) == (["torch", "reference"], ["reference"])


def test_watch_records_its_own_thread() -> None:
    call = random_call(cells.GRU(), (2, 3, 2, 4))
    other = threading.Thread(target=ops.execute, args=(call, "reference"))
    with ops.watch() as ran:
        other.start()
        other.join()
        ops.execute(call, "torch")
    assert ran == ["torch"]


def test_time_is_cut_where_rows_have_ended() -> None:
    assert segments([40, 40, 20, 20, 10, 0], 40) == [(0, 10, 5), (10, 20, 4), (20, 40, 2)]
    assert segments([40, 40, 40, 39], 40) == [], "little would be saved"
    assert segments([3, 2, 1], 3) == [], "too short to cut"
    assert segments([16, 16], 40) == [(0, 16, 2)], "no row lives as long as T"


@every_cell
@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_segments_are_the_whole(cell: cells.Cell, state: bool, bidirectional: bool) -> None:
    call = random_call(cell, (9, 45, 3, 4), state=state, bidirectional=bidirectional)
    lengths = torch.tensor([3, 40, 0, 17, 29, 17, 8, 40, 31])
    assert len(segments(sorted(lengths.tolist(), reverse=True), 45)) > 2
    call = call._replace(lengths=lengths)
    exact = values_and_grads(REFERENCE, call, torch.float64)
    for dtype in (torch.float32, torch.float64):
        loop = errors_of_the_loop(call, exact, dtype)
        for backend in can_run(call):
            assert_as_exact(values_and_grads(backend, call, dtype), exact, loop, dtype)
