"""The base class of attention, its memory, and the masked softmax."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..validate import ShapeError


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
            keys: The vectors to score, (B, N, K). By default the values, which requires V = K. With shape (B, 1, K), all
                positions have the same key; then only the scores of "concat" differ between positions.

        Returns:
            The memory, with the projected keys and the mask.

        Raises:
            CallError: If a tensor has another shape.
        """
        check_shape("values", values, "BNV")
        B, N = values.shape[:2]
        if lengths is not None:
            check_shape("lengths", lengths, "B", B=B)
        valid = None if lengths is None else torch.arange(N, device=values.device) < lengths[:, None]
        return Memory(values, self.project_keys(self.choose_keys(values, valid, keys)), valid)

    def choose_keys(self, values: Tensor, valid: Tensor | None, keys: Tensor | None) -> Tensor:
        """The keys of all positions, (B, N, K), from the arguments of `make_memory` and the mask (B, N). Checks their shape."""
        (B, N), K = values.shape[:2], self.key_size
        if keys is None:
            check_shape("values", values, "BNV", V=K, reason="the size of a key, because no keys are given")
            return values
        if keys.shape == (B, 1, K):
            return keys.expand(B, N, K)
        check_shape("keys", keys, "BNK", B=B, N=N, K=K, reason="or N = 1 for the same key at all positions")
        return keys

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

        Raises:
            CallError: If the query has another shape.
        """
        check_shape("query", query, "BSQ", B=len(memory.values), Q=self.query_size)
        weights = masked_softmax(self.scores(query, memory), memory.valid)
        return weights @ memory.values, weights


def check_shape(name: str, x: Tensor, axes: str, *, reason: str = "", **sizes: int) -> None:
    """Check the shape of an argument.

    Args:
        name: The name of the argument.
        x: The argument.
        axes: One letter for each axis.
        reason: Further information for the message.
        sizes: The sizes of some axes, by letter.

    Raises:
        CallError: If the number of axes or a size differs.

    Example:
        >>> import torch
        >>> from recurra.nn.attention.base import check_shape
        >>> check_shape("query", torch.zeros(2, 3), "BSQ", Q=5)
        Traceback (most recent call last):
        recurra.nn.validate.ShapeError: query has shape (2, 3); expected (B, S, Q) with Q = 5
    """
    fits = x.dim() == len(axes) and all(x.shape[axes.index(axis)] == size for axis, size in sizes.items())
    if not fits:
        expected = f"({', '.join(axes)}{',' if len(axes) == 1 else ''})"
        wanted = ", ".join(f"{axis} = {size}" for axis, size in sizes.items())
        details = f" with {wanted}" * bool(wanted) + f", {reason}" * bool(reason)
        raise ShapeError(f"{name} has shape {tuple(x.shape)}; expected {expected}{details}")


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
