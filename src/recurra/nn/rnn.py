"""RNN, LSTM, GRU: torch.nn's layers, argument for argument, on our machinery; and more by keyword."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Unpack

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from .. import cells
from ..cells.lstmp import LSTMP
from ..errors import CallError
from .base import Stack
from .explain import LayerPlan
from .options import LayerOptions, Options
from .packed import pack, unpack
from .reset import Reset, check_reset
from .validate import (
    ArgumentError,
    Lengths,
    ShapeError,
    check_bool,
    check_dtype,
    check_lengths,
    check_size,
    check_tensor,
)


class _DropIn(Stack):
    """What the three share. `_run` works batch first and with a flat state; here it meets torch's layouts."""

    mode: str  # the name that torch.nn has for the recurrence

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
        given: LayerOptions,
    ) -> None:
        L, options = check_size("num_layers", num_layers), Options.of(given, LayerOptions)
        super().__init__(
            [cell] * L,
            input_size,
            [hidden_size] * L,
            bias,
            bool(bidirectional),
            dropout,
            options,
            backend,
            device,
            dtype,
        )
        self.batch_first = check_bool("batch_first", batch_first)
        self.proj_size = 0
        if dropout and L == 1:  # torch.nn warns too, and runs
            warnings.warn(f"dropout={dropout} acts between layers, and num_layers is 1: it does nothing", stacklevel=3)

    def extra_repr(self) -> str:
        own = {"batch_first": self.batch_first, "proj_size": self.proj_size}
        return ", ".join([super().extra_repr(), *(f"{name}={value}" for name, value in own.items() if value)])

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters of each layer and direction, as torch.nn lists them."""
        n = len(self._names[0]) // len(self._suffixes)
        lists = [names[d : d + n] for names in self._names for d in range(0, len(names), n)]
        return [[getattr(self, name) for name in names] for names in lists]

    def flatten_parameters(self) -> None:
        """Here for code written for torch.nn. There is nothing to do."""

    def plan(self, input: Tensor, lengths: Lengths = None, *, reset: Reset = None) -> LayerPlan:
        """Which back end will run this call, in words why each other one will not, and how many steps it computes."""
        return self._plan(self._batch_first(input), lengths, reset)

    def _batch_first(self, x: Tensor) -> Tensor:
        """(B, T, I), whatever torch's layout."""
        if check_tensor("input", x).dim() not in (2, 3):
            raise ShapeError(f"input has shape {tuple(x.shape)}; wanted (B, T, I) in torch's layout, or (T, I)")
        if x.shape[-1] != self.input_size:
            axes = "(T, I)" if x.dim() == 2 else "(B, T, I)" if self.batch_first else "(T, B, I)"
            raise ShapeError(f"input has shape {tuple(x.shape)}; wanted {axes} with I = {self.input_size}")
        if x.dim() == 2:
            return x[None]
        return x if self.batch_first else x.transpose(0, 1)

    def _forward(
        self, x: Tensor | PackedSequence, first: Sequence[Tensor] | None, lengths: Lengths, reset: Reset
    ) -> tuple[Any, list[Tensor]]:
        """torch's input and first state parts, (L*D, B, H) each or none -> torch's output and last state parts."""
        if self._fast_path is not None and lengths is None and reset is None:
            found = self._fast_path.run(x, not self.batch_first, first, 1, self._parameters, self.backend)
            if found is not None:
                y, *parts = found
                return (y.transpose(0, 1) if self.batch_first else y), parts
        if isinstance(x, PackedSequence):
            return self._forward_packed(x, first, lengths, reset)
        rows, batched = self._batch_first(x), x.dim() == 3
        for name, argument in (("lengths", lengths), ("reset", reset)):
            if not batched and argument is not None:
                raise CallError(f"{name} came with an input that has no batch axis; wanted (B, T, I), or cut the input")
        check_dtype("x", rows, self._some_weight())
        state = self._flat(first, rows.shape[0] if batched else None)
        y, last = self._run(rows, check_lengths(lengths, rows), state, check_reset(reset, rows))
        parts = self._stacked(last)
        if not batched:
            return y[0], [part[:, 0] for part in parts]
        return y if self.batch_first else y.transpose(0, 1), parts

    def _forward_packed(
        self, packed: PackedSequence, first: Sequence[Tensor] | None, lengths: Lengths, reset: Reset
    ) -> tuple[PackedSequence, list[Tensor]]:
        if lengths is not None:
            raise CallError("a PackedSequence carries its lengths; leave out the argument lengths")
        if packed.data.dim() != 2:
            raise ShapeError(f"input packs rows of shape {tuple(packed.data.shape[1:])} a step; wanted (I,)")
        x, packed_lengths, places = unpack(packed)
        self._check_x(x)
        state, order, back = self._flat(first, x.shape[0]), packed.sorted_indices, packed.unsorted_indices
        starts = check_reset(reset, x)
        if order is not None:
            state = [part.index_select(0, order) for part in state]
            starts = None if starts is None else starts[order.cpu()]
        y, last = self._run(x, check_lengths(packed_lengths, x), state, starts)
        if back is not None:
            last = [part.index_select(0, back) for part in last]
        return pack(y, places, packed), self._stacked(last)

    def _flat(self, first: Sequence[Tensor] | None, B: int | None) -> list[Tensor]:
        """Parts (L*D, B, size), or (L*D, size) with B None -> one (B, size) for each layer, direction and part."""
        if first is None:
            return []
        names, rows = self._sizes[0], self.num_layers * len(self._suffixes)
        if not isinstance(first, Sequence) or len(first) != len(names):
            raise ArgumentError(f"hx is a {type(first).__name__}; wanted the tuple ({', '.join(names)}) of tensors")
        dtype = self._some_weight().dtype
        for (name, size), part in zip(names.items(), first, strict=True):
            wanted = (rows, size) if B is None else (rows, B, size)
            if isinstance(part, Tensor) and part.shape == wanted and part.dtype == dtype:
                continue
            if check_tensor(f"hx: {name}", part).shape != wanted:
                axes = "(L*D, H)" if B is None else "(L*D, B, H)"
                raise ShapeError(f"hx: {name} has shape {tuple(part.shape)}; wanted {axes} = {wanted}")
            check_dtype(f"hx: {name}", part, self._some_weight())
        if B is not None and rows == 1:
            return [part.squeeze(0) for part in first]
        parts = [(part[:, None] if B is None else part).unbind(0) for part in first]
        return [part for row in zip(*parts, strict=True) for part in row]

    def _stacked(self, last: list[Tensor]) -> list[Tensor]:
        """The inverse of `_flat`."""
        parts = len(self._sizes[0])
        if len(last) == parts:
            return [part.unsqueeze(0) for part in last]
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
        **options: Unpack[LayerOptions],
    ) -> None:
        cell = cells.RNN(nonlinearity)
        super().__init__(
            cell, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype, backend,
            options,
        )  # fmt: skip
        self.nonlinearity, self.mode = nonlinearity, f"RNN_{nonlinearity.upper()}"

    def forward(
        self, input: Any, hx: Tensor | None = None, *, lengths: Lengths = None, reset: Reset = None
    ) -> tuple[Any, Tensor]:
        """As torch.nn.RNN; lengths (B,); reset (B, T) or [(row, step), ...].

        -> output, h_n (L*D, B, H) after each row's last live step."""
        y, (h,) = self._forward(input, None if hx is None else (hx,), lengths, reset)
        return y, h


class GRU(_DropIn):
    """torch.nn.GRU, with `lengths`, `plan` and a choice of back end. The equation stands in `recurra.cells.gru`."""

    mode = "GRU"

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
        **options: Unpack[LayerOptions],
    ) -> None:
        cell = cells.GRU()
        super().__init__(
            cell, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype, backend,
            options,
        )  # fmt: skip

    def forward(
        self, input: Any, hx: Tensor | None = None, *, lengths: Lengths = None, reset: Reset = None
    ) -> tuple[Any, Tensor]:
        """As torch.nn.GRU; lengths (B,); reset (B, T) or [(row, step), ...].

        -> output, h_n (L*D, B, H) after each row's last live step."""
        y, (h,) = self._forward(input, None if hx is None else (hx,), lengths, reset)
        return y, h


class LSTM(_DropIn):
    """torch.nn.LSTM, with `lengths`, `plan` and a choice of back end. The equation stands in `recurra.cells.lstm`, that
    with a projection of the output (`proj_size`) in `recurra.cells.lstmp`."""

    mode = "LSTM"

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
        **options: Unpack[LayerOptions],
    ) -> None:
        cell = cells.LSTM() if proj_size == 0 else LSTMP(proj_size)
        super().__init__(
            cell, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype, backend,
            options,
        )  # fmt: skip
        self.proj_size = proj_size

    def forward(
        self, input: Any, hx: tuple[Tensor, Tensor] | None = None, *, lengths: Lengths = None, reset: Reset = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        """As torch.nn.LSTM; lengths (B,); reset (B, T) or [(row, step), ...].

        -> output, (h_n, c_n), (L*D, B, H) each, after each row's last live step."""
        y, (h, c) = self._forward(input, hx, lengths, reset)
        return y, (h, c)
