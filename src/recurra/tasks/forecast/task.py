"""forecast: the next values of one series of numbers or of thousands (N to M).

    window, scaled -> segments -> recurrent layers -> one query a segment of the horizon -> mean and quantiles of every step

Every column of numbers of a wide table, or every name of a long one, is a series; one network reads them all. The part held
back is the end of each series. In `parts/forecast/`:

    reading     reader.py (files), example.py (what predict is given), facts.py (what a run knows of them)
    cutting     cutseries.py, seasons.py, report.py (what is said), splitpanel.py (the run's cache)
    choosing    settings.py, defaults.py
    windows     panel.py, scaling.py, forecaster.py (from windows to tensors and back)
    network     segments.py, quantiles.py (the loss, the calibration)
    figures     backtest.py, figures.py
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...data.series.series import Series
from ...data.sources.sources import is_table
from ...errors import CallError, DataError
from ...files import read_json, write_json
from ...settings import DataSettings, ModelSettings, Settings, TrainingSettings
from ..base import Batch, Reading, Say, Task
from .backtest import backtest, validate
from .dataset import read_first, read_known, read_later
from .defaults import PASS, choice, measure, sizes
from .example import check_forecast, from_example
from .metadata import Facts
from .model import SegmentForecast, Shape
from .pipeline import Forecaster
from .report import report
from .scaling import Ridge
from .seasonality import find_seasons, usual_horizon
from .settings import ForecastData, ForecastModel, ForecastTraining
from .split import CutSeries
from .split_windows import SplitPanel
from .windows import Integers


class Forecast(Task):
    """See the module's docstring."""

    name: ClassVar[str] = "forecast"
    structure: ClassVar[str] = "N to M"
    summary: ClassVar[str] = (
        "the next values of series of numbers, with quantiles; long or wide tables, with covariates"
    )
    Data: ClassVar[type[DataSettings]] = ForecastData
    Model: ClassVar[type[ModelSettings]] = ForecastModel
    Training: ClassVar[type[TrainingSettings]] = ForecastTraining
    inputs_are_rows: ClassVar[bool] = False  # but series
    facts: Facts
    split: SplitPanel
    start: Ridge | None = None  # where a new network's shortcut begins

    @property
    def data(self) -> ForecastData:
        assert isinstance(self.settings.data, ForecastData)
        return self.settings.data

    @property
    def training(self) -> ForecastTraining:
        assert isinstance(self.settings.training, ForecastTraining)
        return self.settings.training

    @property
    def metric(self) -> str:  # type: ignore[override]
        """Not the loss: the squares in it are those of a few series where there are many."""
        return self.training.metric

    @property
    def forecaster(self) -> Forecaster:
        data, training = self.data, self.training
        assert data.window and data.horizon and data.scaling  # choose() has filled them
        return Forecaster(
            data.window, data.horizon, data.scaling, data.quantiles, self.facts.masked, training.mean_weight
        )

    # reading -------------------------------------------------------------------------------------------------------
    def read(
        self, data: str | Path, valid: str | Path | None, cache: Path, say: Say, tick: Callable[[int], None]
    ) -> Reading:
        settings = self.data
        table, left_out = read_first(data, settings)
        tick(sum(map(len, table.series)))
        self.facts = facts = Facts.of(table.columns, table.series)
        cut = CutSeries(table, skip=settings.broken == "skip")
        cut.leave_out_unchanging()
        if valid is not None:
            cut.go_on(read_later(valid, settings, table.columns))
        facts.seasons, seasons = find_seasons(cut.series, cut.cuts, settings.season)
        horizon = settings.horizon or usual_horizon(cut.series, facts.seasons)
        if valid is None:
            cut.hold_back(settings.valid_share, horizon)
        cut.leave_out_short(settings.window, horizon)
        cut.check_held(horizon)
        facts.fit(cut.series, cut.cuts, calendar=settings.calendar)
        facts.settle(cut.series, cut.cuts)
        panel = facts.panel(cut.series, until=cut.cuts)
        cuts = np.array([cut.cuts.get(one.name, 0) for one in cut.series], np.int64)
        SplitPanel(panel, panel.starts[:-1] + cuts).write(cache / "series")
        self.open(cache)
        return Reading(
            rows=cut.steps,
            valid_rows=sum(map(len, cut.series)) - cut.steps,
            steps_of_time=cut.steps,
            facts={"horizon": horizon, "series": len(cut.series)},
            lines=report(cut, facts, [*left_out, *table.lines, *cut.lines], seasons),
        )

    def open(self, cache: Path) -> None:
        self.split = SplitPanel.open(cache / "series")

    def save_vocabulary(self, folder: Path) -> None:
        write_json(folder / "series.json", self.facts.to_json())

    def load_vocabulary(self, folder: Path) -> None:
        self.facts = Facts.from_json(read_json(folder / "series.json"))

    # choosing ------------------------------------------------------------------------------------------------------
    def choose(self, reading: Reading) -> Settings:
        """Window and scaling by a ridge regression, the sizes by the number of windows."""
        horizon = int(reading.facts["horizon"])
        best, line = choice(measure(self.split, horizon, self.data.window, self.data.scaling), horizon)
        reading.lines.append(line)
        self.start = best.fit
        windows = len(self.split.train_origins(best.window, horizon))
        model, training = sizes(windows, max(best.window, horizon), reading.facts["series"])
        data = {"horizon": horizon, "window": best.window, "scaling": best.scaling}
        if len(set(self.facts.seasons.values())) == 1:
            data["season"] = next(iter(self.facts.seasons.values()))
        return self.settings.with_open(data=data, model=model, training=training)

    # network -------------------------------------------------------------------------------------------------------
    def network(self) -> nn.Module:
        model, facts, forecaster = self.settings.model, self.facts, self.forecaster
        assert isinstance(model, ForecastModel) and model.hidden_size and model.num_layers and model.segment
        widths = facts.widths
        shape = Shape(
            window=forecaster.window,
            horizon=forecaster.horizon,
            segment=min(model.segment, max(forecaster.window, forecaster.horizon)),
            inputs=1 + int(facts.masked) + widths["past"] + widths["known"],
            masked=facts.masked,
            known=widths["known"],
            ahead=widths["known"] + widths["calendar"],
            static=facts.static_width,
            series=len(facts.series) if model.series_vectors else 0,
            quantiles=len(forecaster.levels),
            middle=forecaster.middle,
        )
        network = SegmentForecast(
            shape,
            self.cell,
            hidden_size=model.hidden_size,
            num_layers=model.num_layers,
            dropout=model.dropout or 0.0,
            shortcut=model.shortcut,
            recursive=model.decoding == "recursive",
            backend=model.backend,
        )
        if network.shortcut is not None and self.start is not None:
            with torch.no_grad():
                network.shortcut.weight.copy_(torch.from_numpy(self.start.weight))
                network.shortcut.bias.copy_(torch.from_numpy(self.start.bias))
        return network

    # training ------------------------------------------------------------------------------------------------------
    def train_batches(self, epoch: int) -> Sequence[Integers]:
        training, forecaster = self.settings.training, self.forecaster
        assert training.batch_size
        origins = self.split.train_origins(forecaster.window, forecaster.horizon)
        order = np.random.default_rng([training.seed, epoch]).permutation(len(origins))[:PASS]
        return np.array_split(origins[order], max(math.ceil(len(order) / training.batch_size), 1))

    def cost(self, keys: Sequence[Integers]) -> np.ndarray:
        forecaster = self.forecaster
        return np.array([len(key) * (forecaster.window + forecaster.horizon) for key in keys])

    def batch(self, key: Integers) -> Batch:
        panel, forecaster = self.split.panel, self.forecaster
        return forecaster.batch(panel, forecaster.windows(panel, key))

    def loss(self, network: nn.Module, batch: Batch, state: Any) -> tuple[Tensor, Any]:
        if network.training and batch.inputs["series"].any():  # now and then a series is any series
            kept = torch.rand(batch.inputs["series"].shape, device=batch.inputs["series"].device) >= 0.1
            batch.inputs["series"] = batch.inputs["series"] * kept
        return self.forecaster.losses(network(**batch.inputs), batch).mean(), None

    # figures -------------------------------------------------------------------------------------------------------
    def evaluate(self, network: nn.Module, data: str | Path | None, tick: Callable[[int], None]) -> dict[str, Any]:
        if data is None:
            return validate(self.forecaster, network, self.split, tick)
        return self.backtest(network, data, tick=tick)

    def backtest(
        self,
        network: nn.Module,
        data: str | Path,
        *,
        origins: int | None = None,
        stride: int | None = None,
        tick: Callable[[int], None] = lambda _: None,
    ) -> dict[str, Any]:
        """Forecasts from rolling origins in a file; `origins` and `stride` are those of the settings where not given."""
        return backtest(
            self.forecaster, network, self.facts, read_known(data, self.data, self.facts),
            origins=origins or self.data.origins, stride=stride or self.data.stride, tick=tick,
        )  # fmt: skip

    # use -----------------------------------------------------------------------------------------------------------
    def inputs(self, file: str) -> Iterator[Any] | None:
        """The series of a table."""
        return iter(read_known(file, self.data, self.facts).series) if is_table(file) else None

    json_opens: ClassVar[str] = "{["

    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        """The next `horizon` values of each series: a `Series`, a list of numbers, or a mapping with `values` and, where the
        run knows them, `time`, `series`, `known`, `past`, `static`."""
        if not len(examples):
            return []
        forecaster, series = self.forecaster, list[Series]()
        for at, example in enumerate(examples, 1):
            try:
                series.append(from_example(example, self.facts))
                check_forecast(series[-1], self.facts, forecaster.window, forecaster.horizon)
            except DataError as error:
                where = DataError(error.message, row=error.row, field=error.field)
                raise CallError(f"example {at}: {where}") from None
        panel = self.facts.panel(series, ahead=forecaster.horizon)
        results = []
        for windows, _, output in forecaster.run(network, panel, panel.starts[1:] - forecaster.horizon):
            forecasts = forecaster.forecasts(network, windows, output)
            for s, row in zip(windows.owners.tolist(), forecasts, strict=True):
                one = series[s]
                stamps = one.stamps(len(one) + np.arange(forecaster.horizon))
                quantiles = {f"{level:g}": _rounded(row[:, at]) for at, level in enumerate(forecaster.levels, 1)}
                results.append({
                    **({"series": one.name} if one.name else {}), "time": stamps, "mean": _rounded(row[:, 0]),
                    "median": quantiles["0.5"], "quantiles": quantiles,
                })  # fmt: skip
        return results

    def streams(self) -> tuple[bool, str]:
        return False, "a forecast reads its whole window anew"


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
