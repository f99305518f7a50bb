"""The network over segments, compared with a loop over the segments."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recurra import cells
from recurra.tasks.forecast.model import ForecastShape, SegmentForecaster

SHAPE: dict[str, Any] = {
    "context_length": 7, "horizon": 5, "segment_length": 3, "context_channels": 4, "has_missing": True,
    "num_future": 2, "horizon_channels": 3, "num_static": 2, "num_series": 3, "num_quantiles": 4, "median_index": 1,
}  # fmt: skip


def network(cell: str = "gru", recursive: bool = False, **changes: Any) -> SegmentForecaster:
    torch.manual_seed(0)
    net = SegmentForecaster(
        ForecastShape(**(SHAPE | changes)), cells.get(cell), hidden_size=6, num_layers=2, dropout=0.0, linear_skip=True,
        recursive=recursive, backend="auto",
    ).double()  # fmt: skip
    for parameter in net.parameters():  # including those that are initialized with zeros
        torch.nn.init.normal_(parameter, std=0.3)
    return net.eval()


def inputs(batch_size: int = 3) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    return (torch.randn(batch_size, 7, 4).double(), torch.arange(batch_size) % 4, torch.randn(batch_size, 2).double(),
            torch.randn(batch_size, 5, 3).double())  # fmt: skip


def segment_loop(net: SegmentForecaster, x: Tensor, series: Tensor, static: Tensor, future: Tensor) -> Tensor:
    """Forecast one example segment by segment, with the network's own layers."""
    w, state = 3, None
    padded = torch.cat([x.new_zeros(2, 4), x])
    for k in range(3):
        state = net.recurrent(F.relu(net.segment_projection(padded[w * k : w * k + w].flatten()))[None, None], state)[1]
    future = torch.cat([future, future.new_zeros(1, 3)])
    segments = []
    for j in range(2):
        assert net.series_embedding is not None
        assert net.static_projection is not None and net.future_projection is not None
        query = net.position_embedding[0 if net.recursive else j]
        query = query + net.series_embedding(series) + net.static_projection(static)
        query = query + net.future_projection(future[w * j : w * j + w].flatten())
        segments.append(net.head(net.recurrent(query[None, None], state)[0][0, 0]).reshape(w, 5))
        if net.recursive:
            fed_back = torch.cat([segments[-1][:, 1:2], torch.ones(w, 1).double(), future[w * j : w * j + w, :2]], 1)
            state = net.recurrent(F.relu(net.segment_projection(fed_back.flatten()))[None, None], state)[1]
    raw = torch.cat(segments)[:5]
    assert net.linear_skip is not None
    skip = net.linear_skip(x[:, 0])
    mean, median, distances = raw[:, 0] + skip, raw[:, 1] + skip, F.softplus(raw[:, 2:])
    above = median + distances[:, 1]
    return torch.stack([mean, median - distances[:, 0], median, above, above + distances[:, 2]], 1)


@pytest.mark.parametrize("recursive", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_values_and_gradients_equal_a_loop_over_segments(cell: str, recursive: bool) -> None:
    """The gradients are those of every input and every parameter."""
    net, (x, series, static, future) = network(cell, recursive), inputs()
    x.requires_grad_(), future.requires_grad_()
    weights = torch.randn(3, 5, 5).double()
    leaves = [x, future, *net.parameters()]
    output = net(x, series, static, future)
    gradients = torch.autograd.grad((weights * output).sum(), leaves)
    reference = torch.stack([segment_loop(net, x[b], series[b], static[b], future[b]) for b in range(3)])
    expected = torch.autograd.grad((weights * reference).sum(), leaves)
    tolerance = 2000 * torch.finfo(torch.float64).eps  # a few hundred rounding errors of values of size 1
    torch.testing.assert_close(output, reference, rtol=tolerance, atol=tolerance)
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=100 * tolerance, atol=100 * tolerance)


@pytest.mark.parametrize("recursive", [False, True])
def test_quantiles_do_not_cross(recursive: bool) -> None:
    output = network(recursive=recursive)(*inputs(40))[..., 1:]
    assert (output.diff(dim=-1) > 0).all()


def test_covariates_of_a_segment_affect_only_that_segment() -> None:
    """With direct decoding, segments of the horizon are independent of each other."""
    net, (x, series, static, future) = network(), inputs()
    changed = future.clone()
    changed[:, 3:] += 1
    before, after = net(x, series, static, future), net(x, series, static, changed)
    assert torch.equal(before[:, :3], after[:, :3]) and not torch.isclose(before[:, 3:], after[:, 3:]).any()
