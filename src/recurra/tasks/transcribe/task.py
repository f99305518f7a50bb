"""The task transcribe (N to M, monotone): speech recognition with connectionist temporal classification (CTC).

stacked log-mel frames -> recurrent layers -> linear -> a unit of text or a blank per step -> greedy or beam search
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor

from ...data.store.batching import LengthBatches
from ...decoding.ctc import CtcHypothesis
from ..base import Batch, DatasetInfo, OnProgress, Sampler, Selection, Session, Streaming, Task, device_of
from ..shared.collate import EVALUATION_STEPS, padded
from ..shared.generation import part_to_evaluate
from ..shared.length_sampler import LengthSampler
from .collate import collate
from .ctc_loss import search_texts, text_losses
from .dataset import TranscribeDataset
from .defaults import frame_stacking_messages, transcribe_defaults
from .evaluation import evaluate, unknown_units
from .model import Transcriber
from .session import TranscribeSession
from .settings import TranscribeSettings

MAX_SEARCHED = 1000  # validation recordings whose texts are decoded during training


@final
class Transcribe(Task[TranscribeSettings]):
    """Transcribes recordings. `evaluation.py` defines the metrics."""

    name: ClassVar[str] = "transcribe"
    structure: ClassVar[str] = "N to M, monotone"
    summary: ClassVar[str] = "the text of each recording: speech to text"
    settings_class = TranscribeSettings
    inference_settings: ClassVar[tuple[str, ...]] = (
        *("model.beam_size", "data.text", "data.audio"),
        *("data.on_error", "data.encoding", "data.root"),
    )
    dataset: TranscribeDataset

    @classmethod
    def dataset_for(cls, settings: TranscribeSettings) -> TranscribeDataset:
        """Return a new dataset for the settings."""
        return TranscribeDataset(settings)

    @classmethod
    def resolve(cls, settings: TranscribeSettings, dataset: TranscribeDataset, info: DatasetInfo) -> TranscribeSettings:
        """Return the settings with values for the open settings, chosen from the data."""
        model, training = transcribe_defaults(info)
        audio = dataset.audio
        data = {"tokenization": dataset.text.tokenization, "sample_rate": audio.sample_rate, "n_mels": audio.n_mels}
        resolved = settings.fill(data=data, model=model, training=training)
        info.messages += frame_stacking_messages(info, resolved.model.frame_stacking)
        return resolved

    def network(self) -> Transcriber:
        """Return a new network."""
        model, training = self.settings.model, self.settings.training
        return Transcriber(
            self.dataset.audio.n_mels,
            self.cell,
            len(self.dataset.text.vocabulary),  # the padding id 0 is the blank
            frame_stacking=model.frame_stacking,
            hidden_size=model.hidden_size,
            num_layers=model.num_layers,
            bidirectional=model.bidirectional,
            dropout=model.dropout,
            input_dropout=model.input_dropout,
            speed_perturbation=training.speed_perturbation,
            specaugment_masks=training.specaugment_masks,
            backend=model.backend,
        )

    # training ------------------------------------------------------------------------------------------------------
    @property
    def selection(self) -> Selection:
        """The metric that selects the best checkpoint: wer, or cer if texts have no spaces."""
        return Selection("wer" if self.dataset.has_words else "cer")

    def sampler(self) -> Sampler:
        """Return the sampler of training batches, which groups sequences of similar length."""
        training = self.settings.training
        lengths = self.dataset.stores["train"].lengths("audio")
        return LengthSampler(lengths, training.batch_size, seed=training.seed)

    def batch(self, key: np.ndarray) -> Batch:
        """Return the training batch of a key of the sampler."""
        return collate(self.dataset.stores["train"], key)

    def loss(self, network: Transcriber, batch: Batch, state: Any, progress: float) -> tuple[Tensor, Any]:
        """Return the CTC loss in nats per unit. There is no state."""
        log_probs, steps = network(batch.inputs["x"], batch.inputs["lengths"])
        return text_losses(log_probs, steps, batch).sum() / batch.targets["ends"].sum().clamp(min=1), None

    # inference -----------------------------------------------------------------------------------------------------------
    def evaluate(self, network: Transcriber, data: str | Path | None, on_progress: OnProgress) -> dict[str, Any]:
        """Return the metrics; of another file also `unknown_units` if it has units that the training data does not have."""
        vocabulary, beam_size = self.dataset.text.vocabulary, self.settings.model.beam_size
        with part_to_evaluate(self.dataset, data, beam_size=beam_size, searched=MAX_SEARCHED) as (
            store,
            beam_size,
            searched,
        ):
            metrics = evaluate(network, vocabulary, store, on_progress, beam_size=beam_size, searched=searched)
            unknown = 0 if data is None else unknown_units(store)
        return metrics | ({"unknown_units": unknown} if unknown else {})

    def predict(self, network: Transcriber, examples: Sequence[Any]) -> list[dict[str, Any]]:
        """Return text and score of each example."""
        arrays = self.dataset.encode_examples(examples)
        lengths = np.array([len(array) for array in arrays], np.int64)
        results: list[dict[str, Any]] = [{} for _ in arrays]
        for rows in LengthBatches(lengths, 256, seed=0, max_tokens=EVALUATION_STEPS).in_order():
            x = padded([arrays[row] for row in rows]).to(device_of(network))
            log_probs, steps = network(x, torch.from_numpy(lengths[rows]).to(x.device))
            hypotheses = search_texts(log_probs, steps, self.settings.model.beam_size)
            for row, hypothesis in zip(rows, hypotheses, strict=True):
                results[row] = self._decode(hypothesis)
        return results

    def _decode(self, hypothesis: CtcHypothesis) -> dict[str, Any]:
        """JSON of a hypothesis: its text, and its score, the part of the log-probability that the search has summed."""
        return {"text": self.dataset.text.vocabulary.decode(hypothesis.units), "score": round(hypothesis.score, 6)}

    def streaming(self) -> Streaming:
        """Return how a unidirectional run streams, or the reason why a bidirectional run does not."""
        if self.settings.model.bidirectional:
            return Streaming(
                reason="the backward direction needs the whole recording; train with --no-bidirectional to stream"
            )

        def session(network: Any) -> Session:
            return TranscribeSession(network, self.dataset.audio, self.settings.model.beam_size, self._decode)

        return Streaming(session)
