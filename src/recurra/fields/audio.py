"""The field of audio: a value names a file, and the network reads its log-mel features."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ..data.media import audio
from ..data.media.paths import folder_of, locate, located_input, resolve_path
from ..data.media.segments import Segment, nemo_segment
from ..data.sources.columns import pick
from ..data.sources.rows import Row, Source
from ..errors import CallError, DataError, SettingError
from ..files import read_json, write_json
from ..settings import setting
from .audio_files import AudioFiles, is_file, read_value, too_short
from .base import Field
from .media import MediaData
from .series import Series

AUDIO_NAMES = (
    *("audio", "file", "path", "filename", "file_name", "wav", "audio_path", "audio_filepath", "sound"),
    *("音频", "文件"),
)
MAX_FITTED_FRAMES = 120_000  # 20 minutes, from which mean and standard deviation are computed
MAX_INSPECTED_FILES = 200  # files whose sample rate is inspected
MAX_INSPECTED_IDS, MAX_ID = 50, 200  # cells that may be IDs of files, and the number of their characters
SAMPLE_RATE_HELP = "Sample rate in Hz; by default that of most files, at most 16,000."


class AudioData(MediaData):
    """A table of audio files."""

    audio: str | None = setting(None, description="Column of audio paths; detected by default.")
    sample_rate: int | None = setting(None, ge=1, description=SAMPLE_RATE_HELP, advanced=True)
    n_mels: int | None = setting(
        None, ge=4, le=256, description="Number of mel bands; by default 40 up to 8,000 Hz, else 80.", advanced=True
    )


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
        root: folder that file names are relative to; None: that of the table.
    """

    sequence = True
    names_files = True

    def __init__(
        self,
        name: str,
        column: str | None,
        sample_rate: int | None = None,
        n_mels: int | None = None,
        root: str | None = None,
    ) -> None:
        super().__init__(name, column)
        self._sample_rate, self._n_mels, self.root = sample_rate, n_mels, root
        self.mean = self.std = self.minimum = np.ones(0)
        self._files, self.num_fitted = AudioFiles(lambda: self.features), 0

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
        folder = folder_of(source.path, self.root)
        score = partial(audio_fraction, folder=folder)
        column = pick(source, self.name, self.column, AUDIO_NAMES, score, exclude=taken)
        if self._sample_rate is None:
            self._sample_rate = _most_common_sample_rate(self.value(row, column) for row in source.first_rows())
        if self.sample_rate < audio.MIN_SAMPLE_RATE:
            raise SettingError(f"sample_rate = {self.sample_rate:,}: must be at least {audio.MIN_SAMPLE_RATE:,} Hz")
        return column

    def value(self, row: Row, column: str) -> Any:
        """Return the value of a row: a path, a segment of a file, or the DataError of an invalid segment."""
        try:
            return nemo_segment(row.values, column, resolve_path(row, column, self.root))
        except DataError as error:
            return DataError(error.message, file=row.file, row=row.number, field=column)

    def key(self, value: Any) -> str:
        """Return a hash of the content: the same recording under two names has one key."""
        return self._files(value).key if is_file(value) and str(value).strip() else str(value)

    def check(self, value: Any) -> str | None:
        """Return a description of the problem of a value, or None."""
        if isinstance(value, DataError):
            return value.message
        if isinstance(value, np.ndarray):
            return None if self.num_frames(value) else too_short(len(value) / self.features.sample_rate)
        if value is None or (isinstance(value, str) and not value.strip()):
            return "is empty"
        return self._files(value).problem if is_file(value) else f"is {value!r:.40}, not the name of a file"

    def check_input(self, value: Any) -> str | None:
        """Return a description of the problem of an input of `predict`, or None."""
        self._files.clear()
        return self.check(value)

    def num_frames(self, value: str | Segment | audio.Samples) -> int:
        """Return the number of frames of samples or of a file; 0 if it cannot be used. A file is read once for this."""
        if isinstance(value, (str, Segment)):
            return self._files(value).num_frames
        return self.features.num_frames(len(value))

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
        samples, file_rate, _ = read_value(value)
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
        """Return the file, the segment of a file, or the samples. Raises DataError for a segment that is not valid."""
        return nemo_segment(example, name, self.normalize_input(example[name]))

    def normalize_input(self, example: Any) -> Any:
        """Convert an input of `predict`: a file name, or samples in [-1, 1] (or int16) at the run's sample rate."""
        if isinstance(example, (str, Path)):
            return str(located_input(example, self.root))
        if isinstance(example, Segment):
            return example
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
        if self._files.num_resampled:
            lines.append(
                f"{self._files.num_resampled:,} files have another sample rate and are resampled to {sample_rate:,} Hz"
            )
        if self._files.num_mixed:
            lines.append(f"{self._files.num_mixed:,} files have several channels and are mixed to their mean")
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
    return [str(value) if is_file(value) else "" for value in values]


def _most_common_sample_rate(names: Iterable[Any]) -> int:
    """Return the sample rate of most of the first files, limited to the range that the features support."""
    rates: Counter[int] = Counter()
    for name in itertools.islice(names, MAX_INSPECTED_FILES):
        with suppress(DataError, TypeError):  # reported with its row when the rows are read
            rates[audio.sample_rate_of(Path(str(name)))] += 1
    most_common = rates.most_common(1)[0][0] if rates else audio.MAX_SAMPLE_RATE
    return min(max(most_common, audio.MIN_SAMPLE_RATE), audio.MAX_SAMPLE_RATE)


def audio_fraction(names: Sequence[str], folder: Path | None = None) -> float:
    """Return the fraction of names that are those of audio files, also of IDs in `folder`; 0 if it is not more than half."""
    fraction = sum(map(audio.is_audio, names)) / max(len(names), 1)
    if not fraction and folder is not None:  # LJSpeech names its files without a suffix
        sample = names[:MAX_INSPECTED_IDS]
        found = (locate(name, folder) for name in sample if name.strip() and len(name) < MAX_ID)
        fraction = sum(audio.is_audio(path) and path.is_file() for path in found) / max(len(sample), 1)
    return fraction if fraction > 0.5 else 0.0
