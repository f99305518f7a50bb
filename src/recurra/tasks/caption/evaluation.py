"""The metrics of caption: the loss over all captions; other metrics once per image, against all its captions."""

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

PART_SIZE = 512  # images in memory at once during the search


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
    """Return the loss over all captions, in nats per token, and the metrics of the generated texts.

    Texts are generated for `searched` evenly spaced images.
    """
    images = rows_of_images(store.column(IMAGE_ID))
    is_sample = searched < len(images)  # then most of the time is that of the loss
    parts = LengthBatches(store.lengths("text") + 1, 128).in_order()
    loss_progress, search_progress = (on_progress, ignore_progress) if is_sample else (ignore_progress, on_progress)
    batches = batches_of(network, lambda rows: collate(store, rows, dataset.input), parts, loss_progress)
    loss = loss_of_batches(network, batches)
    selected = [images[at] for at in evenly_spaced_indices(len(images), searched)]
    texts: list[str] = []
    for begin in range(0, len(selected), PART_SIZE):
        part = selected[begin : begin + PART_SIZE]
        x, lengths = store.ragged(dataset.input.field.name, np.array([rows[0] for rows in part]))
        hypotheses = search([row[:length] for row, length in zip(x, lengths, strict=True)], beam_size=beam_size)
        texts += [dataset.text.vocabulary.decode(best[0].tokens) for best in hypotheses]
        search_progress(sum(map(len, part)))
    references = [RawText.read(store, TEXT, rows) for rows in selected]
    return {
        "loss": loss,
        **multi_reference_metrics(texts, references, by_character=dataset.text.tokenization == "characters"),
    }
