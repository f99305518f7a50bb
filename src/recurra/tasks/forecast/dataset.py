"""The dataset of series: reads tables, divides every series in time, and keeps a panel in the run's cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from ...data.series.series import Table
from ...data.sources.json_line import parse_json_line
from ...data.sources.sources import is_table
from ..base import Dataset, DatasetInfo, OnProgress
from .metadata import SeriesMetadata
from .reader import SeriesReader
from .report import report
from .seasonality import default_horizon, find_seasons
from .settings import ForecastData
from .split import TrainValidationSplit
from .split_windows import SplitWindows

CACHE = "series"  # the folder in the run's cache


@final
class ForecastDataset(Dataset):
    """Series of numbers. The settings of the group data may still be open.

    metadata   of the series that the run is trained on; from `prepare` or `load` on
    split      the panel of training and validation part; from `prepare` or `load_cache` on
    """

    inputs_are_rows: ClassVar[bool] = False  # but series
    metadata: SeriesMetadata
    split: SplitWindows

    def __init__(self, settings: ForecastData) -> None:
        self.settings, self.reader = settings, SeriesReader(settings)

    # reading -------------------------------------------------------------------------------------------------------
    def prepare(self, data: str | Path, valid: str | Path | None, cache: Path, on_progress: OnProgress) -> DatasetInfo:
        """Horizon and season are determined here, because the division depends on them."""
        settings = self.settings
        table, left_out = self.reader.read_first(data)
        on_progress(sum(map(len, table.series)))
        self.metadata = metadata = SeriesMetadata.of(table.columns, table.series)
        split = TrainValidationSplit(table, skip=self.reader.skips)
        split.leave_out_constant()
        if valid is not None:
            split.append(self.reader.read_later(valid, table.columns))
        metadata.seasons, season_line = find_seasons(split.series, split.cuts, settings.seasonality)
        horizon = settings.horizon or default_horizon(split.series, metadata.seasons)
        if valid is None:
            split.hold_back(settings.validation_fraction, horizon)
        split.leave_out_short(settings.context_length, horizon)
        split.check_valid(horizon)
        metadata.fit(split.series, split.cuts, calendar=settings.calendar)
        self._write(split, cache)
        self.load_cache(cache)
        determined: dict[str, Any] = {"horizon": horizon}
        if len(set(metadata.seasons.values())) == 1:
            determined["seasonality"] = next(iter(metadata.seasons.values()))
        return DatasetInfo(
            rows=split.train_steps,
            valid_rows=split.valid_steps,
            time_steps=split.train_steps,
            settings={"data": determined},
            messages=report(split, metadata, [*left_out, *table.lines, *split.messages], season_line),
        )

    def _write(self, split: TrainValidationSplit, cache: Path) -> None:
        panel = self.metadata.panel(split.series, until=split.cuts)
        cuts = np.array([split.cuts.get(one.name, 0) for one in split.series], np.int64)
        SplitWindows(panel, panel.starts[:-1] + cuts).write(cache / CACHE)

    def load_cache(self, cache: Path) -> None:
        self.split = SplitWindows.open(cache / CACHE)

    def save(self, folder: Path) -> None:
        self.metadata.save(folder)

    def load(self, folder: Path) -> None:
        self.metadata = SeriesMetadata.load(folder)

    # use -----------------------------------------------------------------------------------------------------------
    def read(self, data: str | Path) -> Table:
        """The series of another file, which must have the columns and the time steps of the training data."""
        return self.reader.read_for(self.metadata, data)

    def inputs(self, file: str) -> Iterator[Any] | None:
        """The series of a table."""
        return iter(self.read(file).series) if is_table(file) else None

    def parse_line(self, line: str) -> Any:
        return parse_json_line(line, opens="{[")
