"""Messages about the time series of a training run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...data.series.grid import CYCLES
from .metadata import SeriesMetadata
from .split import TrainValidationSplit


def dataset_messages(
    split: TrainValidationSplit, metadata: SeriesMetadata, notes: Sequence[str], seasonality: str
) -> list[str]:
    """Return messages about sizes, targets, missing values, covariates, calendar and seasonality.

    notes         messages of the reader, inserted after the targets
    seasonality   the explanation of `seasonality_by_grid`
    """
    series, columns = split.series, metadata.columns
    grids = ", ".join(dict.fromkeys(one.grid.name for one in series))
    steps_of = "column" if columns.layout == "rows" else "row"
    time = f"no time column: each {steps_of} is a time step"
    if columns.time or series[0].grid.unit != "step":
        time = f"time column: {', '.join(columns.time)}, {grids}" if columns.time else f"times in the header, {grids}"
    more = ", ..." if len(columns.targets) > 8 else ""
    messages = [
        f"{len(series):,} series, {split.train_steps:,} time steps for training, {split.valid_steps:,} for validation; {time}",
        *([f"target: {', '.join(columns.targets[:8])}{more}"] if columns.targets else []),
        *([f"series column{'s' * (len(columns.series) > 1)}: {', '.join(columns.series)}"] if columns.series else []),
        *notes,
    ]
    missing, steps = sum(int(np.isnan(one.values).sum()) for one in series), sum(map(len, series))
    if missing:
        messages.append(
            f"{missing:,} values are missing ({missing / steps:.1%}); the network reads which ones are missing"
        )
    kinds = (
        ("future", columns.future_covariates),
        ("past", columns.past_covariates),
        ("static", columns.static_covariates),
    )
    if covariates := [f"{', '.join(names)} ({kind})" for kind, names in kinds if names]:
        messages.append(f"covariates: {'; '.join(covariates)}")
    missing = sum(int(np.isnan(one.future_covariates).sum() + np.isnan(one.past_covariates).sum()) for one in series)
    if missing:
        messages.append(f"{missing:,} values of covariates are missing and replaced by the mean")
    if cycles := [name for name, used in zip(CYCLES, metadata.cycles, strict=True) if used]:
        messages.append(f"calendar: {', '.join(cycles)}")
    return [*messages, f"seasonality: {seasonality}"]
