"""What is left open, chosen from the series: window and scaling by a ridge regression, the sizes by the number of windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import DataError
from .scaling import SCALINGS, Ridge, ridge
from .split_windows import SplitPanel, spread

MEASURED = (6000, 3000)  # windows a ridge regression is fitted on, and compared on
LONGEST = 512  # steps of a window that is chosen from the data, at most
SEGMENTS = 8  # steps of time for the recurrent layers in the longer of window and horizon, about
PASS = 1 << 16  # windows of a pass over the data at most; the next pass draws others


class Measured(NamedTuple):
    """What a ridge regression found for a window and a scaling."""

    window: int
    scaling: str
    fit: Ridge


def measure(split: SplitPanel, horizon: int, window: int | None, scaling: str | None) -> list[Measured]:
    """A ridge regression for each window and scaling that the user left open."""
    panel, found = split.panel, []
    for steps in [window] if window else _windows_to_try(split, horizon):
        train = spread(split.train_origins(steps, horizon), MEASURED[0])
        check = spread(split.held_origins(steps, horizon), MEASURED[1])
        if not len(train):
            raise DataError(
                f"in the part to train on, no series has a value after its first {steps:,} steps, the window; a shorter "
                "--window may do"
            )
        for name in [scaling] if scaling else SCALINGS:
            a, b = (panel.windows(origins, steps, horizon, name) for origins in (train, check))
            y, y_check = (np.where(np.isnan(w.y), panel.season_values(w), w.y) for w in (a, b))
            y, y_check = ((v - w.place[:, None]) / w.scale[:, None] for v, w in ((y, a), (y_check, b)))
            worth = b.scale / panel.stats[b.owners, 1]
            fit = ridge(a.x, y, ~np.isnan(a.y), (b.x, y_check, ~np.isnan(b.y), worth))
            found.append(Measured(steps, name, fit))
    return found


def choice(found: Sequence[Measured], horizon: int) -> tuple[Measured, str]:
    """The one with the least error, and what to say of it."""
    best, worst = (pick(found, key=lambda one: one.fit.error) for pick in (min, max))
    line = f"window {best.window}, horizon {horizon}, scaling {best.scaling}"
    if len(found) > 1:
        line += (
            f": the least of {len(found)} errors of a ridge regression on the part held back, "
            f"{best.fit.error:.3f} deviations (most: {worst.fit.error:.3f}, window {worst.window}, {worst.scaling})"
        )
    return best, line


def sizes(windows: int, longer: int, series: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Defaults of the groups model and training; `windows` to train on, `longer` the longer of window and horizon."""
    hidden = 32 if windows < 500 else 64 if windows < 4000 else 128
    batch = int(min(max(2 ** round(math.log2(max(windows, 1) / 40)), 16), 256))
    steps = min(max(windows // batch, 1), math.ceil(PASS / batch))
    model = {
        "hidden_size": hidden, "num_layers": 1, "dropout": 0.2, "segment": max(math.ceil(longer / SEGMENTS), 1),
        "series_vectors": 1 < series <= 64,
    }  # fmt: skip
    passes = float(min(max(round(1200 / steps), 10), 60))
    training = {"batch_size": batch, "learning_rate": 1e-3, "epochs": passes, "averaging": 0.99, "patience": 6}
    return model, training


def _windows_to_try(split: SplitPanel, horizon: int) -> list[int]:
    """Multiples of the horizon and of the season that most series are long enough for."""
    season = int(np.median(split.panel.seasons))
    lengths = split.cuts - split.panel.starts[:-1]
    most = min(int(np.quantile(lengths[lengths > 0], 0.1)) - 2 * horizon, LONGEST)
    wanted = {horizon, 2 * horizon, 4 * horizon, season, 2 * season, 3 * season, 7 * season, 14 * season}
    fits = sorted(window for window in wanted if max(min(horizon, 8), 2) <= window <= most)
    return fits or [max(min(most, horizon), 2)]
