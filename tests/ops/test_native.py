"""The native kernels: each instruction set, sizes off the width of its vectors, and the traps of kernels in general."""

from __future__ import annotations

import ast
import os
import platform
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from cells_registry import OPERATORS, assert_as_exact, errors_of_the_loop, random_call, values_and_grads, worst
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra import cells, nn, ops
from recurra.errors import CallError
from recurra.ops import reference, timings
from recurra.ops.native import autograd, loader, small_batch, supported

MODULE, WHY = loader.load()
pytestmark = pytest.mark.skipif(MODULE is None, reason=WHY)
TARGETS = MODULE.targets() if MODULE is not None else []
REFERENCE = ops.BACKENDS[-1]
CASES = int(os.environ.get("RECURRA_CASES", "300"))  # random calls; more of them by hand after a change in native/
every_kernel = pytest.mark.parametrize("cell", OPERATORS, ids=str)


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(loader, "load", lambda: (MODULE, request.param))
    return str(request.param)


def check(call: ops.Call, dtype: torch.dtype) -> None:
    exact = values_and_grads(REFERENCE, call, torch.float64)
    loop = errors_of_the_loop(call, exact, dtype)
    terms = max(call.x.shape[0] * call.x.shape[1], 4 * call.hidden_size)  # steps by weights, units and gates by x
    assert_as_exact(values_and_grads(autograd.BACKEND, call, dtype), exact, loop, dtype, terms)


@every_kernel
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_sizes_off_the_width(target: str, cell: cells.Cell, dtype: torch.dtype) -> None:
    for H in (1, 15, 16, 17, 33, 65, 130):
        check(random_call(cell, (9, 5, 3, H)), dtype)
    check(random_call(cell, (31, 4, 130, 40), bidirectional=False, lengths="none", bias=False), dtype)


@every_kernel
@pytest.mark.parametrize("size", [(61, 90, 3, 5), (1100, 3, 2, 4)], ids=str)
def test_backward_in_several_windows(target: str, cell: cells.Cell, size: tuple[int, int, int, int]) -> None:
    """More rows of steps than the backward pass keeps at once, or than it takes in one step."""
    for lengths in ("none", "ragged"):
        check(random_call(cell, size, lengths=lengths), torch.float32)


@settings(max_examples=CASES, deadline=None)
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
    first = values_and_grads(autograd.BACKEND, call, torch.float32)
    for _ in range(10):
        again = values_and_grads(autograd.BACKEND, call, torch.float32)
        assert all(torch.equal(first[name], again[name]) for name in first)


@every_kernel
def test_a_row_does_not_hang_on_its_neighbours(cell: cells.Cell) -> None:
    """A row with NaN, infinity or numbers of 1e4 leaves the others as they were, to the bit."""
    call = random_call(cell, (7, 6, 4, 19), lengths="none")
    call = call._replace(
        x=call.x.float(), state=[s.float() for s in call.state], weights=[w.float() for w in call.weights]
    )
    clean, *clean_last = autograd.run(call)
    for poison in (float("nan"), float("inf"), 1e4, 1e-40):
        x = call.x.clone()
        x[3, 2] = poison
        y, *last = autograd.run(call._replace(x=x))
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
        ours, theirs = autograd.run(large), reference.run(large)
        assert all(worst(a, b) <= 4 * torch.finfo(torch.float32).eps for a, b in zip(ours, theirs, strict=True))


def test_another_default_device() -> None:
    """What the kernels are told of the steps lies on the CPU, whatever device new tensors go to."""
    for lengths in ("none", "ragged"):
        call = random_call(cells.GRU(), (3, 11, 2, 5), lengths=lengths)
        expected = autograd.run(call)
        with torch.device("meta"):
            found = autograd.run(call)
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


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
    y, *last = autograd.run(call)
    kept = [t.clone() for t in (y, *last)]
    other = call._replace(x=call.x * 2)
    autograd.run(other)
    assert all(torch.equal(a, b) for a, b in zip((y, *last), kept, strict=True))


@every_kernel
@pytest.mark.parametrize("expected", range(7))
def test_one_gradient_alone_and_twice(cell: cells.Cell, expected: int) -> None:
    """Only one input needs a gradient; the backward pass may run twice and gives the same."""
    call = random_call(cell, (4, 5, 3, 6), bidirectional=False)
    tensors = [call.x, *call.state, *call.weights]
    if expected >= len(tensors):
        pytest.skip(f"{cell} has {len(tensors)} inputs")
    S = len(call.state)

    def grads(run: object, only: bool) -> list[torch.Tensor]:
        inputs = [t.clone().requires_grad_(not only or k == expected) for k, t in enumerate(tensors)]
        y, *last = run(call._replace(x=inputs[0], state=inputs[1 : S + 1], weights=inputs[S + 1 :]))  # type: ignore
        loss = y.cos().sum() + sum(part.sin().sum() for part in last)
        first = torch.autograd.grad(loss, inputs[expected], retain_graph=True)
        return [*first, *torch.autograd.grad(loss, inputs[expected])]

    once, twice = grads(autograd.run, True)
    assert torch.equal(once, twice)
    assert worst(once, grads(reference.run, False)[0]) <= 1e-12


@every_kernel
def test_only_the_last_state_is_used(cell: cells.Cell) -> None:
    call = random_call(cell, (4, 5, 3, 6))
    for run in (autograd.run, reference.run):
        x = call.x.clone().requires_grad_()
        _, *last = run(call._replace(x=x))
        grad = torch.autograd.grad(last[-1].cos().sum(), x)[0]
        if run is autograd.run:
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
        return tuple(autograd.run(call._replace(x=x, state=list(rest[:S]), weights=list(rest[S:]))))

    assert torch.autograd.gradgradcheck(run, inputs)


def test_from_several_threads_at_once() -> None:
    call = random_call(cells.LSTM(), (8, 20, 6, 33))
    expected, wrong = autograd.run(call), list[str]()

    def work() -> None:
        for _ in range(20):
            if not all(torch.equal(a, b) for a, b in zip(autograd.run(call), expected, strict=True)):
                wrong.append("another result")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


OUT_OF_THREADS = """
import ctypes, resource, torch
from recurra import cells, nn
from recurra.ops.native import loader

loader.gomp_parallel = lambda: 0  # threads of the kernels' own
torch.manual_seed(0)
layer, x = nn.GRU(3, 8, backend="native"), torch.randn(9, 40, 3)
torch.set_num_threads(8)
with torch.no_grad():
    expected = layer(x)[0]
    libc, attributes, stack = ctypes.CDLL(None), ctypes.create_string_buffer(256), 1 << 30
    assert libc.pthread_attr_init(attributes) == 0
    assert libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(stack)) == 0
    assert libc.pthread_setattr_default_np(attributes) == 0
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    for more in (5 * stack // 2, stack // 2):  # memory for the stacks of two more threads, then of none
        limits = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + more, limits[1]))
        found = layer(x)[0]
        resource.setrlimit(resource.RLIMIT_AS, limits)
        assert torch.equal(found, expected)
print("the same")
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc lets a test limit the number of threads")
def test_a_system_without_more_threads_gives_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", OUT_OF_THREADS], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "the same\n"), done.stderr


# the boundary to C++ ----------------------------------------------------------------------------------------------------
def small_fields() -> dict[str, Any]:
    """All fields of one time step of an RNN with one unit and one input."""
    one = torch.ones(1, 1, 1)
    sizes = dict.fromkeys(("T", "B", "I", "H", "D"), 1)
    lists = {name: [one] for name in ("initial_state", "final_state", "weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    run = {"target": TARGETS[0], "threads": 1, "gomp_parallel": 0, "cell": "rnn_relu", "is_double": False}
    return run | sizes | lists | {"x": one, "y": torch.zeros(1, 1, 1), "final_state": [torch.zeros(1, 1)]}


def test_fields_are_passed_by_name() -> None:
    assert MODULE is not None
    fields = small_fields()
    MODULE.run_small(**dict(reversed(fields.items())))
    assert fields["y"].item() == 4 and fields["final_state"][0].item() == 4
    for name in fields:
        with pytest.raises(TypeError):
            MODULE.run_small(**{key: value for key, value in fields.items() if key != name})
    for wrong in ({"bias": []}, {"T": "1"}, {"x": 1}, {"weight_ih": fields["x"]}, {"cell": "peephole"}):
        with pytest.raises(TypeError):
            MODULE.run_small(**(fields | wrong))
    with pytest.raises(TypeError, match="missing field 'cell'"):
        MODULE.run_sequence(target=TARGETS[0], backward=False, threads=1, gomp_parallel=0)
    with pytest.raises(TypeError):
        MODULE.run_small(TARGETS[0], 1, 0, *list(fields.values())[3:])


def test_the_stub_declares_the_module() -> None:
    assert MODULE is not None
    stub = ast.parse(Path(loader.__file__).with_name("_native.pyi").read_text(encoding="utf-8"))
    declared = {node.name: node for node in stub.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert set(declared) == {name for name in vars(MODULE) if not name.startswith("__")}
    for name, node in declared.items():
        if isinstance(node, ast.ClassDef):
            methods = {method.name for method in node.body if isinstance(method, ast.FunctionDef)}
            public = {method for method in vars(getattr(MODULE, name)) if not method.startswith("_")}
            assert methods - {"__init__", "__call__"} == public
    (fields,) = (node for node in stub.body if isinstance(node, ast.FunctionDef) and node.name == "run_small")
    assert {argument.arg for argument in fields.args.kwonlyargs} == set(small_fields())


def masked(call: ops.Call, seed: int = 3) -> ops.Call:
    """With h dropped for the gates and each part of the state kept in part: by number and step, or one share for all."""
    torch.manual_seed(seed)
    (B, T, _), H, masks = call.x.shape, call.hidden_size, list[torch.Tensor]()
    for d in range(call.directions):
        masks.append(torch.empty(B, H).bernoulli_(0.7).div_(0.7).double())
        for part in range(len(call.cell.states)):
            each = torch.rand(T, B, H, dtype=torch.float64).round(decimals=1)
            masks.append(
                (each, torch.full((1, 1, 1), 0.3, dtype=torch.float64), torch.empty(0).double())[(d + part) % 3]
            )
    return call._replace(masks=masks)


@every_kernel
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("lengths", ["none", "ragged"])
def test_masks(target: str, cell: cells.Cell, dtype: torch.dtype, lengths: str) -> None:
    for size in ((9, 5, 3, 17), (1, 1, 1, 1), (2, 12, 4, 40)):
        for bidirectional in (False, True):
            call = random_call(cell, size, lengths=lengths, bidirectional=bidirectional)
            check(masked(call), dtype)
            for alone in (0, 1):  # what is read, or what is kept
                masks = masked(call).masks
                parts = 1 + len(cell.states)
                none = torch.empty(0, dtype=torch.float64)
                kept = [none if (k % parts == 0) == (alone == 1) else mask for k, mask in enumerate(masks)]
                check(call._replace(masks=kept), dtype)


@every_kernel
def test_second_derivatives_with_masks(cell: cells.Cell) -> None:
    if cell == cells.RNN("relu"):
        pytest.skip("relu has no second derivative where it bends")
    call = masked(random_call(cell, (3, 4, 2, 2)))
    inputs = [t.requires_grad_() for t in (call.x, *call.state, *call.weights)]
    S = len(call.state)

    def run(x: torch.Tensor, *rest: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(autograd.run(call._replace(x=x, state=list(rest[:S]), weights=list(rest[S:]))))

    assert torch.autograd.gradgradcheck(run, inputs)


@pytest.mark.parametrize("changed", ["x", "state", "weight", "mask"])
def test_what_the_backward_pass_needs_may_not_change_before_it(changed: str) -> None:
    call = masked(random_call(cells.GRU(), (4, 5, 3, 6)))
    call = call._replace(x=call.x.requires_grad_())
    y, *_ = autograd.run(call)
    named = {"x": call.x, "state": call.state[0], "weight": call.weights[1], "mask": call.masks[0]}
    if changed == "state":  # the kernels have a copy
        call.state[0].zero_()
        assert worst(torch.autograd.grad(y.sum(), call.x)[0], torch.autograd.grad(autograd.run(masked(
            random_call(cells.GRU(), (4, 5, 3, 6)))._replace(x=call.x))[0].sum(), call.x)[0]) == 0  # fmt: skip
        return
    with torch.no_grad():
        named[changed].zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(y.sum(), call.x)


# a few steps of few rows: a kernel of its own ---------------------------------------------------------------------------
@every_kernel
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("threads", [1, 3])
def test_few_steps(target: str, cell: cells.Cell, dtype: torch.dtype, threads: int) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        for size in ((1, 1, 3, 17), (1, 1, 64, 64), (8, 1, 5, 130), (3, 7, 33, 15), (2, 2, 300, 301)):
            for bidirectional, bias, state in ((False, True, True), (True, False, False), (True, True, True)):
                call = random_call(cell, size, lengths="none", bidirectional=bidirectional, bias=bias, state=state)
                exact = reference.run(call)
                call = call._replace(
                    x=call.x.to(dtype),
                    state=[s.to(dtype) for s in call.state],
                    weights=[w.to(dtype) for w in call.weights],
                )
                assert small_batch.fits(call)
                loop, ours = reference.run(call), autograd.run(call)
                for a, b, e in zip(ours, loop, exact, strict=True):
                    assert a.shape == e.shape
                    floor = 8 * torch.finfo(dtype).eps * max(1.0, e.abs().max().item())
                    assert worst(a.double(), e) <= 2 * worst(b.double(), e) + floor
    finally:
        torch.set_num_threads(before)


@every_kernel
def test_few_steps_are_many(cell: cells.Cell) -> None:
    """The kernel for few steps gives what that for many gives."""
    call = random_call(cell, (3, 6, 4, 21), lengths="none")
    ours = autograd.run(call)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_batch, "fits", lambda call: False)
        many = autograd.run(call)
    assert all(worst(a, b) <= 16 * torch.finfo(torch.float64).eps for a, b in zip(ours, many, strict=True))
    assert ours[0].stride() == many[0].stride(), "y lies in memory step after step"


def test_few_steps_and_strides() -> None:
    """x time first, every other feature or row of something larger, expanded; weights transposed, a state of a slice."""
    call = random_call(cells.LSTM(), (2, 3, 4, 5), lengths="none", bidirectional=False)
    exact = reference.run(call)
    x = torch.zeros(2, 3, 8, dtype=torch.float64)
    x[..., ::2] = call.x
    wide = torch.zeros(2, 10, dtype=torch.float64)
    wide[:, 5:] = call.state[0]
    turned = [w.t().contiguous().t() if w.dim() == 2 else w for w in call.weights]
    for other in (x[..., ::2], call.x.transpose(0, 1).contiguous().transpose(0, 1)):
        strided = call._replace(x=other, state=[wide[:, 5:], call.state[1]], weights=turned)
        assert small_batch.fits(strided)
        assert all(worst(a, b) <= 1e-15 * 16 for a, b in zip(autograd.run(strided), exact, strict=True))
    same = call._replace(x=call.x[:1].expand(2, 3, 4))
    assert all(worst(a, b) <= 1e-15 * 16 for a, b in zip(autograd.run(same), reference.run(same), strict=True))


def test_few_steps_keep_to_their_memory() -> None:
    call = random_call(cells.LSTM(), (1, 1, 4, 9), lengths="none", bidirectional=False)
    first = [part.clone() for part in call.state]
    y, h, c = autograd.run(call)
    kept = [t.clone() for t in (y, h, c)]
    y.zero_()
    assert torch.equal(h, kept[1]), "the output is not the memory of the state"
    autograd.run(call._replace(x=call.x * 3))
    assert torch.equal(c, kept[2])
    assert all(torch.equal(a, b) for a, b in zip(call.state, first, strict=True)), "nor is the first state"


def test_weights_changed_behind_a_single_step() -> None:
    layer, plain = nn.GRU(3, 17, batch_first=True).eval(), torch.nn.GRU(3, 17, batch_first=True)
    x, optimizer = torch.randn(1, 1, 3), torch.optim.SGD(layer.parameters(), lr=0.1)

    def same() -> bool:
        plain.load_state_dict(layer.state_dict())
        with torch.no_grad(), ops.watch() as ran:
            return worst(layer(x)[0], plain(x)[0]) <= 1e-6 and ran == ["native"]

    assert same()
    layer.weight_hh_l0.data.mul_(0.5)
    assert same()
    layer.weight_hh_l0.detach().numpy()[:] += 0.1
    assert same()
    layer(x)[0].sum().backward()
    optimizer.step()
    assert same()
    layer.weight_ih_l0 = torch.nn.Parameter(torch.randn(3, 51).t())
    assert same()
    torch.nn.utils.parametrize.register_parametrization(layer, "weight_hh_l0", torch.nn.Tanh())
    with torch.no_grad():
        plain.load_state_dict({name: getattr(layer, name) for name in plain.state_dict()})
        assert worst(layer(x)[0], plain(x)[0]) <= 1e-6


@every_kernel
def test_a_row_of_few_steps_does_not_hang_on_its_neighbours(cell: cells.Cell) -> None:
    call = random_call(cell, (5, 2, 4, 19), lengths="none")
    call = call._replace(
        x=call.x.float(), state=[s.float() for s in call.state], weights=[w.float() for w in call.weights]
    )
    clean, others = autograd.run(call), [0, 1, 2, 4]
    for poison in (float("nan"), float("inf"), 1e4, 1e-40):
        x = call.x.clone()
        x[3, 0] = poison
        ours, theirs = autograd.run(call._replace(x=x)), reference.run(call._replace(x=x))
        for a, b, c in zip(ours, clean, theirs, strict=True):
            assert torch.equal(a[others], b[others])
            assert torch.allclose(a[3], c[3], rtol=1e-5, atol=1e-6, equal_nan=True)


def test_a_layer_steps_as_its_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the layer leaves out around a step changes no bit, in and out of inference mode."""
    layer, x = nn.LSTM(5, 8, num_layers=2, bidirectional=True).eval(), torch.randn(1, 2, 5)
    with torch.no_grad():
        y, (h, c) = layer(x)
        monkeypatch.setattr(ops, "wants_operator", lambda call: True)
        again, (h2, c2) = layer(x)
    monkeypatch.undo()
    with torch.inference_mode():
        inferred, _ = layer(x)
    assert torch.equal(y, again)
    assert torch.equal(h, h2)
    assert torch.equal(c, c2)
    assert torch.equal(y, inferred)
    assert not y.requires_grad
    assert layer(x)[0].requires_grad, "where a gradient is expected, there is one"


def test_single_steps_from_several_threads_at_once() -> None:
    layer, wrong = nn.LSTM(6, 33).eval(), list[str]()
    xs = torch.randn(4, 1, 1, 6)

    def step(k: int) -> torch.Tensor:
        with torch.no_grad():
            return torch.cat([part.flatten() for part in (lambda y, s: (y, *s))(*layer(xs[k]))])

    expected = [step(k) for k in range(4)]

    def work(k: int) -> None:
        for _ in range(50):
            if not torch.equal(step(k), expected[k]):
                wrong.append("another result")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_auto_passes_it_over_where_it_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timings, "nearest_to", lambda call: None)

    def runs(cell: cells.Cell, T: int, H: int, lengths: str) -> str:
        return ops.plan(random_call(cell, (2, T, 2, H), lengths=lengths), "auto").runs

    assert runs(cells.GRU(), 8, 4, "none") == "native"
    assert runs(cells.GRU(), 7, 4, "none") == "native", "a few steps have a kernel of their own"
    assert runs(cells.GRU(), 7, 4, "ragged") == "torch"
    call = random_call(cells.GRU(), (2, 7, 2, 4), lengths="ragged")
    assert "fewer than 8 steps" in ops.plan(call, "auto").others["native"]


def test_refusals_are_told() -> None:
    call = random_call(cells.LSTM(), (2, 3, 2, 4))
    assert "float32 or float64" in (supported.unsupported(call._replace(x=call.x.half())) or "")
    far = call._replace(weights=[w.to("meta") for w in call.weights])
    assert "on meta" in (supported.unsupported(far) or "")
    assert "are of different dtypes" in (supported.unsupported(call._replace(x=call.x.float())) or "")
    assert "nothing to compute" in (supported.unsupported(call._replace(x=call.x[:, :0])) or "")
    assert "on meta" in (supported.unsupported(call._replace(x=call.x.to("meta"))) or "")
    with torch.autocast("cpu", torch.bfloat16):
        assert "autocast" in (supported.unsupported(call) or "")


def test_what_is_misshapen_never_reaches_a_kernel() -> None:
    call = masked(random_call(cells.LSTM(), (3, 4, 2, 5)))
    short = [call.weights[0][:-1], *call.weights[1:]]
    assert "(19, 2)" in (supported.unsupported(call._replace(weights=short)) or "")
    assert "the weights" in (supported.unsupported(call._replace(weights=call.weights[:-1])) or "")
    assert "the state" in (supported.unsupported(call._replace(state=[s[:2] for s in call.state])) or "")
    assert "the state" in (supported.unsupported(call._replace(state=call.state[:3])) or "")
    assert "mask 0 of 6" in (supported.unsupported(call._replace(masks=[call.masks[0][:, 1:], *call.masks[1:]])) or "")
    assert "lengths" in (supported.unsupported(call._replace(lengths=torch.tensor([1, 2]))) or "")
    assert supported.unsupported(call) is None
    for wrong in (-1, 5):
        with pytest.raises(CallError, match=f"lengths has {wrong} in row 1"):
            operator = ops.operator_of(call.cell)
            assert operator is not None
            operator(*call._replace(lengths=torch.tensor([1, wrong, 2])).arguments, ops.options_of(call.cell), "native")


@pytest.mark.parametrize(
    "setting, told", [("off", "switched off"), ("sse9", "RECURRA_NATIVE=sse9, and this machine has")]
)
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
