"""The settings of a forecast."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from ...settings import DataSettings, ModelSettings, Settings, TrainingSettings, open_setting, setting


class ForecastData(DataSettings):
    """A table of series, long or wide."""

    time: str | None = setting(None, description="column of the time; several: year,month,day")
    time_format: str | None = setting(None, description="how it is written: %d/%m/%Y", advanced=True)
    series: str | None = setting(None, description="column that names the series, if long")
    target: str | None = setting(None, description="columns to forecast: A,B; by default all numbers")
    future_covariates: str | None = setting(None, description="covariates known ahead: A,B")
    past_covariates: str | None = setting(None, description="covariates known up to now: A,B", advanced=True)
    static_covariates: str | None = setting(None, description="what describes a series: A,B", advanced=True)
    horizon: int = open_setting(ge=1, description="steps to forecast")
    context_length: int = open_setting(ge=1, description="steps it looks back")
    seasonality: int | None = setting(None, ge=1, description="steps of a season; 1 for none")  # None: each grid has its own
    scaling: Literal["last_value", "per_window", "mean_abs", "global"] = open_setting(description="of values")
    calendar: bool = setting(True, description="hour, weekday, day of the year as covariates")
    quantiles: list[float] = setting([0.1, 0.25, 0.5, 0.75, 0.9], description="levels")
    num_windows: int | None = setting(None, ge=1, description="latest forecasts of a backtest; by default all")
    step_size: int = setting(1, ge=1, description="steps between two forecasts of it", advanced=True)
    sort: bool = setting(False, description="sort rows by time")

    @field_validator("quantiles")
    @classmethod
    def _in_order(cls, levels: list[float]) -> list[float]:
        if any(not 0 < level < 1 for level in levels):
            raise ValueError("quantiles lie between 0 and 1, as in [0.1, 0.5, 0.9]")
        return sorted({*levels, 0.5})


class ForecastModel(ModelSettings):
    """A network over segments."""

    cell: str = setting("gru", description="cell of the recurrent layers: a name, or file.py:Class")
    segment_length: int = open_setting(ge=1, description="steps of the series in one of the network")
    decoding: Literal["direct", "recursive"] = setting("direct", description="all segments at once, or one by one")
    linear_skip: bool = setting(True, description="a linear map of the window beside the recurrent layers", advanced=True)
    series_embedding: bool = open_setting(description="a vector for each series", advanced=True)


class ForecastTraining(TrainingSettings):
    """The training run."""

    mse_weight: float = setting(
        0.5, ge=0, description="of the mean's squared error beside the quantiles' loss", advanced=True
    )
    selection_metric: Literal["scaled_mae", "scaled_mse", "smape", "loss"] = setting(
        "scaled_mae", description="the figure that picks the best weights", advanced=True
    )


ForecastSettings = Settings[ForecastData, ForecastModel, ForecastTraining]
