"""Conversion of windows to tensors and of outputs to forecasts, and calibration on the validation part."""

from __future__ import annotations

import numpy as np
import torch
from tiny_panels import NAN, panel
from torch import Tensor, nn

from recurra.tasks.base import ignore_progress
from recurra.tasks.forecast.calibration import calibration_factors
from recurra.tasks.forecast.pipeline import ForecastPipeline
from recurra.tasks.forecast.split_windows import SplitWindows
from recurra.tasks.forecast.validation import calibrate, validate

PIPELINE = ForecastPipeline(3, 2, "last_value", [0.1, 0.5, 0.9], has_missing=True, mse_weight=0.5)


class Constant(nn.Module):
    """Forecasts the mean 0 and the quantiles -1, 0, 1 for every time step."""

    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("quantile_scale", torch.tensor([2.0, 1.0, 0.5]))

    def forward(self, x: Tensor, series: Tensor, static: Tensor, future: Tensor) -> Tensor:
        """Return (B, 2, 4)."""
        return torch.tensor([0.0, -1, 0, 1]).expand(len(x), 2, 4)


def test_batch() -> None:
    data = panel([1, NAN, 3, 4, NAN, 6, 7])
    data.future_covariates = np.arange(7, dtype=np.float32)[:, None]
    data.past_covariates = -np.arange(7, dtype=np.float32)[:, None]
    data.calendar = 10 * np.arange(7, dtype=np.float32)[:, None]
    batch = PIPELINE.batch(data, PIPELINE.windows(data, np.array([3])))
    x = [[-1, 1, 0, 0], [-1, 0, -1, 1], [0, 1, -2, 2]]  # (value - 3) / 2, observed, past, future
    torch.testing.assert_close(batch.inputs["x"], torch.tensor([x]).float())
    assert batch.inputs["future"].tolist() == [[[3, 30], [4, 40]]]
    assert batch.inputs["series"].tolist() == [1] and batch.inputs["static"].shape == (1, 0)
    assert batch.targets["y"].tolist() == [[0.5, 0]] and batch.targets["observed"].tolist() == [[True, False]]
    assert (batch.valid, batch.computed, PIPELINE.steps_per_window) == (5, 5, 5)
    without_indicator = ForecastPipeline(3, 2, "last_value", [0.5], has_missing=False, mse_weight=0.5)
    assert without_indicator.batch(data, without_indicator.windows(data, np.array([3]))).inputs["x"].shape == (1, 3, 3)


def test_forecasts_are_unscaled_and_calibrated() -> None:
    data, network, progress = panel([1, 2, 3, 4, 5, 6, 7]), Constant(), list[int]()
    ((windows, batch, output),) = PIPELINE.run(network, data, np.array([3, 4]), progress.append)
    assert progress == [2]
    values = PIPELINE.forecasts(network, windows, output)
    np.testing.assert_allclose(values[0, 0], [3, 3 - 2 * 2, 3, 3 + 0.5 * 2])  # last value 3, standard deviation 2
    np.testing.assert_allclose(values[1, 1], [4, 4 - 2 * 2, 4, 4 + 0.5 * 2])
    y = batch.targets["y"]
    expected = [float(step) for step in (2 * (torch.maximum(
        torch.tensor(PIPELINE.levels) * (y.reshape(-1, 1) - output[0, 0, 1:]),
        (torch.tensor(PIPELINE.levels) - 1) * (y.reshape(-1, 1) - output[0, 0, 1:]),
    ).mean(1)) + 0.5 * y.reshape(-1) ** 2)]  # fmt: skip
    np.testing.assert_allclose(PIPELINE.losses(output, batch).numpy(), expected, rtol=1e-6)


def test_validation_calibrates_the_network() -> None:
    values = np.random.default_rng(0).normal(size=60).tolist()
    split, network = SplitWindows(panel(values), np.array([30])), Constant()
    metrics = validate(PIPELINE, network, split, ignore_progress)
    assert network.quantile_scale.tolist() == [2.0, 1.0, 0.5]  # an evaluation changes nothing
    calibrate(PIPELINE, network, split)
    ((windows, batch, output),) = PIPELINE.run(network, split.panel, split.valid_origins(3, 2))
    numbers = output.double().numpy()
    factors = calibration_factors(windows.scaled_y(), numbers[..., 1:], PIPELINE.levels, 1)
    np.testing.assert_allclose(network.quantile_scale.numpy(), factors, rtol=1e-6)
    assert metrics["loss"] == float(PIPELINE.losses(output, batch).double().mean())
    last = windows.unscale(numbers)[..., 0]
    np.testing.assert_allclose(metrics["mse"], ((windows.y - last) ** 2).mean())
    inside = (np.abs(windows.scaled_y()) <= 1).mean()
    np.testing.assert_allclose(metrics["uncalibrated_coverage_80"], inside)
