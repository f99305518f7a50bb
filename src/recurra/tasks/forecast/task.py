"""forecast: the next values of one series of numbers or of thousands (N to M).

    window, scaled -> segments -> recurrent layers -> one query a segment of the horizon -> mean and quantiles of every step

Every column of numbers of a wide table, or every name of a long one, is a series; one network reads them all. The validation
part is the end of each series. The package's docstring says which file does what.
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
from .defaults import candidate_windows, choose, fit_candidates, sizes
from .model import SegmentForecast, Shape
from .pipeline import ForecastPipeline
from .prediction import predict
from .sampler import ForecastSampler
from .scaling import SCALINGS
from .settings import ForecastSettings
from .validation import validate
from .windows import Integers

UNKNOWN_SERIES = 0.1  # the probability that a window in training is taken for one of a series that is not known


@final
class Forecast(Task[ForecastSettings]):
    """See the module's docstring."""

    name: ClassVar[str] = "forecast"
    structure: ClassVar[str] = "N to M"
    summary: ClassVar[str] = (
        "the next values of series of numbers, with quantiles; long or wide tables, with covariates"
    )
    settings_class = ForecastSettings
    dataset: ForecastDataset

    # before training -----------------------------------------------------------------------------------------------
    @classmethod
    def dataset_for(cls, settings: ForecastSettings) -> ForecastDataset:
        return ForecastDataset(settings.data)

    @classmethod
    def resolve(cls, settings: ForecastSettings, dataset: ForecastDataset, info: DatasetInfo) -> ForecastSettings:
        data, split = settings.data, dataset.split
        windows = [data.context_length] if data.context_length else candidate_windows(split, data.horizon)
        scalings = [data.scaling] if data.scaling else SCALINGS
        best, line = choose(fit_candidates(split, data.horizon, windows, scalings), data.horizon)
        info.messages.append(line)
        count = len(split.train_origins(best.window, data.horizon))
        chosen = {"window": best.window, "scaling": best.scaling}
        return settings.fill(data=chosen, **sizes(count, max(best.window, data.horizon), len(split.panel.numbers)))

    @cached_property
    def pipeline(self) -> ForecastPipeline:
        """From windows to tensors and back. The dataset is ready when it is first used."""
        return ForecastPipeline.of(self.settings, masked=self.dataset.metadata.masked)

    # network -------------------------------------------------------------------------------------------------------
    def network(self) -> SegmentForecast:
        data, model, metadata = self.settings.data, self.settings.model, self.dataset.metadata
        shape = Shape(
            window=data.context_length,
            horizon=data.horizon,
            segment_length=min(model.segment_length, max(data.context_length, data.horizon)),
            inputs=1 + int(metadata.masked) + metadata.past_width + metadata.known_width,
            masked=metadata.masked,
            known=metadata.known_width,
            ahead=metadata.known_width + metadata.calendar_width,
            static=metadata.static_width,
            series=len(metadata.series) if model.series_embedding else 0,
            quantiles=len(data.quantiles),
            middle=self.pipeline.middle,
        )
        return SegmentForecast(
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
        """Fill the shortcut with the ridge regression of this window and scaling."""
        if self.settings.model.linear_skip:
            data = self.settings.data
            (fitted,) = fit_candidates(self.dataset.split, data.horizon, [data.context_length], [data.scaling])
            network.get_parameter("shortcut.weight").copy_(torch.from_numpy(fitted.fit.weight))
            network.get_parameter("shortcut.bias").copy_(torch.from_numpy(fitted.fit.bias))
        return []

    # training ------------------------------------------------------------------------------------------------------
    @property
    def selection(self) -> Selection:
        """By default not the loss: where there are many series, its squares are those of a few."""
        return Selection(self.settings.training.selection_metric)

    def sampler(self) -> ForecastSampler:
        data, training = self.settings.data, self.settings.training
        origins = self.dataset.split.train_origins(data.context_length, data.horizon)
        steps = self.pipeline.steps_per_window
        return ForecastSampler(origins, training.batch_size, seed=training.seed, steps_per_window=steps)

    def batch(self, key: Integers) -> Batch:
        panel = self.dataset.split.panel
        return self.pipeline.batch(panel, self.pipeline.windows(panel, key))

    def loss(self, network: nn.Module, batch: Batch, state: Any, progress: float) -> tuple[Tensor, Any]:
        series = batch.inputs["series"]
        if network.training and series.any():
            batch.inputs["series"] = series * (torch.rand(series.shape, device=series.device) >= UNKNOWN_SERIES)
        return self.pipeline.losses(network(**batch.inputs), batch).mean(), None

    # use -----------------------------------------------------------------------------------------------------------
    def evaluate(self, network: nn.Module, data: str | Path | None, on_progress: OnProgress) -> dict[str, Any]:
        if data is None:
            return validate(self.pipeline, network, self.dataset.split, on_progress)
        return self.backtest(network, data, on_progress=on_progress)

    def backtest(
        self,
        network: nn.Module,
        data: str | Path,
        *,
        origins: int | None = None,
        stride: int | None = None,
        on_progress: OnProgress = ignore_progress,
    ) -> dict[str, Any]:
        """Forecasts from rolling origins in a file; `origins` and `stride` are those of the settings where not given."""
        settings = self.settings.data
        return backtest(
            self.pipeline, network, self.dataset.metadata, self.dataset.read(data),
            origins=origins or settings.num_windows, stride=stride or settings.step_size, on_progress=on_progress,
        )  # fmt: skip

    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        """The next `horizon` values of each series: a `Series`, a list of numbers, or a mapping with `values` and, where the
        run has them, `time`, `series`, `known`, `past`, `static`."""
        return predict(self.pipeline, network, self.dataset.metadata, examples) if len(examples) else []

    def streaming(self) -> Streaming:
        return Streaming(reason="a forecast reads its whole window anew")
