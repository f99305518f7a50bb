"""The audio files and segments that a field has looked at: each is read once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard, final

from ..data.media import audio
from ..data.media.segments import Segment
from ..errors import DataError


class AudioFile(NamedTuple):
    """A file or a segment that was read: the hash of its content, the number of its frames, and its problem or None."""

    key: str
    num_frames: int
    problem: str | None


def is_file(value: Any) -> TypeGuard[str | Segment]:
    """Whether a value is the name of a file or a segment of one, and not samples."""
    return isinstance(value, (str, Segment))


def read_value(value: str | Segment) -> tuple[audio.Samples, int, int]:
    """Return the samples (N,), the sample rate and the number of channels of a file or a segment. Raises DataError."""
    if isinstance(value, Segment):
        return audio.read_audio(Path(value.file).expanduser(), value.begin, value.end)
    return audio.read_audio(Path(value).expanduser())


@final
class AudioFiles:
    """Reads files and segments, each of them once.

    Args:
        features: returns the log-mel transform, which determines the number of frames.

    Attributes:
        num_resampled: number of values with another sample rate than that of the features.
        num_mixed: number of values with several channels.
    """

    def __init__(self, features: Callable[[], audio.LogMel]) -> None:
        self._features, self._known = features, dict[str | Segment, AudioFile]()
        self.num_resampled = self.num_mixed = 0

    def clear(self) -> None:
        """Forget the files: at inference one may appear or change between two calls."""
        self._known.clear()

    def __call__(self, value: str | Segment) -> AudioFile:
        """Return the properties of a file or a segment. Raises DataError if a library is missing."""
        if value not in self._known:
            self._known[value] = self._read(value)
        return self._known[value]

    def _read(self, value: str | Segment) -> AudioFile:
        name, features = str(value), self._features()
        try:
            samples, file_rate, channels = read_value(value)
            content = samples.tobytes() if isinstance(value, Segment) else Path(name).expanduser().read_bytes()
        except DataError as error:
            if error.file is None:  # a library is missing
                raise
            return AudioFile(name, 0, f"{name}: {error.message}")
        self.num_resampled += file_rate != features.sample_rate
        self.num_mixed += channels > 1
        num_frames = features.num_frames(-(-len(samples) * features.sample_rate // file_rate))
        problem = None if num_frames else too_short(len(samples) / file_rate)
        return AudioFile(hashlib.blake2b(content, digest_size=16).hexdigest(), num_frames, problem)


def too_short(seconds: float) -> str:
    """Return the problem of audio that is shorter than a frame."""
    return f"has {seconds * 1000:.1f} ms of audio; a frame needs {audio.WINDOW_SECONDS * 1000:.0f} ms"
