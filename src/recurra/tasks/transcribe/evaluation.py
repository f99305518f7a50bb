"""The metrics of transcribe: loss (nats per unit), wer, cer (word and character error rates) and exact_match."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data.store.batching import LengthBatches
from ...data.store.store import Store
from ...data.words.vocabulary import Vocabulary
from ...fields.paired_text import RawText
from ...metrics.text import error_rates
from ..base import OnProgress
from ..shared.collate import EVALUATION_STEPS
from ..shared.generation import batches_of, evenly_spaced_indices
from .collate import collate
from .ctc_loss import search_texts, text_losses
from .dataset import REFERENCE
from .model import Transcriber


def evaluate(
    network: Transcriber,
    vocabulary: Vocabulary,
    store: Store,
    on_progress: OnProgress,
    *,
    beam_size: int,
    searched: int,
) -> dict[str, Any]:
    """Return the loss over all recordings, and the metrics of the texts of `searched` evenly spaced recordings."""
    parts = LengthBatches(store.lengths("audio"), 256, max_tokens=EVALUATION_STEPS).in_order()
    selected = evenly_spaced_indices(len(store), searched)
    texts: dict[int, str] = {}
    nats, units = 0.0, 0
    batches = batches_of(network, lambda rows: collate(store, rows), parts, on_progress)
    for rows, batch in zip(parts, batches, strict=True):
        log_probs, steps = network(batch.inputs["x"], batch.inputs["lengths"])
        losses = text_losses(log_probs, steps, batch)
        nats += float(losses.double().sum())
        units += int(batch.targets["ends"][losses > 0].sum())
        indices = np.flatnonzero(np.isin(rows, selected))
        hypotheses = search_texts(log_probs[indices], steps[indices], beam_size)
        for row, hypothesis in zip(rows[indices], hypotheses, strict=True):
            texts[int(row)] = vocabulary.decode(hypothesis.units)
    references = RawText.read(store, REFERENCE, selected)
    return {"loss": nats / max(units, 1), **error_rates([texts[row] for row in selected.tolist()], references)}


def unknown_units(store: Store) -> int:
    """Return the number of tokens in the texts that are not in the vocabulary of the training data."""
    return int((store.flat("text") == Vocabulary.unknown).sum())
