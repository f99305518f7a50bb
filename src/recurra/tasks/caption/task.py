"""caption: a text for each image or feature vector (1 to N), learnt from one text or several about each.

    image -> convolutions -> attention <-> decoder -> text          features (F,) or (N, F) -> linear -> ...

The encoder is trained along. The context that attention gives at a step conditions the next one, with the token written;
without attention the image's summary conditions every step, or the first state alone (`--context-at initial_state`).
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

SEARCHED = 1000  # held-back images that answers are searched for while training


@final
class Caption(Task[CaptionSettings]):
    """See the module's docstring."""

    name: ClassVar[str] = "caption"
    structure: ClassVar[str] = "1 to N"
    summary: ClassVar[str] = "a text for each image or feature vector"
    settings_class = CaptionSettings
    inference_settings: ClassVar[tuple[str, ...]] = (
        *("model.beam_size", "model.length_penalty", "model.return_attention"),
        "data.on_error",
    )
    dataset: CaptionDataset

    @classmethod
    def dataset_for(cls, settings: CaptionSettings) -> CaptionDataset:
        return CaptionDataset(settings)

    @classmethod
    def resolve(cls, settings: CaptionSettings, dataset: CaptionDataset, info: DatasetInfo) -> CaptionSettings:
        held_back = len(np.unique(dataset.stores["valid"].column(IMAGE_ID)))
        info.messages += searched_message(held_back, SEARCHED, "images", "figures other than the loss")
        model, training = caption_defaults(settings.model, dataset.input, several=dataset.several, captions=info.rows)
        return settings.fill(data={"tokenization": dataset.text.tokenization}, model=model, training=training)

    def network(self) -> SequenceToSequence:
        return caption_network(self.dataset.input, self.settings.model, self.cell, self.dataset.text.vocabulary)

    # training ------------------------------------------------------------------------------------------------------
    @property
    def selection(self) -> Selection:
        return selection_by(self.settings.training.selection_metric)

    def sampler(self) -> Sampler:
        training = self.settings.training
        steps = self.dataset.stores["train"].lengths("text") + 1  # of the decoder, the end mark included
        return LengthSampler(steps, training.batch_size, seed=training.seed)

    def batch(self, key: np.ndarray) -> Batch:
        return collate(self.dataset.stores["train"], key, self.dataset.input)

    def loss(self, network: SequenceToSequence, batch: Batch, state: Any, progress: float) -> tuple[Tensor, Any]:
        return teacher_forcing_loss(network, batch.inputs, batch.targets["next"], self.settings.training, progress), None

    # use -----------------------------------------------------------------------------------------------------------
    def evaluate(self, network: SequenceToSequence, data: str | Path | None, on_progress: OnProgress) -> dict[str, Any]:
        beam_size, search = self.settings.model.beam_size, self._search(network)
        with part_to_evaluate(self.dataset, data, beam_size=beam_size, searched=SEARCHED) as (store, beam_size, searched):
            return evaluate(network, search, self.dataset, store, on_progress, beam_size=beam_size, searched=searched)

    def _search(self, network: SequenceToSequence) -> AnswerSearch:
        limit = 2 * self.dataset.longest + 5
        return AnswerSearch(
            network,
            max_length=lambda _: limit,
            length_penalty=self.settings.model.length_penalty,
            pass_lengths=self.dataset.input.has_lengths,
        )

    def predict(self, network: SequenceToSequence, examples: Sequence[Any]) -> list[dict[str, Any]]:
        model, vocabulary = self.settings.model, self.dataset.text.vocabulary
        encoded = self.dataset.encode_examples(examples)
        found = self._search(network)(encoded, beam_size=model.beam_size, return_attention=model.return_attention)
        results: list[dict[str, Any]] = []
        for (best, *_), array in zip(found, encoded, strict=True):
            result = {"text": vocabulary.decode(best.tokens), "score": round(best.score, 6)}
            attention = {"attention": self._attention(best, len(array))} if model.return_attention else {}
            results.append(result | attention)
        return results

    def _attention(self, found: Hypothesis, length: int) -> dict[str, Any]:
        """For each token, the end mark too, the attention weight of each place, row after row of the map."""
        rows, columns = self.dataset.input.grid(length)
        text, weights = answer_attention(found, self.dataset.text.vocabulary, rows * columns)
        return {"text": text, "rows": rows, "columns": columns, "weights": weights}

    def streaming(self) -> Streaming:
        return Streaming(reason="an image is one input")
