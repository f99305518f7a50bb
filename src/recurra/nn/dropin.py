"""RNN, LSTM, GRU: torch.nn's layers, argument for argument, on our machinery; and one argument more, `lengths`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from .. import cells, ops
from ..errors import CallError
from .packed import pack, unpack
from .stack import Lengths, Stack


class _DropIn(Stack):
    """What the three share. `_run` works batch first and with a flat state; here it meets torch's layouts."""

    def __init__(
        self,
        cell: cells.Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        device: Any,
        dtype: Any,
        backend: str,
    ) -> None:
        super().__init__(
            cell, input_size, hidden_size, num_layers, bias, bidirectional, dropout, backend, device, dtype
        )
        self.batch_first = batch_first
        if dropout and num_layers == 1:  # torch.nn warns too, and runs
            warnings.warn(f"dropout={dropout} acts between layers, and num_layers is 1: it does nothing", stacklevel=3)

    def extra_repr(self) -> str:
        return super().extra_repr() + (", batch_first=True" if self.batch_first else "")

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters of each layer and direction, as torch.nn lists them."""
        n = len(self._names[0]) // (2 if self.bidirectional else 1)
        lists = [names[d : d + n] for names in self._names for d in range(0, len(names), n)]
        return [[getattr(self, name) for name in names] for names in lists]

    def flatten_parameters(self) -> None:
        """Here for code written for torch.nn. There is nothing to do."""

    def plan(self, input: Tensor, lengths: Lengths = None) -> ops.Plan:
        """Which back end will run this call, and in words why each other one will not."""
        return self._plan(self._batch_first(input)[0], lengths)

    def _batch_first(self, x: Tensor) -> tuple[Tensor, bool]:
        """(B, T, I), and whether x had a batch axis."""
        if x.dim() == 2:
            return x[None], False
        return x if self.batch_first or x.dim() != 3 else x.transpose(0, 1), True

    def _forward(
        self, x: Tensor | PackedSequence, first: Sequence[Tensor], lengths: Lengths
    ) -> tuple[Any, list[Tensor]]:
        """torch's input and first state parts, (L*D, B, H) each or none -> torch's output and last state parts."""
        if isinstance(x, PackedSequence):
            return self._forward_packed(x, first, lengths)
        x, batched = self._batch_first(x)
        if not batched:
            if lengths is not None:
                raise CallError("lengths belong to a batch, and x has no batch axis; cut x instead")
            first = [part[:, None] if part.dim() == 2 else part for part in first]
        self._check_x(x)
        y, last = self._run(x, self._check_lengths(lengths, x), self._flat(first, x.shape[0]))
        parts = self._stacked(last)
        if not batched:
            return y[0], [part[:, 0] for part in parts]
        return y if self.batch_first else y.transpose(0, 1), parts

    def _forward_packed(
        self, packed: PackedSequence, first: Sequence[Tensor], lengths: Lengths
    ) -> tuple[PackedSequence, list[Tensor]]:
        if lengths is not None:
            raise CallError("a PackedSequence carries its lengths; leave out the argument lengths")
        x, packed_lengths, places = unpack(packed)
        self._check_x(x)
        order, back = packed.sorted_indices, packed.unsorted_indices
        if order is not None:
            first = [part.index_select(1, order) for part in first]
        y, last = self._run(x, self._check_lengths(packed_lengths, x), self._flat(first, x.shape[0]))
        parts = self._stacked(last)
        if back is not None:
            parts = [part.index_select(1, back) for part in parts]
        return pack(y, places, packed), parts

    def _flat(self, first: Sequence[Tensor], B: int) -> list[Tensor]:
        """Parts (L*D, B, H) -> one (B, H) for each layer, direction and part."""
        rows = self.num_layers * (2 if self.bidirectional else 1)
        for (name, size), part in zip(self._sizes.items(), first, strict=False):
            if part.shape != (rows, B, size):
                raise CallError(f"hx: {name} has shape {tuple(part.shape)}; wanted (L*D, B, H) = {(rows, B, size)}")
        return [part for row in zip(*(part.unbind(0) for part in first), strict=True) for part in row]

    def _stacked(self, last: list[Tensor]) -> list[Tensor]:
        """The inverse of `_flat`."""
        parts = len(self._sizes)
        if len(last) == parts:
            return [part[None] for part in last]
        return [torch.stack(last[p::parts]) for p in range(parts)]


class RNN(_DropIn):
    """torch.nn.RNN, with `lengths`, `plan` and a choice of back end. The equation stands in `recurra.cells.rnn`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        backend: str = "auto",
    ) -> None:
        cell = cells.RNN(nonlinearity)
        super().__init__(
            cell, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype, backend
        )
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Tensor | None = None, *, lengths: Lengths = None) -> tuple[Any, Tensor]:
        """As torch.nn.RNN; lengths (B,). -> output, h_n (L*D, B, H) after each row's last live step."""
        y, (h,) = self._forward(input, () if hx is None else (hx,), lengths)
        return y, h


class GRU(_DropIn):
    """torch.nn.GRU, with `lengths`, `plan` and a choice of back end. The equation stands in `recurra.cells.gru`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        backend: str = "auto",
    ) -> None:
        cell = cells.GRU()
        super().__init__(
            cell, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype, backend
        )

    def forward(self, input: Any, hx: Tensor | None = None, *, lengths: Lengths = None) -> tuple[Any, Tensor]:
        """As torch.nn.GRU; lengths (B,). -> output, h_n (L*D, B, H) after each row's last live step."""
        y, (h,) = self._forward(input, () if hx is None else (hx,), lengths)
        return y, h


class LSTM(_DropIn):
    """torch.nn.LSTM, with `lengths`, `plan` and a choice of back end. The equation stands in `recurra.cells.lstm`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
        *,
        backend: str = "auto",
    ) -> None:
        if proj_size != 0:
            raise CallError(f"proj_size is {proj_size}; projections are not built yet, leave it 0")
        cell = cells.LSTM()
        super().__init__(
            cell, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype, backend
        )
        self.proj_size = proj_size

    def forward(
        self, input: Any, hx: tuple[Tensor, Tensor] | None = None, *, lengths: Lengths = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        """As torch.nn.LSTM; lengths (B,). -> output, (h_n, c_n), (L*D, B, H) each, after each row's last live step."""
        y, (h, c) = self._forward(input, () if hx is None else hx, lengths)
        return y, (h, c)
