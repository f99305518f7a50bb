"""Audio as input: spoken words, sounds, whatever a file of sound is of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from ...data.sources.sources import Source
from ...fields.audio import Audio, AudioData, cells, named_audio
from ...models.encoder import EncoderModel, Numbers
from ...models.frames import Augment
from ...settings import DataSettings, ModelSettings, Settings
from ..base import Reading
from .base import Input

WARP, MASKS = 0.1, 1  # of a row in training
FEW_STEPS = 20_000_000  # frames that one network reads in a whole run


class AudioInput(Audio, Input):
    """Log-mel frames, 10 ms each. In training they are warped and masked (see `frames.Augment`)."""

    called = "audio"
    sequence = True
    Data: ClassVar[type[DataSettings]] = AudioData
    Model: ClassVar[type[ModelSettings]] = EncoderModel

    @classmethod
    def made(cls, settings: Settings) -> AudioInput:
        data = settings.data
        assert isinstance(data, AudioData)
        return cls("audio", data.audio, data.rate, data.bands)

    @classmethod
    def suits(cls, source: Source, taken: Sequence[str]) -> str | None:
        for column in source.columns:
            if column not in taken and named_audio(cells(source, column)):
                return f"column {column!r} names files of audio"
        return None

    def disturbed(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = Augment(WARP, MASKS)(x, lengths)  # a new module is in training mode
        return found

    def front(self, model: ModelSettings) -> tuple[nn.Module, int]:
        return Numbers(), self.features.bands

    def choose(self, settings: Settings, reading: Reading) -> Settings:
        """Defaults from the number of rows and frames; `benchmarks/quality.py` has the data this was tried on."""
        batch = 32 if reading.rows >= 1_000 else 16
        epochs = min(max(10.0, 2_000 * batch / max(reading.rows, 1)), 60.0)
        few = epochs * reading.steps_of_time <= FEW_STEPS
        model: dict[str, Any] = {
            "hidden_size": 128,
            "num_layers": 1,
            "dropout": 0.3,
            "input_dropout": 0.0,
            "pooling": "mean_max",
            "members": 2 if few else 1,
            "adversarial": 0.0,
        }
        training = {"batch_size": batch, "learning_rate": 2e-3, "epochs": epochs, "averaging": 0.99, "patience": 10}
        data = {"rate": self.rate, "bands": self.bands}
        return settings.with_open(data=data, model=model, training=training)
