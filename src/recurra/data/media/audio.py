"""Audio: reading of files, resampling, and log-mel features, of a whole recording or of a stream.

Files are read with libsndfile (the library soundfile). The features are computed by kaldi-native-fbank: the logarithm of the
power in triangular mel bands, of windows of 25 ms every 10 ms with Povey's window function. Both libraries belong to the
extra `audio` and are imported when they are used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurra.data.sources.folders import media_column
from recurra.errors import DataError

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 2_000, 16_000  # Hz, of the features
WINDOW_SECONDS, SHIFT_SECONDS = 0.025, 0.010
MAX_EXCESS = 0.1  # seconds by which the rounded end of a segment may exceed its file
_ZEROS = 16  # zero crossings of the resampling filter on each side
Samples = NDArray[np.float32]


def is_audio(name: object) -> bool:
    """Whether the suffix of a file name is that of an audio file."""
    return media_column(str(name)) == "audio"


def _library(name: str) -> Any:
    """Import a library of the extra `audio`. Raises DataError with the command that installs it."""
    try:
        return import_module(name)
    except (ImportError, OSError) as error:  # OSError: soundfile without libsndfile
        raise DataError(f"audio needs the library {name} ({error}): pip install 'recurra[audio]'") from None


def sample_rate_of(path: Path) -> int:
    """Return the sample rate in Hz that the header of a file states. Raises DataError."""
    return int(_open(path, lambda soundfile, name: soundfile.info(name).samplerate))


def seconds_of(path: Path) -> float:
    """Return the length in seconds that the header of a file states. Raises DataError."""
    return float(_open(path, lambda soundfile, name: soundfile.info(name).duration))


def read_audio(path: Path, begin: float = 0.0, end: float | None = None) -> tuple[Samples, int, int]:
    """Read an audio file or a segment of it. Several channels are mixed to their mean.

    Args:
        path: the file.
        begin: begin of the segment in seconds.
        end: end of the segment in seconds; None: the end of the file.

    Returns:
        The samples (N,) in [-1, 1], the sample rate in Hz, and the number of channels of the file.

    Raises:
        DataError: if the file is missing, empty or damaged, if a sample is not finite, or if the segment is not in the file.
    """
    start, stop = 0, None
    if begin or end is not None:
        start, stop = _samples_of_segment(path, begin, end)
    samples, sample_rate = _open(
        path, lambda soundfile, name: soundfile.read(name, start=start, stop=stop, dtype="float32", always_2d=True)
    )
    if not len(samples):
        raise DataError("contains no samples", file=path)
    if not np.isfinite(samples).all():
        raise DataError("contains samples that are not finite numbers", file=path)
    return samples.mean(1) if samples.shape[1] > 1 else samples[:, 0], int(sample_rate), samples.shape[1]


def _samples_of_segment(path: Path, begin: float, end: float | None) -> tuple[int, int]:
    """The numbers of the first sample and of the one after the last sample of a segment. It may exceed the file by rounding."""
    info = _open(path, lambda soundfile, name: soundfile.info(name))
    rate, frames = int(info.samplerate), int(info.frames)
    length = frames / rate
    last = length if end is None else end
    if begin >= last:
        raise DataError(f"the segment has no samples: it begins at {begin:g} s and ends at {last:g} s", file=path)
    if begin >= length or last > length + MAX_EXCESS:
        raise DataError(f"the segment ends at {last:g} s, but the file is {length:.2f} s long", file=path)
    return round(begin * rate), min(round(last * rate), frames)


def _open(path: Path, read: Any) -> Any:
    """Return `read(soundfile, name)`. Its errors are raised as DataError."""
    soundfile = _library("soundfile")
    if not path.is_file():
        raise DataError("there is no such file", file=path)
    try:
        return read(soundfile, str(path))
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        if not path.stat().st_size:
            raise DataError("the file is empty", file=path) from None
        reason = str(getattr(error, "error_string", error)).rstrip(".")
        raise DataError(f"cannot be read as audio ({reason})", file=path) from None


def resample(samples: Samples, from_rate: int, to_rate: int) -> Samples:
    """Resample audio with band-limited interpolation: a sinc under a Hann window, one filter per phase (Smith 1984).

    Args:
        samples: (N,) at `from_rate` samples per second.
        from_rate: sample rate of the input in Hz.
        to_rate: sample rate of the result in Hz.

    Returns:
        The samples (ceil(N * to_rate / from_rate),).
    """
    if from_rate == to_rate or not len(samples):
        return samples
    common = math.gcd(from_rate, to_rate)
    up, down = to_rate // common, from_rate // common
    kernels, half = _filters(up, down)
    count = -(-len(samples) * up // down)
    x = np.pad(samples, (half, half + down + kernels.shape[1]))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernels.shape[1])[::down]  # one for each `up` samples
    blocks = -(-count // up)
    return (windows[:blocks] @ kernels.T).reshape(-1)[:count].astype(np.float32)


@lru_cache(16)
def _filters(up: int, down: int) -> tuple[NDArray[np.float32], int]:
    """Return the filters (up, width), one per output phase, and `half`: the first input is `half` before the block."""
    cutoff = min(1.0, up / down) * 0.97  # relative to the lower Nyquist frequency; the rest is the transition band
    half = math.ceil(_ZEROS / cutoff)
    offset = np.arange(-half, half + down + 1)[None] - np.arange(up)[:, None] * down / up
    weights = cutoff * np.sinc(cutoff * offset) * np.cos(np.pi / 2 * np.clip(offset / half, -1, 1)) ** 2
    return weights.astype(np.float32), half


@dataclass(frozen=True)
class LogMel:
    """Log-mel features: `n_mels` log energies every 10 ms.

    Samples are in [-1, 1]. The log energy of digital silence is -15.9.

    Attributes:
        sample_rate: samples per second.
        n_mels: number of mel bands.
    """

    sample_rate: int
    n_mels: int

    @property
    def window_size(self) -> int:
        """The number of samples of a window. Shorter audio has no frame."""
        return int(WINDOW_SECONDS * self.sample_rate)

    def num_frames(self, num_samples: int) -> int:
        """Return the number of frames of `num_samples` samples: the windows that fit entirely."""
        if num_samples < self.window_size:
            return 0
        return 1 + (num_samples - self.window_size) // int(SHIFT_SECONDS * self.sample_rate)

    def __call__(self, samples: Samples) -> NDArray[np.float32]:
        """Return the features (T, n_mels) of samples (N,)."""
        return self.stream().push(samples)

    def stream(self) -> LogMelStream:
        """Return a new incremental computation of the features."""
        return LogMelStream(self)


class LogMelStream:
    """Computes features of samples that arrive in chunks of any size. A frame is returned once its window is complete."""

    def __init__(self, features: LogMel) -> None:
        library = _library("kaldi_native_fbank")
        options = library.FbankOptions()
        options.frame_opts.samp_freq = features.sample_rate
        options.frame_opts.dither = 0.0  # random noise would make the features differ from call to call
        options.mel_opts.num_bins = features.n_mels
        self.features, self.num_returned, self.fbank = features, 0, library.OnlineFbank(options)

    def push(self, samples: Samples) -> NDArray[np.float32]:
        """Add samples (n,) and return the new frames, (t, n_mels)."""
        self.fbank.accept_waveform(self.features.sample_rate, np.ascontiguousarray(samples, np.float32))
        ready = self.fbank.num_frames_ready
        frames = np.empty((ready - self.num_returned, self.features.n_mels), np.float32)
        for index in range(len(frames)):
            frames[index] = self.fbank.get_frame(self.num_returned + index)
        self.fbank.pop(len(frames))
        self.num_returned = ready
        return frames
