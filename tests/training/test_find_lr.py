"""The learning-rate finder: the rate of the steepest descent, and a training that begins as if there had been no sweep."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import language

from recurra.errors import SettingError, TrainingError
from recurra.training import find_lr
from recurra.training.find_lr import Sweep


def curve(steepest: float, rises: float) -> Sweep:
    """A loss that falls by a logistic function of log(rate), most steeply at `steepest`, and rises from `rises` on."""
    rates = [10 ** (-6 + 6 * n / 99) for n in range(100)]
    losses = [3 - 2 / (1 + (rate / steepest) ** -1.5) + max(math.log(rate / rises), 0) ** 2 for rate in rates]
    return Sweep(tuple(rates), tuple(losses))


def test_the_suggestion_is_the_rate_of_the_steepest_descent() -> None:
    found = curve(1e-3, 0.1).suggestion
    assert found is not None and 0.8e-3 < found < 1.25e-3
    flat = Sweep(tuple(10.0**-n for n in range(20)), (2.0,) * 20)
    assert flat.suggestion is None
    rising = Sweep(tuple(10.0**n for n in range(-20, 0)), tuple(2.0 + n for n in range(20)))
    assert rising.suggestion is None
    assert sum("<- suggestion" in line for line in curve(1e-3, 0.1).lines()) == 1


def test_nothing_of_the_sweep_remains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run equals one with the learning rate that was found, to the bit: dropout, batches, optimizer and average too."""
    monkeypatch.setattr(find_lr, "STEPS", 30)
    settings = {"steps": 4, "dropout": 0.3, "ema_decay": 0.9, "num_evaluations": 2, "batch_size": 8}
    found = language(tmp_path, "found", find_lr=True, **settings)
    rate = found.settings.training.learning_rate
    assert found.config["find_lr"]["suggestion"] == found.config["training"]["learning_rate"] == rate
    assert 1e-6 < rate < 1 and len(found.config["find_lr"]["curve"]) > 10
    plain = language(tmp_path, "plain", learning_rate=rate, **settings)
    for file in ("model.safetensors", "checkpoint/tensors.safetensors"):
        a, b = load_file(found.path / file), load_file(plain.path / file)
        assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    assert found.metrics == plain.metrics


def test_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        SettingError, match=r"--find-lr chooses the learning rate, but learning_rate is 0.01; remove one"
    ):
        language(tmp_path, find_lr=True, learning_rate=0.01)
    monkeypatch.setattr(find_lr, "HIGHEST", 1e-5)
    monkeypatch.setattr(find_lr, "STEPS", 20)
    with pytest.raises(TrainingError, match="the loss does not fall at any learning rate from 1e-06 to 1e-05"):
        language(tmp_path, find_lr=True)
    assert not (tmp_path / "run").exists()
