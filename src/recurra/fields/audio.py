"""The field of audio: a row names a file, and its log-mel features are what goes in."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from ..data.media import audio
from ..data.media.images import beside
from ..data.sources.columns import pick
from ..data.sources.rows import Row, Source
from ..errors import CallError, DataError, SettingError
from ..files import read_json, write_json
from ..settings import DataSettings, setting
from .base import Field
from .series import Series

AUDIO_NAMES = ("audio", "file", "path", "filename", "file_name", "wav", "audio_path", "sound", "音频", "文件")
HEARD = 120_000  # frames, 20 minutes, that mean and spread are taken from
LOOKED = 200  # files whose rate is looked at


class AudioData(DataSettings):
    """A table of audio files."""

    audio: str | None = setting(None, description="column of the files; found by itself")
    sample_rate: int | None = setting(
        None, ge=1, description="samples a second; of most files, at most 16,000", advanced=True
    )
    n_mels: int | None = setting(None, ge=4, le=256, description="log-mel features of a frame", advanced=True)


class _File(NamedTuple):
    """What is known of a file: the key of its content, its frames, and what is wrong with it."""

    key: str
    frames: int
    problem: str | None


@final
class Audio(Field):
    """Sound as frames of `bands` numbers every 10 ms, each standardised with its mean and spread in the training data.

    The logarithm of silence without any noise is far below all that recordings have; so no band is taken for quieter than it
    ever was in the training data.

    rate   samples a second; None: what most files have, at most 16,000. Files of other rates are resampled
    bands  None: 40 up to 8,000 samples a second, else 80
    """

    sequence = True

    def __init__(self, name: str, column: str | None, rate: int | None = None, bands: int | None = None) -> None:
        super().__init__(name, column)
        self._rate, self._bands = rate, bands
        self.mean = self.std = self.least = np.ones(0)
        self._files: dict[str, _File] = {}
        self.resampled = self.mixed = self.heard = 0

    @property
    def storage(self) -> str:
        return f"ragged:float32:{self.features.bands}"

    @property
    def rate(self) -> int:
        """Samples a second. Known once the field was found or loaded."""
        return self._rate or audio.HIGHEST

    @property
    def bands(self) -> int:
        """Log-mel features of a frame. Known once the field was found or loaded."""
        return self._bands or (40 if self.rate <= 8_000 else 80)

    @property
    def features(self) -> audio.LogMel:
        """What makes log-mel features of samples."""
        return audio.LogMel(self.rate, self.bands)

    # reading -------------------------------------------------------------------------------------------------------
    def find(self, source: Source, taken: Sequence[str]) -> str:
        column = pick(source, self.name, self.column, AUDIO_NAMES, named_audio, exclude=taken)
        if self._rate is None:
            self._rate = _usual_rate(self.value(row, column) for row in source.look())
        if self.rate < audio.LOWEST:
            raise SettingError(f"{self.rate:,} samples a second: features want {audio.LOWEST:,} or more")
        return column

    def value(self, row: Row, column: str) -> Any:
        return beside(row, column)

    def key(self, value: Any) -> str:
        """By content: the same recording under two names is the same."""
        return self._file(value).key if isinstance(value, str) and value.strip() else str(value)

    def check(self, value: Any) -> str | None:
        if isinstance(value, np.ndarray):
            return None if self.frames(value) else self._short(len(value) / self.features.rate)
        if value is None or (isinstance(value, str) and not value.strip()):
            return "is empty"
        return self._file(value).problem if isinstance(value, str) else f"is {value!r:.40}, not the name of a file"

    def check_input(self, value: Any) -> str | None:
        self._files.clear()  # in use a file may come later, or change
        return self.check(value)

    def frames(self, value: str | audio.Samples) -> int:
        """The number of frames of samples or of a file; 0 of one that cannot be used. A file is read for that once."""
        return self._file(value).frames if isinstance(value, str) else self.features.count(len(value))

    def _file(self, name: str) -> _File:
        if name not in self._files:
            key, frames, path = name, 0, Path(name).expanduser()
            try:
                samples, origin, channels = audio.read_audio(path)
                key = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
                self.resampled += origin != self.features.rate
                self.mixed += channels > 1
                frames = self.features.count(-(-len(samples) * self.features.rate // origin))
                problem = None if frames else self._short(len(samples) / origin)
            except DataError as error:
                if error.file is None:  # a library is missing
                    raise
                problem = f"{name}: {error.message}"
            self._files[name] = _File(key, frames, problem)
        return self._files[name]

    def _short(self, seconds: float) -> str:
        return f"has {seconds * 1000:.1f} ms of sound; a frame takes {audio.WINDOW * 1000:.0f}"

    def fit(self, values: Iterable[Any]) -> None:
        moments = Series("frames", None, self.features.bands)
        least = np.full(self.features.bands, np.inf)

        def heard() -> Iterable[NDArray[np.float32]]:
            for value in values:
                if self.heard >= HEARD:
                    return
                frames = self._features(value)
                self.heard += len(frames)
                np.minimum(least, frames.min(0, initial=np.inf), out=least)
                yield frames

        moments.fit(heard())
        self.mean, self.std, self.least = moments.mean, moments.std, least

    def samples(self, value: Any) -> audio.Samples:
        """What is heard, at the rate of the features."""
        if isinstance(value, np.ndarray):
            return value
        samples, origin, _ = audio.read_audio(Path(value).expanduser())
        return audio.resample(samples, origin, self.features.rate)

    def _features(self, value: Any) -> NDArray[np.float32]:
        return self.features(self.samples(value))

    def standardised(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        return ((np.maximum(frames, self.least) - self.mean) / self.std).astype(np.float32)

    def encode(self, values: Sequence[Any]) -> list[NDArray[np.float32]]:
        return [self.standardised(self._features(value)) for value in values]

    # use -----------------------------------------------------------------------------------------------------------
    def normalize_input(self, example: Any) -> Any:
        """What somebody who predicts gives: the name of a file, or samples in [-1, 1] (or int16) at the run's rate."""
        if isinstance(example, Path):
            return str(example)
        if isinstance(example, (list, tuple, np.ndarray)):
            return self.sound(example)
        return example

    def is_single_input(self, file: str) -> bool:
        return audio.is_audio(file)

    def sound(self, piece: Any) -> audio.Samples:
        """Samples (n,) as float32 in [-1, 1]. Raises CallError."""
        try:
            array = np.asarray(piece)
            samples = array.astype(np.float32) / (32768.0 if array.dtype == np.int16 else 1.0)
        except (TypeError, ValueError):
            raise CallError(f"{self.name} is {piece!r:.40}, not samples") from None
        if samples.ndim != 1 or not np.isfinite(samples).all():
            raise CallError(f"{self.name} has the shape {samples.shape}; wanted finite samples (n,), of one channel")
        return samples

    def stream(self) -> Any:
        return AudioStream(self)

    def empty(self) -> NDArray[np.float32]:
        return np.zeros((0, self.features.bands), np.float32)

    def save(self, folder: Path) -> None:
        saved = {
            "rate": self.features.rate,
            "n_mels": self.features.bands,
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "least": self.least.tolist(),
        }
        write_json(folder / f"{self.name}.json", saved)

    def load(self, folder: Path) -> None:
        saved = read_json(folder / f"{self.name}.json")
        self._rate, self._bands = int(saved["rate"]), int(saved["n_mels"])
        self.mean, self.std = np.array(saved["mean"]), np.array(saved["std"])
        self.least = np.array(saved.get("least", -np.inf))  # younger than the first runs

    def describe(self) -> list[str]:
        rate = self.features.rate
        lines = [f"{self.name}: {rate:,} samples a second, {self.features.bands} log-mel bands every 10 ms"]
        if self.resampled:
            lines.append(f"{self.resampled:,} files have another rate and are resampled to {rate:,}")
        if self.mixed:
            lines.append(f"{self.mixed:,} files have several channels and are mixed to their mean")
        return lines


@final
class AudioStream:
    """Samples in pieces to standardised frames."""

    def __init__(self, field: Audio) -> None:
        self.field, self.frames = field, field.features.stream()

    def push(self, piece: Any) -> NDArray[np.float32]:
        return self.field.standardised(self.frames.push(self.field.sound(piece)))

    def flush(self) -> NDArray[np.float32]:
        return self.field.empty()  # a window that is not full is no frame


def cells(source: Source, column: str) -> list[str]:
    """A column of the first rows, as text."""
    values = (row.values.get(column) for row in source.look())
    return [value if isinstance(value, str) else "" for value in values]  # an array is no name


def _usual_rate(names: Iterable[Any]) -> int:
    """What most of the first files have, within what features are made of."""
    rates: Counter[int] = Counter()
    for name in itertools.islice(names, LOOKED):
        with suppress(DataError, TypeError):  # the check of the row will say what is wrong with it
            rates[audio.rate_of(Path(name))] += 1
    usual = rates.most_common(1)[0][0] if rates else audio.HIGHEST
    return min(max(usual, audio.LOWEST), audio.HIGHEST)


def named_audio(names: Sequence[str]) -> float:
    """The share of names that name a file of audio; 0 where they are not most."""
    share = sum(map(audio.is_audio, names)) / max(len(names), 1)
    return share if share > 0.5 else 0.0
