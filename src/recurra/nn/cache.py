"""The continuous cache: a language model expects again what it met before, where the words before it are alike.

Grave, Joulin and Usunier 2017, arXiv:1612.04426, with a sentinel as in Merity et al. 2017, arXiv:1609.07843. With h_t (H,)
the output that the scores of the next token are made of, and x_j the token that followed h_j, for the last `size` tokens but
the latest four:

    w_j  = exp(sharpness * h_t . h_j - sentinel)         Z = sum_j w_j
    p(x) = (1 - l) softmax(scores)(x) + l * sum_j w_j / Z [x = x_j],      l = share * Z / (1 + Z)

Where nothing is alike, or little was met, Z is small and the network speaks alone. Nothing is learnt by descent: sharpness,
sentinel and share are three numbers, fitted on text that was held back. What is remembered is a part of the state, so that
it streams, and chunks equal the whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .state import State

MARK = "cache_"  # how the names of its parts of a state begin
RECENT = 4  # tokens that are left out: the outputs of just now are alike whatever follows, which would make it stutter
SHARPNESS = (5.0, 10.0, 20.0, 40.0)  # those tried, over the mean square of |h|
SENTINELS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9)  # as shares of the steps whose log Z is below it
SHARES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.6, 0.8)


class Recall(NamedTuple):
    """What the cache says of the steps of a piece: `alike` (B, T, M), -inf where there is nothing to compare with, the
    tokens (B, M) that followed, and the memory after the piece."""

    alike: Tensor
    tokens: Tensor
    after: dict[str, Tensor]


def parted(state: State | None) -> tuple[State | None, dict[str, Tensor]]:
    """The layers' part of a state, and the cache's."""
    if state is None:
        return None, {}
    parts = state.tensors()
    memory = {name: part for name, part in parts.items() if name.startswith(MARK)}
    return State({name: part for name, part in parts.items() if name not in memory}), memory


class ContinuousCache(nn.Module):
    """See the module's docstring. `size` tokens are remembered; until `fit` was called it adds nothing."""

    sharpness: Tensor
    sentinel: Tensor
    share: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        for name in ("sharpness", "sentinel", "share"):
            self.register_buffer(name, torch.zeros(()))

    @property
    def active(self) -> bool:
        return not self.training and bool(self.share > 0)

    def recall(self, y: Tensor, ids: Tensor, memory: dict[str, Tensor]) -> Recall:
        """y (B, T, H), read from the tokens ids (B, T), beside the memory of what came before.

        A token that was read follows the output before it: step t compares with the outputs before the `size` latest tokens,
        of which the RECENT latest are left out.
        """
        (B, T, H), size = y.shape, self.size
        last = memory.get(f"{MARK}last", y.new_zeros(B, H))  # zeros are no output: a state of zeros remembers nothing
        keys = torch.cat([memory.get(f"{MARK}keys", y.new_zeros(B, 0)).reshape(B, -1, H), last[:, None], y], 1)
        keys, last = keys[:, :-1], y[:, -1]
        tokens = torch.cat([memory.get(f"{MARK}tokens", ids.new_zeros(B, 0)), ids], 1)
        M = tokens.shape[1]
        alike = y @ keys.mT
        at, met = torch.arange(M - T, M, device=y.device)[:, None], torch.arange(M, device=y.device)
        near = (met <= at - RECENT) & (met > at - size)
        there = (keys != 0).any(-1)
        alike = alike.masked_fill(~(near & there[:, None]), -torch.inf)
        kept = min(size, M)
        after = {"keys": keys[:, M - kept :].flatten(1), "tokens": tokens[:, M - kept :], "last": last}
        return Recall(alike, tokens, {f"{MARK}{name}": part for name, part in after.items()})

    def forward(self, scores: Tensor, y: Tensor, ids: Tensor, memory: dict[str, Tensor]) -> tuple[Tensor, State]:
        """Scores (B, T, V) of the next token -> their logarithms of probability with the cache's share, and its memory."""
        alike, tokens, after = self.recall(y, ids, memory)
        energy = alike * self.sharpness - self.sentinel  # -inf where there is nothing
        some = energy.isfinite().any(-1, keepdim=True)
        expected = torch.where(some, energy, 0.0).softmax(-1)
        met = torch.zeros_like(scores).scatter_add_(-1, tokens[:, None].expand_as(expected), expected.to(scores.dtype))
        share = torch.where(some, self.share * energy.logsumexp(-1, keepdim=True).sigmoid(), 0.0)
        model = scores.log_softmax(-1) + torch.log1p(-share)  # in logarithms: what is all but impossible stays finite
        return torch.logaddexp(model, torch.log(share * met)), State(after)

    @torch.no_grad()
    def fit(self, pieces: Iterable[tuple[Tensor, Tensor, Tensor, Tensor]]) -> tuple[float, float]:
        """Choose the three numbers by the likelihood of a text.

        pieces: scores (B, T, V), y (B, T, H), ids (B, T) and the tokens to come (B, T), -1 where there is none; in order.
        Returns the mean nats of a token without and with the cache.
        """
        memory: dict[str, Tensor] = {}
        plain: list[Tensor] = []
        cached: list[list[Tensor]] = [
            [] for _ in SHARPNESS
        ]  # of each step log Z without a sentinel, and what it recalls
        squares = None
        for scores, y, ids, wanted in pieces:
            if squares is None:  # the first piece tells how long outputs are
                squares = float(y.square().sum(-1).mean())
            alike, tokens, memory = self.recall(y, ids, memory)
            live, right = wanted >= 0, tokens[:, None] == wanted[..., None]
            plain.append(scores.log_softmax(-1).gather(-1, wanted.clamp(min=0)[..., None])[..., 0][live])
            for found, sharpness in zip(cached, SHARPNESS, strict=True):
                energy = alike * (sharpness / squares)
                total = energy.logsumexp(-1)
                recalled = torch.where(right, energy, -torch.inf).logsumexp(-1) - total
                found.append(torch.stack([total, recalled.exp().nan_to_num()], -1)[live])
        if squares is None:
            return math.nan, math.nan
        model = torch.cat(plain).double().exp()
        before = -float(model.log().mean())
        best = (before, 0.0, 0.0, 0.0)
        for sharpness, found in zip(SHARPNESS, cached, strict=True):
            total, recalled = torch.cat(found).double().unbind(-1)
            met = total[total.isfinite()]
            for sentinel in (
                met.quantile(torch.tensor(SENTINELS, dtype=torch.float64, device=met.device)) if len(met) else ()
            ):
                gate = (total - sentinel).sigmoid()  # 0 where nothing was met
                for share in SHARES:
                    nats = -float(torch.log(model + share * gate * (recalled - model)).mean())
                    best = min(best, (nats, sharpness / squares, float(sentinel), share))
        for buffer, value in zip((self.sharpness, self.sentinel, self.share), best[1:], strict=True):
            buffer.fill_(value)
        return before, best[0]
