"""BPTT by hand, compared with autograd, with finite differences and with values computed by hand."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from recurra import bptt, cells, ops
from recurra.bptt.over_time import backward_passes

# Our cells, and the cells with the same equations that autograd differentiates.
PAIRS = [
    (bptt.RNN(), cells.RNN()),
    (bptt.RNN("relu"), cells.RNN("relu")),
    (bptt.LSTM(), cells.LSTM()),
    (bptt.GRU(), cells.GRU()),
]
every_pair = pytest.mark.parametrize("ours, theirs", PAIRS, ids=[str(theirs) for _, theirs in PAIRS])
every_cell = pytest.mark.parametrize("cell", [ours for ours, _ in PAIRS], ids=str)

# Both sides add the same few hundred float64 terms of size one in another order, so they differ by hundreds of roundings
# of 2e-16, and relu states may grow tenfold along a row. A wrong term shows in the first digits.
TOLERANCE = 1e-13


def draw(cell: bptt.Cell, seed: int, sizes: tuple[int, int, int, int] | None = None) -> dict[str, Any]:
    """A random call with weights at initialization scale, a nonzero initial state, and random gradients of y and of the
    final state. The sizes B, T, I, H are random unless given."""
    rng = np.random.default_rng(seed)
    B, T, I, H = sizes or (rng.integers(1, 6), rng.integers(1, 13), rng.integers(1, 7), rng.integers(1, 9))
    return {
        "p": cell.parameters(I, H, rng),
        "x": rng.normal(size=(B, T, I)),
        "state": tuple(rng.uniform(-0.5, 0.5, (B, H)) for _ in cell.states),
        "dy": rng.normal(size=(B, T, H)),
        "dfinal": tuple(rng.normal(size=(B, H)) for _ in cell.states),
    }


def by_hand(cell: bptt.Cell, call: dict[str, Any], truncate: tuple[int, int] | None = None) -> dict[str, Any]:
    """y, the final state and all gradients, by name."""
    run = bptt.forward(cell, call["p"], call["x"], call["state"])
    grads = bptt.backward(cell, call["p"], run, call["dy"], call["dfinal"], truncate)
    values = {"y": run.y} | {f"final {k}": part for k, part in zip(cell.states, run.final_state, strict=True)}
    return values | named(grads.params, grads.x, grads.initial_state)


def named(dp: dict[str, Any], dx: Any, dstate: Any) -> dict[str, Any]:
    initial = {f"d initial state {k}": np.asarray(part) for k, part in enumerate(dstate)}
    return {f"d{name}": np.asarray(value) for name, value in dp.items()} | {"dx": np.asarray(dx)} | initial


def leaf(array: Any) -> torch.Tensor:
    return torch.tensor(array, requires_grad=True)


def run_torch(cell: cells.Cell, p: dict[str, torch.Tensor], x: torch.Tensor, state: Any) -> tuple[Any, list[Any]]:
    """Run the reference backend; returns y and the final state."""
    H = p["weight_hh"].shape[1]
    reference = ops.BACKENDS[-1]
    assert reference.name == "reference"
    y, *last = reference.run(ops.Call(cell, x, None, list(state), list(p.values()), H, True, False))
    return y, last


def by_autograd(cell: cells.Cell, call: dict[str, Any]) -> dict[str, Any]:
    p, x, state = {k: leaf(v) for k, v in call["p"].items()}, leaf(call["x"]), [leaf(part) for part in call["state"]]
    y, last = run_torch(cell, p, x, state)
    loss = (y * torch.tensor(call["dy"])).sum()
    loss = loss + sum((part * torch.tensor(d)).sum() for part, d in zip(last, call["dfinal"], strict=True))
    grads = torch.autograd.grad(loss, [*p.values(), x, *state])
    values = {"y": y.detach().numpy()} | {
        f"final {k}": part.detach().numpy() for k, part in zip(cell.states, last, strict=True)
    }
    return values | named(dict(zip(p, grads[:4], strict=True)), grads[4], grads[5:])


def assert_same(ours: dict[str, Any], theirs: dict[str, Any], tolerance: float = TOLERANCE) -> None:
    """Equal up to `tolerance` times the largest value of each array; exactly equal where all are zero."""
    assert ours.keys() == theirs.keys()
    for name, exact in theirs.items():
        assert ours[name].shape == exact.shape, name
        scale = np.abs(exact).max() if exact.size else 0.0
        worst = np.abs(ours[name] - exact).max() if exact.size else 0.0
        assert worst <= tolerance * scale, f"{name} is off by {worst:.2e} at a size of {scale:.2e}"


# comparison with autograd


SIZES = [(1, 1, 1, 1), (3, 1, 4, 2), (1, 40, 2, 7), (4, 25, 1, 16)]


@every_pair
def test_equals_autograd(ours: bptt.Cell, theirs: cells.Cell) -> None:
    """Many-to-many with a loss on the final state too; sizes of one, long sequences, and many random sizes."""
    for seed in range(30):
        call = draw(ours, seed, SIZES[seed] if seed < len(SIZES) else None)
        assert_same(by_hand(ours, call), by_autograd(theirs, call))


@every_pair
def test_many_to_one_equals_autograd(ours: bptt.Cell, theirs: cells.Cell) -> None:
    """The loss depends on the final h only: dfinal without dy; dy of the last step only is equivalent."""
    for seed in range(10):
        call = draw(ours, seed)
        dh, *rest = call["dfinal"]
        call |= {"dy": np.zeros_like(call["dy"]), "dfinal": (dh, *(np.zeros_like(part) for part in rest))}
        exact = by_autograd(theirs, call)
        assert_same(by_hand(ours, call | {"dy": None}), exact)
        last_step = call["dy"].copy()
        last_step[:, -1] = dh
        assert_same(by_hand(ours, call | {"dy": last_step, "dfinal": None}), exact)


@every_cell
def test_chunks_equal_the_whole_sequence(cell: bptt.Cell) -> None:
    """The state is passed from chunk to chunk, and its gradient back through them."""
    call = draw(cell, 5, (3, 11, 4, 6))
    whole = by_hand(cell, call)
    runs, state = [], call["state"]
    for part in (slice(0, 4), slice(4, 5), slice(5, 5), slice(5, 11)):
        runs.append((part, bptt.forward(cell, call["p"], call["x"][:, part], state)))
        state = runs[-1][1].final_state
    dstate, dp, dx = call["dfinal"], {name: np.zeros_like(v) for name, v in call["p"].items()}, np.zeros_like(call["x"])
    for part, run in reversed(runs):
        grads = bptt.backward(cell, call["p"], run, call["dy"][:, part], dstate)
        dstate, dx[:, part] = grads.initial_state, grads.x
        dp = {name: dp[name] + grads.params[name] for name in dp}
    values = {"y": np.concatenate([run.y for _, run in runs], axis=1)}
    values |= {f"final {k}": part for k, part in zip(cell.states, state, strict=True)}
    assert_same(values | named(dp, dx, dstate), whole)


def truncated_by_autograd(cell: cells.Cell, call: dict[str, Any], k1: int, k2: int) -> dict[str, Any]:
    """The rule in another form: for each k1 losses a separate graph of the last k2 steps."""
    p, x, first = {k: leaf(v) for k, v in call["p"].items()}, leaf(call["x"]), [leaf(part) for part in call["state"]]
    T, dy = call["x"].shape[1], torch.tensor(call["dy"])
    total = torch.zeros((), dtype=torch.float64)
    for s in range(0, T, k1):
        e = min(s + k1, T)
        b = max(0, e - k2)
        state: Any = first
        if b > 0:  # the state before is a constant
            state = [part.detach() for part in run_torch(cell, p, x[:, :b], first)[1]]
        y, last = run_torch(cell, p, x[:, b:e], state)
        total = total + (y[:, s - b :] * dy[:, s:e]).sum()
        if e == T:
            total = total + sum((part * torch.tensor(d)).sum() for part, d in zip(last, call["dfinal"], strict=True))
    grads = torch.autograd.grad(total, [*p.values(), x, *first])
    return named(dict(zip(p, grads[:4], strict=True)), grads[4], grads[5:])


@every_pair
@pytest.mark.parametrize("k1, k2", [(1, 1), (1, 4), (2, 3), (3, 3), (4, 9), (5, 6), (11, 11), (4, 40), (20, 30)])
def test_truncation_is_autograd_on_the_truncated_graph(ours: bptt.Cell, theirs: cells.Cell, k1: int, k2: int) -> None:
    call = draw(ours, 7, (3, 11, 4, 16))
    full = by_hand(ours, call)
    gradients = {name: value for name, value in by_hand(ours, call, (k1, k2)).items() if name.startswith("d")}
    assert_same(gradients, truncated_by_autograd(theirs, call, k1, k2))
    same = np.abs(gradients["dweight_hh"] - full["dweight_hh"]).max() <= TOLERANCE * np.abs(full["dweight_hh"]).max()
    assert same == (k2 >= 11), "truncated if and only if a step is further back than k2"


def test_backward_passes() -> None:
    assert backward_passes(7, None) == [(0, 0, 7)]
    assert backward_passes(7, (3, 3)) == [(0, 0, 3), (3, 3, 6), (4, 6, 7)]
    assert backward_passes(4, (1, 2)) == [(0, 0, 1), (0, 1, 2), (1, 2, 3), (2, 3, 4)]
    assert backward_passes(6, (3, 5)) == [(0, 0, 3), (1, 3, 6)]
    assert backward_passes(2, (5, 9)) == backward_passes(2, None)
    for T in range(6):
        for k2 in range(1, 7):
            for k1 in range(1, k2 + 1):
                losses = [t for _, s, e in backward_passes(T, (k1, k2)) for t in range(s, e)]
                assert losses == list(range(T)), "every loss counts once"


# comparison with torch's losses


@pytest.mark.parametrize("many", [False, True], ids=["many to one", "many to many"])
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
@every_pair
def test_a_complete_model_equals_autograd(ours: bptt.Cell, theirs: cells.Cell, loss: str, many: bool) -> None:
    """From x through cell, readout and loss: the value in nats or squares, and every gradient."""
    rng, O = np.random.default_rng(3), 6
    call = draw(ours, 4, (3, 8, 5, 7))
    q = bptt.linear_parameters(7, O, rng)
    shape = (3, 8) if many else (3,)
    target = rng.integers(0, O, shape) if loss == "cross_entropy" else rng.normal(size=(*shape, O))

    run = bptt.forward(ours, call["p"], call["x"], call["state"])
    h = run.y if many else run.final_state[0]
    value, dz = getattr(bptt, loss)(bptt.linear(h, q), target)
    dh, dq = bptt.linear_backward(dz, h, q)
    zeros = tuple(np.zeros_like(part) for part in run.final_state[1:])
    grads = bptt.backward(ours, call["p"], run, dy=dh) if many else bptt.backward(
        ours, call["p"], run, dfinal=(dh, *zeros)
    )  # fmt: skip

    p, x, first = {k: leaf(v) for k, v in call["p"].items()}, leaf(call["x"]), [leaf(part) for part in call["state"]]
    V, b = leaf(q["weight"]), leaf(q["bias"])
    y, last = run_torch(theirs, p, x, first)
    z = torch.nn.functional.linear(y if many else last[0], V, b)
    if loss == "cross_entropy":
        exact = torch.nn.functional.cross_entropy(z.flatten(0, -2), torch.tensor(target).flatten())
    else:
        exact = torch.nn.functional.mse_loss(z, torch.tensor(target))
    dV, db, *rest = torch.autograd.grad(exact, [V, b, *p.values(), x, *first])

    assert value == pytest.approx(exact.item(), rel=TOLERANCE)
    theirs_named = named(dict(zip(p, rest[:4], strict=True)), rest[4], rest[5:])
    assert_same(
        named(grads.params, grads.x, grads.initial_state) | {"V": dq["weight"], "b": dq["bias"]},
        theirs_named | {"V": dV.numpy(), "b": db.numpy()},
    )


# comparison with finite differences, without torch


def differences(f: Callable[[], float], array: Any) -> Any:
    """(f(v + e) - f(v - e)) / 2e for every number v of `array`, which f reads."""
    e, slopes = 1e-5, np.empty_like(array)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + e
        above = f()
        array[index] = value - e
        slopes[index] = (above - f()) / (2 * e)
        array[index] = value
    return slopes


@every_cell
def test_equals_the_difference_quotient(cell: bptt.Cell) -> None:
    """Central differences are off by e^2 = 1e-10 times a third derivative, and by roundings of the loss over e, 1e-11
    times its size of about ten; 1e-8 leaves room for the constants. A wrong term is off by more than 1e-3."""
    call = draw(cell, 2, (2, 4, 3, 3))

    def loss() -> float:
        run = bptt.forward(cell, call["p"], call["x"], call["state"])
        last = sum(float(np.sum(a * b)) for a, b in zip(run.final_state, call["dfinal"], strict=True))
        return float(np.sum(run.y * call["dy"])) + last

    ours = {name: value for name, value in by_hand(cell, call).items() if name.startswith("d")}
    slopes = {name: differences(loss, value) for name, value in call["p"].items()}
    theirs = named(slopes, differences(loss, call["x"]), [differences(loss, part) for part in call["state"]])
    for name, slope in theirs.items():
        assert np.abs(ours[name] - slope).max() <= 1e-8 * max(1.0, np.abs(slope).max()), name


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_losses_equal_the_difference_quotient(loss: str) -> None:
    rng = np.random.default_rng(1)
    z = rng.normal(size=(2, 3, 4))
    target: Any = rng.integers(0, 4, (2, 3)) if loss == "cross_entropy" else rng.normal(size=z.shape)
    f = getattr(bptt, loss)
    assert np.abs(f(z, target)[1] - differences(lambda: f(z, target)[0], z)).max() <= 1e-8


# values computed by hand


def scalars(cell: bptt.Cell, W: list[float], U: list[float], b: list[float], c: list[float]) -> dict[str, Any]:
    column = lambda v: np.array(v, dtype=float)[:, None]  # noqa: E731
    return {
        "weight_ih": column(W),
        "weight_hh": column(U),
        "bias_ih": np.array(b, float),
        "bias_hh": np.array(c, float),
    }


def one(value: float) -> Any:
    return np.array([[value]], dtype=float)


def test_two_steps_of_relu_by_hand() -> None:
    """h0 = 1; h1 = 2*1 + 3*1 + 1 - 1 = 5; h2 = 2*2 + 3*5 = 19. The loss is h2."""
    cell = bptt.RNN("relu")
    p = scalars(cell, [2], [3], [1], [-1])
    x = np.array([[[1.0], [2.0]]])
    run = bptt.forward(cell, p, x, (one(1),))
    assert run.y.tolist() == [[[5], [19]]]
    grads = bptt.backward(cell, p, run, dfinal=(one(1),))
    # dh2 = 1, dh1 = U = 3, dh0 = U * U = 9
    assert grads.params["weight_ih"].item() == 1 * 2 + 3 * 1
    assert grads.params["weight_hh"].item() == 1 * 5 + 3 * 1
    assert grads.params["bias_ih"].item() == grads.params["bias_hh"].item() == 1 + 3
    assert grads.x.ravel().tolist() == [3 * 2, 1 * 2]
    assert grads.initial_state[0].item() == 9
    # After one step back the rest is a constant.
    short = bptt.backward(cell, p, run, dfinal=(one(1),), truncate=(1, 1))
    assert short.params["weight_ih"].item() == 2
    assert short.params["weight_hh"].item() == 5
    assert short.x.ravel().tolist() == [0, 2]
    assert short.initial_state[0].item() == 0
    # An inactive unit passes no gradient: 2*(-10) + 3*5 is below 0.
    x[0, 1] = -10
    run = bptt.forward(cell, p, x, (one(1),))
    assert run.y.tolist() == [[[5], [0]]]
    shut = bptt.backward(cell, p, run, dfinal=(one(1),))
    assert not any(value.any() for value in (*shut.params.values(), shut.x, *shut.initial_state))


def test_a_step_of_tanh_by_hand() -> None:
    """tanh(ln 2) = 3/5, whose slope is 16/25."""
    cell = bptt.RNN()
    p = scalars(cell, [2], [3], [0], [np.log(2)])
    (h,), cache = cell.step(one(0), (one(0),), p)
    assert h.item() == pytest.approx(0.6)
    dp = {name: np.zeros_like(value) for name, value in p.items()}
    dx, (dh_prev,) = cell.step_backward((one(1),), cache, p, dp)
    assert (dx.item(), dh_prev.item(), dp["bias_ih"].item()) == pytest.approx((2 * 0.64, 3 * 0.64, 0.64))
    assert dp["weight_ih"].item() == dp["weight_hh"].item() == 0, "x and h_prev are 0"


def test_a_step_of_lstm_by_hand() -> None:
    """No weights: i = f = o = 1/2, g = 0. With c_prev = 2 ln 2: c = ln 2, m = 3/5, h = 3/10."""
    cell = bptt.LSTM()
    p = scalars(cell, [0] * 4, [0] * 4, [0] * 4, [0] * 4)
    (h, c), cache = cell.step(one(1), (one(1), one(2 * np.log(2))), p)
    assert (h.item(), c.item()) == pytest.approx((0.3, np.log(2)))
    dp = {name: np.zeros_like(value) for name, value in p.items()}
    _, (_, dc_prev) = cell.step_backward((one(1), one(0.18)), cache, p, dp)
    dc = 0.18 + 1 * 0.5 * 0.64  # = 0.5, on the two paths
    assert dc_prev.item() == pytest.approx(dc * 0.5)
    by_gate = [dc * 0 * 0.25, dc * 2 * np.log(2) * 0.25, dc * 0.5 * 1, 1 * 0.6 * 0.25]  # i, f, g, o
    for name in ("bias_ih", "bias_hh", "weight_ih", "weight_hh"):  # x and h_prev are 1
        assert dp[name].ravel().tolist() == pytest.approx(by_gate)


def test_a_step_of_gru_by_hand() -> None:
    """No weights but U_n = 2 ln 2: with h_prev = 1, r = z = 1/2, n = tanh(ln 2) = 3/5, h = 3/10 + 1/2."""
    cell = bptt.GRU()
    u_n = 2 * np.log(2)
    p = scalars(cell, [0] * 3, [0, 0, u_n], [0] * 3, [0] * 3)
    (h,), cache = cell.step(one(1), (one(1),), p)
    assert h.item() == pytest.approx(0.8)
    dp = {name: np.zeros_like(value) for name, value in p.items()}
    _, (dh_prev,) = cell.step_backward((one(1),), cache, p, dp)
    dn = 0.5 * 0.64  # (1 - z) tanh'
    r, z = dn * u_n * 0.25, (1 - 0.6) * 0.25
    assert dp["bias_ih"].tolist() == dp["weight_ih"].ravel().tolist() == pytest.approx([r, z, dn])
    assert dp["bias_hh"].tolist() == dp["weight_hh"].ravel().tolist() == pytest.approx([r, z, dn * 0.5])
    assert dh_prev.item() == pytest.approx(0.5 + dn * 0.5 * u_n)


def test_losses_by_hand() -> None:
    value, dz = bptt.cross_entropy(np.log([[1.0, 2, 5], [4, 2, 2]]), np.array([1, 0]))
    assert value == pytest.approx((np.log(4) + np.log(2)) / 2)
    assert dz.ravel() == pytest.approx(np.array([1, 2 - 8, 5, 4 - 8, 2, 2]) / 16)
    value, dz = bptt.squared_error(np.array([[1.0, 5]]), np.array([[2.0, 2]]))
    assert (value, dz.tolist()) == (5, [[-1, 3]])


def test_large_scores_do_not_overflow() -> None:
    value, dz = bptt.cross_entropy(np.array([[1000.0, 0, -1000]]), np.array([2]))
    assert (value, dz.tolist()) == (2000, [[1, 0, -1]])
    cell = bptt.LSTM()
    p = scalars(cell, [1e4] * 4, [0] * 4, [0] * 4, [0] * 4)
    for x, expected in ((1.0, np.tanh(1)), (-1.0, 0.0)):
        assert cell.step(one(x), (one(0), one(0)), p)[0][0].item() == pytest.approx(expected)


# descent


def test_clipping() -> None:
    grads = [np.array([3.0, -0.5]), np.array([[-4.0]])]
    bptt.clip_value(grads, 3.5)
    assert [g.tolist() for g in grads] == [[3, -0.5], [[-3.5]]]
    grads = [np.array([3.0, 0]), np.array([[-4.0]])]
    assert bptt.clip_norm(grads, 10) == 5
    assert [g.tolist() for g in grads] == [[3, 0], [[-4]]], "inside the ball nothing changes"
    assert bptt.clip_norm(grads, 1) == 5
    assert np.concatenate([g.ravel() for g in grads]) == pytest.approx([0.6, 0, -0.8])


def test_adagrad_equals_torch() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(size=(3, 2)), leaf(np.zeros((3, 2)))
    theirs.data = torch.tensor(ours)
    descent, reference = bptt.Adagrad([ours], 0.1), torch.optim.Adagrad([theirs], lr=0.1, eps=0)
    for _ in range(5):
        g = rng.normal(size=(3, 2))
        theirs.grad = torch.tensor(g)
        descent.step([g])
        reference.step()
    # torch adds its eps outside of the root; the difference is the 1e-8 inside, relative to sums of about 1.
    assert np.abs(ours - theirs.detach().numpy()).max() <= 1e-6


# invalid calls


def test_invalid_calls() -> None:
    cell = bptt.LSTM()
    call = draw(cell, 0, (2, 3, 4, 5))
    p, x, state = call["p"], call["x"], call["state"]
    run = bptt.forward(cell, p, x, state)
    wrong: list[tuple[str, Callable[[], object]]] = [
        (r"x is \(2, 3\); expected three axes, \(B, T, I\)", lambda: bptt.forward(cell, p, x[:, :, 0])),
        (r"weight_ih is \(20, 4\); expected \(20, 3\)", lambda: bptt.forward(cell, p, x[:, :, :3])),
        (r"weight_ih is \(20, 4\); expected \(15, 4\), of GRU", lambda: bptt.forward(bptt.GRU(), p, x)),
        ("the parameters are none; expected weight_ih, weight_hh", lambda: bptt.forward(cell, {}, x)),
        (
            "have the dtypes float32, float64; expected one floating dtype",
            lambda: bptt.forward(cell, p, x.astype(np.float32)),
        ),
        ("state has 1 components; LSTM has h, c", lambda: bptt.forward(cell, p, x, state[:1])),
        (
            r"state, component c, is \(1, 5\); expected \(2, 5\)",
            lambda: bptt.forward(cell, p, x, (state[0], state[1][:1])),
        ),
        (r"dy is \(2, 5\); expected \(2, 3, 5\), \(B, T, H\)", lambda: bptt.backward(cell, p, run, call["dy"][:, 0])),
        ("dfinal has 1 components", lambda: bptt.backward(cell, p, run, dfinal=call["dfinal"][:1])),
        (r"\(3, 2\); expected 1 <= k1 <= k2", lambda: bptt.backward(cell, p, run, truncate=(3, 2))),
        (r"\(0, 2\); expected 1 <= k1 <= k2", lambda: bptt.backward(cell, p, run, truncate=(0, 2))),
        ("nonlinearity is 'sin'; expected 'tanh' or 'relu'", lambda: bptt.RNN("sin")),
        ("classes 0 to 3; expected 0 to 2", lambda: bptt.cross_entropy(np.zeros((2, 3)), np.array([0, 3]))),
        ("classes -1 to 1; expected 0 to 2", lambda: bptt.cross_entropy(np.zeros((2, 3)), np.array([1, -1]))),
        ("expected one class for each prediction in z", lambda: bptt.cross_entropy(np.zeros((2, 3)), np.array([0]))),
        ("expected equal shapes", lambda: bptt.squared_error(np.zeros((2, 3)), np.zeros((2, 1)))),
        ("limit is 0; expected a number above 0", lambda: bptt.clip_value([x], 0)),
        ("radius is nan; expected a number above 0", lambda: bptt.clip_norm([x], float("nan"))),
        ("rate is -1; expected a number above 0", lambda: bptt.Adagrad([x], -1)),
    ]
    for message, invalid_call in wrong:
        with pytest.raises(ValueError, match=message):
            invalid_call()


@every_cell
def test_empty_sequences_and_batches(cell: bptt.Cell) -> None:
    for B, T in ((2, 0), (0, 3)):
        call = draw(cell, 0, (B, T, 4, 5))
        for truncate in (None, (1, 2)):
            values = by_hand(cell, call, truncate)
            assert values["y"].shape == (B, T, 5)
            assert not values["dweight_ih"].any()
            if T == 0:  # the state passes through, and so does its gradient
                for k, name in enumerate(cell.states):
                    assert np.array_equal(values[f"final {name}"], call["state"][k])
                    assert np.array_equal(values[f"d initial state {k}"], call["dfinal"][k])


@every_cell
def test_float32_stays_float32(cell: bptt.Cell) -> None:
    p = cell.parameters(3, 4, np.random.default_rng(0), np.float32)
    run = bptt.forward(cell, p, np.ones((2, 5, 3), np.float32))
    grads = bptt.backward(cell, p, run, run.y, truncate=(2, 3))
    arrays = [run.y, *run.final_state, grads.x, *grads.initial_state, *grads.params.values()]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


def test_imports_neither_torch_nor_the_rest_of_recurra() -> None:
    code = "import sys, recurra.bptt; print(*sorted(m for m in sys.modules if m.startswith(('recurra', 'torch'))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    files = ("cell", "descent", "gru", "lstm", "norms", "over_time", "readout", "rnn")
    expected = ["recurra", "recurra.bptt", *(f"recurra.bptt.{name}" for name in files)]
    assert done.stdout.split() == expected
