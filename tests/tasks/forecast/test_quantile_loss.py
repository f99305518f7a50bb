"""The loss by hand, and missing steps in it."""

from __future__ import annotations

import pytest
import torch

from recurra.tasks.forecast.quantile_loss import step_losses

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
