"""The base class of attention, its memory, and the masked softmax."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Memory(NamedTuple):
    """The vectors that queries attend to, with everything that does not depend on the query.

    `Attention.make_memory` creates it.

    Attributes:
        values: The vectors that are averaged, (B, N, V).
        keys: The projected keys, (B, N, ...), or (B, K) for `ConcatAttention`.
        valid: The mask, boolean, (B, N): True at valid positions, False at padding. None where all positions are valid.
    """

    values: Tensor
    keys: Tensor
    valid: Tensor | None

    def select(self, index: Tensor) -> Memory:
        """The memory of the batch elements at `index`, integers (R,). An element may occur more than once."""
        return Memory(self.values[index], self.keys[index], None if self.valid is None else self.valid[index])


class Attention(nn.Module, ABC):
    """Base class of the scoring rules: `make_memory` prepares a memory, `forward` attends to it.

    Args:
        query_size: Q, the number of features of a query.
        key_size: K, the number of features of a key.
    """

    def __init__(self, query_size: int, key_size: int) -> None:
        super().__init__()
        self.query_size, self.key_size = query_size, key_size

    def make_memory(self, values: Tensor, lengths: Tensor | None = None, keys: Tensor | None = None) -> Memory:
        """Prepare a memory for queries.

        Args:
            values: The vectors to average, (B, N, V).
            lengths: The number of valid positions of each batch element, integers (B,), each from 0 to N. The positions from
                there on are padding. None where all are valid (default).
            keys: The vectors to score, (B, N, K). By default the values, which requires V = K.

        Returns:
            The memory, with the projected keys and the mask.
        """
        valid = None if lengths is None else torch.arange(values.shape[1], device=values.device) < lengths[:, None]
        return Memory(values, self.project_keys(values if keys is None else keys), valid)

    def project_keys(self, keys: Tensor) -> Tensor:
        """The part of the score that depends only on the keys, (B, N, K) -> (B, N, ...). It is computed once per memory."""
        return keys

    @abstractmethod
    def scores(self, query: Tensor, memory: Memory) -> Tensor:
        """The scores (B, S, N) of queries (B, S, Q), before the mask and the softmax."""

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Attend to a memory.

        Args:
            query: The queries, (B, S, Q).
            memory: The result of `make_memory` for the same B batch elements.

        Returns:
            A pair (context, weights). The context (B, S, V) is the weighted mean of the values. The weights (B, S, N) are
            exactly zero at padding and add up to 1. Where a batch element has no valid position, both are zero.
        """
        weights = masked_softmax(self.scores(query, memory), memory.valid)
        return weights @ memory.values, weights


def masked_softmax(scores: Tensor, valid: Tensor | None) -> Tensor:
    """Softmax over the last dimension, restricted to valid positions.

    Args:
        scores: (B, S, N).
        valid: The mask, boolean, (B, N): True at valid positions. None where all positions are valid.

    Returns:
        Weights (B, S, N): exactly zero where the mask is False; all zero for a batch element without valid positions.

    Example:
        >>> import torch
        >>> from recurra.nn.attention import masked_softmax
        >>> masked_softmax(torch.zeros(1, 1, 4), torch.tensor([[True, True, False, False]]))
        tensor([[[0.5000, 0.5000, 0.0000, 0.0000]]])
    """
    if valid is None:
        return scores.softmax(-1)
    valid = valid[:, None]
    return scores.masked_fill(~valid, torch.finfo(scores.dtype).min).softmax(-1) * valid
