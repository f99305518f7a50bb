"""The neural cache of a language model, which raises the probability of recent tokens that followed a similar context.

Grave, Joulin and Usunier 2017, arXiv:1612.04426, with a sentinel as in Merity et al. 2017, arXiv:1609.07843. Let h_t (H,) be
the output of the recurrent layers from which the logits of the next token are computed, and x_j the token that followed h_j,
for the last `size` tokens except the latest four:

    w_j  = exp(sharpness * h_t . h_j - sentinel)         Z = sum_j w_j
    p(x) = (1 - l) softmax(logits)(x) + l * sum_j w_j / Z [x = x_j],      l = max_weight * Z / (1 + Z)

Where no earlier output is similar, Z is small and the prediction is that of the network. The cache has no parameters that are
trained: sharpness, sentinel and max_weight are three numbers that are fitted to the validation text. The entries of the cache
are components of the state. They are therefore kept in a stream, and the result does not depend on how a text is chunked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .state import State

PREFIX = "cache_"  # of the names of the cache's components in a state
NUM_EXCLUDED = (
    4  # latest tokens that are excluded: their outputs are similar in any context, so the model would repeat itself
)
SHARPNESS = (5.0, 10.0, 20.0, 40.0)  # candidates, divided by the mean square of |h|
SENTINELS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9)  # candidates, as quantiles of log Z over the time steps
MAX_WEIGHTS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.6, 0.8)  # candidates


class Lookup(NamedTuple):
    """The comparison of a chunk with the M entries of the cache.

    similarities   h_t . h_j, (B, T, M); -inf where an entry is empty, excluded or too old
    tokens         the tokens that followed the entries, (B, M)
    memory         the components of the state after the chunk
    """

    similarities: Tensor
    tokens: Tensor
    memory: dict[str, Tensor]


def split_state(state: State | None) -> tuple[State | None, dict[str, Tensor]]:
    """Split a state into the state of the recurrent layers and the components of the cache."""
    if state is None:
        return None, {}
    components = state.tensors()
    memory = {name: component for name, component in components.items() if name.startswith(PREFIX)}
    return State({name: component for name, component in components.items() if name not in memory}), memory


class NeuralCache(nn.Module):
    """A neural cache (Grave et al. 2017). The module's docstring contains the equations.

    Args:
        size: number of tokens that the cache contains. The comparison costs O(size * H) per time step, and a state contains
            size * H numbers per sequence.

    Until `fit` was called, `max_weight` is 0 and the cache has no effect.

    >>> import torch
    >>> cache = NeuralCache(size=100).eval()
    >>> ids = torch.arange(61)[None] % 10  # the tokens 0 to 9, again and again
    >>> y, logits = torch.eye(10)[ids], torch.zeros(1, 61, 10)
    >>> before, after = cache.fit([(logits[:, :-1], y[:, :-1], ids[:, :-1], ids[:, 1:])])
    >>> after < before
    True
    >>> log_probs, memory = cache(logits, y, ids, {})
    >>> log_probs.shape, int(log_probs[0, -1].argmax())  # after the last token, 0, comes 1 as before
    (torch.Size([1, 61, 10]), 1)
    """

    sharpness: Tensor
    sentinel: Tensor
    max_weight: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        for name in ("sharpness", "sentinel", "max_weight"):
            self.register_buffer(name, torch.zeros(()))

    @property
    def active(self) -> bool:
        """Whether the cache contributes to the prediction: in evaluation mode, once `fit` has found that it helps."""
        return not self.training and bool(self.max_weight > 0)

    def lookup(self, y: Tensor, ids: Tensor, memory: dict[str, Tensor]) -> Lookup:
        """Compare the outputs of a chunk with those in the cache, and append them to it.

        A token follows the output of the time step before it. Step t is compared with the outputs before the `size` latest
        tokens, of which the NUM_EXCLUDED latest are excluded.

        Args:
            y: outputs of the recurrent layers, (B, T, H).
            ids: tokens from which they were computed, (B, T).
            memory: components of the state before the chunk; empty at the beginning of a text.
        """
        (B, T, H), size = y.shape, self.size
        last = memory.get(
            f"{PREFIX}last", y.new_zeros(B, H)
        )  # a zero vector is no output: a zero state is an empty cache
        keys = torch.cat([memory.get(f"{PREFIX}keys", y.new_zeros(B, 0)).reshape(B, -1, H), last[:, None], y], 1)
        keys, last = keys[:, :-1], y[:, -1]
        tokens = torch.cat([memory.get(f"{PREFIX}tokens", ids.new_zeros(B, 0)), ids], 1)
        M = tokens.shape[1]
        similarities = y @ keys.mT
        step, entry = torch.arange(M - T, M, device=y.device)[:, None], torch.arange(M, device=y.device)
        in_range = (entry <= step - NUM_EXCLUDED) & (entry > step - size)
        not_empty = (keys != 0).any(-1)
        similarities = similarities.masked_fill(~(in_range & not_empty[:, None]), -torch.inf)
        retained = min(size, M)
        after = {"keys": keys[:, M - retained :].flatten(1), "tokens": tokens[:, M - retained :], "last": last}
        return Lookup(similarities, tokens, {f"{PREFIX}{name}": component for name, component in after.items()})

    def forward(self, logits: Tensor, y: Tensor, ids: Tensor, memory: dict[str, Tensor]) -> tuple[Tensor, State]:
        """Interpolate the prediction of the network with that of the cache.

        Args:
            logits: logits of the next token, (B, T, V).
            y: outputs of the recurrent layers, (B, T, H).
            ids: input tokens, (B, T).
            memory: components of the state before the chunk; empty at the beginning of a text.

        Returns:
            The log-probabilities of the next token (B, T, V) and the cache's components of the state.
        """
        similarities, tokens, after = self.lookup(y, ids, memory)
        energy = similarities * self.sharpness - self.sentinel  # -inf where there is no entry
        any_entry = energy.isfinite().any(-1, keepdim=True)
        attention = torch.where(any_entry, energy, 0.0).softmax(-1)
        cached = torch.zeros_like(logits).scatter_add_(
            -1, tokens[:, None].expand_as(attention), attention.to(logits.dtype)
        )
        weight = torch.where(any_entry, self.max_weight * energy.logsumexp(-1, keepdim=True).sigmoid(), 0.0)
        network = logits.log_softmax(-1) + torch.log1p(-weight)  # log space keeps very small probabilities finite
        return torch.logaddexp(network, torch.log(weight * cached)), State(after)

    @torch.no_grad()
    def fit(self, chunks: Iterable[tuple[Tensor, Tensor, Tensor, Tensor]]) -> tuple[float, float]:
        """Choose sharpness, sentinel and max_weight by the likelihood of a text, in a grid search.

        Args:
            chunks: consecutive chunks of the text: logits (B, T, V), y (B, T, H), input tokens (B, T) and target tokens
                (B, T), which are -1 where there is no target.

        Returns:
            The mean negative log-likelihood of a token, in nats, without and with the cache; NaN for an empty text. Where the
            cache does not help, both are equal and `max_weight` stays 0.
        """
        memory: dict[str, Tensor] = {}
        network_log_probs: list[Tensor] = []
        # For each sharpness and time step: log Z without a sentinel, and the cache's probability of the target.
        cache_terms: list[list[Tensor]] = [[] for _ in SHARPNESS]
        mean_square = None
        for logits, y, ids, targets in chunks:
            if mean_square is None:  # the scale of the outputs is estimated on the first chunk
                mean_square = float(y.square().sum(-1).mean())
            similarities, tokens, memory = self.lookup(y, ids, memory)
            valid, correct = targets >= 0, tokens[:, None] == targets[..., None]
            network_log_probs.append(logits.log_softmax(-1).gather(-1, targets.clamp(min=0)[..., None])[..., 0][valid])
            for terms, sharpness in zip(cache_terms, SHARPNESS, strict=True):
                energy = similarities * (sharpness / mean_square)
                log_z = energy.logsumexp(-1)
                log_prob = torch.where(correct, energy, -torch.inf).logsumexp(-1) - log_z
                terms.append(torch.stack([log_z, log_prob.exp().nan_to_num()], -1)[valid])
        if mean_square is None:
            return math.nan, math.nan
        network = torch.cat(network_log_probs).double().exp()
        before = -float(network.log().mean())
        best = (before, 0.0, 0.0, 0.0)
        for sharpness, terms in zip(SHARPNESS, cache_terms, strict=True):
            log_z, cached = torch.cat(terms).double().unbind(-1)
            finite = log_z[log_z.isfinite()]
            quantiles = torch.tensor(SENTINELS, dtype=torch.float64, device=finite.device)
            for sentinel in finite.quantile(quantiles) if len(finite) else ():
                gate = (log_z - sentinel).sigmoid()  # 0 where the cache has no entry
                for max_weight in MAX_WEIGHTS:
                    nats = -float(torch.log(network + max_weight * gate * (cached - network)).mean())
                    best = min(best, (nats, sharpness / mean_square, float(sentinel), max_weight))
        for buffer, value in zip((self.sharpness, self.sentinel, self.max_weight), best[1:], strict=True):
            buffer.fill_(value)
        return before, best[0]
