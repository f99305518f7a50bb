"""Scoring a text with a language model: its mean negative log-likelihood, and the metrics that are derived from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...data.store.store import Store
from ...errors import DataError
from ..base import OnProgress, device_of
from .model import CHUNK_STEPS

MAX_SCORED = 200_000  # approximate number of tokens of the validation text that are scored during training
IGNORED = -1  # target after the end of a stream


@final
class TextScorer:
    """Reads a text as one stream, or in several parallel streams, each of which predicts one part of the text.

    A stream begins with the tokens `text_start` and a zero state, so that every token is predicted exactly once.
    """

    def __init__(self, text_start: Sequence[int]) -> None:
        self.text_start = list(text_start)

    def chunks(self, store: Store, num_streams: int, max_tokens: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs and targets (B, T) with at most `CHUNK_STEPS` time steps.

        store         encoded text
        num_streams   maximum number of parallel streams B
        max_tokens    number of tokens to read from the beginning; None for all

        Targets are `IGNORED` after the end of a stream. Raises DataError where the text is empty.
        """
        tokens = store.flat("tokens")[:max_tokens]
        if len(tokens) < 2:
            raise DataError("the text to evaluate on is empty", file=store.folder)
        num_streams = max(1, min(num_streams, len(tokens) // CHUNK_STEPS))
        streams = np.array_split(np.asarray(tokens), num_streams)
        width, before = max(map(len, streams)), len(self.text_start) - 1
        inputs = np.zeros((num_streams, width), np.int64)
        targets = np.full((num_streams, width), IGNORED, np.int64)
        for b, stream in enumerate(streams):
            inputs[b, 0], inputs[b, 1 : len(stream)], targets[b, : len(stream)] = (
                self.text_start[-1],
                stream[:-1],
                stream,
            )
        if before:
            start = np.tile(np.array(self.text_start[:-1], np.int64), (num_streams, 1))
            yield torch.from_numpy(start), torch.full((num_streams, before), IGNORED)
        for begin in range(0, width, CHUNK_STEPS):
            chunk = slice(begin, begin + CHUNK_STEPS)
            yield torch.from_numpy(inputs[:, chunk]), torch.from_numpy(targets[:, chunk])

    def score(
        self,
        network: nn.Module,
        store: Store,
        num_streams: int,
        on_progress: OnProgress,
        max_tokens: int | None = None,
    ) -> dict[str, Any]:
        """Return the metrics of a text; with `max_tokens`, of its first chunks that contain so many tokens."""
        lengths = store.lengths("tokens")
        rows = len(lengths) if max_tokens is None else int(np.searchsorted(np.cumsum(lengths), max_tokens)) + 1
        lengths, characters, words = lengths[:rows], store.column("characters")[:rows], store.column("words")[:rows]
        device, tokens = device_of(network), int(lengths.sum())
        total, state = 0.0, None
        for inputs, targets in self.chunks(store, num_streams, tokens):
            logits, state = network(inputs.to(device), state)
            labels = targets.to(device).flatten()
            nats = F.cross_entropy(logits.flatten(0, 1).float(), labels, ignore_index=IGNORED, reduction="sum")
            total += nats.item()
            on_progress(inputs.numel())
        return text_metrics(total, tokens, int(characters.sum()), int(words.sum()))


def text_metrics(nats: float, tokens: int, characters: int, words: int) -> dict[str, Any]:
    """Return the metrics of a text.

    nats         its total negative log-likelihood
    tokens       its number of tokens
    characters   its number of characters
    words        its number of words between blanks and of line ends; 0 where no blanks separate words, as in Chinese: the
                 perplexity per word is then left out
    """
    per_character = nats / max(characters, 1)
    return {
        "loss": nats / tokens,
        "perplexity": _perplexity(nats / tokens),
        **({"word_perplexity": _perplexity(nats / words)} if words else {}),
        "nats_per_character": per_character,
        "bits_per_character": per_character / math.log(2),
    }


def _perplexity(nats: float) -> float:
    return math.exp(min(nats, 700))
