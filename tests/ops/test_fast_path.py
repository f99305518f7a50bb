"""The fast path gives the same bits as the general path, or does not accept the call."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from recurra import cells, nn, ops
from recurra.errors import CallError
from recurra.ops import timings
from recurra.ops.native import loader, small_batch
from recurra.ops.native.fast_path import FastPath

MODULE, WHY = loader.load()
pytestmark = pytest.mark.skipif(MODULE is None, reason=WHY)
TARGETS = MODULE.targets() if MODULE is not None else []
LAYERS: dict[str, Callable[..., Any]] = {
    "tanh": nn.RNN,
    "relu": lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options),
    "gru": nn.GRU,
    "lstm": nn.LSTM,
}
every_layer = pytest.mark.parametrize("kind", LAYERS)


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(loader, "load", lambda: (MODULE, request.param))
    return str(request.param)


@contextmanager
def watch_fast_path() -> Iterator[list[bool]]:
    """Whether each call took the fast path."""
    went: list[bool] = []
    run = FastPath.run

    def told(self: FastPath, *args: Any) -> Any:
        found = run(self, *args)
        went.append(found is not None)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FastPath, "run", told)
        yield went


def usual(layer: Any, *args: Any) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layer, "_fast_path", None)
        return layer(*args)


def parts(result: Any) -> list[Tensor]:
    y, state = result
    if isinstance(state, nn.State):
        return [y, *state.tensors().values()]
    return [y, *(state if isinstance(state, tuple) else (state,))]


def assert_same(layer: Any, *args: Any, expected: bool = True) -> list[Tensor]:
    """Both ways agree to the bit, in shape and in how y lies in memory; the call went as expected."""
    with torch.no_grad(), watch_fast_path() as went:
        found = parts(layer(*args))
        wanted = parts(usual(layer, *args))
    assert went == [expected]
    for a, b in zip(found, wanted, strict=True):
        assert torch.equal(a, b) and a.shape == b.shape and a.stride() == b.stride() and a.dtype == b.dtype
    return found


def state_for(layer: Any, B: int) -> Any:
    h, c = (torch.randn(1, B, layer.hidden_size, dtype=layer.weight_ih_l0.dtype) for _ in range(2))
    return (h, c) if isinstance(layer, nn.LSTM) else h


@every_layer
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_as_the_usual_way(target: str, kind: str, dtype: torch.dtype, bias: bool) -> None:
    for (B, T, I, H), batch_first in zip(
        ((1, 1, 3, 17), (1, 1, 64, 64), (8, 1, 5, 130), (3, 7, 33, 15), (2, 2, 1, 1)), (True, False) * 3, strict=False
    ):
        layer = LAYERS[kind](I, H, batch_first=batch_first, bias=bias, dtype=dtype)
        x = torch.randn(B, T, I, dtype=dtype) if batch_first else torch.randn(T, B, I, dtype=dtype)
        assert_same(layer, x)
        assert_same(layer, x, state_for(layer, B))


@every_layer
def test_a_recurrent_layer_too(kind: str) -> None:
    cell = cells.RNN(kind) if kind in ("tanh", "relu") else kind
    layer, x = nn.Recurrent(cell, 5, 19), torch.randn(2, 1, 5)
    assert_same(layer, x)
    with torch.no_grad():
        _, state = layer(x)
    assert_same(layer, x, state)
    with pytest.raises(CallError, match="this layer expects h_l0"), torch.no_grad():
        layer(x, nn.State({"g_l0": torch.zeros(2, 19)}))


def test_it_is_what_the_plan_says() -> None:
    layer, x = nn.GRU(4, 8), torch.randn(1, 1, 4)
    with torch.no_grad(), ops.watch() as ran:
        assert layer.plan(x).layers[0].runs == "native"
        layer(x)
    assert ran == ["native"]


def test_auto_goes_by_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Where torch was measured to be faster, or is asked for, the kernel is not taken."""
    kind = timings.CallSignature("gru", False, False, 1, torch.get_num_threads())
    timings.write(tmp_path / "t", [timings.Timing(kind, (1, 1, 8), {"native": 2.0, "torch": 1.0})], {})
    monkeypatch.setenv(timings.SETTING, str(tmp_path / "t"))
    request.addfinalizer(timings.forget)
    layer, x = nn.GRU(4, 8), torch.randn(1, 1, 4)
    assert_same(layer, x, expected=False)
    layer.backend = "native"
    assert_same(layer, x)
    layer.backend = "torch"
    assert_same(layer, x, expected=False)


@pytest.mark.parametrize(
    "options",
    [
        {"num_layers": 2},
        {"bidirectional": True},
        {"learned_state": True},
        {"zoneout": 0.5},
        {"backend": "reference"},
    ],
    ids=str,
)
def test_layers_that_do_more_go_the_usual_way(options: dict[str, Any]) -> None:
    layer = nn.LSTM(4, 8, **options).eval()
    with torch.no_grad(), watch_fast_path() as went:
        layer(torch.randn(1, 2, 4))
    assert not any(went)


def test_calls_that_want_more_go_the_usual_way() -> None:
    layer, x = nn.GRU(4, 8, batch_first=True), torch.randn(2, 3, 4)
    with watch_fast_path() as went:
        layer(x)[0].sum().backward()  # a gradient
        with torch.no_grad():
            layer(x[0])  # no batch axis
            layer(x, lengths=torch.tensor([3, 1]))
            layer(x, reset=[(0, 1)])
            layer(torch.randn(2, small_batch.STEPS, 4))
            layer(torch.randn(small_batch.ROWS + 1, 1, 4))
            layer(torch.empty(0, 3, 4))
            torch.func.vmap(layer)(x[None])
            with torch.autocast("cpu", torch.bfloat16):
                layer(x)
    assert not any(went)
    assert layer.weight_hh_l0.grad is not None


def test_strides() -> None:
    """x of every other feature, turned, expanded; a state of a slice; turned weights."""
    layer, x = nn.LSTM(4, 9, batch_first=True), torch.randn(2, 3, 8)
    assert_same(layer, x[..., :4])
    assert_same(layer, x[..., ::2], expected=False)
    assert_same(layer, torch.randn(3, 2, 4).transpose(0, 1))
    assert_same(layer, torch.randn(1, 1, 4).expand(2, 3, 4))
    state = tuple(torch.randn(1, 2, 18)[..., 9:] for _ in range(2))
    assert_same(layer, x[..., :4], state, expected=False)
    assert_same(layer, x[..., :4], list(state_for(layer, 2)), expected=False)
    layer.weight_hh_l0 = torch.nn.Parameter(torch.randn(9, 36).t())
    assert_same(layer, x[..., :4], expected=False)


def test_weights_of_another_kind() -> None:
    layer, x = nn.GRU(4, 9), torch.randn(1, 1, 4)
    torch.nn.utils.parametrize.register_parametrization(layer, "weight_hh_l0", torch.nn.Tanh())
    assert_same(layer, x, expected=False)
    for name, other in {"weight_ih_l0": torch.randn(27, 5), "bias_hh_l0": torch.randn(27).double()}.items():
        layer = nn.GRU(4, 9)
        getattr(layer, name).data = other
        with torch.no_grad(), watch_fast_path() as went, pytest.raises(RuntimeError):
            layer(x)  # as torch says it
        assert went == [False]


def test_weights_that_have_changed_are_seen() -> None:
    layer, x = nn.GRU(4, 9), torch.randn(1, 1, 4)
    seen = [assert_same(layer, x)[0]]
    layer.weight_hh_l0.data.mul_(0.5)
    layer.bias_ih_l0.detach().numpy()[:] += 0.1
    seen.append(assert_same(layer, x)[0])
    layer.weight_ih_l0 = torch.nn.Parameter(torch.randn(27, 4))
    seen.append(assert_same(layer, x)[0])
    assert len({tuple(y.flatten().tolist()) for y in seen}) == 3


@pytest.mark.parametrize(
    ("x", "state"),
    [
        (torch.randn(1, 1, 5), None),
        (torch.randn(1, 1, 4).double(), None),
        (torch.randn(1, 1, 1, 4), None),
        ("x", None),
        (torch.randn(1, 1, 4), torch.randn(1, 2, 9)),
        (torch.randn(1, 1, 4), torch.randn(1, 9)),
        (torch.randn(1, 1, 4), torch.randn(1, 1, 9).double()),
        (torch.randn(1, 1, 4), (torch.randn(1, 1, 9), torch.randn(1, 1, 9))),
    ],
    ids=["features", "dtype", "axes", "text", "rows", "no axis", "dtype of h", "two parts"],
)
def test_what_is_wrong_is_said_as_usual(x: Any, state: Any) -> None:
    layer = nn.GRU(4, 9)
    with torch.no_grad():
        with pytest.raises(CallError) as wanted:
            usual(layer, x, state)
        with pytest.raises(CallError) as found:
            layer(x, state)
    assert str(found.value) == str(wanted.value)


def test_results_are_memory_of_their_own() -> None:
    layer, x = nn.LSTM(4, 9), torch.randn(1, 1, 4)
    first = state_for(layer, 1)
    kept = [part.clone() for part in first]
    y, h, c = assert_same(layer, x, first)
    before = [t.clone() for t in (y, h, c)]
    y.zero_()
    assert torch.equal(h, before[1])
    assert_same(layer, 3 * x, first)
    assert torch.equal(c, before[2]) and all(torch.equal(a, b) for a, b in zip(first, kept, strict=True))


def test_inference_mode_and_a_copy() -> None:
    layer, x = nn.GRU(4, 9), torch.randn(1, 1, 4)
    wanted = assert_same(layer, x)[0]
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):  # noqa: S301
        with torch.inference_mode(), watch_fast_path() as went:
            assert torch.equal(other(x)[0], wanted)
        assert went == [True]


def test_calls_from_several_threads() -> None:
    layer = nn.LSTM(4, 33)
    inputs = [torch.randn(1, 1, 4) for _ in range(8)]
    wanted = [assert_same(layer, x)[0] for x in inputs]
    wrong: list[int] = []

    def work(n: int) -> None:
        with torch.no_grad():
            for _ in range(200):
                if not torch.equal(layer(inputs[n])[0], wanted[n]):
                    wrong.append(n)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert not wrong


def test_nan_stays_in_its_row() -> None:
    layer, x = nn.GRU(4, 9), torch.randn(1, 3, 4)
    with torch.no_grad():
        wanted = layer(x)[0]
        x[0, 1, 2] = torch.nan
        found = layer(x)[0]
    assert found[0, 1].isnan().all() and torch.equal(found[0, ::2], wanted[0, ::2])
