"""The dataset of the task forecast: reads tables, divides each series in time, and stores a panel in the cache of the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from ...data.series.series import TimeSeriesTable
from ...data.sources.json_line import parse_json_line
from ...data.sources.reading import FileReading
from ...data.sources.skipped_rows import SkippedRows
from ..base import Dataset, DatasetInfo, Description, OnProgress, Role
from .metadata import SeriesMetadata
from .reader import SeriesReader
from .report import dataset_messages
from .seasonality import default_horizon, seasonality_by_grid
from .settings import ForecastData
from .split import TrainValidationSplit
from .split_windows import SplitWindows

CACHE = "series"  # the folder in the cache of a run


@final
class ForecastDataset(Dataset):
    """Time series of numbers. The settings of the group data may still be open.

    metadata   the metadata of the training series; available after `prepare` or `load`
    split      the panel of the training and the validation part; available after `prepare` or `load_cache`
    is_loaded  whether the metadata were loaded from a run
    """

    keeps_vocabulary: ClassVar[bool] = True
    inputs_are_rows: ClassVar[bool] = False  # An input is a series.
    reading: FileReading
    metadata: SeriesMetadata
    split: SplitWindows

    def __init__(self, settings: ForecastData) -> None:
        self.settings, self.reader = settings, SeriesReader(settings)
        self.reading = self.reader.reading
        self.is_loaded = False

    # reading -------------------------------------------------------------------------------------------------------
    def prepare(self, data: str | Path, valid: str | Path | None, cache: Path, on_progress: OnProgress) -> DatasetInfo:
        """Read and divide the series. Horizon and seasonality are determined here, because the split depends on them."""
        settings = self.settings
        with self._list_skipped(cache.parent):
            if self.is_loaded:
                table, unused_columns = self.read(data), list[str]()
            else:
                table, unused_columns = self.reader.read_training(data)
            other = None if valid is None else self.reader.read_with(table.columns, valid)
        on_progress(sum(map(len, table.series)))
        split = TrainValidationSplit(table, skip=self.reader.skip)
        split.drop_constant()
        if other is not None:
            split.append_validation(other)
        seasonality = "as in the run that this one begins with"
        if not self.is_loaded:
            self.metadata = SeriesMetadata.of(table)
            found = seasonality_by_grid(split.series, split.cutoffs, settings.seasonality)
            self.metadata.seasonality, seasonality = found
        metadata = self.metadata
        horizon = settings.horizon or default_horizon(split.series, metadata.seasonality)
        if valid is None:
            split.hold_out(settings.validation_fraction, horizon)
        split.drop_short(settings.context_length, horizon)
        split.check_validation(horizon)
        if not self.is_loaded:
            metadata.fit(split.series, split.cutoffs, calendar=settings.calendar)
        self._write(split, cache)
        self.load_cache(cache)
        determined: dict[str, Any] = {"horizon": horizon}
        if len(set(metadata.seasonality.values())) == 1:
            determined["seasonality"] = next(iter(metadata.seasonality.values()))
        notes = [*unused_columns, *table.messages, *split.messages]
        return DatasetInfo(
            rows=split.train_steps,
            valid_rows=split.valid_steps,
            time_steps=split.train_steps,
            settings={"data": determined},
            messages=dataset_messages(split, metadata, notes, seasonality),
        )

    def describe(self, data: str | Path) -> Description:
        """Return the role of each column, and messages about those that have none; see `Dataset.describe`."""
        source, columns, messages = self.reader.find_columns(data)
        roles = {
            "time": columns.time,
            "series": columns.series,
            "target": columns.targets,
            "future covariate": columns.future_covariates,
            "past covariate": columns.past_covariates,
            "static covariate": columns.static_covariates,
        }
        used = [Role(role, name, source.reasons.get(name, "")) for role, names in roles.items() for name in names]
        if not columns.time and columns.layout == "columns":
            messages.insert(0, "no time column: each row is a time step")
        return Description(used, messages)

    @contextmanager
    def _list_skipped(self, run: Path) -> Iterator[None]:
        """Write the rows that are skipped to a file of the run."""
        with SkippedRows(run) as skipped:
            self.reader.on_skip = skipped.add
            yield
        self.reader.on_skip = None

    def _write(self, split: TrainValidationSplit, cache: Path) -> None:
        panel = self.metadata.panel(split.series, until=split.cutoffs)
        cutoffs = np.array([split.cutoffs.get(one.name, 0) for one in split.series], np.int64)
        SplitWindows(panel, panel.starts[:-1] + cutoffs).write(cache / CACHE)

    def load_cache(self, cache: Path) -> None:
        """Open the panel that `prepare` wrote."""
        self.split = SplitWindows.open(cache / CACHE)

    def save(self, folder: Path) -> None:
        """Write the metadata of the series."""
        self.metadata.save(folder)

    def load(self, folder: Path) -> None:
        """Read the metadata of the series."""
        self.metadata, self.is_loaded = SeriesMetadata.load(folder), True

    # inference -----------------------------------------------------------------------------------------------------
    def read(self, data: str | Path) -> TimeSeriesTable:
        """Read another file, which must have the columns and the time steps of the training data."""
        return self.reader.read_for_run(self.metadata, data)

    def inputs(self, file: str) -> Iterator[Any] | None:
        """Return the series of a table; None if the file is not a table."""
        return iter(self.read(file).series) if self.reading.is_table(file) else None

    def parse_line(self, line: str) -> Any:
        """Parse a line that is a JSON object or a JSON array."""
        return parse_json_line(line, opens="{[")
