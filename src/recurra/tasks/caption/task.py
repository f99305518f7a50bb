"""The task caption (1 to N): generates a text for each image or feature vector. Training data has one or more texts of each.

    image -> convolutions -> attention <-> decoder -> text          features (F,) or (N, F) -> linear -> ...

The encoder is trained jointly with the decoder. The attention context of a step and the generated token are inputs of the
next step. Without attention the summary of the image is an input of every step, or of the initial state only
(`--context-at initial_state`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from torch import Tensor

from ...decoding.beam_search import Hypothesis
from ...models.scheduled_sampling import teacher_forcing_loss
from ...models.seq2seq import SequenceToSequence
from ..base import Batch, DatasetInfo, OnProgress, Sampler, Selection, Streaming, Task
from ..shared.answers import AnswerSearch, answer_attention, selection_by
from ..shared.generation import part_to_evaluate, searched_message
from ..shared.length_sampler import LengthSampler
from .collate import collate
from .dataset import IMAGE_ID, CaptionDataset
from .defaults import caption_defaults
from .evaluation import evaluate
from .model import caption_network
from .settings import CaptionSettings

MAX_SEARCHED = 1000  # validation images for which texts are generated during training


@final
class Caption(Task[CaptionSettings]):
    """Generates a text for each image or feature vector."""

    name: ClassVar[str] = "caption"
    structure: ClassVar[str] = "1 to N"
    summary: ClassVar[str] = "a text for each image or feature vector"
    settings_class = CaptionSettings
    inference_settings: ClassVar[tuple[str, ...]] = (
        *("model.beam_size", "model.length_penalty", "model.return_attention"),
        *("data.text", "data.image_features", "data.on_error", "data.root"),
    )
    dataset: CaptionDataset

    @classmethod
    def dataset_for(cls, settings: CaptionSettings) -> CaptionDataset:
        """Return a new dataset for the settings."""
        return CaptionDataset(settings)

    @classmethod
    def resolve(cls, settings: CaptionSettings, dataset: CaptionDataset, info: DatasetInfo) -> CaptionSettings:
        """Return the settings with values for the open settings, chosen from the data."""
        num_images = len(np.unique(dataset.stores["valid"].column(IMAGE_ID)))
        info.messages += searched_message(num_images, MAX_SEARCHED, "images", "metrics other than the loss")
        model, training = caption_defaults(
            settings.model, dataset.input, has_several_steps=dataset.has_several_steps, captions=info.rows
        )
        return settings.fill(data={"tokenization": dataset.text.tokenization}, model=model, training=training)

    def network(self) -> SequenceToSequence:
        """Return a new network."""
        return caption_network(self.dataset.input, self.settings.model, self.cell, self.dataset.text.vocabulary)

    # training ------------------------------------------------------------------------------------------------------
    @property
    def selection(self) -> Selection:
        """The metric that selects the best checkpoint, from the settings."""
        return selection_by(self.settings.training.selection_metric)

    def sampler(self) -> Sampler:
        """Return the sampler of training batches, which groups sequences of similar length."""
        training = self.settings.training
        steps = self.dataset.stores["train"].lengths("text") + 1  # decoder steps, including the end token
        return LengthSampler(steps, training.batch_size, seed=training.seed)

    def batch(self, key: np.ndarray) -> Batch:
        """Return the training batch of a key of the sampler."""
        return collate(self.dataset.stores["train"], key, self.dataset.input)

    def loss(self, network: SequenceToSequence, batch: Batch, state: Any, progress: float) -> tuple[Tensor, Any]:
        """Return the mean loss in nats per token. There is no state."""
        return teacher_forcing_loss(
            network, batch.inputs, batch.targets["next"], self.settings.training, progress
        ), None

    # inference -----------------------------------------------------------------------------------------------------------
    def evaluate(self, network: SequenceToSequence, data: str | Path | None, on_progress: OnProgress) -> dict[str, Any]:
        """Return the metrics of the validation part, or of another file."""
        beam_size, search = self.settings.model.beam_size, self._search(network)
        with part_to_evaluate(self.dataset, data, beam_size=beam_size, searched=MAX_SEARCHED) as (
            store,
            beam_size,
            searched,
        ):
            return evaluate(network, search, self.dataset, store, on_progress, beam_size=beam_size, searched=searched)

    def _search(self, network: SequenceToSequence) -> AnswerSearch:
        max_length = 2 * self.dataset.max_length + 5
        return AnswerSearch(
            network,
            max_length=lambda _: max_length,
            length_penalty=self.settings.model.length_penalty,
            pass_lengths=self.dataset.input.has_lengths,
        )

    def predict(self, network: SequenceToSequence, examples: Sequence[Any]) -> list[dict[str, Any]]:
        """Return text, score and optional attention weights of each example."""
        model, vocabulary = self.settings.model, self.dataset.text.vocabulary
        encoded = self.dataset.encode_examples(examples)
        hypotheses = self._search(network)(encoded, beam_size=model.beam_size, return_attention=model.return_attention)
        results: list[dict[str, Any]] = []
        for (best, *_), array in zip(hypotheses, encoded, strict=True):
            result = {"text": vocabulary.decode(best.tokens), "score": round(best.score, 6)}
            attention = {"attention": self._attention(best, len(array))} if model.return_attention else {}
            results.append(result | attention)
        return results

    def _attention(self, hypothesis: Hypothesis, length: int) -> dict[str, Any]:
        """JSON of the attention weights of each token, including the end token, over the map, row by row."""
        rows, columns = self.dataset.input.grid(length)
        text, weights = answer_attention(hypothesis, self.dataset.text.vocabulary, rows * columns)
        return {"text": text, "rows": rows, "columns": columns, "weights": weights}

    def streaming(self) -> Streaming:
        """Return the reason why the task does not stream."""
        return Streaming(reason="an image is a single input")
