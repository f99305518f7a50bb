"""The metrics of a tagger: loss, accuracy, F1 of spans, and the accuracy of sentence labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, final

import numpy as np
from torch import nn

from ...data.store.batching import LengthBatches
from ...fields.tags import Tags
from ...metrics.spans import span_metrics, tag_metrics
from ..base import OnProgress, device_of
from ..shared.collate import EVALUATION_STEPS
from .dataset import TagDataset, TaggedExamples
from .model import member_scores
from .scores import best_tags, max_batch_size, sequence_losses


def evaluate_examples(
    network: nn.Module, dataset: TagDataset, examples: TaggedExamples, on_progress: OnProgress
) -> dict[str, Any]:
    """The metrics of a network in evaluation mode.

    The loss is the mean over the tokens of sequences whose tags all occur in the training data, because other sequences have no
    probability. It is omitted if there are no such sequences.
    """
    store, K = examples.store, len(dataset.tags.tags)
    lengths = store.lengths(dataset.words.name)
    paths: list[list[int]] = [[] for _ in range(len(store))]
    labels = np.full(len(store), -2)
    loss = _MeanLoss()
    device = device_of(network)
    for part in LengthBatches(lengths, max_batch_size(K), seed=0, max_tokens=EVALUATION_STEPS).in_order():
        batch = dataset.collate(store, part).to(device)
        (scores,) = member_scores(network, *dataset.network_inputs(batch))
        tags = batch.targets["tags"]
        known = (tags < K).all(1)
        losses = sequence_losses(
            scores, tags.clamp(max=K - 1), batch.inputs["lengths"], batch.targets.get("sentence_label")
        )
        loss.add(float(losses[known].sum()), float(batch.inputs["lengths"][known].sum()))
        predicted = best_tags(scores, batch.inputs["lengths"]).tolist()
        for at, path, length in zip(part, predicted, lengths[part], strict=True):
            paths[at] = path[:length]
        if scores.sentence_label is not None:
            labels[part] = scores.sentence_label.argmax(1).cpu().numpy()
        on_progress(len(part))
    flat, ends = store.flat(dataset.tags.name).tolist(), np.cumsum(lengths)
    expected = [flat[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    metrics = {**loss.metrics(), **path_metrics(dataset.tags, expected, paths, examples.unseen_tags)}
    if dataset.sentence_label is not None:
        metrics["sentence_label_accuracy"] = float((labels == store.column(dataset.sentence_label.name)).mean())
    if examples.unseen_tags:
        metrics["unseen_tags"] = dict(examples.unseen_tags)
    if examples.unseen_sentence_labels:
        metrics["unseen_sentence_labels"] = dict(examples.unseen_sentence_labels)
    return metrics


def path_metrics(
    tags: Tags, expected: Sequence[Sequence[int]], predicted: Sequence[Sequence[int]], unseen: Counter[str]
) -> dict[str, Any]:
    """Accuracy, and precision, recall and F1 of spans, or of each tag if the scheme is plain.

    expected, predicted  the ids of the tags of each sequence
    unseen               the tags that do not occur in the training data; their ids follow the others
    """
    correct = sum(
        a == b
        for true_path, guessed_path in zip(expected, predicted, strict=True)
        for a, b in zip(true_path, guessed_path, strict=True)
    )
    metrics: dict[str, Any] = {"accuracy": correct / max(sum(map(len, expected)), 1)}
    true, guessed = ([tags.tags_of(path, unseen) for path in paths] for paths in (expected, predicted))
    if tags.scheme == "plain":
        return metrics | tag_metrics(true, guessed)
    return metrics | span_metrics(true, guessed, tags.scheme)


@final
class _MeanLoss:
    """The mean loss per token."""

    def __init__(self) -> None:
        self.total = self.tokens = 0.0

    def add(self, total: float, tokens: float) -> None:
        """Add the sum of the losses of a number of tokens."""
        self.total += total
        self.tokens += tokens

    def metrics(self) -> dict[str, Any]:
        """The loss; empty if no tokens were added."""
        return {"loss": self.total / self.tokens} if self.tokens else {}
