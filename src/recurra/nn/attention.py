"""Attention: for each query a weighted mean of the N vectors of a memory, and the weights.

    weights = softmax over N of score(query, key)          context = sum over N of weight * value

B rows, S queries a row (the steps of a decoder, all at once or one by one), N positions of the memory, padded; Q, K, V
features of a query, a key, a value. The rules by name, q (Q,), k (K,):

    additive  v . tanh(W [q; k] + b)            Bahdanau et al. 2015, arXiv:1409.0473
    dot       q . U k / sqrt(Q)                 Luong et al. 2015, arXiv:1508.04025, scaled as Vaswani et al. 2017,
                                                arXiv:1706.03762; U brings the key to the size of the query
    concat    all N scores at once, W [q; k] + b, of ONE key k for the whole memory: the attention of the classic
              sequence-to-sequence lessons. It learns positions, not contents, and knows only the first `positions`
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..errors import CallError, near


class Memory(NamedTuple):
    """What is attended to: made once for many queries by `Attention.remember`.

    values  (B, N, V)
    keys    what the rule has made of the keys, (B, N, ...) or (B, ...)
    live    (B, N), false on padding; None: all are live
    """

    values: Tensor
    keys: Tensor
    live: Tensor | None

    def rows(self, index: Tensor) -> Memory:
        """The rows at `index`, integers (R,)."""
        return Memory(self.values[index], self.keys[index], None if self.live is None else self.live[index])


class Attention(nn.Module, ABC):
    """A rule. `remember` takes the memory, `forward` the queries."""

    def __init__(self, query_size: int, key_size: int) -> None:
        super().__init__()
        self.query_size, self.key_size = query_size, key_size

    def remember(self, values: Tensor, lengths: Tensor | None = None, keys: Tensor | None = None) -> Memory:
        """values (B, N, V), live positions (B,), keys (B, N, K), by default the values -> the memory."""
        live = None if lengths is None else torch.arange(values.shape[1], device=values.device) < lengths[:, None]
        return Memory(values, self.prepare(values if keys is None else keys), live)

    def prepare(self, keys: Tensor) -> Tensor:
        """The part of the score that no query changes."""
        return keys

    @abstractmethod
    def scores(self, query: Tensor, memory: Memory) -> Tensor:
        """(B, S, Q) -> (B, S, N)"""

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """query (B, S, Q) -> context (B, S, V), weights (B, S, N): zero on padding, else they add up to 1."""
        weights = masked_softmax(self.scores(query, memory), memory.live)
        return weights @ memory.values, weights


class Additive(Attention):
    """v . tanh(W [q; k] + b); W acts on q and on k apart, so that the joined (B, S, N, Q + K) is never made."""

    def __init__(self, query_size: int, key_size: int, size: int | None = None) -> None:
        super().__init__(query_size, key_size)
        size = size or query_size
        self.query = nn.Linear(query_size, size)
        self.key = nn.Linear(key_size, size, bias=False)
        self.score = nn.Linear(size, 1, bias=False)

    def prepare(self, keys: Tensor) -> Tensor:
        prepared: Tensor = self.key(keys)
        return prepared

    def scores(self, query: Tensor, memory: Memory) -> Tensor:
        scores: Tensor = self.score(torch.tanh(self.query(query)[:, :, None] + memory.keys[:, None]))
        return scores.squeeze(-1)


class Dot(Attention):
    """q . U k / sqrt(Q)"""

    def __init__(self, query_size: int, key_size: int) -> None:
        super().__init__(query_size, key_size)
        self.key = nn.Linear(key_size, query_size, bias=False)

    def prepare(self, keys: Tensor) -> Tensor:
        prepared: Tensor = self.key(keys)
        return prepared

    def scores(self, query: Tensor, memory: Memory) -> Tensor:
        return query @ memory.keys.transpose(1, 2) / math.sqrt(self.query_size)


class Concat(Attention):
    """W [q; k] + b, (positions,), of one key (B, K) a row: by default the mean of the live values."""

    def __init__(self, query_size: int, key_size: int, positions: int) -> None:
        super().__init__(query_size, key_size)
        self.positions = positions
        self.score = nn.Linear(query_size + key_size, positions)

    def remember(self, values: Tensor, lengths: Tensor | None = None, keys: Tensor | None = None) -> Memory:
        """values (B, N, V), live positions (B,), the key of each row (B, K). CallError where N is more than `positions`."""
        if values.shape[1] > self.positions:
            raise CallError(
                f"the memory has {values.shape[1]} positions, and this attention (concat) has scores for "
                f"{self.positions}, the longest it was made for; give a shorter one, or use additive or dot"
            )
        memory = super().remember(values, lengths, values if keys is None else keys)
        if keys is None:
            count = torch.full((len(values),), values.shape[1]) if lengths is None else lengths
            live = values if memory.live is None else torch.where(memory.live[..., None], values, 0.0)
            memory = memory._replace(keys=live.sum(1) / count.clamp(min=1).to(values)[:, None])
        return memory

    def scores(self, query: Tensor, memory: Memory) -> Tensor:
        key = memory.keys[:, None].expand(-1, query.shape[1], -1)
        scores: Tensor = self.score(torch.cat([query, key], dim=-1))
        return scores[..., : memory.values.shape[1]]


RULES = ("additive", "dot", "concat")


def attention(rule: str, query_size: int, key_size: int, positions: int | None = None) -> Attention:
    """The attention of a name; `positions` is for `concat` alone. CallError for an unknown name."""
    if rule == "additive":
        return Additive(query_size, key_size)
    if rule == "dot":
        return Dot(query_size, key_size)
    if rule != "concat":
        raise CallError(f"there is no attention {rule!r}; {near(rule, RULES)}")
    if positions is None or positions < 1:
        raise CallError(f"positions is {positions}; concat wants the length of the longest memory, at least 1")
    return Concat(query_size, key_size, positions)


def masked_softmax(scores: Tensor, live: Tensor | None) -> Tensor:
    """Softmax of (B, S, N) over the live ones of N, (B, N); zeros in a row that has none."""
    if live is None:
        return scores.softmax(-1)
    live = live[:, None]
    return scores.masked_fill(~live, torch.finfo(scores.dtype).min).softmax(-1) * live


class Join(nn.Module):
    """The step after attention: context and query joined and mapped to a wanted size, tanh(W [q; context] + b).

    `linear`: without the tanh, as the classic lessons have it; with it: Luong et al. 2015, arXiv:1508.04025.
    """

    def __init__(self, query_size: int, value_size: int, output_size: int, *, linear: bool = False) -> None:
        super().__init__()
        self.map, self.linear = nn.Linear(query_size + value_size, output_size), linear

    def forward(self, query: Tensor, context: Tensor) -> Tensor:
        """(B, S, Q), (B, S, V) -> (B, S, output_size)"""
        joined: Tensor = self.map(torch.cat([query, context], dim=-1))
        return joined if self.linear else torch.tanh(joined)


class SelfAttention(nn.Module):
    """A layer in which every step attends to all steps of its row: x + O sum over j of weight(i, j) V x_j.

    weight(i, .) = softmax over j of (W x_i) . (U x_j) / sqrt(I). Cheng et al. 2016, arXiv:1601.06733; Vaswani et al.
    2017. One vector of a whole row comes from the pooling rule `attention` of `recurra.nn.pooling`.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.query = nn.Linear(size, size)
        self.attend = Dot(size, size)
        self.value = nn.Linear(size, size)
        self.output = nn.Linear(size, size)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (B, T, I), live steps (B,) -> y (B, T, I), zero past each row's length, and the weights (B, T, T)."""
        memory = self.attend.remember(self.value(x), lengths, x)
        context, weights = self.attend(self.query(x), memory)
        y = x + self.output(context)
        if memory.live is None:
            return y, weights
        return torch.where(memory.live[..., None], y, 0.0), weights * memory.live[..., None]
