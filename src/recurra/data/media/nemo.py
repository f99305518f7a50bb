"""Manifests of NeMo: JSON lines with `audio_filepath`, `text`, `duration`, and `offset` where a row is a segment of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NEMO_NAME = "audio_filepath"


def segment_problem(values: Mapping[str, Any], column: str) -> str | None:
    """Return the problem of a row that is a segment of its file, or None. `column` has the names of the files."""
    offset = values.get("offset") if column == NEMO_NAME else None
    if offset is None or not str(offset).strip(" 0."):
        return None
    return f"the row begins at {offset} s of the file; segments are not read: write each into a file of its own"
