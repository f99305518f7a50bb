"""Audio files as input of the N-to-1 tasks, read as log-mel frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, final

from torch import Tensor, nn

from ...data.sources.sources import Source
from ...fields.audio import Audio, AudioData, audio_fraction, column_text
from ...models.encoder import CastInput, EncoderModel
from ...models.frames import SpectrogramAugmentation
from ...settings import DataSettings, ModelSettings
from ..base import DatasetInfo
from .base import Defaults, Input

SPEED_PERTURBATION, SPECAUGMENT_MASKS = 0.1, 1  # augmentation in training
MAX_ENSEMBLE_FRAMES = 20_000_000  # frames of a whole run up to which an ensemble of two networks is trained


@final
class AudioInput(Input):
    """Log-mel frames every 10 ms. In training they are augmented (see `SpectrogramAugmentation`)."""

    input_type: ClassVar[str] = "audio"
    Data: ClassVar[type[DataSettings]] = AudioData
    Model: ClassVar[type[ModelSettings]] = EncoderModel

    def __init__(self, data: Any) -> None:
        self.field: Audio = Audio("audio", data.audio, data.sample_rate, data.n_mels, data.root)

    @classmethod
    def matches(cls, source: Source, taken: Sequence[str]) -> str | None:
        """Return the reason why the source has such a column, or None."""
        for column in source.columns:
            if column not in taken and audio_fraction(column_text(source, column)):
                return f"column {column!r} contains names of audio files"
        return None

    def adapt_source(self, source: Source, others: Callable[[Source], Sequence[str]]) -> Source:
        """Return the source itself: the values are already in one column."""
        return source

    def from_example(self, example: Mapping[str, Any]) -> Any:
        """Return None: examples have no other form."""
        return None

    def identify(self, example: Any) -> dict[str, Any]:
        """Return None: results contain no identifier of the example."""
        return {}

    def augment(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return frames and lengths with random speed, pitch and masks."""
        augmentation = SpectrogramAugmentation(
            SPEED_PERTURBATION, SPECAUGMENT_MASKS
        )  # a new module is in training mode
        augmented: tuple[Tensor, Tensor] = augmentation(x, lengths)
        return augmented

    def embedding(self, model: Any) -> tuple[nn.Module, int]:
        """Return a module that casts frames to the dtype of the network, and the number of mel bands."""
        return CastInput(), self.field.features.n_mels

    def defaults(self, settings: Any, info: DatasetInfo) -> Defaults:
        """Defaults from the number of rows and frames. They were selected on the audio data of `benchmarks/quality.py`."""
        batch = 32 if info.rows >= 1_000 else 16
        epochs = min(max(10.0, 2_000 * batch / max(info.rows, 1)), 60.0)
        is_small = epochs * info.time_steps <= MAX_ENSEMBLE_FRAMES
        model: dict[str, Any] = {
            "hidden_size": 128,
            "num_layers": 1,
            "dropout": 0.3,
            "input_dropout": 0.0,
            "pooling": "mean_max",
            "ensemble_size": 2 if is_small else 1,
            "adversarial_epsilon": 0.0,
        }
        training = {"batch_size": batch, "learning_rate": 2e-3, "epochs": epochs, "ema_decay": 0.99, "patience": 10}
        data = {"sample_rate": self.field.sample_rate, "n_mels": self.field.n_mels}
        return {"data": data, "model": model, "training": training}
