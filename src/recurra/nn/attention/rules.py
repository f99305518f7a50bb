"""The scoring rules: additive, dot, concat and scaled_dot_product."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ...errors import CallError, near
from .base import Attention, Memory, check_shape


class AdditiveAttention(Attention):
    r"""Additive attention (Bahdanau et al. 2015, arXiv:1409.0473).

        score(q, k) = v . tanh(W_q q + W_k k + b)

    This equals v . tanh(W [q; k] + b) with W = [W_q W_k], without the concatenated tensor of shape (B, S, N, Q + K).

    Args:
        query_size: Q, the number of features of a query.
        key_size: K, the number of features of a key.
        size: The number of hidden units, which is the size of v. Default: `query_size`.

    Example:
        >>> import torch
        >>> from recurra.nn.attention import AdditiveAttention
        >>> attend = AdditiveAttention(query_size=32, key_size=16)
        >>> memory = attend.make_memory(torch.randn(2, 7, 16), lengths=torch.tensor([7, 4]))
        >>> context, weights = attend(torch.randn(2, 5, 32), memory)
        >>> context.shape, weights.shape
        (torch.Size([2, 5, 16]), torch.Size([2, 5, 7]))
        >>> bool((weights[1, :, 4:] == 0).all())
        True
    """

    def __init__(self, query_size: int, key_size: int, size: int | None = None) -> None:
        super().__init__(query_size, key_size)
        size = size or query_size
        self.query = nn.Linear(query_size, size)
        self.key = nn.Linear(key_size, size, bias=False)
        self.score = nn.Linear(size, 1, bias=False)

    def project_keys(self, keys: Tensor) -> Tensor:
        """W_k k for every position, (B, N, K) -> (B, N, size)."""
        projected: Tensor = self.key(keys)
        return projected

    def scores(self, query: Tensor, memory: Memory) -> Tensor:
        """The scores (B, S, N) of queries (B, S, Q). An intermediate tensor has the shape (B, S, N, size)."""
        scores: Tensor = self.score(torch.tanh(self.query(query)[:, :, None] + memory.keys[:, None]))
        return scores.squeeze(-1)


class DotAttention(Attention):
    r"""Scaled dot-product attention with a projection of the keys (Luong et al. 2015, arXiv:1508.04025, "general").

        score(q, k) = q . U k / sqrt(Q)

    The scale 1 / sqrt(Q) is that of Vaswani et al. 2017, arXiv:1706.03762.

    Args:
        query_size: Q, the number of features of a query.
        key_size: K, the number of features of a key.

    Example:
        >>> import torch
        >>> from recurra.nn.attention import DotAttention
        >>> attend = DotAttention(query_size=32, key_size=16)
        >>> memory = attend.make_memory(torch.randn(2, 7, 16))
        >>> context, weights = attend(torch.randn(2, 1, 32), memory)
        >>> context.shape, weights.shape
        (torch.Size([2, 1, 16]), torch.Size([2, 1, 7]))
    """

    def __init__(self, query_size: int, key_size: int) -> None:
        super().__init__(query_size, key_size)
        self.key = nn.Linear(key_size, query_size, bias=False)

    def project_keys(self, keys: Tensor) -> Tensor:
        """U k for every position, (B, N, K) -> (B, N, Q)."""
        projected: Tensor = self.key(keys)
        return projected

    def scores(self, query: Tensor, memory: Memory) -> Tensor:
        """The scores (B, S, N) of queries (B, S, Q)."""
        return query @ memory.keys.transpose(1, 2) / math.sqrt(self.query_size)


class ConcatAttention(Attention):
    r"""Attention by position, as in the PyTorch sequence-to-sequence tutorial.

        score(q, k)_n = (W [q; k] + b)_n        for n = 0, ..., positions - 1

    One linear layer computes the scores of all positions from the query and one key for the whole memory. The score of a
    position therefore does not depend on the value there, and the number of positions is limited.

    Args:
        query_size: Q, the number of features of a query.
        key_size: K, the number of features of the key.
        positions: The largest number of positions N of a memory.

    Example:
        >>> import torch
        >>> from recurra.nn.attention import ConcatAttention
        >>> attend = ConcatAttention(query_size=32, key_size=16, positions=10)
        >>> memory = attend.make_memory(torch.randn(2, 7, 16), lengths=torch.tensor([7, 4]))
        >>> memory.keys.shape
        torch.Size([2, 16])
        >>> attend(torch.randn(2, 5, 32), memory)[1].shape
        torch.Size([2, 5, 7])
    """

    def __init__(self, query_size: int, key_size: int, positions: int) -> None:
        super().__init__(query_size, key_size)
        self.positions = positions
        self.score = nn.Linear(query_size + key_size, positions)

    def make_memory(self, values: Tensor, lengths: Tensor | None = None, keys: Tensor | None = None) -> Memory:
        """Prepare a memory for queries.

        Args:
            values: The vectors to average, (B, N, V), with N at most `positions`.
            lengths: The number of valid positions of each batch element, integers (B,). None where all are valid (default).
            keys: One key for each batch element, (B, K) or (B, 1, K). By default the mean of the valid values, which
                requires V = K.

        Returns:
            The memory, with one key for each batch element and the mask.

        Raises:
            CallError: If N is larger than `positions`, or a tensor has another shape.
        """
        check_shape("values", values, "BNV")
        if values.shape[1] > self.positions:
            raise CallError(
                f"the memory has {values.shape[1]} positions, and this attention (concat) has scores for {self.positions}, "
                "the largest number that it was built for; pass a shorter memory, or use additive or dot"
            )
        return super().make_memory(values, lengths, keys)

    def choose_keys(self, values: Tensor, valid: Tensor | None, keys: Tensor | None) -> Tensor:
        """One key for each batch element, (B, K)."""
        B, K = len(values), self.key_size
        if keys is not None:
            key = keys[:, 0] if keys.dim() == 3 and keys.shape[1] == 1 else keys
            if key.shape != (B, K):
                check_shape("keys", keys, "BK", B=B, K=K, reason="or (B, 1, K): one key for each batch element")
            return key
        check_shape("values", values, "BNV", V=K, reason="the size of a key, because no keys are given")
        if valid is None:
            return values.mean(1)
        return torch.where(valid[..., None], values, 0.0).sum(1) / valid.sum(1, keepdim=True).clamp(min=1)

    def scores(self, query: Tensor, memory: Memory) -> Tensor:
        """The scores (B, S, N) of queries (B, S, Q)."""
        key = memory.keys[:, None].expand(-1, query.shape[1], -1)
        scores: Tensor = self.score(torch.cat([query, key], dim=-1))
        return scores[..., : memory.values.shape[1]]


class ScaledDotProductAttention(Attention):
    r"""Scaled dot-product attention without learned parameters (Vaswani et al. 2017, arXiv:1706.03762).

        context = softmax(Q K^T / sqrt(d)) V        score(q, k) = q . k / sqrt(d)

    Queries, keys and values may be the same tensor. The result equals
    `torch.nn.functional.scaled_dot_product_attention(query, keys, values, attn_mask=valid[:, None])`, where `valid` is the mask
    of the memory; in addition, a batch element without valid positions has a context of zeros, and the weights are returned.

    Args:
        size: d, the number of features of a query and of a key.

    Example:
        >>> import torch
        >>> from recurra.nn.attention import ScaledDotProductAttention
        >>> attend, x = ScaledDotProductAttention(16), torch.randn(2, 7, 16)
        >>> context, weights = attend(x, attend.make_memory(x))  # Q = K = V
        >>> torch.allclose(context, torch.nn.functional.scaled_dot_product_attention(x, x, x), atol=1e-5)
        True
        >>> queries, keys, values = torch.randn(2, 5, 16), torch.randn(2, 7, 16), torch.randn(2, 7, 3)
        >>> context, weights = attend(queries, attend.make_memory(values, torch.tensor([7, 4]), keys))
        >>> context.shape, weights.shape
        (torch.Size([2, 5, 3]), torch.Size([2, 5, 7]))
    """

    def __init__(self, size: int) -> None:
        super().__init__(size, size)

    def scores(self, query: Tensor, memory: Memory) -> Tensor:
        """The scores (B, S, N) of queries (B, S, d)."""
        return query @ memory.keys.transpose(1, 2) / math.sqrt(self.query_size)


RULES = ("additive", "dot", "concat", "scaled_dot_product")


def attention(rule: str, query_size: int, key_size: int, positions: int | None = None) -> Attention:
    """Create the attention module of a scoring rule.

    Args:
        rule: "additive", "dot", "concat" or "scaled_dot_product".
        query_size: Q, the number of features of a query.
        key_size: K, the number of features of a key; equal to Q for "scaled_dot_product".
        positions: The largest number of positions of a memory. Required for "concat", ignored by the other rules.

    Returns:
        A new module with randomly initialized parameters; "scaled_dot_product" has none.

    Raises:
        CallError: If the rule is unknown; if it is "concat" and `positions` is missing or less than 1; if it is
            "scaled_dot_product" and the sizes differ.

    Example:
        >>> from recurra.nn.attention import attention
        >>> type(attention("dot", 32, 16)).__name__
        'DotAttention'
    """
    if rule == "additive":
        return AdditiveAttention(query_size, key_size)
    if rule == "dot":
        return DotAttention(query_size, key_size)
    if rule == "scaled_dot_product":
        if query_size != key_size:
            raise CallError(
                f"query_size is {query_size} and key_size is {key_size}; scaled_dot_product has no learned projection "
                "and requires equal sizes; use dot, which projects the key"
            )
        return ScaledDotProductAttention(query_size)
    if rule != "concat":
        raise CallError(f"unknown attention {rule!r}; {near(rule, RULES)}")
    if positions is None or positions < 1:
        raise CallError(f"positions is {positions}; concat requires the length of the longest memory, at least 1")
    return ConcatAttention(query_size, key_size, positions)
