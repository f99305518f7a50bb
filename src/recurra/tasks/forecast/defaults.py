"""Open settings chosen from the series: window and scaling by ridge regression, the sizes by the number of windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...errors import DataError
from .ridge import RidgeData, RidgeFit, fit_ridge
from .sampler import MAX_WINDOWS
from .scaling import SCALINGS
from .split_windows import SplitWindows, evenly_spaced
from .windows import Windows

MAX_TRAIN, MAX_VALID = 6000, 3000  # windows that a ridge regression is fitted on, and compared on
MAX_LOOKBACK = 512  # steps of a window that is chosen from the data
SEGMENTS = 8  # time steps of the recurrent layers in the longer of window and horizon, about


@final
@dataclass(frozen=True)
class Candidate:
    """A window and a scaling, and the ridge regression that is fitted with them."""

    window: int
    scaling: str
    fit: RidgeFit


def fit_candidates(
    split: SplitWindows, horizon: int, windows: Sequence[int], scalings: Sequence[str] = SCALINGS
) -> list[Candidate]:
    """A ridge regression for each window and each scaling."""
    panel, candidates = split.panel, []
    for window in windows:
        train_origins = evenly_spaced(split.train_origins(window, horizon), MAX_TRAIN)
        valid_origins = evenly_spaced(split.valid_origins(window, horizon), MAX_VALID)
        if not len(train_origins):
            raise DataError(
                f"in the part to train on, no series has a value after its first {window:,} steps, the window; a shorter "
                "--context-length may do"
            )
        for scaling in scalings:
            train, valid = (panel.windows(at, window, horizon, scaling) for at in (train_origins, valid_origins))
            unit = valid.scale / panel.stats[valid.series, 1]
            fit = fit_ridge(_ridge_data(split, train), _ridge_data(split, valid), unit)
            candidates.append(Candidate(window, scaling, fit))
    return candidates


def _ridge_data(split: SplitWindows, windows: Windows) -> RidgeData:
    """Scaled inputs and targets; the seasonal naive forecast stands for missing targets."""
    missing = np.isnan(windows.y)
    y = np.where(missing, split.panel.seasonal_naive(windows), windows.y)
    return RidgeData(windows.x, (y - windows.place[:, None]) / windows.scale[:, None], ~missing)


def choose(candidates: Sequence[Candidate], horizon: int) -> tuple[Candidate, str]:
    """The candidate with the least error, and the line that reports it."""
    best, worst = (extreme(candidates, key=lambda one: one.fit.error) for extreme in (min, max))
    line = f"window {best.window}, horizon {horizon}, scaling {best.scaling}"
    if len(candidates) > 1:
        line += (
            f": the least of {len(candidates)} errors of a ridge regression on the part held back, "
            f"{best.fit.error:.3f} deviations (most: {worst.fit.error:.3f}, window {worst.window}, {worst.scaling})"
        )
    return best, line


def sizes(windows: int, longer: int, series: int) -> dict[str, dict[str, Any]]:
    """Defaults of the groups model and training.

    windows   of the training part      longer   of window and horizon, in steps      series   their number
    """
    hidden = 32 if windows < 500 else 64 if windows < 4000 else 128
    batch = int(min(max(2 ** round(math.log2(max(windows, 1) / 40)), 16), 256))
    steps = min(max(windows // batch, 1), math.ceil(MAX_WINDOWS / batch))
    model = {
        "hidden_size": hidden, "num_layers": 1, "dropout": 0.2, "segment_length": max(math.ceil(longer / SEGMENTS), 1),
        "series_embedding": 1 < series <= 64,
    }  # fmt: skip
    epochs = float(min(max(round(1200 / steps), 10), 60))
    training = {"batch_size": batch, "learning_rate": 1e-3, "epochs": epochs, "ema_decay": 0.99, "patience": 6}
    return {"model": model, "training": training}


def candidate_windows(split: SplitWindows, horizon: int) -> list[int]:
    """Multiples of the horizon and of the season that most series are long enough for."""
    season = int(np.median(split.panel.seasons))
    lengths = split.cuts - split.panel.starts[:-1]
    longest = min(int(np.quantile(lengths[lengths > 0], 0.1)) - 2 * horizon, MAX_LOOKBACK)
    multiples = {horizon, 2 * horizon, 4 * horizon, season, 2 * season, 3 * season, 7 * season, 14 * season}
    found = sorted(window for window in multiples if max(min(horizon, 8), 2) <= window <= longest)
    return found or [max(min(longest, horizon), 2)]
