"""Audio: files to samples, samples of one rate to another, samples to log-mel features, whole or as a stream.

Files are read by libsndfile (soundfile), features made by kaldi-native-fbank: a window of 25 ms every 10 ms, Povey's
window, the power in triangular mel bands, its logarithm. Both libraries are in the extra `audio` and imported when used.
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

LOWEST, HIGHEST = 2_000, 16_000  # samples a second that features are made of
WINDOW, SHIFT = 0.025, 0.010  # seconds
_ZEROS = 16  # of the resampling filter, on each side
Samples = NDArray[np.float32]


def is_audio(name: object) -> bool:
    """Whether a file, by its suffix, is audio."""
    return media_column(str(name)) == "audio"


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except (ImportError, OSError) as error:  # OSError: soundfile without the library it stands on
        raise DataError(f"audio needs the library {name} ({error}): pip install 'recurra[audio]'") from None


def rate_of(path: Path) -> int:
    """Samples a second that the header of a file says. Raises DataError."""
    return int(_open(path, lambda soundfile, name: soundfile.info(name).samplerate))


def read_audio(path: Path) -> tuple[Samples, int, int]:
    """(samples (N,) in [-1, 1], samples a second, channels); several channels are mixed to their mean. Raises DataError."""
    samples, rate = _open(path, lambda soundfile, name: soundfile.read(name, dtype="float32", always_2d=True))
    if not len(samples):
        raise DataError("holds no samples", file=path)
    if not np.isfinite(samples).all():
        raise DataError("has samples that are not finite numbers", file=path)
    return samples.mean(1) if samples.shape[1] > 1 else samples[:, 0], int(rate), samples.shape[1]


def _open(path: Path, read: Any) -> Any:
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


def resample(samples: Samples, origin: int, rate: int) -> Samples:
    """The same sound at another rate: samples (N,) -> (ceil(N * rate / origin),).

    Band-limited interpolation by a sinc under Hann's window, one filter for each phase (Smith 1984).
    """
    if origin == rate or not len(samples):
        return samples
    common = math.gcd(origin, rate)
    up, down = rate // common, origin // common
    kernels, half = _filters(up, down)
    count = -(-len(samples) * up // down)
    x = np.pad(samples, (half, half + down + kernels.shape[1]))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernels.shape[1])[::down]  # one for each `up` samples
    blocks = -(-count // up)
    return (windows[:blocks] @ kernels.T).reshape(-1)[:count].astype(np.float32)


@lru_cache(16)
def _filters(up: int, down: int) -> tuple[NDArray[np.float32], int]:
    """For output phase p, the weights of the inputs from `half` before the block's first: (up, width), half."""
    cut = min(1.0, up / down) * 0.97  # of the slower rate's half; the rest is for the filter to fall in
    half = math.ceil(_ZEROS / cut)
    place = np.arange(-half, half + down + 1)[None] - np.arange(up)[:, None] * down / up
    weights = cut * np.sinc(cut * place) * np.cos(np.pi / 2 * np.clip(place / half, -1, 1)) ** 2
    return weights.astype(np.float32), half


@dataclass(frozen=True)
class LogMel:
    """`rate` samples a second -> `bands` log energies every 10 ms. Samples are in [-1, 1]; silence of 16 bits is -15.9."""

    rate: int
    bands: int

    @property
    def window(self) -> int:
        """Samples of a window: what shorter audio has no frame of."""
        return int(WINDOW * self.rate)

    def count(self, samples: int) -> int:
        """Frames of so many samples: windows that lie wholly inside."""
        return 0 if samples < self.window else 1 + (samples - self.window) // int(SHIFT * self.rate)

    def __call__(self, samples: Samples) -> NDArray[np.float32]:
        """(N,) -> (T, bands)"""
        return self.stream().push(samples)

    def stream(self) -> LogMelStream:
        return LogMelStream(self)


class LogMelStream:
    """Samples in pieces of any size; each frame is given once, as soon as its window is full."""

    def __init__(self, features: LogMel) -> None:
        library = _library("kaldi_native_fbank")
        options = library.FbankOptions()
        options.frame_opts.samp_freq = features.rate
        options.frame_opts.dither = 0.0  # noise would make every reading another one
        options.mel_opts.num_bins = features.bands
        self.features, self.made, self.fbank = features, 0, library.OnlineFbank(options)

    def push(self, samples: Samples) -> NDArray[np.float32]:
        """(n,) -> the frames that are new, (t, bands)"""
        self.fbank.accept_waveform(self.features.rate, np.ascontiguousarray(samples, np.float32))
        ready = self.fbank.num_frames_ready
        frames = np.empty((ready - self.made, self.features.bands), np.float32)
        for at in range(len(frames)):
            frames[at] = self.fbank.get_frame(self.made + at)
        self.fbank.pop(len(frames))
        self.made = ready
        return frames
