"""The plan, the schedule, and settings of the optimizer, by values."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
import torch
from torch import nn

from recurra.errors import SettingError
from recurra.settings import TrainingSettings
from recurra.training.ema import WeightEMA
from recurra.training.optimizers import optimizer_for
from recurra.training.schedule import StepSchedule, learning_rate_factor

OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop", "adagrad", "adadelta", "nadam")


def test_progress_without_corrections_is_the_share_of_the_steps() -> None:
    plan = StepSchedule.of(8)
    assert [plan.progress(step) for step in range(9)] == [step / 8 for step in range(9)]
    assert plan.progress(20) == 1.0 and plan.total == 8


def test_a_correction_bends_the_line() -> None:
    plan = StepSchedule.of(100)
    plan.correct(50, 150)  # half of the way is done; the other half now takes 100 steps
    assert plan.progress(49) == 0.49 and plan.progress(50) == 0.5
    assert plan.progress(51) == pytest.approx(0.505) and plan.progress(150) == 1.0
    assert plan.record == [(0, 0.0, 100), (50, 0.5, 150)]
    plan.correct(60, 150)  # nothing to correct, nothing written
    assert len(plan.record) == 2


@pytest.mark.parametrize("seed", range(20))
def test_progress_is_monotone_continuous_and_replayed(seed: int) -> None:
    """Corrections at random: no step is larger than the widest slope, none goes back, and the record says it all."""
    draw = random.Random(seed)
    plan, step, seen = StepSchedule.of(draw.randint(20, 60)), 0, [0.0]
    widest = 1 / plan.total
    while step < plan.total:
        step += 1
        seen.append(plan.progress(step))
        if draw.random() < 0.2 and step < plan.total:
            plan.correct(step, step + draw.randint(3, 40))
            assert plan.progress(step) == seen[-1]
            widest = max(widest, (1 - seen[-1]) / (plan.total - step))
    rises = [after - before for before, after in pairwise(seen)]
    assert min(rises) > 0 and max(rises) <= widest + 1e-12
    assert seen[-1] == 1.0
    assert [StepSchedule(list(plan.record)).progress(at) for at in range(step + 1)] == seen


def test_ending_at_once() -> None:
    plan = StepSchedule.of(10)
    plan.correct(4, 2)  # the clock: no further step
    assert plan.total == 4 and plan.progress(4) == 1.0 and plan.progress(3) == 0.3
    assert StepSchedule.of(0).total == 1


@pytest.mark.parametrize(
    ("schedule", "progress", "expected"),
    [
        ("constant", 0.05, 0.5),
        ("constant", 0.1, 1.0),
        ("constant", 0.9, 1.0),
        ("cosine", 0.1, 1.0),
        ("cosine", 0.55, 0.5),
        ("cosine", 0.325, 0.5 * (1 + math.cos(math.pi / 4))),
        ("cosine", 1.0, 0.0),
        ("linear", 0.55, 0.5),
        ("linear", 1.0, 0.0),
        ("linear", 0.0, 1e-3),
    ],
)
def test_schedule_values(schedule: str, progress: float, expected: float) -> None:
    assert learning_rate_factor(schedule, 0.1, progress) == pytest.approx(expected, abs=1e-12)


def test_no_warm_up_begins_at_the_top() -> None:
    assert learning_rate_factor("cosine", 0.0, 0.0) == 1.0


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(5, 3), nn.LSTM(3, 4), nn.Linear(4, 2))


def settings(**values: object) -> TrainingSettings:
    chosen = {"learning_rate": 0.1, "epochs": 1.0, "batch_size": 4, "ema_decay": 0.0, "patience": 1}
    return TrainingSettings.model_validate(chosen | values)


def test_decay_is_for_weights_not_for_biases_or_embeddings() -> None:
    """With no gradient a decoupled decay takes 1 - rate * decay of the weights each step, and nothing else moves."""
    net = network()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    optimizer = optimizer_for(net, settings(optimizer="adamw", weight_decay=0.5))
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    decayed = {"1.weight_ih_l0", "1.weight_hh_l0", "2.weight"}
    for name, parameter in net.named_parameters():
        expected = before[name] * (1 - 0.1 * 0.5) if name in decayed else before[name]
        torch.testing.assert_close(parameter.detach(), expected)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_default_decay_does_not_outweigh_the_gradient(name: str) -> None:
    """It is that of torch: 0.01 for adamw, whose decay does not depend on the gradient, and 0 for the others."""
    chosen = settings(optimizer=name)
    assert chosen.weight_decay == (0.01 if name == "adamw" else 0.0)
    assert settings(optimizer=name, weight_decay=0.5).weight_decay == 0.5
    decays = {group["weight_decay"] for group in optimizer_for(network(), chosen).param_groups}
    assert decays == {0.0, chosen.weight_decay}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimiser_descends(name: str) -> None:
    torch.manual_seed(1)
    net = nn.Linear(3, 1)
    x = torch.randn(32, 3)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]])
    rate = {"adadelta": 1.0, "sgd": 0.05}.get(name, 0.05)
    optimizer = optimizer_for(net, settings(optimizer=name, learning_rate=rate, weight_decay=0.0))
    assert type(optimizer).__name__.lower() == name

    def loss() -> torch.Tensor:
        return ((net(x) - y) ** 2).mean()

    first = loss().item()
    for _ in range(60):
        optimizer.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert loss().item() < first * (0.95 if name == "adadelta" else 0.5)


def test_momentum_goes_where_it_is_an_option() -> None:
    net = network()
    assert optimizer_for(net, settings(optimizer="sgd")).param_groups[0]["momentum"] == 0.9
    assert optimizer_for(net, settings(optimizer="sgd", momentum=0.3)).param_groups[0]["momentum"] == 0.3
    assert optimizer_for(net, settings(optimizer="rmsprop")).param_groups[0]["momentum"] == 0.0
    for name in ("adam", "adamw", "adagrad", "adadelta", "nadam"):
        with pytest.raises(SettingError, match=f"momentum is an option of sgd and rmsprop, not of {name}"):
            optimizer_for(net, settings(optimizer=name, momentum=0.9))


def test_the_average_by_hand() -> None:
    net = nn.Linear(1, 1, bias=False)
    net.weight.data.fill_(0.0)
    average = WeightEMA(net, 0.25)
    expected = 0.0
    for n, weight in enumerate([1.0, 4.0, -2.0, 3.0], 1):
        net.weight.data.fill_(weight)
        average.update()
        d = min(0.25, (1 + n) / (10 + n))
        expected = d * expected + (1 - d) * weight
    with average.applied():
        assert net.weight.item() == pytest.approx(expected)
    assert net.weight.item() == 3.0  # and the weights are back


def test_without_averaging_the_weights_are_what_is_evaluated() -> None:
    net = nn.Linear(1, 1)
    average = WeightEMA(net, 0.0)
    average.update()
    weight = net.weight.item()
    with average.applied():
        assert net.weight.item() == weight
    assert average.tensors() == {}


def test_the_average_is_of_the_networks_arithmetic() -> None:
    net = nn.Linear(2, 2).double()
    average = WeightEMA(net, 0.9)
    average.update()
    assert {tensor.dtype for tensor in average.tensors().values()} == {torch.float64}
