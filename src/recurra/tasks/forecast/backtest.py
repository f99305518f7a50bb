"""Forecasts of a network against what happened: on the part held back while training, and from rolling origins in a file."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ...data.series.series import Table
from ...errors import DataError
from ...metrics.forecasts import Coverage, Errors
from .metadata import Facts
from .pipeline import Forecaster, numbers_of
from .quantile_loss import spread_factors
from .split_windows import SplitPanel, spread
from .windows import Integers, Panel, season_error

EVALUATED = 8192  # windows of the part held back that are looked at while training, evenly spread
Tick = Callable[[int], None]


def validate(forecaster: Forecaster, network: nn.Module, split: SplitPanel, tick: Tick) -> dict[str, Any]:
    """The figures of the part held back, before calibration; and the calibration, which goes into the network."""
    panel, errors, coverage = split.panel, Errors(), Coverage(forecaster.levels)
    origins = spread(split.held_origins(forecaster.window, forecaster.horizon), EVALUATED)
    truth, said, total, count, units = [], [], 0.0, 0, _units(panel)
    for windows, batch, output in forecaster.run(network, panel, origins, tick):
        losses = forecaster.losses(output, batch)
        total, count = total + float(losses.double().sum()), count + len(losses)
        numbers = numbers_of(output)
        values = windows.unscaled(numbers)
        errors.add(windows.y, values[..., 0], values[..., 1 + forecaster.middle], *units[windows.owners].T)
        truth.append(windows.scaled_y())
        said.append(numbers[..., 1:])
        coverage.add(truth[-1], said[-1])
    factors = spread_factors(np.concatenate(truth), np.concatenate(said), forecaster.levels, forecaster.middle)
    stretch = network.get_buffer("spread")
    stretch.copy_(torch.from_numpy(factors).to(stretch))
    before = {f"uncalibrated_{name}": value for name, value in coverage.intervals().items()}
    return {"loss": total / max(count, 1), **_finite(errors.figures()), **before}


def backtest(
    forecaster: Forecaster,
    network: nn.Module,
    facts: Facts,
    table: Table,
    *,
    origins: int | None,
    stride: int,
    tick: Tick,
) -> dict[str, Any]:
    """Forecasts from rolling origins, beside the last value and the value a season ago.

    A series' first origin has a window and a season before it, the last one a horizon after it; `origins` are the latest of
    each, `stride` steps apart. Series without any are counted as `series_not_judged`; DataError where none has one.
    """
    bare = facts.panel(table.series)
    at = _rolling_origins(forecaster, bare, table.path, stride, origins)
    owners = bare.owner(at)
    panel = facts.panel(table.series, until={
        one.name: int(at[owners == s].min(initial=bare.starts[s + 1]) - bare.starts[s])
        for s, one in enumerate(table.series)})  # fmt: skip
    named = {"forecast": Errors(), "naive": Errors(), "seasonal naive": Errors()}
    coverage, total, count, units = Coverage(forecaster.levels), 0.0, 0, _units(panel)
    for windows, batch, output in forecaster.run(network, panel, at, tick):
        losses = forecaster.losses(output, batch)
        total, count = total + float(losses.double().sum()), count + len(losses)
        values = forecaster.forecasts(network, windows, output)
        coverage.add(windows.y, values[..., 1:])
        naive, seasonal = panel.naive_values(windows), panel.season_values(windows)
        pairs = (values[..., 0], values[..., 1 + forecaster.middle]), (naive, naive), (seasonal, seasonal)
        for errors, (mean, median) in zip(named.values(), pairs, strict=True):
            errors.add(windows.y, mean, median, *units[windows.owners].T)
    figures = {name: _finite(errors.figures()) for name, errors in named.items()}
    s, left_out = int(owners[0]), len(table.series) - len(np.unique(owners))
    stamps = table.series[s].stamps((at[[0, -1]] if len(table.series) == 1 else at[:1]) - panel.starts[s])
    return {
        "loss": total / max(count, 1),
        **figures["forecast"],
        **coverage.intervals(),
        "forecasts": len(at),
        **({"series_not_judged": left_out} if left_out else {}),
        "from": stamps[0],
        **({"to": stamps[1]} if len(stamps) > 1 else {}),
        "backtest": figures,
    }


def _rolling_origins(forecaster: Forecaster, panel: Panel, path: Path, stride: int, most: int | None) -> Integers:
    window, horizon = forecaster.window, forecaster.horizon
    first, last = panel.starts[:-1] + np.maximum(window, panel.seasons), panel.starts[1:] - horizon
    if not (first <= last).any():
        raise DataError(
            f"is too short for a backtest: its longest series has {int(np.diff(panel.starts).max()):,} steps; a window of "
            f"{window:,}, a season of {int(panel.seasons.max()):,} and a horizon of {horizon:,} want "
            f"{max(window, int(panel.seasons.min())) + horizon:,}",
            file=path,
        )
    at = panel.origins(first, last, horizon, stride, most)
    if not len(at):
        raise DataError("holds no value to compare a forecast with", file=path)
    return at


def _units(panel: Panel) -> NDArray[np.float64]:
    """(S, 2) what the errors of a series are also measured in: its deviation, and how far values a season apart differ."""
    parts = [panel.values[panel.starts[s] : panel.starts[s + 1]] for s in panel.owners]
    apart = [season_error(part, int(m)) for part, m in zip(parts, panel.seasons, strict=True)]
    return np.stack([panel.stats[:, 1], np.array(apart)], 1)


def _finite(figures: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}
