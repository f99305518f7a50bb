"""forecast: the next values of one series of numbers or of thousands (N to M).

    window, scaled -> segments -> recurrent layers -> one query a segment of the horizon -> mean and quantiles of every step

Every column of numbers of a wide table, or every name of a long one, is a series; one network reads them all. The part held
back is the end of each series. What the network looks like stands in `parts/segments.py`, scaling in `parts/scaling.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field as Setting
from pydantic import field_validator
from torch import Tensor, nn

from ..data.series import Columns, Series, Table, find_columns, find_season, read_table
from ..data.sources import Source, is_table, open_source
from ..data.store import Store, StoreWriter
from ..data.times import CYCLES
from ..errors import CallError, DataError
from ..files import read_json, write_json
from ..settings import RARE, DataSettings, ModelSettings, Settings, TrainingSettings
from .base import Batch, Reading, Say, Task, device_of
from .parts.backtest import Coverage, Errors, spread_factors
from .parts.panel import Panel, Windows, season_error
from .parts.scaling import SCALINGS, Ridge, ridge
from .parts.segments import SegmentForecast, Shape
from .parts.seriesfacts import Facts, from_example

EVALUATED = 8192  # windows of the part held back that are looked at while training, evenly spread
MEASURED = (6000, 3000)  # windows a ridge regression is fitted on, and compared on
PASS = 1 << 16  # windows of a pass over the data at most; the next pass draws others
AT_ONCE = 1024  # windows of a batch when nothing is kept for the backward pass
LONGEST = 512  # steps of a window that is chosen from the data, at most
SEGMENTS = 8  # steps of time for the recurrent layers in the longer of window and horizon, about
Origins = NDArray[np.int64]


class ForecastData(DataSettings):
    """A table of series, long or wide."""

    time: str | None = Setting(None, description="column of the time; several: year,month,day")
    time_format: str | None = Setting(None, description="how it is written: %d/%m/%Y", json_schema_extra=RARE)
    series: str | None = Setting(None, description="column that names the series, if long")
    target: str | None = Setting(None, description="columns to forecast: A,B; by default all numbers")
    known: str | None = Setting(None, description="covariates known ahead: A,B")
    past: str | None = Setting(None, description="covariates known up to now: A,B", json_schema_extra=RARE)
    static: str | None = Setting(None, description="what describes a series: A,B", json_schema_extra=RARE)
    horizon: int | None = Setting(None, ge=1, description="steps to forecast")
    window: int | None = Setting(None, ge=1, description="steps it looks back")
    season: int | None = Setting(None, ge=1, description="steps of a season; 1 for none")
    scaling: Literal["last", "window", "level", "training"] | None = Setting(None, description="of values")
    calendar: bool = Setting(True, description="hour, weekday, day of the year as covariates")
    quantiles: list[float] = Setting([0.1, 0.25, 0.5, 0.75, 0.9], description="levels")
    origins: int | None = Setting(None, ge=1, description="latest forecasts of a backtest; by default all")
    stride: int = Setting(1, ge=1, description="steps between two forecasts of it", json_schema_extra=RARE)
    sort: bool = Setting(False, description="sort rows by time")

    @field_validator("quantiles")
    @classmethod
    def _in_order(cls, levels: list[float]) -> list[float]:
        if any(not 0 < level < 1 for level in levels):
            raise ValueError("quantiles lie between 0 and 1, as in [0.1, 0.5, 0.9]")
        return sorted({*levels, 0.5})


class ForecastModel(ModelSettings):
    """A network over segments."""

    cell: str | None = Setting("gru", description="cell of the recurrent layers: a name, or file.py:Class")
    segment: int | None = Setting(None, ge=1, description="steps of the series in one of the network")
    decoding: Literal["direct", "recursive"] = Setting("direct", description="all segments at once, or one by one")
    shortcut: bool = Setting(
        True, description="a linear map of the window beside the recurrent layers", json_schema_extra=RARE
    )
    series_vectors: bool | None = Setting(None, description="a vector for each series", json_schema_extra=RARE)


class ForecastTraining(TrainingSettings):
    """The training run."""

    mean_weight: float = Setting(
        0.5, ge=0, description="of the mean's squared error beside the quantiles' loss", json_schema_extra=RARE
    )


class Measured(NamedTuple):
    """What a ridge regression found for a window and a scaling."""

    window: int
    scaling: str
    fit: Ridge


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
    facts: Facts
    panel: Panel
    cuts: Origins  # (S,) flat place where the part held back begins
    start: Ridge | None = None

    @property
    def data(self) -> ForecastData:
        assert isinstance(self.settings.data, ForecastData)
        return self.settings.data

    @property
    def horizon(self) -> int:
        assert self.data.horizon  # choose() has filled it
        return self.data.horizon

    @property
    def window(self) -> int:
        assert self.data.window
        return self.data.window

    @property
    def levels(self) -> list[float]:
        return self.data.quantiles

    # reading -------------------------------------------------------------------------------------------------------
    def read(
        self, data: str | Path, valid: str | Path | None, cache: Path, say: Say, tick: Callable[[int], None]
    ) -> Reading:
        source, settings = self._source(data), self.data
        columns, lines = find_columns(
            source, time=settings.time, series=settings.series, targets=settings.target, known=settings.known,
            past=settings.past, static=settings.static, form=settings.time_format,
        )  # fmt: skip
        table = self._table(source, columns)
        tick(sum(map(len, table.series)))
        series, cuts = table.series, {one.name: len(one) for one in table.series}
        self.facts = Facts.of(columns, series)
        series, notes = self._usable(series, source)
        if valid is not None:
            series = self._joined(series, self._table(self._source(valid), columns), str(valid))
        self.facts.fit(series, cuts, calendar=settings.calendar)
        seasons = self._find_seasons(series, cuts)
        horizon = settings.horizon or self._usual_horizon(series)
        if valid is None:
            for one in series:
                held = max(round(len(one) * settings.valid_share), horizon)
                cuts[one.name] = len(one) - held
        series, more = self._long_enough(series, cuts, horizon, source)
        self.facts.settle(series, cuts)
        self._write(series, cuts, cache)
        self.open(cache)
        steps = sum(min(cuts.get(one.name, 0), len(one)) for one in series)
        held = sum(len(one) for one in series) - steps
        found = ", ".join(dict.fromkeys(one.grid.name for one in series))
        of = f"time: {', '.join(columns.time)}, {found}" if columns.time else "no column of time: every row is a step"
        lines = [
            f"{len(series):,} series of {steps:,} steps to train on, {held:,} to check with; {of}",
            f"to forecast: {', '.join(columns.targets[:8])}{', ...' if len(columns.targets) > 8 else ''}",
            *lines, *table.lines, *notes, *more, *self._described(series), f"season: {seasons}",
        ]  # fmt: skip
        facts = {"horizon": horizon, "series": len(series)}
        return Reading(rows=steps, valid_rows=held, steps_of_time=steps, facts=facts, lines=lines)

    def _source(self, data: str | Path) -> Source:
        return open_source(data, encoding=self.data.encoding, skip_broken=self.data.broken == "skip")

    def _table(self, source: Source, columns: Columns) -> Table:
        """The series of a file whose columns have the names of the training data."""
        for name in (*columns.time, *([columns.series] if columns.series else []), *columns.numbers, *columns.static):
            source.need(name)
        settings = self.data
        return read_table(
            source, columns, form=settings.time_format, sort=settings.sort, skip=settings.broken == "skip"
        )

    def _usable(self, series: list[Series], source: Source) -> tuple[list[Series], list[str]]:
        """Those with two values at least that differ; the others stop the run or are left out, as the user chose."""
        bad: dict[str, str] = {}
        for one in series:
            there = one.values[~np.isnan(one.values)]
            if not len(there):
                bad[one.name] = "has no value at all"
            elif (there == there[0]).all():
                bad[one.name] = f"never changes (always {there[0]:g})"
        return self._without(series, bad, source, "there is nothing to learn from it")

    def _without(
        self, series: list[Series], bad: dict[str, str], source: Source, why: str
    ) -> tuple[list[Series], list[str]]:
        if not bad:
            return series, []
        name, what = next(iter(bad.items()))
        others = [other for other in bad if other != name]
        more = f"; {len(others):,} more such series ({', '.join(others[:3])}{', ...' if len(others) > 3 else ''})"
        said = f"the series {name!r} {what}{more if others else ''}"
        left = [one for one in series if one.name not in bad]
        if self.data.broken == "stop" or not left:
            do = "Take them out, or leave them out with --set broken=skip" if left else "Give other data"
            raise DataError(f"{said}: {why}. {do}", file=source.path)
        return left, [f"{len(bad):,} of {len(series):,} series left out: {said}"]

    def _joined(self, series: list[Series], valid: Table, path: str) -> list[Series]:
        """Each series with what --valid says of the time after it; series that are only there come after."""
        later = {one.name: one for one in valid.series}
        counted = not valid.columns.time
        result = [one.followed_by(later.pop(one.name), counted=counted) if one.name in later else one for one in series]
        longer = sum(len(new) > len(old) for new, old in zip(result, series, strict=True))
        if not longer and not later:
            raise DataError("holds nothing after the end of the training data", file=path)
        return [*result, *later.values()]

    def _find_seasons(self, series: Sequence[Series], cuts: dict[str, int]) -> str:
        """Find the season of each kind of grid, and say it."""
        said = []
        for name in dict.fromkeys(one.grid.name for one in series):
            group = [one for one in series if one.grid.name == name]
            if self.data.season is not None:
                self.facts.seasons[name] = self.data.season
                said.append(f"{self.data.season} steps, as asked")
                continue
            values = [one.values[: cuts.get(one.name, len(one))] for one in group]
            season, strength = find_season(values, group[0].grid)
            self.facts.seasons[name] = season
            plain = f"{season} steps, found by the autocorrelation ({strength:.2f})" if season > 1 else "none found"
            said.append(plain if len({one.grid.name for one in series}) == 1 else f"{name} {plain}")
        return "; ".join(dict.fromkeys(said))

    def _usual_horizon(self, series: Sequence[Series]) -> int:
        """A season that is not too long for the series, else a twentieth of them."""
        length = int(np.median([len(one) for one in series]))
        grid = series[0].grid
        fits = [m for m in (*grid.season_candidates(), self.facts.seasons[grid.name]) if 4 <= m <= length // 8]
        return min(fits) if fits else max(min(length // 20, 24), 1)

    def _long_enough(
        self, series: list[Series], cuts: dict[str, int], horizon: int, source: Source
    ) -> tuple[list[Series], list[str]]:
        window = self.data.window or max(min(horizon, 8), 2)
        bad = {
            one.name: f"has {len(one):,} steps, {cuts[one.name]:,} of them to train on; a window of {window:,} and a "
            f"horizon of {horizon:,} want {window + horizon:,}"
            for one in series
            if one.name in cuts and cuts[one.name] < window + horizon
        }
        return self._without(series, bad, source, "a shorter --window or --horizon may do")

    def _described(self, series: Sequence[Series]) -> list[str]:
        lines = []
        values = np.concatenate([one.values for one in series])
        if missing := int(np.isnan(values).sum()):
            lines.append(
                f"{missing:,} values are missing ({missing / len(values):.1%}): told to the network as missing"
            )
        columns = self.facts.columns
        kinds = (("known ahead", columns.known), ("known up to now", columns.past), ("static", columns.static))
        if told := [f"{', '.join(names)} ({kind})" for kind, names in kinds if names]:
            lines.append(f"covariates: {'; '.join(told)}")
        empty = sum(int(np.isnan(one.known).sum() + np.isnan(one.past).sum()) for one in series)
        if empty:
            lines.append(f"{empty:,} values of covariates are missing: the network sees their mean there")
        if cycles := [name for name, used in zip(CYCLES, self.facts.cycles, strict=True) if used]:
            lines.append(f"calendar: {', '.join(cycles)}")
        return lines

    def _write(self, series: Sequence[Series], cuts: dict[str, int], cache: Path) -> None:
        panel = self.facts.panel(series, until=cuts)
        fields = {
            "values": "ragged:float64",
            "stats": "ragged:float64",
            "season": "int64",
            "vector": "int64",
            "cut": "int64",
        }
        wide = {name: getattr(panel, name) for name in ("known", "past", "calendar")}
        fields |= {name: f"ragged:float32:{array.shape[1]}" for name, array in wide.items() if array.shape[1]}
        fields |= {"static": "ragged:float32"}
        with StoreWriter(cache / "series", fields) as writer:
            for s, one in enumerate(series):
                part = slice(int(panel.starts[s]), int(panel.starts[s + 1]))
                writer.append(
                    values=panel.values[part], stats=panel.stats[s], season=int(panel.seasons[s]),
                    vector=int(panel.vectors[s]), cut=cuts.get(one.name, 0), static=panel.static[s],
                    **{name: array[part] for name, array in wide.items() if array.shape[1]},
                )  # fmt: skip

    def open(self, cache: Path) -> None:
        store = Store(cache / "series")
        lengths = store.lengths("values")
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        n, widths = int(starts[-1]), self.facts.widths
        wide = {
            name: np.array(store.flat(name)) if width else np.zeros((n, 0), np.float32)
            for name, width in widths.items()
        }
        self.panel = Panel(
            np.array(store.flat("values")), starts=starts, stats=np.array(store.flat("stats")).reshape(-1, 3),
            seasons=np.array(store.column("season")), vectors=np.array(store.column("vector")),
            static=np.array(store.flat("static"), np.float32).reshape(len(lengths), -1), **wide,
        )  # fmt: skip
        self.cuts = starts[:-1] + np.array(store.column("cut"))

    def save_vocabulary(self, folder: Path) -> None:
        write_json(folder / "series.json", self.facts.to_json())

    def load_vocabulary(self, folder: Path) -> None:
        self.facts = Facts.from_json(read_json(folder / "series.json"))

    # choosing ------------------------------------------------------------------------------------------------------
    def choose(self, reading: Reading) -> Settings:
        """Window and scaling by a ridge regression, the sizes by the number of windows."""
        model = self.settings.model
        assert isinstance(model, ForecastModel)
        horizon = int(reading.facts["horizon"])
        found = self._measure(horizon)
        best = min(found, key=lambda one: one.fit.error)
        worst = max(found, key=lambda one: one.fit.error)
        line = f"window {best.window}, horizon {horizon}, scaling {best.scaling}"
        if len(found) > 1:
            line += (
                f": the least of {len(found)} errors of a ridge regression on the part held back, "
                f"{best.fit.error:.3f} deviations (most: {worst.fit.error:.3f}, window {worst.window}, {worst.scaling})"
            )
        reading.lines.append(line)
        self.start = best.fit
        windows = len(self._train_origins(best.window, horizon))
        hidden = 32 if windows < 500 else 64 if windows < 4000 else 128
        longer = max(best.window, horizon)
        segment = max(math.ceil(longer / SEGMENTS), 1)
        batch = int(min(max(2 ** round(math.log2(max(windows, 1) / 40)), 16), 256))
        steps = min(max(windows // batch, 1), math.ceil(PASS / batch))
        passes = float(min(max(round(1200 / steps), 10), 60))
        few = reading.facts["series"] <= 64
        model_defaults = {
            "hidden_size": hidden, "num_layers": 1, "dropout": 0.2, "segment": segment, "series_vectors": few
            and reading.facts["series"] > 1,
        }  # fmt: skip
        training = {"batch_size": batch, "learning_rate": 1e-3, "epochs": passes, "averaging": 0.99, "patience": 6}
        data = {"horizon": horizon, "window": best.window, "scaling": best.scaling}
        if len(set(self.facts.seasons.values())) == 1:
            data["season"] = next(iter(self.facts.seasons.values()))
        return self.settings.with_open(data=data, model=model_defaults, training=training)

    def _measure(self, horizon: int) -> list[Measured]:
        """A ridge regression for each window and scaling that the user left open."""
        settings, panel, found = self.data, self.panel, []
        for window in [settings.window] if settings.window else self._windows_to_try(horizon):
            train = _spread(self._train_origins(window, horizon), MEASURED[0])
            check = _spread(self._valid_origins(window, horizon), MEASURED[1])
            if not len(train):
                raise DataError(f"no series has {window + horizon:,} steps to train on; a shorter --window may do")
            for scaling in [settings.scaling] if settings.scaling else SCALINGS:
                a, b = (panel.windows(origins, window, horizon, scaling) for origins in (train, check))
                y, y_check = (np.where(np.isnan(w.y), panel.season_values(w), w.y) for w in (a, b))
                y, y_check = ((v - w.place[:, None]) / w.scale[:, None] for v, w in ((y, a), (y_check, b)))
                worth = b.scale / panel.stats[b.owners, 1]
                fit = ridge(a.x, y, ~np.isnan(a.y), (b.x, y_check, ~np.isnan(b.y), worth))
                found.append(Measured(window, scaling, fit))
        return found

    def _windows_to_try(self, horizon: int) -> list[int]:
        season = int(np.median(self.panel.seasons))
        lengths = self.cuts - self.panel.starts[:-1]
        most = min(int(np.quantile(lengths[lengths > 0], 0.1)) - 2 * horizon, LONGEST)
        wanted = {horizon, 2 * horizon, 4 * horizon, season, 2 * season, 3 * season, 7 * season, 14 * season}
        fits = sorted(window for window in wanted if max(min(horizon, 8), 2) <= window <= most)
        return fits or [max(min(most, horizon), 2)]

    def _train_origins(self, window: int, horizon: int) -> Origins:
        return self.panel.origins(self.panel.starts[:-1] + window, self.cuts - horizon, horizon)

    def _valid_origins(self, window: int, horizon: int) -> Origins:
        first = np.maximum(self.cuts, self.panel.starts[:-1] + window)
        found = self.panel.origins(first, self.panel.starts[1:] - horizon, horizon)
        if not len(found):
            raise DataError(
                f"the part held back has no {horizon:,} steps to forecast in a row; "
                "give a longer --valid or a shorter --horizon"
            )
        return found

    # network -------------------------------------------------------------------------------------------------------
    def network(self) -> nn.Module:
        model = self.settings.model
        assert isinstance(model, ForecastModel) and model.hidden_size and model.num_layers and model.segment
        widths = self.facts.widths
        shape = Shape(
            window=self.window,
            horizon=self.horizon,
            segment=min(model.segment, max(self.window, self.horizon)),
            inputs=1 + int(self.facts.masked) + widths["past"] + widths["known"],
            masked=self.facts.masked,
            known=widths["known"],
            ahead=widths["known"] + widths["calendar"],
            static=self.facts.static_width,
            series=len(self.facts.series) if model.series_vectors else 0,
            quantiles=len(self.levels),
            middle=self.levels.index(0.5),
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
    def train_batches(self, epoch: int) -> Sequence[Origins]:
        training = self.settings.training
        assert training.batch_size
        origins = self._train_origins(self.window, self.horizon)
        order = np.random.default_rng([training.seed, epoch]).permutation(len(origins))[:PASS]
        return np.array_split(origins[order], max(math.ceil(len(order) / training.batch_size), 1))

    def cost(self, keys: Sequence[Origins]) -> np.ndarray:
        return np.array([len(key) * (self.window + self.horizon) for key in keys])

    def batch(self, key: Origins) -> Batch:
        return self._batch(self.panel, self._cut(self.panel, key))

    def _cut(self, panel: Panel, origins: Origins) -> Windows:
        assert self.data.scaling
        return panel.windows(origins, self.window, self.horizon, self.data.scaling)

    def _batch(self, panel: Panel, windows: Windows) -> Batch:
        channels = [windows.x[..., None].astype(np.float32)]
        if self.facts.masked:
            channels.append(windows.there[..., None].astype(np.float32))
        channels += [panel.past[windows.at_x], panel.known[windows.at_x]]
        ahead = np.concatenate([panel.known[windows.at_y], panel.calendar[windows.at_y]], -1)
        y = windows.scaled_y()
        seen = ~np.isnan(y)
        arrays: dict[str, np.ndarray] = {
            "x": np.concatenate(channels, -1),
            "series": panel.vectors[windows.owners],
            "static": panel.static[windows.owners],
            "ahead": ahead,
        }
        targets = {"y": np.where(seen, y, 0).astype(np.float32), "seen": seen}
        steps = len(y) * (self.window + self.horizon)
        return Batch(_tensors(arrays), _tensors(targets), steps, steps)

    def loss(self, network: nn.Module, batch: Batch, state: Any) -> tuple[Tensor, Any]:
        if network.training and batch.inputs["series"].any():  # now and then a series is any series
            kept = torch.rand(batch.inputs["series"].shape, device=batch.inputs["series"].device) >= 0.1
            batch.inputs["series"] = batch.inputs["series"] * kept
        output = network(**batch.inputs)
        return self._losses(output, batch.targets["y"], batch.targets["seen"]).mean(), None

    def _losses(self, output: Tensor, y: Tensor, seen: Tensor) -> Tensor:
        """Of each observed step: twice the mean pinball loss of the quantiles, and the mean's squared error, weighted."""
        weight = self.settings.training.mean_weight  # type: ignore[attr-defined]
        levels = torch.tensor(self.levels, dtype=output.dtype, device=output.device)
        y, output = y.to(output.dtype)[seen], output[seen]
        off = y[:, None] - output[:, 1:]
        pinball = torch.maximum(levels * off, (levels - 1) * off).mean(-1)
        return 2 * pinball + weight * (y - output[:, 0]) ** 2  # type: ignore[no-any-return]

    # figures -------------------------------------------------------------------------------------------------------
    def evaluate(self, network: nn.Module, data: str | Path | None, tick: Callable[[int], None]) -> dict[str, Any]:
        if data is None:
            origins = _spread(self._valid_origins(self.window, self.horizon), EVALUATED)
            return self._validate(network, origins, tick)
        return self.backtest(network, data, tick=tick)

    def _validate(self, network: nn.Module, origins: Origins, tick: Callable[[int], None]) -> dict[str, Any]:
        """The figures of the part held back, before calibration; and the calibration, which goes into the network."""
        panel, errors, coverage = self.panel, Errors(), Coverage(self.levels)
        wanted, said, total, count = [], [], 0.0, 0
        seasonal = self._season_errors(panel)
        for windows, batch, output in self._run(network, panel, origins, tick):
            losses = self._losses(output, batch.targets["y"].to(output.device), batch.targets["seen"].to(output.device))
            total, count = total + float(losses.double().sum()), count + len(losses)
            numbers = output.double().cpu().numpy()
            self._add(errors, panel, windows, _unscaled(numbers, windows), seasonal)
            y = windows.scaled_y()
            coverage.add(y, numbers[..., 1:])
            wanted.append(y)
            said.append(numbers[..., 1:])
        factors = spread_factors(np.concatenate(wanted), np.concatenate(said), self.levels, self.levels.index(0.5))
        spread = network.get_buffer("spread")
        spread.copy_(torch.from_numpy(factors).to(spread))
        before = {f"uncalibrated_{name}": value for name, value in coverage.intervals().items()}
        return {"loss": total / max(count, 1), **_finite(errors.figures()), **before}

    def backtest(
        self,
        network: nn.Module,
        data: str | Path,
        *,
        origins: int | None = None,
        stride: int | None = None,
        tick: Callable[[int], None] = lambda _: None,
    ) -> dict[str, Any]:
        """Forecasts from rolling origins in a file, beside the last value and the value a season ago.

        A series' first origin has a window and a season before it, the last one a horizon after it. `origins` and `stride`
        are those of the settings where they are not given.
        """
        source = self._source(data)
        table = self._table(source, self.facts.columns)
        self._same_steps(table.series, source)
        origins, stride = origins or self.data.origins, stride or self.data.stride
        bare = self.facts.panel(table.series)
        first = bare.starts[:-1] + np.maximum(self.window, bare.seasons)
        last = bare.starts[1:] - self.horizon
        if not (first <= last).any():
            longest = int(np.diff(bare.starts).max())
            raise DataError(
                f"is too short for a backtest: its longest series has {longest:,} steps; a window of {self.window:,}, a season "
                f"of {int(bare.seasons.max()):,} and a horizon of {self.horizon:,} want "
                f"{max(self.window, int(bare.seasons.min())) + self.horizon:,}",
                file=source.path,
            )
        at = bare.origins(first, last, self.horizon, stride, origins)
        if not len(at):
            raise DataError("holds no value to compare a forecast with", file=source.path)
        begin = np.array([at[bare.owner(at) == s].min(initial=bare.starts[s + 1]) for s in range(len(table.series))])
        panel = self.facts.panel(table.series, until={
            one.name: int(begin[s] - bare.starts[s]) for s, one in enumerate(table.series)})  # fmt: skip
        named = {"forecast": Errors(), "naive": Errors(), "seasonal naive": Errors()}
        coverage, seasonal, total, count = Coverage(self.levels), self._season_errors(panel), 0.0, 0
        for windows, batch, output in self._run(network, panel, at, tick):
            losses = self._losses(output, batch.targets["y"].to(output.device), batch.targets["seen"].to(output.device))
            total, count = total + float(losses.double().sum()), count + len(losses)
            values = self._calibrated(network, _unscaled(output.double().cpu().numpy(), windows))
            coverage.add(windows.y, values[..., 1:])
            self._add(named["forecast"], panel, windows, values, seasonal)
            for name, plain in (
                ("naive", panel.naive_values(windows)),
                ("seasonal naive", panel.season_values(windows)),
            ):
                named[name].add(windows.y, plain, plain, panel.stats[windows.owners, 1], seasonal[windows.owners])
        figures = {name: _finite(errors.figures()) for name, errors in named.items()}
        s = int(panel.owner(at[:1])[0])
        stamps = table.series[s].grid.stamps(
            table.series[s].first + (at[[0, -1]] if len(begin) == 1 else at[:1]) - panel.starts[s]
        )
        return {
            "loss": total / max(count, 1),
            **figures["forecast"],
            **coverage.intervals(),
            "forecasts": len(at),
            "from": stamps[0],
            **({"to": stamps[1]} if len(stamps) > 1 else {}),
            "backtest": figures,
        }

    def _season_errors(self, panel: Panel) -> NDArray[np.float64]:
        parts = [panel.values[panel.starts[s] : panel.starts[s + 1]] for s in range(len(panel.seasons))]
        return np.array([season_error(part, int(m)) for part, m in zip(parts, panel.seasons, strict=True)])

    def _add(self, errors: Errors, panel: Panel, windows: Windows, values: Any, seasonal: Any) -> None:
        median = values[..., 1 + self.levels.index(0.5)]
        errors.add(windows.y, values[..., 0], median, panel.stats[windows.owners, 1], seasonal[windows.owners])

    def _run(
        self, network: nn.Module, panel: Panel, origins: Origins, tick: Callable[[int], None]
    ) -> Iterator[tuple[Windows, Batch, Tensor]]:
        """(windows, batch, output (B, H, 1 + Q)) a batch at a time."""
        device = device_of(network)
        for part in np.array_split(origins, max(math.ceil(len(origins) / AT_ONCE), 1)):
            windows = self._cut(panel, part)
            batch = self._batch(panel, windows).to(device)
            yield windows, batch, network(**batch.inputs)
            tick(len(part))

    def _calibrated(self, network: nn.Module, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Quantiles with their distance from the median as the part held back asks for."""
        spread = network.get_buffer("spread").double().cpu().numpy()
        median = values[..., 1 + self.levels.index(0.5)][..., None]
        return np.concatenate([values[..., :1], median + spread * (values[..., 1:] - median)], -1)

    def _same_steps(self, series: Sequence[Series], source: Source) -> None:
        for one in series:
            if one.grid.name not in self.facts.seasons:
                known = ", ".join(self.facts.seasons)
                raise DataError(
                    f"the series {one.name!r} has a value {one.grid.name}; this run knows {known}. Bring it to the same steps",
                    file=source.path,
                )

    # use -----------------------------------------------------------------------------------------------------------
    def inputs(self, file: str) -> Iterator[Any] | None:
        """The series of a table."""
        if not is_table(file):
            return None
        source = self._source(file)
        table = self._table(source, self.facts.columns)
        self._same_steps(table.series, source)
        return iter(table.series)

    def example(self, line: str) -> Any:
        """A JSON object, or a list of numbers."""
        try:
            return json.loads(line) if line.lstrip().startswith("[") else super().example(line)
        except json.JSONDecodeError:
            return line

    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        """The next `horizon` values of each series: a `Series`, a list of numbers, or a mapping with `values` and, where the
        run knows them, `time`, `series`, `known`, `past`, `static`."""
        if not len(examples):
            return []
        series = []
        for at, example in enumerate(examples, 1):
            try:
                series.append(from_example(example, self.facts))
                self._can_forecast(series[-1])
            except DataError as error:
                raise CallError(f"example {at}: {error.message}") from None
        panel = self.facts.panel(series, ahead=self.horizon)
        results = []
        for windows, _, output in self._run(network, panel, panel.starts[1:] - self.horizon, lambda _: None):
            values = self._calibrated(network, _unscaled(output.double().cpu().numpy(), windows))
            for s, row in zip(windows.owners.tolist(), values, strict=True):
                one = series[s]
                stamps = one.grid.stamps(one.first + len(one) + np.arange(self.horizon))
                quantiles = {f"{level:g}": _rounded(row[:, 1 + at]) for at, level in enumerate(self.levels)}
                results.append({
                    **({"series": one.name} if one.name else {}), "time": stamps, "mean": _rounded(row[:, 0]),
                    "median": quantiles["0.5"], "quantiles": quantiles,
                })  # fmt: skip
        return results

    def _can_forecast(self, one: Series) -> None:
        name = f"the series {one.name!r}" if one.name else "the series"
        if len(one) < self.window:
            raise DataError(f"{name} has {len(one):,} steps, this run looks back {self.window:,}: give it as many")
        if np.isnan(one.values[-self.window :]).all():
            raise DataError(f"{name} has no value in the last {self.window:,} steps, which is where this run looks")
        if one.known.shape[1] and len(one.known) < len(one) + self.horizon:
            end, wanted = (
                one.grid.stamps(np.array([one.first + n - 1]))[0] for n in (len(one.known), len(one) + self.horizon)
            )
            raise DataError(
                f"{name}: {', '.join(self.facts.columns.known)} must be known to the end of the forecast, {wanted}, and "
                f"ends at {end}: add rows with its values and an empty target"
            )
        if one.known.shape[1] and np.isnan(one.known[len(one) : len(one) + self.horizon]).any():
            at = int(np.isnan(one.known[len(one) :]).any(1).argmax())
            raise DataError(
                f"{name}: {', '.join(self.facts.columns.known)} must be known to the end of the forecast, and is missing at "
                f"{one.grid.stamps(np.array([one.first + len(one) + at]))[0]}"
            )

    def streams(self) -> tuple[bool, str]:
        return False, "a forecast reads its whole window anew"


def _spread(origins: Origins, most: int) -> Origins:
    """At most so many, evenly."""
    return origins if len(origins) <= most else origins[np.linspace(0, len(origins) - 1, most).astype(int)]


def _tensors(arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def _unscaled(numbers: NDArray[np.float64], windows: Windows) -> NDArray[np.float64]:
    return numbers * windows.scale[:, None, None] + windows.place[:, None, None]


def _finite(figures: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
