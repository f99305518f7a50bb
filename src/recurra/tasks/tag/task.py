"""tag: a tag for each token (N to N). Names, chunks, parts of speech, slots with the intent of the sentence, ...

words and their n-grams -> embedding -> recurrent layers -> linear -> conditional random field, or the best tag of each token

The fields are fields/words.py, tags.py, token_features.py and intent.py, with token_lists.py, which the first three share.
In this folder:

    dataset   dataset.py (files and batches), row.py (examples to predict from), settings.py, defaults.py
    network   model.py, scores.py (loss and best tags)
    use       metrics.py, output.py (JSON), session.py (streams)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, cast, final

import numpy as np
import torch
from torch import Tensor, nn

from ...data.store.batching import LengthBatches
from ...data.words.tag_schemes import follows
from ...fields.token_lists import PAD, UNKNOWN
from ...models import adversarial
from ...models.encoder import TokenEmbedding
from ..base import Backward, Batch, DatasetInfo, OnProgress, Sampler, Selection, Session, Streaming, Task, device_of
from ..shared.collate import EVALUATION_STEPS, padded
from ..shared.length_sampler import LengthSampler
from ..shared.session import why_not_streamable
from .dataset import TagDataset
from .defaults import tag_defaults
from .metrics import evaluate_rows
from .model import FeatureEmbedding, Tagger, TaggerEnsemble, TaggerNetwork, Transitions, member_scores
from .output import TagOutput
from .scores import best_tags, row_losses, rows_at_once
from .session import TagSession
from .settings import TagSettings

FEATURE_SIZE = 32  # of the vector of a token feature


@final
class Tag(Task[TagSettings]):
    """See the module's docstring."""

    name: ClassVar[str] = "tag"
    structure: ClassVar[str] = "N to N"
    summary: ClassVar[str] = "a tag for each word or character: names, chunks, parts of speech, slots and intents"
    settings_class = TagSettings
    inference_settings: ClassVar[tuple[str, ...]] = ("data.words", "data.on_error", "data.encoding")
    dataset: TagDataset

    @classmethod
    def dataset_for(cls, settings: TagSettings) -> TagDataset:
        return TagDataset(settings)

    @classmethod
    def resolve(cls, settings: TagSettings, dataset: TagDataset, info: DatasetInfo) -> TagSettings:
        return settings.fill(data=dataset.resolved, **tag_defaults(info, dataset.tags.scheme))

    # network -------------------------------------------------------------------------------------------------------
    def network(self) -> nn.Module:
        members = [self._member() for _ in range(self.settings.model.ensemble_size)]
        return members[0] if len(members) == 1 else TaggerEnsemble(members)

    def _member(self) -> Tagger:
        model, dataset = self.settings.model, self.dataset
        words = TokenEmbedding(
            len(dataset.words),
            model.embedding_size,
            model.token_dropout,
            pad=PAD,
            unknown=UNKNOWN,
            buckets=len(dataset.words.ngrams) if dataset.words.character_ngrams else None,
            frozen=model.freeze_embeddings,
        )
        return Tagger(
            FeatureEmbedding(words, [len(field) for field in dataset.features], FEATURE_SIZE),
            model.embedding_size + FEATURE_SIZE * len(dataset.features),
            self.cell,
            tags=len(dataset.tags.tags),
            transitions=Transitions(follows(dataset.tags.tags, dataset.tags.scheme)) if model.crf else None,
            intents=0 if dataset.intent is None else len(dataset.intent.classes),
            hidden_size=model.hidden_size,
            num_layers=model.num_layers,
            bidirectional=model.bidirectional,
            pooling=model.pooling,
            dropout=model.dropout,
            input_dropout=model.input_dropout,
            backend=model.backend,
        )

    def load_pretrained(self, network: nn.Module, on_progress: OnProgress) -> list[str]:
        """Fill a new network where the settings name vectors or a language model."""
        dataset = self.dataset
        if dataset.pretrained is None:
            return []
        return dataset.pretrained.fill(network, dataset.words, dataset.stores["train"], on_progress)

    # training ------------------------------------------------------------------------------------------------------
    @property
    def selection(self) -> Selection:
        """By the F1 of spans; by accuracy where the scheme has none."""
        return Selection("accuracy" if self.dataset.tags.scheme == "plain" else "f1", higher_is_better=True)

    def sampler(self) -> Sampler:
        training, dataset = self.settings.training, self.dataset
        return LengthSampler(
            dataset.stores["train"].lengths(dataset.words.name), training.batch_size, seed=training.seed
        )

    def batch(self, key: np.ndarray) -> Batch:
        return self.dataset.collate(self.dataset.stores["train"], key)

    def loss(self, network: nn.Module, batch: Batch, state: Any, progress: float) -> tuple[Tensor, Any]:
        """The loss of the tags, and of the intent if there is one, per token: the mean over the members."""
        losses = [
            row_losses(scores, batch.targets["tags"], batch.inputs["lengths"], batch.targets.get("intent")).sum()
            / batch.valid
            for scores in member_scores(network, *self.dataset.network_inputs(batch))
        ]
        return torch.stack(losses).mean(), None

    def training_step(
        self, network: nn.Module, batch: Batch, state: Any, progress: float, backward: Backward
    ) -> tuple[Tensor, Any]:
        """The gradient of a step, by adversarial training where the settings ask for it."""

        def loss() -> Tensor:
            return self.loss(network, batch, None, progress)[0]

        return adversarial.training_step(network, loss, self.settings.model.adversarial_epsilon, backward), None

    # use -----------------------------------------------------------------------------------------------------------
    def evaluate(self, network: nn.Module, data: str | Path | None, on_progress: OnProgress) -> dict[str, Any]:
        if data is None:  # while training there must be a loss
            metrics = evaluate_rows(network, self.dataset, self.dataset.validation_rows(), on_progress)
            return metrics if "loss" in metrics else metrics | {"loss": 0.0}
        with self.dataset.encoded(data) as rows:
            return evaluate_rows(network, self.dataset, rows, on_progress)

    @property
    def output(self) -> TagOutput:
        """Makes JSON of predictions."""
        return TagOutput(self.dataset.words, self.dataset.tags, self.dataset.intent)

    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        rows = [self.dataset.token_row(example, number) for number, example in enumerate(examples, 1)]
        paths: list[list[int]] = [[] for _ in rows]
        intents: list[Tensor | None] = [None] * len(rows)
        full = np.flatnonzero([len(row.tokens) for row in rows])
        arrays = self.dataset.encode_rows([rows[at] for at in full])
        lengths = np.array([len(rows[at].tokens) for at in full], np.int64)
        device, at_once = device_of(network), rows_at_once(len(self.dataset.tags.tags))
        for part in LengthBatches(lengths, at_once, seed=0, max_tokens=EVALUATION_STEPS).in_order():
            x, *features = (padded([column[at] for at in part]).to(device) for column in arrays)
            valid = torch.from_numpy(lengths[part]).to(device)
            (scores,) = member_scores(network, x, valid, features)
            for at, path in zip(full[part], best_tags(scores, valid).tolist(), strict=True):
                paths[at] = path[: len(rows[at].tokens)]
            if scores.intent is not None:
                for at, probabilities in zip(full[part], scores.intent.float().softmax(1).cpu(), strict=True):
                    intents[at] = probabilities
        return [self.output.decode(*prediction) for prediction in zip(rows, paths, intents, strict=True)]

    def streaming(self) -> Streaming:
        model, dataset = self.settings.model, self.dataset
        if model.crf:
            settings = "bidirectional=false --set crf=false" if model.bidirectional else "crf=false"
            reason = "a conditional random field chooses all tags together, at the end"
            return Streaming(reason=f"{reason}; --set {settings} streams")
        if reason := why_not_streamable(model.bidirectional, dataset.words):
            return Streaming(reason=reason)

        def open_session(network: nn.Module) -> Session:
            tagger = cast(TaggerNetwork, network)
            return TagSession(tagger, dataset.words, dataset.features, dataset.token_row, self.output.decode)

        return Streaming(open_session)
