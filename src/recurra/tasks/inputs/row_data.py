"""Settings of tasks with one example per row."""

from __future__ import annotations

from typing import Literal

from ...settings import DataSettings, setting


class RowData(DataSettings):
    """Settings of a table with one example per row."""

    truncation_length: int | None = setting(None, ge=2, description="Maximum number of time steps in training.")
    decimal: Literal[".", ","] | None = setting(
        None, description="Decimal mark of numbers; detected by default.", advanced=True
    )
    missing: str | None = setting(
        None, description="Further markers of missing values, separated by commas, such as -200,none.", advanced=True
    )
