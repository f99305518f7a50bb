"""Settings of tasks with one example per row."""

from __future__ import annotations

from ...settings import DataSettings, setting


class RowData(DataSettings):
    """Settings of a table with one example per row."""

    truncation_length: int | None = setting(None, ge=2, description="Maximum number of time steps in training.")
