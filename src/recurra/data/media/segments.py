"""Segments of recordings, as in the manifests of NeMo (`offset`, `duration`) and the file `segments` of Kaldi."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import DataError
from . import audio

NEMO_NAME = "audio_filepath"
ROUNDING = 0.1  # seconds by which a file may be longer than the rounded `duration` of a row that is the whole file


class Segment(NamedTuple):
    """A part of a recording.

    Attributes:
        file: the name of the file.
        begin: seconds from the beginning of the file.
        end: seconds from the beginning of the file; None: the end of the file.

    Example:
        >>> str(Segment("a.wav", 1.5, 2.0))
        'a.wav'
    """

    file: str
    begin: float
    end: float | None = None

    def __str__(self) -> str:
        """Return the name of the file."""
        return self.file


def nemo_segment(values: Mapping[str, Any], column: str, value: Any) -> Any:
    """Return the segment that a row of a NeMo manifest describes; the name of the file, `value`, if it is the whole file.

    Args:
        values: the values of the row.
        column: the column of the names of files; that of another format has no segments.
        value: the path of the file.

    Raises:
        DataError: the offset or the duration is not a number of seconds.
    """
    if column != NEMO_NAME or not isinstance(value, str):
        return value
    offset, duration = (_seconds(values.get(name), name) for name in ("offset", "duration"))
    if not offset and duration is None:
        return value
    try:
        length = audio.seconds_of(Path(value))
    except DataError:  # reported when the file is read
        return value
    if not offset and duration is not None and length <= duration + ROUNDING:
        return value
    return Segment(value, offset or 0.0, None if duration is None else (offset or 0.0) + duration)


def _seconds(value: Any, name: str) -> float | None:
    if value is None or value == "":
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise DataError(f"the {name} is {value!r}; expected a number of seconds, from 0")
    return seconds
