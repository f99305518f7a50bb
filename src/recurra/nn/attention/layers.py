"""Layers that use attention: the layer after it, and self-attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .rules import DotAttention


class Join(nn.Module):
    """The layer after attention: it combines a query with its context (Luong et al. 2015, arXiv:1508.04025, equation 5).

        output = tanh(W [query; context] + b)

    Args:
        query_size: Q, the number of features of a query.
        value_size: V, the number of features of a context.
        output_size: The number of features of the output.
        linear: Whether tanh is left out, as in the PyTorch sequence-to-sequence tutorial. Default: False.

    Example:
        >>> import torch
        >>> from recurra.nn.attention import Join
        >>> Join(32, 16, 24)(torch.randn(2, 5, 32), torch.randn(2, 5, 16)).shape
        torch.Size([2, 5, 24])
    """

    def __init__(self, query_size: int, value_size: int, output_size: int, *, linear: bool = False) -> None:
        super().__init__()
        self.map, self.linear = nn.Linear(query_size + value_size, output_size), linear

    def forward(self, query: Tensor, context: Tensor) -> Tensor:
        """Queries (B, S, Q) and contexts (B, S, V) -> outputs (B, S, output_size)."""
        joined: Tensor = self.map(torch.cat([query, context], dim=-1))
        return joined if self.linear else torch.tanh(joined)


class SelfAttention(nn.Module):
    r"""A layer in which every time step of a sequence attends to all time steps of the same sequence.

        y_i = x_i + O sum_j weight(i, j) V x_j        weight(i, .) = softmax_j((W x_i) . (U x_j) / sqrt(I))

    Cheng et al. 2016, arXiv:1601.06733; Vaswani et al. 2017, arXiv:1706.03762. To reduce a sequence to one vector, use the
    pooling rule `attention` of `recurra.nn.pooling`.

    Args:
        size: I, the number of input features, which is also the number of output features.

    Example:
        >>> import torch
        >>> from recurra.nn.attention import SelfAttention
        >>> y, weights = SelfAttention(16)(torch.randn(2, 7, 16), lengths=torch.tensor([7, 4]))
        >>> y.shape, weights.shape
        (torch.Size([2, 7, 16]), torch.Size([2, 7, 7]))
        >>> bool((y[1, 4:] == 0).all())
        True
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.query = nn.Linear(size, size)
        self.attend = DotAttention(size, size)
        self.value = nn.Linear(size, size)
        self.output = nn.Linear(size, size)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Apply the layer.

        Args:
            x: The sequences, (B, T, I), padded at the end.
            lengths: The number of valid time steps of each sequence, integers (B,). None where all are valid (default).

        Returns:
            A pair (y, weights). The output y (B, T, I) is zero at padding. The weights (B, T, T) have the attending step in
            dimension 1 and the step that it attends to in dimension 2; they are zero where either is padding.
        """
        memory = self.attend.make_memory(self.value(x), lengths, x)
        context, weights = self.attend(self.query(x), memory)
        y = x + self.output(context)
        if memory.valid is None:
            return y, weights
        return torch.where(memory.valid[..., None], y, 0.0), weights * memory.valid[..., None]
