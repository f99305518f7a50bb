"""The settings of transcribe."""

from __future__ import annotations

from typing import Literal

from ...fields.audio import SAMPLE_RATE_HELP, AudioData
from ...settings import ModelSettings, Settings, TrainingSettings, open_setting, setting


class TranscribeData(AudioData):
    """A table of audio files and their transcripts."""

    sample_rate: int | None = setting(None, ge=1, description=SAMPLE_RATE_HELP)
    text: str | None = setting(None, description="Column of the transcripts; detected by default.")
    tokenization: Literal["characters", "words"] = open_setting(description="Text units.")


class TranscribeModel(ModelSettings):
    """Encoder and output layer."""

    bidirectional: bool = setting(
        True, description="Use a bidirectional encoder. Streaming requires --no-bidirectional."
    )
    frame_stacking: int = open_setting(ge=1, le=16, description="Number of 10 ms frames per time step.")
    input_dropout: float = open_setting(
        ge=0, lt=1, description="Dropout probability of the features, with one mask for all time steps.", advanced=True
    )
    beam_size: int = setting(8, ge=1, le=256, description="Beam size of the search; 1 is greedy.")


class TranscribeTraining(TrainingSettings):
    """The training run."""

    speed_perturbation: float = setting(
        0.1, ge=0, lt=0.5, description="Maximum relative speed perturbation in training, as 0.1 for 10 %."
    )
    specaugment_masks: int = setting(
        2, ge=0, le=16, description="Number of SpecAugment time masks and of frequency masks."
    )


TranscribeSettings = Settings[TranscribeData, TranscribeModel, TranscribeTraining]
