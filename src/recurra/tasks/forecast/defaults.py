"""Open settings: context length and scaling are chosen by ridge regression, sizes by the number of windows."""

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
from .split_windows import SplitWindows, evenly_spaced_indices
from .windows import WindowBatch

MAX_TRAIN_WINDOWS, MAX_VALID_WINDOWS = 6000, 3000  # of a ridge regression
MAX_CONTEXT_LENGTH = 512  # of a context length that is chosen from the data
NUM_SEGMENTS = 8  # approximate number of segments in the longer of context and horizon


@final
@dataclass(frozen=True)
class RidgeCandidate:
    """A context length and a scaling, and the ridge regression that was fitted with them."""

    context_length: int
    scaling: str
    fit: RidgeFit


def fit_candidates(
    split: SplitWindows, horizon: int, context_lengths: Sequence[int], scalings: Sequence[str] = SCALINGS
) -> list[RidgeCandidate]:
    """Fit a ridge regression for each context length and each scaling. Raises DataError if a context length is too long."""
    panel, candidates = split.panel, []
    for context_length in context_lengths:
        train_origins = evenly_spaced_indices(split.train_origins(context_length, horizon), MAX_TRAIN_WINDOWS)
        valid_origins = evenly_spaced_indices(split.valid_origins(context_length, horizon), MAX_VALID_WINDOWS)
        if not len(train_origins):
            raise DataError(
                f"no series of the training part has a value after its first {context_length:,} time steps, the context; "
                "use a shorter --context-length"
            )
        for scaling in scalings:
            train, valid = (
                panel.windows(at, context_length, horizon, scaling) for at in (train_origins, valid_origins)
            )
            error_scale = valid.scale / panel.stats[valid.series, 1]
            fit = fit_ridge(_ridge_data(split, train), _ridge_data(split, valid), error_scale)
            candidates.append(RidgeCandidate(context_length, scaling, fit))
    return candidates


def _ridge_data(split: SplitWindows, windows: WindowBatch) -> RidgeData:
    """Return scaled inputs and targets. The seasonal naive forecast replaces missing targets."""
    missing = np.isnan(windows.y)
    y = np.where(missing, split.panel.seasonal_naive(windows), windows.y)
    return RidgeData(windows.x, (y - windows.loc[:, None]) / windows.scale[:, None], ~missing)


def select_candidate(candidates: Sequence[RidgeCandidate], horizon: int) -> tuple[RidgeCandidate, str]:
    """Return the candidate with the lowest error and a message about the selection."""
    best, worst = (extreme(candidates, key=lambda one: one.fit.error) for extreme in (min, max))
    message = f"context length {best.context_length}, horizon {horizon}, scaling {best.scaling}"
    if len(candidates) > 1:
        message += (
            f": lowest validation error of {len(candidates)} ridge regressions, {best.fit.error:.3f} standard deviations "
            f"(highest: {worst.fit.error:.3f}, context length {worst.context_length}, scaling {worst.scaling})"
        )
    return best, message


def default_sizes(num_windows: int, longest: int, num_series: int) -> dict[str, dict[str, Any]]:
    """Return the defaults of the groups model and training.

    num_windows   number of windows of the training part
    longest       the longer of context length and horizon, in time steps
    num_series    number of series
    """
    hidden_size = 32 if num_windows < 500 else 64 if num_windows < 4000 else 128
    batch_size = int(min(max(2 ** round(math.log2(max(num_windows, 1) / 40)), 16), 256))
    steps_per_epoch = min(max(num_windows // batch_size, 1), math.ceil(MAX_WINDOWS / batch_size))
    model = {
        "hidden_size": hidden_size, "num_layers": 1, "dropout": 0.2,
        "segment_length": max(math.ceil(longest / NUM_SEGMENTS), 1), "series_embedding": 1 < num_series <= 64,
    }  # fmt: skip
    epochs = float(min(max(round(1200 / steps_per_epoch), 10), 60))
    training = {"batch_size": batch_size, "learning_rate": 1e-3, "epochs": epochs, "ema_decay": 0.99, "patience": 6}
    return {"model": model, "training": training}


def candidate_context_lengths(split: SplitWindows, horizon: int) -> list[int]:
    """Return multiples of the horizon and of the period that fit into nine tenths of the series."""
    period = int(np.median(split.panel.seasonality))
    lengths = split.cutoffs - split.panel.starts[:-1]
    longest = min(int(np.quantile(lengths[lengths > 0], 0.1)) - 2 * horizon, MAX_CONTEXT_LENGTH)
    multiples = {horizon, 2 * horizon, 4 * horizon, period, 2 * period, 3 * period, 7 * period, 14 * period}
    candidates = sorted(length for length in multiples if max(min(horizon, 8), 2) <= length <= longest)
    return candidates or [max(min(longest, horizon), 2)]
