"""The settings of transcribe."""

from __future__ import annotations

from typing import Literal

from ...fields.audio import AudioData
from ...settings import ModelSettings, Settings, TrainingSettings, open_setting, setting


class TranscribeData(AudioData):
    """A table of audio files and their texts."""

    sample_rate: int | None = setting(None, ge=1, description="samples a second; of most files, at most 16,000")
    text: str | None = setting(None, description="column of the text; found by itself")
    tokenization: Literal["characters", "words"] = open_setting(description="what a unit of text is")


class TranscribeModel(ModelSettings):
    """Encoder and output layer."""

    bidirectional: bool = setting(True, description="read in both directions; false lets the run stream")
    frame_stacking: int = open_setting(ge=1, le=16, description="frames of 10 ms that make up a step")
    input_dropout: float = open_setting(
        ge=0, lt=1, description="dropout of the features, one mask for all steps", advanced=True
    )
    beam_size: int = setting(8, ge=1, le=256, description="texts followed side by side; 1 is greedy")


class TranscribeTraining(TrainingSettings):
    """The training run."""

    speed_perturbation: float = setting(0.1, ge=0, lt=0.5, description="rows train up to this share quicker or slower")
    specaugment_masks: int = setting(2, ge=0, le=16, description="stretches of time and of bands hidden in training")


TranscribeSettings = Settings[TranscribeData, TranscribeModel, TranscribeTraining]
