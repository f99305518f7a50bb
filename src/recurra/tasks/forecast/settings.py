"""The settings of the task forecast."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from ...settings import DataSettings, ModelSettings, Settings, TrainingSettings, open_setting, setting


class ForecastData(DataSettings):
    """How a table of time series in long or wide format is read and divided into windows."""

    time: str | None = setting(None, description="Timestamp column; or several: year,month,day.")
    time_format: str | None = setting(
        None, description="strptime format of the timestamps, for example %d/%m/%Y.", advanced=True
    )
    time_zone: str | None = setting(
        None, description="Time zone of times that name none, such as Europe/Berlin.", advanced=True
    )
    series: str | None = setting(None, description="Column with the names of the series, or several: A,B.")
    target: str | None = setting(None, description="Columns to forecast; all numeric by default.")
    future_covariates: str | None = setting(None, description="Covariates that are known for the horizon.")
    past_covariates: str | None = setting(
        None,
        description="Columns of covariates that are known only up to the present, separated by commas.",
        advanced=True,
    )
    static_covariates: str | None = setting(
        None, description="Columns that are constant within a series, separated by commas.", advanced=True
    )
    horizon: int = open_setting(ge=1, description="Number of time steps to forecast.")
    context_length: int = open_setting(ge=1, description="Number of past time steps that the network reads.")
    seasonality: int | None = setting(
        None, ge=1, description="Seasonal period in time steps; 1 if there is none."
    )  # None if the series have different time grids
    scaling: Literal["last_value", "per_window", "mean_abs", "global"] = open_setting(
        description="How the values of a context window are scaled."
    )
    calendar: bool = setting(True, description="Add calendar covariates.")
    quantiles: list[float] = setting([0.1, 0.25, 0.5, 0.75, 0.9], description="Levels of the quantile forecasts.")
    num_windows: int | None = setting(None, ge=1, description="Number of backtesting windows per series.")
    step_size: int = setting(
        1, ge=1, description="Number of time steps between two backtesting windows.", advanced=True
    )
    decimal: Literal[".", ","] | None = setting(
        None, description="Decimal mark of numbers; detected by default.", advanced=True
    )
    missing: str | None = setting(
        None, description="Further markers of missing values, separated by commas, such as -200,none.", advanced=True
    )
    sort: bool = setting(False, description="Sort the rows of each series by time.")
    duplicates: Literal["mean", "first", "last"] | None = setting(
        None, description="Value of rows with the same time; they are errors by default.", advanced=True
    )
    resample: str | None = setting(
        None, description="Time step to which values are aggregated: 15min, 1h, 1d, 1d:sum.", advanced=True
    )
    layout: Literal["columns", "rows"] | None = setting(
        None, description="Whether each column or each row is a series; detected by default.", advanced=True
    )

    @field_validator("quantiles")
    @classmethod
    def _sorted_with_median(cls, levels: list[float]) -> list[float]:
        if any(not 0 < level < 1 for level in levels):
            raise ValueError("quantile levels must be between 0 and 1, for example [0.1, 0.5, 0.9]")
        return sorted({*levels, 0.5})


class ForecastModel(ModelSettings):
    """The recurrent network over segments of a series."""

    cell: str = setting("gru", description="Cell of the recurrent layers: a name, or file.py:Class.")
    segment_length: int = open_setting(ge=1, description="Number of time steps in a segment.")
    decoding: Literal["direct", "recursive"] = setting(
        "direct",
        description="Decoding of the segments.",
    )
    linear_skip: bool = setting(
        True, description="Add a linear map of the context window to the forecast.", advanced=True
    )
    series_embedding: bool = open_setting(description="Learn an embedding of each series.", advanced=True)


class ForecastTraining(TrainingSettings):
    """The training run."""

    mse_weight: float = setting(
        0.5, ge=0, description="Weight of the squared error of the mean relative to the quantile loss.", advanced=True
    )
    selection_metric: Literal["scaled_mae", "scaled_mse", "smape", "loss"] = setting(
        "scaled_mae", description="Metric used to select the best checkpoint.", advanced=True
    )


ForecastSettings = Settings[ForecastData, ForecastModel, ForecastTraining]
