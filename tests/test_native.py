"""The native kernels: each instruction set, sizes off the width of its vectors, and the traps of kernels in general."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
import torch
from cells_registry import OPERATORS, assert_as_exact, errors_of_the_loop, random_call, values_and_grads, worst
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra import cells, nn, ops
from recurra.ops import native, reference

MODULE, WHY = native._module()
pytestmark = pytest.mark.skipif(MODULE is None, reason=WHY)
TARGETS = MODULE.targets() if MODULE is not None else []
REFERENCE = ops.BACKENDS[-1]
every_kernel = pytest.mark.parametrize("cell", OPERATORS, ids=str)


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(native, "_module", lambda: (MODULE, request.param))
    return str(request.param)


def check(call: ops.Call, dtype: torch.dtype) -> None:
    exact = values_and_grads(REFERENCE, call, torch.float64)
    loop = errors_of_the_loop(call, exact, dtype)
    assert_as_exact(values_and_grads(native.BACKEND, call, dtype), exact, loop, dtype)


@every_kernel
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_sizes_off_the_width(target: str, cell: cells.Cell, dtype: torch.dtype) -> None:
    for H in (1, 15, 16, 17, 33, 65, 130):
        check(random_call(cell, (9, 5, 3, H)), dtype)
    check(random_call(cell, (31, 4, 130, 40), bidirectional=False, lengths="none", bias=False), dtype)


@settings(max_examples=60, deadline=None)
@given(
    cell=st.sampled_from(OPERATORS),
    size=st.tuples(st.integers(1, 20), st.integers(1, 12), st.integers(1, 20), st.integers(1, 70)),
    lengths=st.sampled_from(["none", "full", "ragged"]),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    threads=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_random_shapes(
    cell: cells.Cell,
    size: tuple[int, int, int, int],
    lengths: str,
    flags: tuple[bool, bool, bool],
    threads: int,
    seed: int,
) -> None:
    state, bidirectional, bias = flags
    call = random_call(cell, size, lengths=lengths, state=state, bidirectional=bidirectional, bias=bias, seed=seed)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        check(call, torch.float32)
    finally:
        torch.set_num_threads(before)


@every_kernel
def test_the_same_bits_every_time(cell: cells.Cell) -> None:
    call = random_call(cell, (13, 9, 5, 21))
    first = values_and_grads(native.BACKEND, call, torch.float32)
    for _ in range(10):
        again = values_and_grads(native.BACKEND, call, torch.float32)
        assert all(torch.equal(first[name], again[name]) for name in first)


@every_kernel
def test_a_row_does_not_hang_on_its_neighbours(cell: cells.Cell) -> None:
    """A row with NaN, infinity or numbers of 1e4 leaves the others as they were, to the bit."""
    call = random_call(cell, (7, 6, 4, 19), lengths="none")
    call = call._replace(x=call.x.float(), state=[s.float() for s in call.state], weights=[w.float() for w in call.weights])
    clean, *clean_last = native.run(call)
    for poison in (float("nan"), float("inf"), 1e4, 1e-40):
        x = call.x.clone()
        x[3, 2] = poison
        y, *last = native.run(call._replace(x=x))
        others = [0, 1, 2, 4, 5, 6]
        assert torch.equal(y[others], clean[others])
        assert all(torch.equal(a[others], b[others]) for a, b in zip(last, clean_last, strict=True))
        theirs, *_ = reference.run(call._replace(x=x))
        assert torch.equal(y[3].isnan(), theirs[3].isnan())
        assert torch.allclose(y[3], theirs[3], rtol=1e-5, atol=1e-6, equal_nan=True)


def test_gates_at_their_ends() -> None:
    """Sums of 1e4 shut or open the gates exactly, as in torch; no exponential overflows."""
    cell = cells.LSTM()
    call = random_call(cell, (2, 3, 1, 5), lengths="none", state=False, bidirectional=False)
    for size in (1e4, -1e4, 200.0, -200.0):
        weights = [w.float() for w in call.weights]
        weights[2] = torch.full_like(weights[2], size)
        large = call._replace(x=call.x.float(), weights=weights)
        ours, theirs = native.run(large), reference.run(large)
        assert all(worst(a, b) <= 4 * torch.finfo(torch.float32).eps for a, b in zip(ours, theirs, strict=True))


def test_weights_changed_behind_its_back() -> None:
    layer = nn.LSTM(3, 17, batch_first=True)
    x = torch.randn(2, 9, 3)

    def same() -> bool:
        plain = torch.nn.LSTM(3, 17, batch_first=True)
        plain.load_state_dict(layer.state_dict())
        with ops.watch() as ran:
            y = layer(x)[0]
        return ran == ["native"] and worst(y.detach(), plain(x)[0].detach()) <= 1e-6

    assert layer.plan(x).runs == "native"
    assert same()
    layer.weight_hh_l0.data.mul_(0.5)
    assert same()
    layer.weight_hh_l0.detach().numpy()[:] += 0.1
    assert same()
    with torch.no_grad():
        layer.weight_hh_l0.add_(0.05)
    assert same()


def test_results_are_their_own_memory() -> None:
    call = random_call(cells.GRU(), (3, 4, 2, 5), lengths="none", state=False)
    y, *last = native.run(call)
    kept = [t.clone() for t in (y, *last)]
    other = call._replace(x=call.x * 2)
    native.run(other)
    assert all(torch.equal(a, b) for a, b in zip((y, *last), kept, strict=True))


@every_kernel
@pytest.mark.parametrize("wanted", range(7))
def test_one_gradient_alone_and_twice(cell: cells.Cell, wanted: int) -> None:
    """Only one input needs a gradient; the backward pass may run twice and gives the same."""
    call = random_call(cell, (4, 5, 3, 6), bidirectional=False)
    tensors = [call.x, *call.state, *call.weights]
    if wanted >= len(tensors):
        pytest.skip(f"{cell} has {len(tensors)} inputs")
    S = len(call.state)

    def grads(run: object, only: bool) -> list[torch.Tensor]:
        inputs = [t.clone().requires_grad_(not only or k == wanted) for k, t in enumerate(tensors)]
        y, *last = run(call._replace(x=inputs[0], state=inputs[1 : S + 1], weights=inputs[S + 1 :]))  # type: ignore
        loss = y.cos().sum() + sum(part.sin().sum() for part in last)
        first = torch.autograd.grad(loss, inputs[wanted], retain_graph=True)
        return [*first, *torch.autograd.grad(loss, inputs[wanted])]

    once, twice = grads(native.run, True)
    assert torch.equal(once, twice)
    assert worst(once, grads(reference.run, False)[0]) <= 1e-12


@every_kernel
def test_only_the_last_state_is_used(cell: cells.Cell) -> None:
    call = random_call(cell, (4, 5, 3, 6))
    for run in (native.run, reference.run):
        x = call.x.clone().requires_grad_()
        _, *last = run(call._replace(x=x))
        grad = torch.autograd.grad(last[-1].cos().sum(), x)[0]
        if run is native.run:
            ours = grad
    assert worst(ours, grad) <= 1e-13


@every_kernel
def test_second_derivatives(cell: cells.Cell) -> None:
    if cell == cells.RNN("relu"):
        pytest.skip("relu has no second derivative where it bends")
    call = random_call(cell, (3, 4, 2, 2))
    inputs = [t.requires_grad_() for t in (call.x, *call.state, *call.weights)]
    S = len(call.state)

    def run(x: torch.Tensor, *rest: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(native.run(call._replace(x=x, state=list(rest[:S]), weights=list(rest[S:]))))

    assert torch.autograd.gradgradcheck(run, inputs)


def test_from_several_threads_at_once() -> None:
    call = random_call(cells.LSTM(), (8, 20, 6, 33))
    wanted, wrong = native.run(call), list[str]()

    def work() -> None:
        for _ in range(20):
            if not all(torch.equal(a, b) for a, b in zip(native.run(call), wanted, strict=True)):
                wrong.append("another result")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_auto_passes_it_over_where_it_is_slow() -> None:
    def runs(cell: cells.Cell, T: int, H: int, lengths: str) -> str:
        return ops.plan(random_call(cell, (2, T, 2, H), lengths=lengths), "auto").runs

    assert runs(cells.GRU(), 8, 4, "none") == "native"
    assert runs(cells.GRU(), 7, 4, "none") == "torch"
    assert runs(cells.LSTM(), 20, 128, "ragged") == "native"
    assert runs(cells.LSTM(), 20, 128, "none") == "torch"
    call = random_call(cells.LSTM(), (2, 20, 2, 8), lengths="none")
    assert ops.plan(call, "auto").runs == "torch"
    assert "no gradient is wanted" in ops.plan(call, "auto").others["native"]
    call = call._replace(x=call.x.requires_grad_())
    assert ops.plan(call, "auto").runs == "native"


def test_refusals_are_told() -> None:
    call = random_call(cells.LSTM(), (2, 3, 2, 4))
    assert "float32 or float64" in (native.refuses(call._replace(x=call.x.half())) or "")
    assert "different dtypes" in (native.refuses(call._replace(x=call.x.float())) or "")
    assert "nothing to compute" in (native.refuses(call._replace(x=call.x[:, :0])) or "")
    assert "on meta" in (native.refuses(call._replace(x=call.x.to("meta"))) or "")
    with torch.autocast("cpu", torch.bfloat16):
        assert "autocast" in (native.refuses(call) or "")


@pytest.mark.parametrize("setting, told", [("off", "switched off"), ("sse9", "RECURRA_NATIVE=sse9, and this machine has")])
def test_switched_off_is_told(setting: str, told: str) -> None:
    code = (
        "import torch; from recurra import nn; layer = nn.GRU(2, 3); "
        "plan = layer.plan(torch.zeros(1, 9, 2)); print(plan); assert plan.runs == 'torch'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"RECURRA_NATIVE": setting}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert told in done.stdout
