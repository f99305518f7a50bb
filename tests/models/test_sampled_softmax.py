"""Sampled softmax of a language model: where it is exact, that it is unbiased, and which settings it excludes."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import recurra
from recurra.errors import SettingError
from recurra.models.sampled_softmax import sampled_softmax_loss

N, D = 11, 4


def make_layer(V: int) -> tuple[Tensor, nn.Linear, Tensor]:
    """Features, an output layer, and targets that are frequent or rare, some of them twice."""
    torch.manual_seed(3)
    output = nn.Linear(D, V).double()
    return torch.randn(N, D, dtype=torch.double, requires_grad=True), output, torch.arange(N) * 3 % V


def gradients(loss: Tensor, features: Tensor, output: nn.Linear) -> list[Tensor]:
    return list(torch.autograd.grad(loss, [features, output.weight, output.bias]))


@pytest.mark.parametrize("size", [5, 7, 9, 10, 50])
def test_with_every_class_it_equals_the_cross_entropy(size: int) -> None:
    """From 5 on the sampled classes are all others of 10. A target among them must not count twice."""
    features, output, targets = make_layer(10)
    exact = nn.functional.cross_entropy(output(features), targets)
    sampled = sampled_softmax_loss(features, output, targets, size)
    torch.testing.assert_close(sampled, exact, rtol=1e-12, atol=1e-12)
    for ours, theirs in zip(gradients(sampled, features, output), gradients(exact, features, output), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("token", [1, 5])
def test_the_estimate_of_the_sum_is_unbiased(monkeypatch: pytest.MonkeyPatch, token: int) -> None:
    """Mean over all samples of two of five rare classes: for a frequent target, and for a rare one, which counts once."""
    features, output, _ = make_layer(7)
    targets = torch.full((N,), token)
    sums = []
    for pair in combinations(range(5), 2):
        others = [i for i in range(5) if i not in pair]
        monkeypatch.setattr(torch, "randperm", lambda *_, p=(*pair, *others), **__: torch.tensor(p))
        losses = [sampled_softmax_loss(features[n : n + 1], output, targets[n : n + 1], 2) for n in range(N)]
        sums.append((torch.stack(losses) + output(features)[:, token]).exp())
    torch.testing.assert_close(torch.stack(sums).mean(0), output(features).logsumexp(1).exp(), rtol=1e-12, atol=1e-12)


def text(folder: Path) -> Path:
    path = folder / "words.txt"
    path.write_text("\n".join(" ".join(f"w{i * j % 90}" for j in range(1, 12)) for i in range(1, 60)), encoding="utf-8")
    return path


def test_a_model_is_trained_with_a_sample_and_evaluated_on_all_tokens(tmp_path: Path) -> None:
    settings = {"tokenization": "words", "hidden_size": 8, "steps": 30, "num_evaluations": 1, "batching": "sequential"}
    run = recurra.train("language", text(tmp_path), out=tmp_path / "some", sampled_softmax=10, **settings)
    whole = recurra.train("language", text(tmp_path), out=tmp_path / "all", sampled_softmax=0, **settings)
    some, every = (one.evaluate(text(tmp_path))["loss"] for one in (run, whole))
    assert some < 4.51 and abs(some - every) < 0.5  # log 91 is the loss of a uniform prediction


def test_label_smoothing_needs_all_tokens(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="label_smoothing requires the full softmax; set sampled_softmax=0"):
        recurra.train(
            "language",
            text(tmp_path),
            out=tmp_path / "no",
            tokenization="words",
            sampled_softmax=10,
            label_smoothing=0.1,
            steps=1,
        )
