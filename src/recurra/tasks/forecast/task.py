"""The task forecast: the next values of one time series or of thousands (N to M).

    scaled context -> segments -> recurrent layers -> one query per segment of the horizon -> mean and quantiles per time step

Each numeric column of a table in wide format, or each name in long format, is a series. One network is trained on all of them.
The validation part is the end of each series. The docstring of the package lists the modules.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from ..base import Batch, DatasetInfo, OnProgress, Selection, Streaming, Task, ignore_progress
from .backtest import backtest
from .dataset import ForecastDataset
from .defaults import candidate_context_lengths, default_sizes, fit_candidates, select_candidate
from .model import ForecastShape, SegmentForecaster
from .pipeline import ForecastPipeline
from .prediction import predict
from .sampler import ForecastSampler
from .scaling import SCALINGS
from .settings import ForecastSettings
from .validation import calibrate, validate
from .windows import Integers

UNKNOWN_SERIES = 0.1  # probability that a training window uses the embedding of unknown series


@final
class Forecast(Task[ForecastSettings]):
    """Forecasting of time series. See the docstring of the module."""

    name: ClassVar[str] = "forecast"
    structure: ClassVar[str] = "N to M"
    summary: ClassVar[str] = (
        "forecasts of time series with quantiles, from tables in long or wide format, with covariates"
    )
    settings_class = ForecastSettings
    inference_settings: ClassVar[tuple[str, ...]] = tuple(
        f"data.{name}"
        for name in (
            *(
                "on_error",
                "encoding",
                "time_format",
                "time_zone",
                "decimal",
                "missing",
                "sort",
                "duplicates",
                "resample",
            ),
            *("num_windows", "step_size"),
        )
    )
    dataset: ForecastDataset

    # before training -----------------------------------------------------------------------------------------------
    @classmethod
    def dataset_for(cls, settings: ForecastSettings) -> ForecastDataset:
        """Return the dataset. The settings may still be open."""
        return ForecastDataset(settings.data)

    @classmethod
    def resolve(cls, settings: ForecastSettings, dataset: ForecastDataset, info: DatasetInfo) -> ForecastSettings:
        """Choose context length and scaling by ridge regression, and sizes by the number of windows."""
        data, split = settings.data, dataset.split
        lengths = [data.context_length] if data.context_length else candidate_context_lengths(split, data.horizon)
        scalings = [data.scaling] if data.scaling else SCALINGS
        best, message = select_candidate(fit_candidates(split, data.horizon, lengths, scalings), data.horizon)
        info.messages.append(message)
        num_windows = len(split.train_origins(best.context_length, data.horizon))
        longest, num_series = max(best.context_length, data.horizon), len(split.panel.series_indices)
        chosen = {"context_length": best.context_length, "scaling": best.scaling}
        return settings.fill(data=chosen, **default_sizes(num_windows, longest, num_series))

    @cached_property
    def pipeline(self) -> ForecastPipeline:
        """The conversion of windows to tensors and back. The dataset must be prepared or loaded before the first use."""
        return ForecastPipeline.from_settings(self.settings, has_missing=self.dataset.metadata.has_missing)

    # network -------------------------------------------------------------------------------------------------------
    def network(self) -> SegmentForecaster:
        """Return a new network with random weights."""
        data, model, metadata = self.settings.data, self.settings.model, self.dataset.metadata
        shape = ForecastShape(
            context_length=data.context_length,
            horizon=data.horizon,
            segment_length=min(model.segment_length, max(data.context_length, data.horizon)),
            context_channels=1 + int(metadata.has_missing) + metadata.num_past + metadata.num_future,
            has_missing=metadata.has_missing,
            num_future=metadata.num_future,
            horizon_channels=metadata.num_future + metadata.num_calendar,
            num_static=metadata.num_static,
            num_series=len(metadata.series) if model.series_embedding else 0,
            num_quantiles=len(data.quantiles),
            median_index=self.pipeline.median_index,
        )
        return SegmentForecaster(
            shape,
            self.cell,
            hidden_size=model.hidden_size,
            num_layers=model.num_layers,
            dropout=model.dropout,
            linear_skip=model.linear_skip,
            recursive=model.decoding == "recursive",
            backend=model.backend,
        )

    def load_pretrained(self, network: nn.Module, on_progress: OnProgress) -> list[str]:
        """Initialize the linear skip connection with the ridge regression of this context length and scaling."""
        if self.settings.model.linear_skip:
            data = self.settings.data
            (candidate,) = fit_candidates(self.dataset.split, data.horizon, [data.context_length], [data.scaling])
            network.get_parameter("linear_skip.weight").copy_(torch.from_numpy(candidate.fit.weight))
            network.get_parameter("linear_skip.bias").copy_(torch.from_numpy(candidate.fit.bias))
        return []

    # training ------------------------------------------------------------------------------------------------------
    @property
    def selection(self) -> Selection:
        """The metric for selection. The default is not the loss, because a few series can dominate its squared errors."""
        return Selection(self.settings.training.selection_metric)

    def sampler(self) -> ForecastSampler:
        """Return the sampler of the training windows."""
        data, training = self.settings.data, self.settings.training
        origins = self.dataset.split.train_origins(data.context_length, data.horizon)
        steps = self.pipeline.steps_per_window
        return ForecastSampler(origins, training.batch_size, seed=training.seed, steps_per_window=steps)

    def batch(self, key: Integers) -> Batch:
        """Return the batch of the windows at the given origins."""
        panel = self.dataset.split.panel
        return self.pipeline.batch(panel, self.pipeline.windows(panel, key))

    def loss(self, network: nn.Module, batch: Batch, state: Any, progress: float) -> tuple[Tensor, Any]:
        """Return the mean loss of the observed time steps, and no state."""
        series = batch.inputs["series"]
        if network.training and series.any():
            batch.inputs["series"] = series * (torch.rand(series.shape, device=series.device) >= UNKNOWN_SERIES)
        return self.pipeline.losses(network(**batch.inputs), batch).mean(), None

    @property
    def calibration_time(self) -> float:
        """The calibration takes as long as an evaluation."""
        return 1.0

    def calibrate(self, network: nn.Module) -> list[str]:
        """Fit the distances of the quantiles from the median to the validation part."""
        return calibrate(self.pipeline, network, self.dataset.split)

    # inference -----------------------------------------------------------------------------------------------------
    def evaluate(self, network: nn.Module, data: str | Path | None, on_progress: OnProgress) -> dict[str, Any]:
        """Return the metrics on the validation part, or those of a backtest on a file."""
        if data is None:
            return validate(self.pipeline, network, self.dataset.split, on_progress)
        return self.backtest(network, data, on_progress=on_progress)

    def backtest(
        self,
        network: nn.Module,
        data: str | Path,
        *,
        num_windows: int | None = None,
        step_size: int | None = None,
        on_progress: OnProgress = ignore_progress,
    ) -> dict[str, Any]:
        """Evaluate forecasts from rolling origins in a file. `num_windows` and `step_size` default to the settings."""
        settings = self.settings.data
        return backtest(
            self.pipeline,
            network,
            self.dataset.metadata,
            self.dataset.read(data),
            num_windows=num_windows or settings.num_windows,
            step_size=step_size or settings.step_size,
            on_progress=on_progress,
        )

    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        """Forecast the next `horizon` values of each series.

        An example is a `TimeSeries`, a list of numbers, or a mapping with `values` and, if the run uses them, `time`, `series`,
        `future_covariates`, `past_covariates` and `static_covariates`.
        """
        if not len(examples):
            return []
        metadata = self.dataset.metadata
        return predict(self.pipeline, network, metadata, examples, self.dataset.reader.options_of(metadata))

    def streaming(self) -> Streaming:
        """Return the reason why a forecast cannot be streamed."""
        return Streaming(reason="every forecast reads the complete context")
