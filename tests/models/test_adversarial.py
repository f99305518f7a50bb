"""Adversarial training: the perturbation has the direction of the gradient and the given norm, and is removed afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import reviews, write_reviews
from torch import Tensor

import recurra
from recurra.models.adversarial import PerturbableInput, training_step


def backward(loss: Tensor, weight: float = 1.0) -> None:
    (weight * loss).backward()  # type: ignore[no-untyped-call]


STILL: dict[str, Any] = {"dropout": 0.0, "input_dropout": 0.0, "token_dropout": 0.0, "character_ngrams": False}


class Bowl(torch.nn.Module):
    """loss = mean of |v|^2 / 2, so that the gradient of each sequence has the direction of its embeddings."""

    def __init__(self, vectors: Tensor) -> None:
        super().__init__()
        self.vectors, self.perturbable_input = torch.nn.Parameter(vectors), PerturbableInput()

    def loss(self) -> Tensor:
        return self.perturbable_input(self.vectors).square().flatten(1).sum(1).mean() / 2


def test_the_perturbation_has_the_direction_of_the_gradient() -> None:
    torch.manual_seed(0)
    bowl = Bowl(torch.randn(3, 4, 5, dtype=torch.float64))
    norms = bowl.vectors.detach().flatten(1).norm(dim=1)
    loss = training_step(bowl, bowl.loss, 0.7, backward)
    moved = (norms + 0.7).square().mean() / 2
    torch.testing.assert_close(loss, (norms.square().mean() / 2 + moved) / 2)
    assert bowl.perturbable_input.perturbation is None and bowl.perturbable_input.embeddings is None
    # The perturbation is a constant in the gradient: d/dv of |v + r|^2 / 2 is v + r.
    v = bowl.vectors.detach()
    r = 0.7 * v / norms[:, None, None]
    torch.testing.assert_close(bowl.vectors.grad, (v + (v + r)) / 2 / len(v))


def test_a_sequence_without_a_gradient_is_not_perturbed() -> None:
    bowl = Bowl(torch.zeros(2, 3, 4))
    assert training_step(bowl, bowl.loss, 1.0, backward).item() == 0


def test_the_perturbation_is_removed_after_an_exception() -> None:
    bowl = Bowl(torch.ones(2, 3, 4))
    calls: list[int] = []

    def failing() -> Tensor:
        calls.append(1)
        if len(calls) == 2:
            raise ValueError("no second time")
        return bowl.loss()

    with pytest.raises(ValueError, match="no second time"):
        training_step(bowl, failing, 1.0, backward)
    assert bowl.perturbable_input.perturbation is None and not bowl.perturbable_input.records_gradient


@pytest.mark.parametrize("ensemble_size", [1, 2])
def test_a_task_trains_on_perturbed_sequences(tmp_path: Path, ensemble_size: int) -> None:
    """The training loss, the mean of the plain and the perturbed loss, is larger than the plain loss."""
    run = reviews(tmp_path, ensemble_size=ensemble_size, adversarial_epsilon=3.0, **STILL)
    write_reviews(tmp_path / "more.csv")
    task, network = run.task, run.network
    task.dataset.prepare(tmp_path / "more.csv", None, tmp_path / "cache", lambda _: None)
    batch = task.batch(task.sampler().epoch(0)[0])
    plain = task.loss(network.train(), batch, None, 0.0)[0]
    loss = task.training_step(network, batch, None, 0.0, backward)[0]
    assert loss > plain + 1e-3
    grads = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    assert len(grads) == len(list(network.parameters())) and all(grad.isfinite().all() for grad in grads)
    assert not loss.requires_grad


def test_the_epsilon_is_a_setting_of_the_run(tmp_path: Path) -> None:
    plain, moved = (reviews(tmp_path, f"run{size}", adversarial_epsilon=size) for size in (0.0, 1.0))
    a, b = (dict(run.network.state_dict()) for run in (plain, moved))
    assert any(not torch.equal(a[name], b[name]) for name in a)
    assert recurra.load(moved.path).task.settings.model.adversarial_epsilon == 1.0
