"""The parts of a forecast: scaling, ridge, windows, figures, calibration, and the network over segments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from recurra.tasks.forecast.metadata import Facts
from recurra.tasks.forecast.model import SegmentForecast, Shape
from recurra.tasks.forecast.task.quantile_loss import spread_factors, step_losses, stretched
from recurra.tasks.forecast.scaling import SCALINGS, place_and_scale, ridge
from recurra.tasks.forecast.windows import Panel, season_error
from torch import Tensor
from torch.nn import functional as F

from recurra import cells
from recurra.data.series.series import Columns, Series
from recurra.data.series.times import Grid
from recurra.metrics.forecasts import Coverage, Errors

NAN = float("nan")


def panel(*series: list[float], season: int = 2) -> Panel:
    n = sum(map(len, series))
    starts = np.cumsum([0, *map(len, series)])
    none = np.zeros((n, 0), np.float32)
    stats = np.array([[10.0, 2.0, 5.0]] * len(series))
    return Panel(
        np.concatenate([np.array(one, float) for one in series]), none, none, none, starts, stats,
        np.full(len(series), season), np.arange(1, len(series) + 1), np.zeros((len(series), 0), np.float32),
    )  # fmt: skip


# scaling ----------------------------------------------------------------------------------------------------------------
def test_scalings_by_hand() -> None:
    x, stats = np.array([[1.0, 3.0, 8.0]]), np.array([[10.0, 2.0, 5.0]])
    there = np.array([[True, True, False]])  # 8 was only filled in
    assert [[float(v[0]) for v in place_and_scale(s, x, there, stats)] for s in ("training", "last", "window", "level")] == [
        [10, 2], [8, 2], [2, 1], [2, 2]
    ]  # fmt: skip


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_window_of_one_value_or_none_is_scaled_by_numbers(scaling: str) -> None:
    x, stats = np.zeros((2, 3)), np.array([[10.0, 2.0, 5.0]] * 2)
    place, scale = place_and_scale(scaling, x, np.array([[True] * 3, [False] * 3]), stats)
    assert (scale >= 0.1 * 2).all() and np.isfinite(place).all()
    assert place[1] == 10  # no value: the mean of the training part


def test_ridge_is_least_squares_where_the_penalty_is_nothing() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(400, 3))
    weight, bias = draw.normal(size=(2, 3)), np.array([3.0, -1.0])
    y = x @ weight.T + bias
    there = np.ones(y.shape, bool)
    there[::5, 0] = False
    y[::5, 0] = 1e6  # what is not there does not count
    check = (x[:50], x[:50] @ weight.T + bias, np.ones((50, 2), bool), np.ones(50))
    fit = ridge(x, y, there, check)
    np.testing.assert_allclose(fit.weight, weight, rtol=1e-3, atol=1e-3)  # the least penalty is 1e-4
    np.testing.assert_allclose(fit.bias, bias, rtol=1e-3)
    assert fit.error == pytest.approx(0, abs=2e-3)


# windows ----------------------------------------------------------------------------------------------------------------
def test_windows_by_hand() -> None:
    data = panel([1, NAN, 3, 4, 5, 6], [NAN, 20, 30, 40, 50])
    origins = data.origins(data.starts[:-1] + 2, data.starts[1:] - 2, 2)
    assert origins.tolist() == [2, 3, 4, 8, 9]
    found = data.windows(origins[[0, 3]], 2, 2, "last")
    assert found.owners.tolist() == [0, 1]
    np.testing.assert_array_equal(found.y, [[3, 4], [30, 40]])
    np.testing.assert_array_equal(found.there, [[True, False], [False, True]])
    np.testing.assert_array_equal(found.place, [1, 20])  # 1 is carried on; before 20 stands 20
    np.testing.assert_array_equal(found.x, [[0, 0], [0, 0]])
    np.testing.assert_array_equal(found.scaled_y(), [[1, 1.5], [5, 10]])


def test_naive_forecasts_by_hand() -> None:
    data = panel([1, 2, 3, 4, 5, 6, 7, 8], season=3)
    found = data.windows(np.array([5]), 2, 3, "last")
    np.testing.assert_array_equal(data.naive_values(found), [[5, 5, 5]])
    np.testing.assert_array_equal(data.season_values(found), [[3, 4, 5]])
    longer = data.windows(np.array([4]), 2, 4, "last")
    np.testing.assert_array_equal(data.season_values(longer), [[2, 3, 4, 2]])  # a season ago, or two


def test_origins_of_a_backtest_end_with_the_series() -> None:
    data = panel(list(range(20)), list(range(9)))
    first, last = data.starts[:-1] + 4, data.starts[1:] - 3
    assert data.origins(first, last, 3, 5).tolist() == [7, 12, 17, 26]
    assert data.origins(first, last, 3, 5, 2).tolist() == [12, 17, 26]
    gap = panel([1, 2, 3, NAN, NAN, NAN, 7, 8])
    assert gap.origins(np.array([2]), np.array([6]), 2).tolist() == [2, 5, 6]  # 3 and 4 have nothing to compare with


# what a run knows -------------------------------------------------------------------------------------------------------
def test_measures_are_those_of_the_part_to_train_on() -> None:
    def one(name: str, known: list[float]) -> Series:
        n = len(known)
        return Series(name, np.arange(n, dtype=float), Grid("step", 1), 0, np.array(known)[:, None], np.zeros((n, 0)))

    facts = Facts.of(Columns((), None, ("y",), known=("price",)), [])
    facts.fit([one("a", [1, 2, 3, 100]), one("only in --valid", [50, 50])], {"a": 3}, calendar=True)
    assert facts.measures["price"] == pytest.approx((2, (2 / 3) ** 0.5))


# figures ----------------------------------------------------------------------------------------------------------------
def test_figures_by_hand() -> None:
    errors = Errors()
    errors.add(np.array([[2.0, NAN]]), np.array([[4.0, 9]]), np.array([[3.0, 9]]), np.array([2.0]), np.array([0.5]))
    errors.add(np.array([[0.0, -1.0]]), np.array([[0.0, 0]]), np.array([[0.0, 1]]), np.array([4.0]), np.array([NAN]))
    figures = errors.figures()
    assert figures["mse"] == pytest.approx((4 + 0 + 1) / 3) and figures["rmse"] == pytest.approx((5 / 3) ** 0.5)
    assert figures["mae"] == pytest.approx((1 + 0 + 2) / 3)
    assert figures["smape"] == pytest.approx((200 * 1 / 5 + 0 + 200) / 3)
    assert figures["mase"] == pytest.approx(1 / 0.5)  # a series without a season's difference has none
    assert figures["scaled_mse"] == pytest.approx((4 / 4 + 0 + 1 / 16) / 3)
    assert figures["scaled_mae"] == pytest.approx((1 / 2 + 0 + 2 / 4) / 3)
    assert season_error(np.array([1, 2, 4, NAN, 9]), 2) == pytest.approx((3 + 5) / 2)


def test_calibrated_quantiles_have_their_share() -> None:
    """On the data they were calibrated with, up to one observation; skewed and far too narrow before."""
    draw = np.random.default_rng(0)
    median = draw.normal(size=(50, 20, 1))
    width = draw.uniform(0.5, 2, size=median.shape)
    y = median[..., 0] + width[..., 0] * (draw.exponential(size=(50, 20)) - np.log(2))
    y[::7] = NAN
    levels = [0.1, 0.3, 0.5, 0.9]
    given = median + width * np.array([-0.01, -0.005, 0, 0.1])
    factors = spread_factors(y, given, levels, 2)
    coverage = Coverage(levels)
    values = stretched(np.concatenate([0 * median, given], -1), factors, 2)
    np.testing.assert_allclose(values[..., 1:], median + factors * (given - median))
    assert (values[..., 0] == 0).all()  # the mean stays where it is
    coverage.add(y, values[..., 1:])
    shares = dict(zip(levels, coverage.shares(), strict=True))
    for level in (0.1, 0.3, 0.9):
        assert shares[level] == pytest.approx(level, abs=1.5 / coverage.count)
    assert factors[2] == 1 and coverage.intervals().keys() == {"coverage_80"}
    assert coverage.intervals()["coverage_80"] == pytest.approx(0.8, abs=3 / coverage.count)


def test_quantiles_are_narrowed_only_where_they_are_surely_too_wide() -> None:
    """400 forecasts of one step with errors 0.5, 1.5, ... 399.5, above and below in turn.

    The standard error of 0.9 among 400 is 0.015.
    """
    y = np.where(np.arange(400) % 2, 1.0, -1.0)[:, None] * (np.arange(400)[:, None] + 0.5)

    def share_above(distance: float) -> float:
        given = np.tile([0.0, distance], (400, 1, 1))
        factor = spread_factors(y, given, [0.5, 0.9], 0)[1]
        return float((y[:, 0] <= factor * distance).mean())

    assert share_above(100) == pytest.approx(0.9, abs=2 / 400)  # too narrow
    assert share_above(325) == pytest.approx(0.5 + 325 / 800, abs=1 / 400)  # 0.906: as it is
    assert share_above(399) == pytest.approx(0.915, abs=2 / 400)  # 0.999: made smaller, and less than to 0.9


# the loss ---------------------------------------------------------------------------------------------------------------
LEVELS = [0.1, 0.25, 0.5, 0.75, 0.9]


def test_missing_steps_teach_nothing() -> None:
    """Their value changes neither the loss nor a gradient."""
    torch.manual_seed(0)
    output = torch.randn(2, 7, 6, requires_grad=True)
    y, seen = torch.randn(2, 7), torch.rand(2, 7) > 0.4
    losses = step_losses(output, y, seen, LEVELS, 0.5)
    losses.sum().backward()
    assert not output.grad[~seen].any() and output.grad[seen].any()  # type: ignore[index]
    assert torch.equal(losses, step_losses(output, torch.where(seen, y, 1e6), seen, LEVELS, 0.5))


def test_the_loss_by_hand() -> None:
    """y = 2 against the mean 1 and the quantiles 0.1: 1, 0.25: 1.5, 0.5: 2, 0.75: 4, 0.9: 5."""
    output = torch.tensor([[[1.0, 1, 1.5, 2, 4, 5]]])
    pinball = (0.1 * 1 + 0.25 * 0.5 + 0 + 0.25 * 2 + 0.1 * 3) / 5
    loss = step_losses(output, torch.tensor([[2.0]]), torch.tensor([[True]]), LEVELS, 0.5)
    assert loss.item() == pytest.approx(2 * pinball + 0.5)


# the network ------------------------------------------------------------------------------------------------------------
SHAPE: dict[str, Any] = {
    "window": 7, "horizon": 5, "segment": 3, "inputs": 4, "masked": True, "known": 2, "ahead": 3, "static": 2,
    "series": 3, "quantiles": 4, "middle": 1,
}  # fmt: skip


def network(cell: str = "gru", recursive: bool = False, **changes: Any) -> SegmentForecast:
    torch.manual_seed(0)
    made = SegmentForecast(
        Shape(**(SHAPE | changes)), cells.get(cell), hidden_size=6, num_layers=2, dropout=0.0, shortcut=True,
        recursive=recursive, backend="auto",
    ).double()  # fmt: skip
    for parameter in made.parameters():  # also those that begin at zero
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


def inputs(rows: int = 3) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    return (torch.randn(rows, 7, 4).double(), torch.arange(rows) % 4, torch.randn(rows, 2).double(),
            torch.randn(rows, 5, 3).double())  # fmt: skip


def by_hand(net: SegmentForecast, x: Tensor, series: Tensor, static: Tensor, ahead: Tensor) -> Tensor:
    """One row, one segment after the other, with the layers' own step."""
    w, state = 3, None
    padded = torch.cat([x.new_zeros(2, 4), x])
    for k in range(3):
        state = net.recurrent(F.relu(net.embed(padded[w * k : w * k + w].flatten()))[None, None], state)[1]
    ahead = torch.cat([ahead, ahead.new_zeros(1, 3)])
    answers = []
    for j in range(2):
        assert net.of_series is not None and net.of_static is not None and net.of_ahead is not None
        query = net.position[0 if net.recursive else j] + net.of_series(series) + net.of_static(static)
        query = query + net.of_ahead(ahead[w * j : w * j + w].flatten())
        answers.append(net.answer(net.recurrent(query[None, None], state)[0][0, 0]).reshape(w, 5))
        if net.recursive:
            told = torch.cat([answers[-1][:, 1:2], torch.ones(w, 1).double(), ahead[w * j : w * j + w, :2]], 1)
            state = net.recurrent(F.relu(net.embed(told.flatten()))[None, None], state)[1]
    raw = torch.cat(answers)[:5]
    assert net.shortcut is not None
    line = net.shortcut(x[:, 0])
    mean, median, steps = raw[:, 0] + line, raw[:, 1] + line, F.softplus(raw[:, 2:])
    above = median + steps[:, 1]
    return torch.stack([mean, median - steps[:, 0], median, above, above + steps[:, 2]], 1)


@pytest.mark.parametrize("recursive", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_the_network_is_what_its_docstring_says(cell: str, recursive: bool) -> None:
    """Values and the gradient of every input and parameter, against one segment after the other."""
    net, given = network(cell, recursive), inputs()
    x, ahead = (tensor.requires_grad_() for tensor in (given[0], given[3]))
    weights = torch.randn(3, 5, 5).double()
    leaves = [x, ahead, *net.parameters()]
    ours = net(x, given[1], given[2], ahead)
    gradients = torch.autograd.grad((weights * ours).sum(), leaves)
    plain = torch.stack([by_hand(net, x[b], given[1][b], given[2][b], ahead[b]) for b in range(3)])
    expected = torch.autograd.grad((weights * plain).sum(), leaves)
    close = 2000 * torch.finfo(torch.float64).eps  # a few hundred roundings of numbers of size 1, in another order
    torch.testing.assert_close(ours, plain, rtol=close, atol=close)
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=100 * close, atol=100 * close)


@pytest.mark.parametrize("recursive", [False, True])
def test_quantiles_never_cross(recursive: bool) -> None:
    output = network(recursive=recursive)(*inputs(40))[..., 1:]
    assert (output.diff(dim=-1) > 0).all()


def test_what_is_known_of_a_segment_changes_that_segment_alone() -> None:
    """Directly decoded segments do not see each other."""
    net, (x, series, static, ahead) = network(), inputs()
    changed = ahead.clone()
    changed[:, 3:] += 1
    before, after = net(x, series, static, ahead), net(x, series, static, changed)
    assert torch.equal(before[:, :3], after[:, :3]) and not torch.isclose(before[:, 3:], after[:, 3:]).any()
