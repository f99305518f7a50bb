"""The quantile loss, compared with a value computed by hand, and missing time steps."""

from __future__ import annotations

import pytest
import torch

from recurra.tasks.forecast.quantile_loss import step_losses

LEVELS = [0.1, 0.25, 0.5, 0.75, 0.9]


def test_missing_steps_have_no_effect() -> None:
    """Their values change neither the loss nor a gradient."""
    torch.manual_seed(0)
    output = torch.randn(2, 7, 6, requires_grad=True)
    y, observed = torch.randn(2, 7), torch.rand(2, 7) > 0.4
    losses = step_losses(output, y, observed, LEVELS, 0.5)
    losses.sum().backward()
    assert not output.grad[~observed].any() and output.grad[observed].any()  # type: ignore[index]
    assert torch.equal(losses, step_losses(output, torch.where(observed, y, 1e6), observed, LEVELS, 0.5))


def test_loss() -> None:
    """The target is 2, the mean 1, and the quantiles are 1 (0.1), 1.5 (0.25), 2 (0.5), 4 (0.75) and 5 (0.9)."""
    output = torch.tensor([[[1.0, 1, 1.5, 2, 4, 5]]])
    pinball = (0.1 * 1 + 0.25 * 0.5 + 0 + 0.25 * 2 + 0.1 * 3) / 5
    loss = step_losses(output, torch.tensor([[2.0]]), torch.tensor([[True]]), LEVELS, 0.5)
    assert loss.item() == pytest.approx(2 * pinball + 0.5)
