"""Audio as input: spoken words, sounds, whatever a file of sound is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, final

from torch import Tensor, nn

from ...data.sources.sources import Source
from ...fields.audio import Audio, AudioData, cells, named_audio
from ...models.encoder import CastInput, EncoderModel
from ...models.frames import Augment
from ...settings import DataSettings, ModelSettings
from ..base import DatasetInfo
from .base import Defaults, Input

WARP, MASKS = 0.1, 1  # of a row in training
FEW_STEPS = 20_000_000  # frames that one network reads in a whole run


@final
class AudioInput(Input):
    """Log-mel frames, 10 ms each. In training they are warped and masked (see `frames.Augment`)."""

    input_type: ClassVar[str] = "audio"
    Data: ClassVar[type[DataSettings]] = AudioData
    Model: ClassVar[type[ModelSettings]] = EncoderModel

    def __init__(self, data: Any) -> None:
        self.field: Audio = Audio("audio", data.audio, data.sample_rate, data.n_mels)

    @classmethod
    def matches(cls, source: Source, taken: Sequence[str]) -> str | None:
        for column in source.columns:
            if column not in taken and named_audio(cells(source, column)):
                return f"column {column!r} names files of audio"
        return None

    def adapt_source(self, source: Source, others: Callable[[Source], Sequence[str]]) -> Source:
        return source

    def from_example(self, example: Mapping[str, Any]) -> Any:
        return None

    def identify(self, example: Any) -> dict[str, Any]:
        return {}

    def augment(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        varied: tuple[Tensor, Tensor] = Augment(WARP, MASKS)(x, lengths)  # a new module is in training mode
        return varied

    def embedding(self, model: Any) -> tuple[nn.Module, int]:
        return CastInput(), self.field.features.bands

    def defaults(self, settings: Any, info: DatasetInfo) -> Defaults:
        """From the number of rows and frames; `benchmarks/quality.py` has the data this was tried on."""
        batch = 32 if info.rows >= 1_000 else 16
        epochs = min(max(10.0, 2_000 * batch / max(info.rows, 1)), 60.0)
        few = epochs * info.time_steps <= FEW_STEPS
        model: dict[str, Any] = {
            "hidden_size": 128,
            "num_layers": 1,
            "dropout": 0.3,
            "input_dropout": 0.0,
            "pooling": "mean_max",
            "ensemble_size": 2 if few else 1,
            "adversarial_epsilon": 0.0,
        }
        training = {"batch_size": batch, "learning_rate": 2e-3, "epochs": epochs, "ema_decay": 0.99, "patience": 10}
        data = {"rate": self.field.rate, "n_mels": self.field.bands}
        return {"data": data, "model": model, "training": training}
