"""Messages about a file of series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...data.series.times import CYCLES
from .metadata import SeriesMetadata
from .split import TrainValidationSplit


def report(split: TrainValidationSplit, metadata: SeriesMetadata, notes: Sequence[str], seasons: str) -> list[str]:
    """Series and steps, targets, then `notes` of reading, missing values, covariates, calendar, and `seasons`."""
    series, columns = split.series, metadata.columns
    grids = ", ".join(dict.fromkeys(one.grid.name for one in series))
    of = f"time: {', '.join(columns.time)}, {grids}" if columns.time else "no column of time: every row is a step"
    lines = [
        f"{len(series):,} series of {split.train_steps:,} steps to train on, {split.valid_steps:,} to check with; {of}",
        f"to forecast: {', '.join(columns.targets[:8])}{', ...' if len(columns.targets) > 8 else ''}",
        *notes,
    ]
    missing, steps = sum(int(np.isnan(one.values).sum()) for one in series), sum(map(len, series))
    if missing:
        lines.append(f"{missing:,} values are missing ({missing / steps:.1%}): told to the network as missing")
    kinds = (("known ahead", columns.known), ("known up to now", columns.past), ("static", columns.static))
    if covariates := [f"{', '.join(names)} ({kind})" for kind, names in kinds if names]:
        lines.append(f"covariates: {'; '.join(covariates)}")
    if empty := sum(int(np.isnan(one.known).sum() + np.isnan(one.past).sum()) for one in series):
        lines.append(f"{empty:,} values of covariates are missing: the network sees their mean there")
    if cycles := [name for name, used in zip(CYCLES, metadata.cycles, strict=True) if used]:
        lines.append(f"calendar: {', '.join(cycles)}")
    return [*lines, f"season: {seasons}"]
