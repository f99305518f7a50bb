"""tag: a tag for each token (N to N), such as names, chunks, parts of speech, or slots with the intent of the sentence.

words and their n-grams -> embedding -> recurrent layers -> linear -> conditional random field, or the best tag of each token

The fields are fields/words.py, tags.py, token_features.py and sentence_label.py; the first three share token_lists.py. The
files of this folder:

    dataset   dataset.py (files and batches), token_sequence.py (examples for prediction), settings.py, defaults.py
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
from ...data.words.tag_schemes import allowed_transitions
from ...fields.token_lists import PAD, UNKNOWN
from ...models import adversarial
from ...models.encoder import TokenEmbedding
from ..base import Backward, Batch, DatasetInfo, OnProgress, Sampler, Selection, Session, Streaming, Task, device_of
from ..objective import Objective
from ..shared.collate import EVALUATION_STEPS, padded
from ..shared.length_sampler import LengthSampler
from ..shared.session import why_not_streamable
from .dataset import TagDataset
from .defaults import check_delay, tag_defaults
from .metrics import evaluate_examples
from .model import FeatureEmbedding, Tagger, TaggerEnsemble, TaggerNetwork, Transitions, member_scores
from .objective import TagObjective
from .output import TagOutput
from .scores import best_tags, max_batch_size, sequence_losses
from .session import TagSession
from .settings import TagSettings

FEATURE_SIZE = 32  # size of the embedding of a token feature


@final
class Tag(Task[TagSettings]):
    """The task of tagging; see the docstring of the module."""

    name: ClassVar[str] = "tag"
    structure: ClassVar[str] = "N to N"
    summary: ClassVar[str] = "a tag for each word or character: names, chunks, parts of speech, slots and intents"
    settings_class = TagSettings
    inference_settings: ClassVar[tuple[str, ...]] = ("data.words", "data.on_error", "data.encoding")
    dataset: TagDataset

    @classmethod
    def dataset_for(cls, settings: TagSettings) -> TagDataset:
        """The dataset."""
        return TagDataset(settings)

    @classmethod
    def resolve(cls, settings: TagSettings, dataset: TagDataset, info: DatasetInfo) -> TagSettings:
        """The settings with defaults for those that are open."""
        resolved = settings.fill(data=dataset.resolved, **tag_defaults(info, dataset.tags.scheme))
        check_delay(resolved, dataset.stores["train"].lengths(dataset.words.name))
        return resolved

    # network -------------------------------------------------------------------------------------------------------
    def network(self) -> nn.Module:
        """A new tagger or ensemble."""
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
            transitions=Transitions(allowed_transitions(dataset.tags.tags, dataset.tags.scheme)) if model.crf else None,
            sentence_labels=0 if dataset.sentence_label is None else len(dataset.sentence_label.classes),
            hidden_size=model.hidden_size,
            num_layers=model.num_layers,
            bidirectional=model.bidirectional,
            pooling=model.pooling,
            dropout=model.dropout,
            input_dropout=model.input_dropout,
            backend=model.backend,
            delay=self.settings.data.delay,
        )

    def load_pretrained(self, network: nn.Module, on_progress: OnProgress) -> list[str]:
        """Fill a new network from a file of embeddings or a language model, if the settings name one."""
        dataset = self.dataset
        if dataset.pretrained is None:
            return []
        return dataset.pretrained.initialize(network, dataset.words, dataset.stores["train"], on_progress)

    # training ------------------------------------------------------------------------------------------------------
    @property
    def selection(self) -> Selection:
        """F1 of spans; accuracy if the scheme is plain."""
        return Selection("accuracy" if self.dataset.tags.scheme == "plain" else "f1", higher_is_better=True)

    def sampler(self) -> Sampler:
        """Batches of sequences of similar length."""
        training, dataset = self.settings.training, self.dataset
        return LengthSampler(
            dataset.stores["train"].lengths(dataset.words.name), training.batch_size, seed=training.seed
        )

    def batch(self, key: np.ndarray) -> Batch:
        """The batch of some rows of the training data."""
        return self.dataset.collate(self.dataset.stores["train"], key)

    def loss(self, network: nn.Module, batch: Batch, state: Any, progress: float) -> tuple[Tensor, Any]:
        """The mean negative log-likelihood per token of tags and sentence labels, averaged over the members."""
        tags, lengths, labels = batch.targets["tags"], batch.inputs["lengths"], batch.targets.get("sentence_label")
        losses = [
            sequence_losses(scores, tags, lengths, labels).sum() / batch.valid
            for scores in member_scores(network, *self.dataset.network_inputs(batch))
        ]
        return torch.stack(losses).mean(), None

    def training_step(
        self, network: nn.Module, batch: Batch, state: Any, progress: float, backward: Backward
    ) -> tuple[Tensor, Any]:
        """Compute the gradient of a step, with adversarial training if adversarial_epsilon is positive."""

        def loss() -> Tensor:
            return self.loss(network, batch, None, progress)[0]

        return adversarial.training_step(network, loss, self.settings.model.adversarial_epsilon, backward), None

    def objectives(self, network: nn.Module, batch: Batch) -> list[Objective]:
        """The loss of each member in windows, for gradient rules."""
        x, _, features = self.dataset.network_inputs(batch)
        members = cast("list[Tagger]", list(network.members) if isinstance(network, TaggerEnsemble) else [network])
        return [TagObjective(member, batch, x, features, 1 / len(members)) for member in members]

    # use -----------------------------------------------------------------------------------------------------------
    def evaluate(self, network: nn.Module, data: str | Path | None, on_progress: OnProgress) -> dict[str, Any]:
        """The metrics on the validation data (`data` None) or on another file."""
        if data is None:  # training requires a loss
            metrics = evaluate_examples(network, self.dataset, self.dataset.validation_examples(), on_progress)
            return metrics if "loss" in metrics else metrics | {"loss": 0.0}
        with self.dataset.encoded(data) as examples:
            return evaluate_examples(network, self.dataset, examples, on_progress)

    @property
    def output(self) -> TagOutput:
        """The conversion of predictions to JSON."""
        return TagOutput(self.dataset.words, self.dataset.tags, self.dataset.sentence_label)

    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        """The JSON object of each example."""
        sequences = [self.dataset.parse_example(example, number) for number, example in enumerate(examples, 1)]
        paths: list[list[int]] = [[] for _ in sequences]
        label_probabilities: list[Tensor | None] = [None] * len(sequences)
        nonempty = np.flatnonzero([len(sequence.tokens) for sequence in sequences])
        arrays = self.dataset.encode_sequences([sequences[at] for at in nonempty])
        lengths = np.array([len(sequences[at].tokens) for at in nonempty], np.int64)
        device, batch_size = device_of(network), max_batch_size(len(self.dataset.tags.tags))
        for part in LengthBatches(lengths, batch_size, seed=0, max_tokens=EVALUATION_STEPS).in_order():
            x, *features = (padded([column[at] for at in part]).to(device) for column in arrays)
            valid = torch.from_numpy(lengths[part]).to(device)
            (scores,) = member_scores(network, x, valid, features)
            for at, path in zip(nonempty[part], best_tags(scores, valid).tolist(), strict=True):
                paths[at] = path[: len(sequences[at].tokens)]
            if scores.sentence_label is not None:
                probabilities = scores.sentence_label.float().softmax(1).cpu()
                for at, of_sequence in zip(nonempty[part], probabilities, strict=True):
                    label_probabilities[at] = of_sequence
        return [
            self.output.decode(*prediction) for prediction in zip(sequences, paths, label_probabilities, strict=True)
        ]

    def streaming(self) -> Streaming:
        """Streams require a unidirectional network without a conditional random field."""
        model, dataset = self.settings.model, self.dataset
        if model.crf:
            settings = "bidirectional=false --set crf=false" if model.bidirectional else "crf=false"
            reason = "a conditional random field predicts all tags jointly at the end of the sentence"
            return Streaming(reason=f"{reason}; --set {settings} enables streaming")
        if reason := why_not_streamable(model.bidirectional, dataset.words):
            return Streaming(reason=reason)

        def open_session(network: nn.Module) -> Session:
            tagger = cast(TaggerNetwork, network)
            return TagSession(tagger, dataset.words, dataset.features, dataset.parse_example, self.output.decode,
                              delay=self.settings.data.delay)  # fmt: skip

        return Streaming(open_session)
