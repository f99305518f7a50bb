"""Settings of tasks whose examples are rows."""

from __future__ import annotations

from ...settings import DataSettings, setting


class RowData(DataSettings):
    """Rows of a table."""

    truncation_length: int | None = setting(None, ge=2, description="longer rows train on their two ends")
