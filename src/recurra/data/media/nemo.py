"""Manifests of NeMo: JSON lines with `audio_filepath`, `text`, `duration`, and `offset` where a row is a segment of a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import DataError
from . import audio

NEMO_NAME = "audio_filepath"
ROUNDING = 0.1  # seconds by which a file may be longer than its `duration`, which is often rounded
_ADVICE = "segments are not read: write each into a file of its own"


def segment_problem(values: Mapping[str, Any], column: str, name: Any) -> str | None:
    """Return the problem of a row that is a segment of its file `name`, or None. `column` has the names of the files."""
    if column != NEMO_NAME:
        return None
    offset, duration = values.get("offset"), _seconds(values.get("duration"))
    if offset is not None and str(offset).strip(" 0."):
        return f"the row begins at {offset} s of the file; {_ADVICE}"
    try:
        length = audio.seconds_of(Path(str(name)))
    except DataError:  # reported when the file is read
        return None
    if duration is not None and length > duration + ROUNDING:
        return f"the row has a duration of {duration:g} s, and the file is {length:.2f} s long; {_ADVICE}"
    return None


def _seconds(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
