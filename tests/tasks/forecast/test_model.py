"""The network over segments, against one segment after the other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recurra import cells
from recurra.tasks.forecast.model import SegmentForecaster, ForecastShape

SHAPE: dict[str, Any] = {
    "context_length": 7, "horizon": 5, "segment_length": 3, "inputs": 4, "masked": True, "known": 2, "future": 3, "static": 2,
    "series": 3, "quantiles": 4, "middle": 1,
}  # fmt: skip


def network(cell: str = "gru", recursive: bool = False, **changes: Any) -> SegmentForecaster:
    torch.manual_seed(0)
    made = SegmentForecaster(
        ForecastShape(**(SHAPE | changes)), cells.get(cell), hidden_size=6, num_layers=2, dropout=0.0, linear_skip=True,
        recursive=recursive, backend="auto",
    ).double()  # fmt: skip
    for parameter in made.parameters():  # also those that begin at zero
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


def inputs(rows: int = 3) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    return (torch.randn(rows, 7, 4).double(), torch.arange(rows) % 4, torch.randn(rows, 2).double(),
            torch.randn(rows, 5, 3).double())  # fmt: skip


def by_hand(net: SegmentForecaster, x: Tensor, series: Tensor, static: Tensor, ahead: Tensor) -> Tensor:
    """One row, one segment after the other, with the layers' own step."""
    w, state = 3, None
    padded = torch.cat([x.new_zeros(2, 4), x])
    for k in range(3):
        state = net.recurrent(F.relu(net.segment_projection(padded[w * k : w * k + w].flatten()))[None, None], state)[1]
    ahead = torch.cat([ahead, ahead.new_zeros(1, 3)])
    answers = []
    for j in range(2):
        assert net.series_embedding is not None and net.static_projection is not None and net.future_projection is not None
        query = net.position_embedding[0 if net.recursive else j] + net.series_embedding(series) + net.static_projection(static)
        query = query + net.future_projection(ahead[w * j : w * j + w].flatten())
        answers.append(net.head(net.recurrent(query[None, None], state)[0][0, 0]).reshape(w, 5))
        if net.recursive:
            told = torch.cat([answers[-1][:, 1:2], torch.ones(w, 1).double(), ahead[w * j : w * j + w, :2]], 1)
            state = net.recurrent(F.relu(net.segment_projection(told.flatten()))[None, None], state)[1]
    raw = torch.cat(answers)[:5]
    assert net.linear_skip is not None
    line = net.linear_skip(x[:, 0])
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
