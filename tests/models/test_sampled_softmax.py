"""Sampled softmax of a language model: where it is exact, that it is right on average, and who may ask for it."""

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


def made(V: int) -> tuple[Tensor, nn.Linear, Tensor]:
    """Vectors, an output layer and wanted tokens, frequent and rare, some of them twice."""
    torch.manual_seed(3)
    output = nn.Linear(D, V).double()
    return torch.randn(N, D, dtype=torch.double, requires_grad=True), output, torch.arange(N) * 3 % V


def gradients(loss: Tensor, vectors: Tensor, output: nn.Linear) -> list[Tensor]:
    return list(torch.autograd.grad(loss, [vectors, output.weight, output.bias]))


@pytest.mark.parametrize("size", [5, 7, 9, 10, 50])
def test_with_every_token_it_is_the_cross_entropy(size: int) -> None:
    """At 5 and above the drawn ones are all the others of 10: also a wanted one, which must not count twice."""
    vectors, output, wanted = made(10)
    exact = nn.functional.cross_entropy(output(vectors), wanted)
    sampled = sampled_softmax_loss(vectors, output, wanted, size)
    torch.testing.assert_close(sampled, exact, rtol=1e-12, atol=1e-12)
    for ours, theirs in zip(gradients(sampled, vectors, output), gradients(exact, vectors, output), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("token", [1, 5])
def test_the_sum_is_right_on_average(monkeypatch: pytest.MonkeyPatch, token: int) -> None:
    """Over all draws of two of five rare tokens: for a frequent token, and for a rare one, which always counts once."""
    vectors, output, _ = made(7)
    wanted = torch.full((N,), token)
    sums = []
    for pair in combinations(range(5), 2):
        others = [at for at in range(5) if at not in pair]
        monkeypatch.setattr(torch, "randperm", lambda *_, p=(*pair, *others), **__: torch.tensor(p))
        each = [sampled_softmax_loss(vectors[n : n + 1], output, wanted[n : n + 1], 2) for n in range(N)]
        sums.append((torch.stack(each) + output(vectors)[:, token]).exp())
    torch.testing.assert_close(torch.stack(sums).mean(0), output(vectors).logsumexp(1).exp(), rtol=1e-12, atol=1e-12)


def text(folder: Path) -> Path:
    path = folder / "words.txt"
    path.write_text("\n".join(" ".join(f"w{i * j % 90}" for j in range(1, 12)) for i in range(1, 60)), encoding="utf-8")
    return path


def test_a_model_is_trained_so_and_scored_by_all(tmp_path: Path) -> None:
    given = {"tokenization": "words", "hidden_size": 8, "steps": 30, "num_evaluations": 1, "windows": "sequential"}
    run = recurra.train("language", text(tmp_path), out=tmp_path / "some", sampled_softmax=10, **given)
    whole = recurra.train("language", text(tmp_path), out=tmp_path / "all", sampled_softmax=0, **given)
    some, every = (one.evaluate(text(tmp_path))["loss"] for one in (run, whole))
    assert some < 4.51 and abs(some - every) < 0.5  # log 91 is what knowing nothing costs


def test_smoothing_wants_all_tokens(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="sampled_softmax=0"):
        recurra.train(
            "language", text(tmp_path), out=tmp_path / "no", tokenization="words", sampled_softmax=10, label_smoothing=0.1, steps=1
        )
