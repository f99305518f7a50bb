"""The settings of a forecast."""

from __future__ import annotations

from typing import Literal

from pydantic import Field as Setting
from pydantic import field_validator

from ...settings import ADDED, RARE, DataSettings, ModelSettings, TrainingSettings


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
    metric: Literal["scaled_mae", "scaled_mse", "smape", "loss"] = Setting(
        "scaled_mae", description="the figure that picks the best weights", json_schema_extra=RARE | ADDED
    )
