"""The field of audio: a value names a file, and the network reads its log-mel features."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from ..data.media import audio
from ..data.media.images import resolve_path
from ..data.media.nemo import segment_problem
from ..data.sources.columns import pick
from ..data.sources.rows import Row, Source
from ..errors import CallError, DataError, SettingError
from ..files import read_json, write_json
from ..settings import DataSettings, setting
from .base import Field
from .series import Series

AUDIO_NAMES = (
    *("audio", "file", "path", "filename", "file_name", "wav", "audio_path", "audio_filepath", "sound"),
    *("音频", "文件"),
)
MAX_FITTED_FRAMES = 120_000  # 20 minutes, from which mean and standard deviation are computed
MAX_INSPECTED_FILES = 200  # files whose sample rate is inspected
SAMPLE_RATE_HELP = "Sample rate in Hz; by default that of most files, at most 16,000."


class AudioData(DataSettings):
    """A table of audio files."""

    audio: str | None = setting(None, description="Column of audio paths; detected by default.")
    sample_rate: int | None = setting(None, ge=1, description=SAMPLE_RATE_HELP, advanced=True)
    n_mels: int | None = setting(
        None, ge=4, le=256, description="Number of mel bands; by default 40 up to 8,000 Hz, else 80.", advanced=True
    )


class _File(NamedTuple):
    """A file that was read: the hash of its content, the number of its frames, and its problem or None."""

    key: str
    num_frames: int
    problem: str | None


@final
class Audio(Field):
    """Audio as frames of `n_mels` features every 10 ms, standardized with mean and standard deviation of the training data.

    The log energy of digital silence is far below that of recordings. Each band is therefore clipped at its minimum in the
    training data.

    Args:
        name: name of the field.
        column: column that the user named, or None.
        sample_rate: samples per second; None: that of most files, at most 16,000. Other files are resampled.
        n_mels: number of mel bands; None: 40 up to 8,000 samples per second, else 80.
    """

    sequence = True
    reads_files = True

    def __init__(
        self, name: str, column: str | None, sample_rate: int | None = None, n_mels: int | None = None
    ) -> None:
        super().__init__(name, column)
        self._sample_rate, self._n_mels = sample_rate, n_mels
        self.mean = self.std = self.minimum = np.ones(0)
        self._files: dict[str, _File] = {}
        self.num_resampled = self.num_mixed = self.num_fitted = 0

    @property
    def storage(self) -> str:
        """The format of encoded values in the store."""
        return f"ragged:float32:{self.features.n_mels}"

    @property
    def sample_rate(self) -> int:
        """Samples per second. It is available after `find` or `load`."""
        return self._sample_rate or audio.MAX_SAMPLE_RATE

    @property
    def n_mels(self) -> int:
        """The number of features of a frame. It is available after `find` or `load`."""
        return self._n_mels or (40 if self.sample_rate <= 8_000 else 80)

    @property
    def features(self) -> audio.LogMel:
        """The log-mel transform of the field."""
        return audio.LogMel(self.sample_rate, self.n_mels)

    # reading -------------------------------------------------------------------------------------------------------
    def find(self, source: Source, taken: Sequence[str]) -> str:
        """Return the column of audio files, and determine the sample rate. Raises DataError or SettingError."""
        column = pick(source, self.name, self.column, AUDIO_NAMES, audio_fraction, exclude=taken)
        if self._sample_rate is None:
            self._sample_rate = _most_common_sample_rate(self.value(row, column) for row in source.first_rows())
        if self.sample_rate < audio.MIN_SAMPLE_RATE:
            raise SettingError(f"sample_rate = {self.sample_rate:,}: must be at least {audio.MIN_SAMPLE_RATE:,} Hz")
        return column

    def value(self, row: Row, column: str) -> Any:
        """Return the value of a row. File names are relative to the table. Raises DataError for a segment of a file."""
        name = resolve_path(row, column)
        if problem := segment_problem(row.values, column, name):
            raise row.error(problem, column)
        return name

    def key(self, value: Any) -> str:
        """Return a hash of the content: the same recording under two names has one key."""
        return self._file(value).key if isinstance(value, str) and value.strip() else str(value)

    def check(self, value: Any) -> str | None:
        """Return a description of the problem of a value, or None."""
        if isinstance(value, np.ndarray):
            return None if self.num_frames(value) else self._too_short(len(value) / self.features.sample_rate)
        if value is None or (isinstance(value, str) and not value.strip()):
            return "is empty"
        return self._file(value).problem if isinstance(value, str) else f"is {value!r:.40}, not the name of a file"

    def check_input(self, value: Any) -> str | None:
        """Return a description of the problem of an input of `predict`, or None."""
        self._files.clear()  # at inference a file may appear or change between two calls
        return self.check(value)

    def num_frames(self, value: str | audio.Samples) -> int:
        """Return the number of frames of samples or of a file; 0 if it cannot be used. A file is read once for this."""
        return self._file(value).num_frames if isinstance(value, str) else self.features.num_frames(len(value))

    def _file(self, name: str) -> _File:
        """The properties of a file, which is read at the first call."""
        if name not in self._files:
            key, num_frames, path = name, 0, Path(name).expanduser()
            try:
                samples, file_rate, channels = audio.read_audio(path)
                key = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
                self.num_resampled += file_rate != self.features.sample_rate
                self.num_mixed += channels > 1
                num_frames = self.features.num_frames(-(-len(samples) * self.features.sample_rate // file_rate))
                problem = None if num_frames else self._too_short(len(samples) / file_rate)
            except DataError as error:
                if error.file is None:  # a library is missing
                    raise
                problem = f"{name}: {error.message}"
            self._files[name] = _File(key, num_frames, problem)
        return self._files[name]

    def _too_short(self, seconds: float) -> str:
        return f"has {seconds * 1000:.1f} ms of audio; a frame needs {audio.WINDOW_SECONDS * 1000:.0f} ms"

    def fit(self, values: Iterable[Any]) -> None:
        """Compute mean, standard deviation and minimum of each mel band, from the first 20 minutes."""
        moments = Series("frames", None, self.features.n_mels)
        minimum = np.full(self.features.n_mels, np.inf)

        def frames_to_fit() -> Iterable[NDArray[np.float32]]:
            for value in values:
                if self.num_fitted >= MAX_FITTED_FRAMES:
                    return
                frames = self._features(value)
                self.num_fitted += len(frames)
                np.minimum(minimum, frames.min(0, initial=np.inf), out=minimum)
                yield frames

        moments.fit(frames_to_fit())
        self.mean, self.std, self.minimum = moments.mean, moments.std, minimum

    def samples(self, value: Any) -> audio.Samples:
        """Return the samples (N,) of a value, at the sample rate of the features."""
        if isinstance(value, np.ndarray):
            return value
        samples, file_rate, _ = audio.read_audio(Path(value).expanduser())
        return audio.resample(samples, file_rate, self.features.sample_rate)

    def _features(self, value: Any) -> NDArray[np.float32]:
        return self.features(self.samples(value))

    def standardize(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Clip frames (T, n_mels) at the minimum of the training data, and standardize them."""
        return ((np.maximum(frames, self.minimum) - self.mean) / self.std).astype(np.float32)

    def encode(self, values: Sequence[Any]) -> list[NDArray[np.float32]]:
        """Return the standardized frames (T, n_mels) of each value."""
        return [self.standardize(self._features(value)) for value in values]

    # use -----------------------------------------------------------------------------------------------------------
    def of_mapping(self, example: Mapping[str, Any], name: str) -> Any:
        """Return the name of the file or the samples. Raises DataError for a segment of a file."""
        if problem := segment_problem(example, name, example[name]):
            raise DataError(problem)
        return example[name]

    def normalize_input(self, example: Any) -> Any:
        """Convert an input of `predict`: a file name, or samples in [-1, 1] (or int16) at the run's sample rate."""
        if isinstance(example, Path):
            return str(example)
        if isinstance(example, (list, tuple, np.ndarray)):
            return self.as_samples(example)
        return example

    def is_single_input(self, file: str) -> bool:
        """Whether a file given to `predict` is a single input."""
        return audio.is_audio(file)

    def as_samples(self, piece: Any) -> audio.Samples:
        """Return samples (n,) as float32 in [-1, 1]; 16-bit integers are scaled. Raises CallError."""
        try:
            array = np.asarray(piece)
            samples = array.astype(np.float32) / (32768.0 if array.dtype == np.int16 else 1.0)
        except (TypeError, ValueError):
            raise CallError(f"{self.name} is {piece!r:.40}, not samples") from None
        if samples.ndim != 1 or not np.isfinite(samples).all():
            raise CallError(
                f"{self.name} has the shape {samples.shape}; expected a single channel (n,) of finite samples"
            )
        return samples

    def stream(self) -> Any:
        """Return a converter from chunks of samples to standardized frames."""
        return AudioStream(self)

    def empty(self) -> NDArray[np.float32]:
        """Return an encoded sequence of length 0."""
        return np.zeros((0, self.features.n_mels), np.float32)

    def save(self, folder: Path) -> None:
        """Write sample rate, number of mel bands and statistics to the folder of the run."""
        saved = {
            "sample_rate": self.features.sample_rate,
            "n_mels": self.features.n_mels,
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "minimum": self.minimum.tolist(),
        }
        write_json(folder / f"{self.name}.json", saved)

    def load(self, folder: Path) -> None:
        """Read sample rate, number of mel bands and statistics from the folder of the run."""
        saved = read_json(folder / f"{self.name}.json")
        self._sample_rate, self._n_mels = int(saved["sample_rate"]), int(saved["n_mels"])
        self.mean, self.std, self.minimum = (np.array(saved[key]) for key in ("mean", "std", "minimum"))

    def describe(self) -> list[str]:
        """Return the lines that training prints about the field."""
        sample_rate = self.features.sample_rate
        lines = [f"{self.name}: {sample_rate:,} samples per second, {self.features.n_mels} log-mel bands every 10 ms"]
        if self.num_resampled:
            lines.append(
                f"{self.num_resampled:,} files have another sample rate and are resampled to {sample_rate:,} Hz"
            )
        if self.num_mixed:
            lines.append(f"{self.num_mixed:,} files have several channels and are mixed to their mean")
        return lines


@final
class AudioStream:
    """Converts samples that arrive in chunks to standardized frames."""

    def __init__(self, field: Audio) -> None:
        self.field, self.frames = field, field.features.stream()

    def push(self, piece: Any) -> NDArray[np.float32]:
        """Add samples (n,) and return the new frames (t, n_mels)."""
        return self.field.standardize(self.frames.push(self.field.as_samples(piece)))

    def flush(self) -> NDArray[np.float32]:
        """Return the remaining frames; there are none, because an incomplete window is not a frame."""
        return self.field.empty()


def column_text(source: Source, column: str) -> list[str]:
    """Return a column of the first rows as text; other values, such as arrays, become empty."""
    values = (row.values.get(column) for row in source.first_rows())
    return [value if isinstance(value, str) else "" for value in values]


def _most_common_sample_rate(names: Iterable[Any]) -> int:
    """Return the sample rate of most of the first files, limited to the range that the features support."""
    rates: Counter[int] = Counter()
    for name in itertools.islice(names, MAX_INSPECTED_FILES):
        with suppress(DataError, TypeError):  # reported with its row when the rows are read
            rates[audio.sample_rate_of(Path(name))] += 1
    most_common = rates.most_common(1)[0][0] if rates else audio.MAX_SAMPLE_RATE
    return min(max(most_common, audio.MIN_SAMPLE_RATE), audio.MAX_SAMPLE_RATE)


def audio_fraction(names: Sequence[str]) -> float:
    """Return the fraction of names that are those of audio files; 0 if it is not more than half."""
    fraction = sum(map(audio.is_audio, names)) / max(len(names), 1)
    return fraction if fraction > 0.5 else 0.0
