"""The task translate: it generates a sequence for each sequence (N to M), for example a translation, a date, or a summary.

    source -> encoder -> attention <-> decoder -> target

Pairs come from two parallel files or from columns of a table. Several source columns are read as one sequence, with an end
token between them. The decoder is trained with teacher forcing or scheduled sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor

from ...data.store.store import Store
from ...errors import CallError, DataError, SettingError
from ...fields.paired_text import RawText
from ...metrics.text import text_metrics
from ...models.scheduled_sampling import teacher_forcing_loss
from ...models.seq2seq import SequenceToSequence, shift_targets
from ..base import Batch, DatasetInfo, OnProgress, Selection, Streaming, Task
from ..shared.answers import AnswerSearch, loss_of_batches, selection_by
from ..shared.generation import batches_of, evenly_spaced_indices, part_to_evaluate, scoring_batches, searched_message
from ..shared.length_sampler import LengthSampler
from ..shared.paired_rows import too_long_message
from .dataset import PairDataset
from .defaults import defaults
from .model import build_network, check_positions
from .output import Output
from .settings import TranslateSettings


@final
class Translate(Task[TranslateSettings]):
    """The task `translate`. See the docstring of the module."""

    name: ClassVar[str] = "translate"
    structure: ClassVar[str] = "N to M"
    summary: ClassVar[str] = (
        "generates a text for each text: translation, dates, letters to phonemes, summaries, answers"
    )
    settings_class = TranslateSettings
    inference_settings: ClassVar[tuple[str, ...]] = (
        *("model.beam_size", "model.length_penalty", "model.replace_unk", "model.return_attention"),
        *("data.source", "data.target", "data.on_error", "data.encoding"),
    )
    searched: ClassVar[int] = 1000  # validation pairs that are evaluated during training
    dataset: PairDataset

    @classmethod
    def dataset_for(cls, settings: TranslateSettings) -> PairDataset:
        """The dataset for these settings."""
        return PairDataset(settings.data)

    @classmethod
    def resolve(cls, settings: TranslateSettings, dataset: PairDataset, info: DatasetInfo) -> TranslateSettings:
        """Choose the open settings from the data, and report pairs that are too long."""
        resolved = settings.fill(**defaults(settings, dataset, info))
        check_positions(resolved.model, dataset.lengths.max_source_length)
        lengths = np.maximum(info.stats["lengths"], info.stats["targets"])
        info.messages += too_long_message(resolved.data.max_length, lengths, "tokens")
        info.messages += searched_message(len(dataset.stores["valid"]), cls.searched, "pairs", "metrics")
        return resolved

    def network(self) -> SequenceToSequence:
        """A new network."""
        return build_network(
            self.settings.model,
            self.cell,
            source_size=len(self.dataset.source.vocabulary),
            target_size=len(self.dataset.target.vocabulary),
            shared=self.settings.data.shared_vocabulary,
            positions=self._positions,
        )

    # training ------------------------------------------------------------------------------------------------------
    @property
    def selection(self) -> Selection:
        """The metric that selects the best checkpoint: the setting `selection_metric`."""
        return selection_by(self.settings.training.selection_metric)

    def sampler(self) -> LengthSampler:
        """Batches of pairs of similar length, without those that are longer than `max_length`."""
        training, train = self.settings.training, self.dataset.stores["train"]
        sources, targets = train.lengths("source"), train.lengths("target")
        rows = np.flatnonzero(np.maximum(sources, targets) <= self.settings.data.max_length)
        return LengthSampler(sources + targets + 1, training.batch_size, seed=training.seed, rows=rows)

    def batch(self, key: np.ndarray) -> Batch:
        """The batch of a key of the sampler."""
        return pair_batch(self.dataset.stores["train"], key)

    def loss(self, network: SequenceToSequence, batch: Batch, state: Any, progress: float) -> tuple[Tensor, Any]:
        """The mean cross-entropy per token, with teacher forcing or scheduled sampling."""
        return teacher_forcing_loss(
            network, batch.inputs, batch.targets["next"], self.settings.training, progress
        ), None

    # evaluation ----------------------------------------------------------------------------------------------------
    def evaluate(self, network: SequenceToSequence, data: str | Path | None, on_progress: OnProgress) -> dict[str, Any]:
        """The loss, BLEU, chrF, exact match and error rates of a file, or of the validation split if `data` is None."""
        beam_size = self.settings.model.beam_size
        with part_to_evaluate(self.dataset, data, beam_size=beam_size, searched=self.searched) as (
            store,
            beam_size,
            searched,
        ):
            lengths = store.lengths("source")
            if problem := self._length_problem(int(lengths.max())):
                raise DataError(problem, file=data, row=int(lengths.argmax()) + 1)
            return self._evaluate(network, store, evenly_spaced_indices(len(store), searched), beam_size, on_progress)

    def _evaluate(
        self, network: SequenceToSequence, store: Store, rows: np.ndarray, beam_size: int, on_progress: OnProgress
    ) -> dict[str, Any]:
        """The metrics of some rows of a store: the loss per token, and the metrics of the answers."""
        target = self.dataset.target
        lengths = (store.lengths("source") + store.lengths("target") + 1)[rows]
        parts = (rows[part] for part in scoring_batches(lengths, len(target.vocabulary)))
        loss = loss_of_batches(network, batches_of(network, partial(pair_batch, store), parts))
        padded_sources, ends = store.ragged("source", rows)
        sources = [row[:end] for row, end in zip(padded_sources, ends, strict=True)]
        values, references = (RawText.read(store, name, rows) for name in ("source_text", "target_text"))
        hypotheses = self._search(network)(
            sources, beam_size=beam_size, on_progress=on_progress, return_attention=self.settings.model.replace_unk
        )
        answers = [self._output.text(best[0], value) for best, value in zip(hypotheses, values, strict=True)]
        return {"loss": loss, **text_metrics(answers, references, by_character=target.tokenization == "characters")}

    def _length_problem(self, length: int) -> str | None:
        """The problem with a source of `length` tokens, or None."""
        if self.settings.model.attention != "concat" or length <= self._positions:
            return None
        given = self.settings.model.attention_positions is not None
        origin = "the value of attention_positions" if given else "the length of the longest source in training"
        return (
            f"the source has {length} tokens, and the attention (concat) has {self._positions} positions, {origin}; "
            "shorten the source, or train with attention=additive or attention=dot"
        )

    @property
    def _positions(self) -> int:
        """The maximum source length of the attention `concat`."""
        return self.settings.model.attention_positions or self.dataset.lengths.max_source_length

    # use -----------------------------------------------------------------------------------------------------------
    @cached_property
    def _output(self) -> Output:
        return Output(self.dataset.source, self.dataset.target, replace_unk=self.settings.model.replace_unk)

    def _search(self, network: SequenceToSequence) -> AnswerSearch:
        model = self.settings.model
        if model.replace_unk and (model.attention == "none" or self.dataset.target.tokenization != "words"):
            raise SettingError(
                "replace_unk requires attention and word tokenization of the target; characters and subwords have no "
                "unknown words"
            )
        return AnswerSearch(
            network,
            max_length=self.dataset.lengths.max_answer_length,
            length_penalty=model.length_penalty,
            forbidden_tokens=self._output.forbidden_tokens,
        )

    def predict(self, network: SequenceToSequence, examples: Sequence[Any]) -> list[dict[str, Any]]:
        """The answers to sources: text, score, and attention weights if the setting `return_attention` is on."""
        model, output = self.settings.model, self._output
        values = self.dataset.source_values(examples)
        sources = self.dataset.source.encode(values) if values else []
        for number, source in enumerate(sources, 1):
            if problem := self._length_problem(len(source)):
                raise CallError(f"example {number}: {problem}")
        results: list[dict[str, Any]] = [{"text": "", "score": 0.0} for _ in values]  # for empty sources
        rows = [row for row, source in enumerate(sources) if len(source)]
        hypotheses = self._search(network)(
            [sources[row] for row in rows],
            beam_size=model.beam_size,
            return_attention=model.return_attention or model.replace_unk,
        )
        for row, (best, *_) in zip(rows, hypotheses, strict=True):
            results[row] = {"text": output.text(best, values[row]), "score": round(best.score, 6)}
            if model.return_attention:
                results[row]["attention"] = output.attention(best, values[row])
        return results

    def streaming(self) -> Streaming:
        """The reason why the task cannot stream."""
        return Streaming(reason="the decoder starts after the complete source has been read")


def pair_batch(store: Store, rows: np.ndarray) -> Batch:
    """A batch of pairs: sources (B, T), decoder inputs (B, S) that begin with an end token, and targets that end with one."""
    x, lengths = store.ragged("source", rows)
    y, ends = store.ragged("target", rows)
    before, after = shift_targets(y, ends)
    inputs = {"x": x, "lengths": lengths, "tokens": before, "steps": ends + 1}
    return Batch(
        {name: torch.from_numpy(array) for name, array in inputs.items()},
        {"next": torch.from_numpy(after)},
        int(lengths.sum() + ends.sum()) + len(rows),
        int(len(rows) * int((lengths + ends + 1).max(initial=1))),
    )
