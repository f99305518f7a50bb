"""The metrics of caption: the loss of every caption; those of answers once for each image, against all its captions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data.store.batching import LengthBatches
from ...data.store.store import Store
from ...fields.paired_text import RawText
from ...metrics.text import multi_reference_metrics
from ...models.seq2seq import SequenceToSequence
from ..base import OnProgress, ignore_progress
from ..shared.answers import AnswerSearch, loss_of_batches
from ..shared.generation import batches_of, evenly_spaced_indices
from .collate import collate
from .dataset import IMAGE_ID, TEXT, CaptionDataset
from .fields import rows_of_images

PART = 512  # images held in memory at once while answers to them are searched


def evaluate(
    network: SequenceToSequence,
    search: AnswerSearch,
    dataset: CaptionDataset,
    store: Store,
    on_progress: OnProgress,
    *,
    beam_size: int,
    searched: int,
) -> dict[str, Any]:
    """The loss of all captions, nats a token, and the metrics of the answers to `searched` images, evenly spaced."""
    images = rows_of_images(store.column(IMAGE_ID))
    fewer = searched < len(images)
    parts = LengthBatches(store.lengths("text") + 1, 128).in_order()
    told, after = (on_progress, ignore_progress) if fewer else (ignore_progress, on_progress)
    loss = loss_of_batches(network, batches_of(network, lambda rows: collate(store, rows, dataset.input), parts, told))
    picked = [images[at] for at in evenly_spaced_indices(len(images), searched)]
    answers: list[str] = []
    for begin in range(0, len(picked), PART):
        part = picked[begin : begin + PART]
        x, lengths = store.ragged(dataset.input.field.name, np.array([rows[0] for rows in part]))
        found = search([row[:length] for row, length in zip(x, lengths, strict=True)], beam_size=beam_size)
        answers += [dataset.text.vocabulary.decode(best[0].tokens) for best in found]
        after(sum(map(len, part)))
    references = [RawText.read(store, TEXT, rows) for rows in picked]
    by_character = dataset.text.tokenization == "characters"
    return {"loss": loss, **multi_reference_metrics(answers, references, by_character=by_character)}
