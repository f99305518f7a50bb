"""Fitting the neural cache of a language model to the validation text, after training."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ...data.store.store import Store
from ...nn import State
from ..base import device_of
from .model import LanguageNetwork
from .scoring import TextScorer

MAX_FITTED = 100_000  # tokens of the validation text to which the cache is fitted


def fit_cache(network: LanguageNetwork, scorer: TextScorer, store: Store, num_streams: int) -> list[str]:
    """Fit the cache of the network, if it has one, to a text. Returns lines that describe the result.

    network       network in evaluation mode, with its best weights
    scorer        splits the text into chunks
    store         encoded text
    num_streams   number of parallel streams in which the text is read
    """
    if network.cache is None:
        return []
    device = device_of(network)

    def chunks() -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        state: State | None = None
        for inputs, targets in scorer.chunks(store, num_streams, MAX_FITTED):
            logits, y, state = network.without_cache(inputs.to(device), state)
            yield logits.float(), y.float(), inputs.to(device), targets.to(device)

    before, after = network.cache.fit(chunks())
    max_weight, size = float(network.cache.max_weight), network.cache.size
    if not max_weight:
        return ["the neural cache is not used: it does not lower the loss on the validation text"]
    return [
        f"neural cache of {size:,} tokens with a weight of up to {max_weight:.0%}: "
        f"the loss falls from {before:.3f} to {after:.3f} nats per token"
    ]
