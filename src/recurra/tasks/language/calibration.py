"""Fitting the cache of a language model to the validation part, after training."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ...data.store.store import Store
from ...nn import State
from ..base import device_of
from .model import LanguageNetwork
from .scoring import TextScorer

MAX_FITTED = 100_000  # tokens that the cache is fitted to


def fit_cache(network: LanguageNetwork, scorer: TextScorer, store: Store, num_streams: int) -> list[str]:
    """Fit the cache, where there is one, to a text. Lines that describe the result."""
    if network.cache is None:
        return []
    device = device_of(network)

    def chunks() -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        state: State | None = None
        for inputs, targets in scorer.chunks(store, num_streams, MAX_FITTED):
            logits, y, state = network.without_cache(inputs.to(device), state)
            yield logits.float(), y.float(), inputs.to(device), targets.to(device)

    before, after = network.cache.fit(chunks())
    share, size = float(network.cache.share), network.cache.size
    if not share:
        return ["the cache is left out: what was met before does not tell what comes in the validation text"]
    return [f"a cache of {size:,} tokens gets up to {share:.0%} of the say: {before:.3f} to {after:.3f} nats a token"]
