"""The task couplet: it generates an answer of exactly the length of the question (N to N), as in a Chinese couplet.

    question -> bidirectional encoder -> at step t the decoder reads the encoder output at t -> answer

The length is known, so there is no end token. Constraints, such as punctuation at the same positions, apply to the search only;
the loss does not depend on them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor

from ...data.store.store import Store
from ...decoding.beam_search import Hypothesis
from ...fields.paired_text import CodePoints
from ...metrics.text import text_metrics
from ...models.token_loss import mean_loss, token_loss
from ..base import Batch, DatasetInfo, OnProgress, Selection, Streaming, Task, ignore_progress
from ..shared.generation import batches_of, evenly_spaced_indices, part_to_evaluate, scoring_batches, searched_message
from ..shared.length_sampler import LengthSampler
from ..shared.paired_rows import too_long_message
from .constrained_search import ConstrainedSearch, answer_text
from .dataset import CoupletDataset
from .defaults import defaults
from .model import AlignedSeq2Seq, build_network, first_occurrences
from .settings import CoupletSettings


@final
class Couplet(Task[CoupletSettings]):
    """The task `couplet`. See the docstring of the module."""

    name: ClassVar[str] = "couplet"
    structure: ClassVar[str] = "N to N, equal length"
    summary: ClassVar[str] = "generates an answer of the length of the question: the second line of a Chinese couplet"
    settings_class = CoupletSettings
    inference_settings: ClassVar[tuple[str, ...]] = (
        *("model.beam_size", "model.constraints", "model.tones", "model.num_return_sequences"),
        *("data.source", "data.target", "data.on_error", "data.encoding"),
    )
    searched: ClassVar[int] = 200  # validation pairs that are answered during training; the loss uses all pairs
    dataset: CoupletDataset

    @classmethod
    def dataset_for(cls, settings: CoupletSettings) -> CoupletDataset:
        """The dataset for these settings."""
        return CoupletDataset(settings.data)

    @classmethod
    def resolve(cls, settings: CoupletSettings, dataset: CoupletDataset, info: DatasetInfo) -> CoupletSettings:
        """Choose the open settings from the data, and report pairs that are too long."""
        resolved = settings.fill(**defaults(settings, info))
        info.messages += too_long_message(resolved.data.max_length, info.stats["lengths"], "characters")
        available = len(dataset.stores["valid"])
        info.messages += searched_message(available, cls.searched, "pairs", "metrics other than the loss")
        info.messages.append(f"constraints: {resolved.model.constraints}")
        return resolved

    def network(self) -> AlignedSeq2Seq:
        """A new network."""
        return build_network(self.settings.model, self.cell, vocabulary_size=len(self.dataset.vocabulary))

    # training ------------------------------------------------------------------------------------------------------
    @property
    def selection(self) -> Selection:
        """The loss selects the best checkpoint."""
        return Selection()

    def sampler(self) -> LengthSampler:
        """Batches of row numbers. With n rows, n + row denotes the row with question and answer swapped."""
        training, lengths = self.settings.training, self.dataset.stores["train"].lengths("source")
        n, lengths = len(lengths), np.concatenate([lengths, lengths])
        rows = np.flatnonzero(lengths <= self.settings.data.max_length)
        rows = rows if training.reverse_pairs else rows[rows < n]
        return LengthSampler(
            lengths,
            training.batch_size,
            seed=training.seed,
            rows=rows,
            steps_per_item=2,  # one of the encoder and one of the decoder
        )

    def batch(self, key: np.ndarray) -> Batch:
        """The batch of a key of the sampler."""
        return aligned_batch(self.dataset.stores["train"], key)

    def loss(self, network: AlignedSeq2Seq, batch: Batch, state: Any, progress: float) -> tuple[Tensor, Any]:
        """The mean cross-entropy per character, given the previous true characters."""
        smoothing = self.settings.training.label_smoothing
        return token_loss(network(**batch.inputs), batch.targets["next"], smoothing), None

    # evaluation ----------------------------------------------------------------------------------------------------
    def evaluate(self, network: AlignedSeq2Seq, data: str | Path | None, on_progress: OnProgress) -> dict[str, Any]:
        """The loss and the metrics of the answers for a file, or for the validation split if `data` is None."""
        beam_size = self.settings.model.beam_size
        with part_to_evaluate(self.dataset, data, beam_size=beam_size, searched=self.searched) as (
            store,
            beam_size,
            searched,
        ):
            subset = searched < len(store)
            loss = self._loss(network, store, on_progress if subset else ignore_progress)
            rows = evenly_spaced_indices(len(store), searched)
            questions, references = (CodePoints.read(store, name, rows) for name in ("source_text", "target_text"))
            hypotheses = self._search(network)(
                questions, beam_size=beam_size, on_progress=ignore_progress if subset else on_progress
            )
        answers = [self._text(best[0], question) for best, question in zip(hypotheses, questions, strict=True)]
        scores = text_metrics(answers, references, by_character=True)
        equal = [len(question) == len(answer) for question, answer in zip(questions, answers, strict=True)]
        return {
            "loss": loss,
            "perplexity": math.exp(min(loss, 700)),
            "equal_length": sum(equal) / len(equal),
            "bleu": scores["bleu"],
            "exact_match": scores["exact_match"],
        }

    def _loss(self, network: AlignedSeq2Seq, store: Store, on_progress: OnProgress) -> float:
        """The mean loss of all rows, in nats per character."""
        parts = scoring_batches(store.lengths("source"), len(self.dataset.vocabulary))
        batches = batches_of(network, partial(aligned_batch, store), parts, on_progress)
        return mean_loss((network(**batch.inputs), batch.targets["next"]) for batch in batches)

    # use -----------------------------------------------------------------------------------------------------------
    def _search(self, network: AlignedSeq2Seq) -> ConstrainedSearch:
        model = self.settings.model
        return ConstrainedSearch(network, self.dataset.vocabulary, model.constraints, model.tones)

    def _text(self, hypothesis: Hypothesis, question: str) -> str:
        return answer_text(hypothesis, question, self.dataset.vocabulary)

    def predict(self, network: AlignedSeq2Seq, examples: Sequence[Any]) -> list[dict[str, Any]]:
        """The answers to questions: text, score, and `alternatives` if the setting `num_return_sequences` is positive."""
        model, questions = self.settings.model, self.dataset.questions(examples)
        results: list[dict[str, Any]] = [{"text": "", "score": 0.0} for _ in questions]  # for empty questions
        rows = [row for row, question in enumerate(questions) if question]
        hypotheses = self._search(network)([questions[row] for row in rows], beam_size=model.beam_size)
        for row, best in zip(rows, hypotheses, strict=True):
            answers = [{"text": self._text(one, questions[row]), "score": round(one.score, 6)} for one in best]
            results[row] = dict(answers[0])
            if model.num_return_sequences:
                results[row]["alternatives"] = answers[: model.num_return_sequences]
        return results

    def streaming(self) -> Streaming:
        """The reason why the task cannot stream."""
        return Streaming(reason="the decoder starts after the complete question has been read")


def aligned_batch(store: Store, key: np.ndarray) -> Batch:
    """A batch of questions and answers. With n rows in the store, n + row denotes the row with both swapped."""
    rows, swapped = key % len(store), key >= len(store)
    (x, lengths), (y, _) = (store.ragged(name, rows) for name in ("source", "target"))
    code_points, answer_code_points = (store.ragged(name, rows)[0] for name in ("source_text", "target_text"))
    swap = swapped[:, None]
    x, y = np.where(swap, y, x), np.where(swap, x, y)
    code_points = np.where(swap, answer_code_points, code_points)
    inputs = {
        "x": torch.from_numpy(x).long(),
        "lengths": torch.from_numpy(lengths),
        "first": first_occurrences(torch.from_numpy(code_points)),
        "answer": torch.from_numpy(y).long(),
        "swapped": torch.from_numpy(swapped),
    }
    return Batch(inputs, {"next": inputs["answer"]}, 2 * int(lengths.sum()), 2 * x.size)
