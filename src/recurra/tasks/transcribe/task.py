"""transcribe: the text of each recording (N to M, monotone). Speech to text with CTC.

log-mel frames, stacked -> recurrent layers -> linear -> at each step a unit of text or a blank; greedy or beam search
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field as Setting
from torch import Tensor, nn

from ...data.report import DataReport
from ...data.sources.sources import Source
from ...data.store.batching import LengthBatches
from ...data.store.store import Store
from ...decoding import ctc
from ...fields.audio import Audio, AudioData
from ...fields.base import Field
from ...files import read_json, write_json
from ...metrics.text import error_rates
from ...settings import RARE, DataSettings, ModelSettings, Settings, TrainingSettings
from ..base import Batch, Reading, Say, Session, device_of
from ..shared.generation import Answering, evenly
from ..shared.sequence_task import EVALUATION_STEPS, padded
from .ctc_loss import guesses, nats_of_texts, steps_needed, writable
from .fields import Reference, Transcript
from .model import Transcriber, TranscribeSession

STACKED = 3  # frames of a step at most, 30 ms


class TranscribeData(AudioData):
    """A table of audio files and their texts."""

    rate: int | None = Setting(None, ge=1, description="samples a second; of most files, at most 16,000")
    text: str | None = Setting(None, description="column of the text; found by itself")
    level: Literal["characters", "words"] | None = Setting(None, description="what a unit of text is")


class TranscribeModel(ModelSettings):
    """Encoder and output layer."""

    bidirectional: bool = Setting(True, description="read in both directions; false lets the run stream")
    stack: int | None = Setting(None, ge=1, le=16, description="frames of 10 ms that make up a step")
    input_dropout: float | None = Setting(
        None, ge=0, lt=1, description="dropout of the features, one mask for all steps", json_schema_extra=RARE
    )
    beam: int = Setting(8, ge=1, le=256, description="texts followed side by side; 1 is greedy")


class TranscribeTraining(TrainingSettings):
    """The training run."""

    warp: float = Setting(0.1, ge=0, lt=0.5, description="rows train up to this share quicker or slower")
    masks: int = Setting(2, ge=0, le=16, description="stretches of time and of bands hidden in training")


class Transcribe(Answering):
    """See the module's docstring. Figures: wer, cer (word and character error rate), exact_match; loss in nats a unit."""

    name: ClassVar[str] = "transcribe"
    structure: ClassVar[str] = "N to M, monotone"
    summary: ClassVar[str] = "the text of each recording: speech to text"
    Data: ClassVar[type[DataSettings]] = TranscribeData
    Model: ClassVar[type[ModelSettings]] = TranscribeModel
    Training: ClassVar[type[TrainingSettings]] = TranscribeTraining
    in_use: ClassVar[tuple[str, ...]] = ("model.beam", "data.broken", "data.encoding")

    def __init__(self, settings: Settings, **given: Any) -> None:
        super().__init__(settings, **given)
        data = self.data
        self.audio = Audio("audio", data.audio, data.rate, data.bands)
        self.text = Transcript("text", data.text, data.level)
        self.fields = [self.audio, self.text, Reference("reference", self.text)]
        self.spaced = True  # whether texts have words between blanks

    @property
    def data(self) -> TranscribeData:
        assert isinstance(self.settings.data, TranscribeData)
        return self.settings.data

    @property
    def model(self) -> TranscribeModel:
        assert isinstance(self.settings.model, TranscribeModel)
        return self.settings.model

    @property
    def training(self) -> TranscribeTraining:
        assert isinstance(self.settings.training, TranscribeTraining)
        return self.settings.training

    @property
    def metric(self) -> str:  # type: ignore[override]
        """Words are what counts where there are any."""
        return "wer" if self.spaced else "cer"

    # reading -------------------------------------------------------------------------------------------------------
    def read(
        self, data: str | Path, valid: str | Path | None, cache: Path, say: Say, tick: Callable[[int], None]
    ) -> Reading:
        reading = super().read(data, valid, cache, say, tick)
        train = self.stores["train"]
        reading.facts["needed"] = steps_needed(train.flat("text"), train.lengths("text"))
        hours = reading.steps_of_time / 360_000
        long = f"{hours:.2f} hours" if hours >= 0.1 else f"{60 * hours:.1f} minutes"
        reading.lines.append(f"{long} of audio to train on, {reading.steps_of_time / 100 / reading.rows:.1f} s a row")
        return reading

    def _survey(
        self, source: Source, columns: dict[str, str], tick: Callable[[int], None]
    ) -> tuple[DataReport, np.ndarray]:
        """Decide what the units are, from the first rows; then as every task over rows."""
        texts = [str(row.values.get(columns["text"]) or "") for row in source.look()]
        self.text.look(texts)
        self.spaced = sum(len(text.split()) > 1 for text in texts) > len(texts) / 10 or self.text.level == "words"
        return super()._survey(source, columns, tick)

    def _wrong(self, values: Sequence[Any]) -> tuple[Field, str] | None:
        """As for every row; and the text fits into the steps of its audio."""
        if wrong := super()._wrong(values):
            return wrong
        frames, units = self.audio.frames(values[0]), self.text.cut(values[1])
        assert isinstance(frames, int)  # or the field had said so
        steps = -(-frames // (self.model.stack or 1))
        if (needed := ctc.needed(units)) > steps:
            return self.text, (
                f"has {len(units)} {self.text.level}, which want {needed} steps, but {Path(values[0]).name} has {steps}: "
                f"is it the right file?"
            )
        return None

    def save_vocabulary(self, folder: Path) -> None:
        super().save_vocabulary(folder)
        write_json(folder / "transcribe.json", {"spaced": self.spaced})

    def load_vocabulary(self, folder: Path) -> None:
        super().load_vocabulary(folder)
        self.spaced = bool(read_json(folder / "transcribe.json")["spaced"])

    def choose(self, reading: Reading) -> Settings:
        """Defaults from how much audio there is, and from how fast it speaks."""
        frames, needed = reading.facts["lengths"], reading.facts["needed"]

        def fits(stack: int) -> np.ndarray:
            return np.asarray(-(-frames // stack) >= needed)

        stack = next((n for n in range(STACKED, 1, -1) if (frames / n >= 2 * needed).mean() >= 0.99), 1)
        data = {"level": self.text.level, "rate": self.audio.rate, "bands": self.audio.bands}
        model = {"hidden_size": 128, "num_layers": 2, "dropout": 0.3, "stack": stack, "input_dropout": 0.0}
        training = {
            "batch_size": 16,
            "learning_rate": 2e-3,
            "epochs": float(min(max(200_000 / max(reading.rows, 1), 15.0), 100.0)),
            "averaging": 0.99,
            "patience": 8,
        }
        settings = self.settings.with_open(data=data, model=model, training=training)
        stack = settings.model.stack  # type: ignore[attr-defined]
        if lost := int((~fits(stack)).sum()):
            reading.lines.append(
                f"{lost:,} rows have more text than steps of {10 * stack} ms: nothing is learnt of them"
            )
        reading.lines.append(f"a step of the network is {stack} frames, {10 * stack} ms")
        return settings

    # network -------------------------------------------------------------------------------------------------------
    def network(self) -> nn.Module:
        model = self.model
        assert model.hidden_size and model.num_layers and model.stack  # choose() has filled them
        return Transcriber(
            self.audio.features.bands,
            self.cell,
            len(self.text.vocabulary),  # 0, which pads, is the blank
            stack=model.stack,
            hidden_size=model.hidden_size,
            num_layers=model.num_layers,
            bidirectional=model.bidirectional,
            dropout=model.dropout or 0.0,
            input_dropout=model.input_dropout or 0.0,
            warp=self.training.warp,
            masks=self.training.masks,
            backend=model.backend,
        )

    # training ------------------------------------------------------------------------------------------------------
    def _lengths(self) -> np.ndarray:
        return self.stores["train"].lengths("audio")

    def _gather(self, store: Store, rows: np.ndarray) -> Batch:
        x, lengths = store.ragged("audio", rows)
        text, ends = store.ragged("text", rows)
        return Batch(
            {"x": torch.from_numpy(x), "lengths": torch.from_numpy(lengths)},
            {"text": torch.from_numpy(text).long(), "ends": torch.from_numpy(ends)},
            int(lengths.sum()),
            int(x.shape[0] * x.shape[1]),
        )

    def loss(self, network: nn.Module, batch: Batch, state: Any) -> tuple[Tensor, Any]:
        """Nats of the texts, a unit."""
        heard, steps = network(batch.inputs["x"], batch.inputs["lengths"])
        return nats_of_texts(heard, steps, batch).sum() / batch.targets["ends"].sum().clamp(min=1), None

    # figures -------------------------------------------------------------------------------------------------------
    def evaluate(self, network: nn.Module, data: str | Path | None, tick: Callable[[int], None]) -> dict[str, Any]:
        self.text.unknown = 0
        found = super().evaluate(network, data, tick)
        return found | ({"unknown_units": self.text.unknown} if self.text.unknown else {})

    def _evaluate_store(
        self, network: nn.Module, store: Store, tick: Callable[[int], None], *, beam: int, most: int
    ) -> dict[str, Any]:
        """The loss of all rows; the other figures from the texts of `most` rows, evenly picked."""
        parts = LengthBatches(store.lengths("audio"), 256, max_tokens=EVALUATION_STEPS).in_order()
        picked = set(evenly(len(store), most).tolist())
        written: dict[int, str] = {}
        nats, units = 0.0, 0
        for rows, batch in zip(parts, self._told(network, store, parts, tick), strict=True):
            heard, steps = network(batch.inputs["x"], batch.inputs["lengths"])
            losses = nats_of_texts(heard, steps, batch)
            nats += float(losses.double().sum())
            units += int(batch.targets["ends"][losses > 0].sum())
            for row, guess in zip(rows, guesses(heard, steps, beam, [row in picked for row in rows]), strict=True):
                if guess is not None:
                    written[int(row)] = self.text.vocabulary.decode(guess.units)
        chosen = sorted(written)
        wanted = Reference.read(store, "reference", np.array(chosen))
        return {"loss": nats / max(units, 1), **error_rates([written[row] for row in chosen], wanted)}

    # use -----------------------------------------------------------------------------------------------------------
    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        arrays = self.audio.encode(self._input_values(examples))
        lengths = np.array([len(array) for array in arrays], np.int64)
        results: list[dict[str, Any]] = [{} for _ in arrays]
        for rows in LengthBatches(lengths, 256, seed=0, max_tokens=EVALUATION_STEPS).in_order():
            x = padded([arrays[row] for row in rows]).to(device_of(network))
            heard, steps = network(x, torch.from_numpy(lengths[rows]).to(x.device))
            for row, guess in zip(rows, guesses(heard, steps, self.model.beam, [True] * len(rows)), strict=True):
                assert guess is not None
                results[row] = self.decode(guess)
        return results

    def decode(self, guess: ctc.Guess) -> dict[str, Any]:
        """JSON: the text, and the logarithm of its probability as far as the search saw it."""
        return {"text": self.text.vocabulary.decode(guess.units), "score": round(guess.score, 6)}

    def streams(self) -> tuple[bool, str]:
        if self.model.bidirectional:
            return False, "the backward direction needs the end first; --set bidirectional=false streams"
        return True, ""

    def session(self, network: nn.Module) -> Session:
        if not self.streams()[0]:
            return super().session(network)
        assert isinstance(network, Transcriber)
        return TranscribeSession(network, self.audio, ctc.search(self.model.beam), writable, self.decode)
