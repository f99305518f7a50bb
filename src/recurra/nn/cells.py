"""RNNCell, LSTMCell, GRUCell: one step, with torch.nn's arguments, parameters and results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .. import cells
from .validate import ArgumentError, ShapeError, check_bool, check_dtype, check_size, check_tensor


class _Single(torch.nn.Module):
    """One step of `cell`; the parameters bear the names the cell gives them."""

    def __init__(
        self, cell: cells.Cell, input_size: int, hidden_size: int, bias: bool, device: Any, dtype: Any
    ) -> None:
        super().__init__()
        self.cell, self.input_size = cell, check_size("input_size", input_size)
        self.hidden_size, self.bias = check_size("hidden_size", hidden_size), check_bool("bias", bias)
        for name, parameter in cell.parameters(input_size, hidden_size, bias).items():
            tensor = torch.empty(parameter.shape, device=device, dtype=dtype)
            self.register_parameter(name, torch.nn.Parameter(tensor))
        if not bias:  # torch.nn has them as None
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, in the order of torch.nn."""
        with torch.no_grad():
            params = {name: parameter for name, parameter in self._parameters.items() if parameter is not None}
            self.cell.initialize(params, self.input_size, self.hidden_size, self.bias)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")

    def _step(self, x: Tensor, first: Sequence[Tensor] | None) -> tuple[Tensor, ...]:
        """x (B, I) or (I,), the state before -> the state after."""
        if check_tensor("input", x).dim() not in (1, 2) or x.shape[-1] != self.input_size:
            raise ShapeError(f"input has shape {tuple(x.shape)}; wanted (B, I) or (I,) with I = {self.input_size}")
        weight: Tensor = next(self.parameters())
        check_dtype("input", x, weight)
        wanted = (*x.shape[:-1], self.hidden_size)
        if first is None:
            first = [x.new_zeros(wanted)] * len(self.cell.states)
        if not isinstance(first, Sequence) or len(first) != len(self.cell.states):
            names = ", ".join(self.cell.states)
            raise ArgumentError(f"hx is a {type(first).__name__}; wanted the tuple ({names}) of tensors")
        for name, part in zip(self.cell.states, first, strict=True):
            if check_tensor(f"hx: {name}", part).shape != wanted:
                raise ShapeError(f"hx: {name} has shape {tuple(part.shape)}; wanted {wanted}")
            check_dtype(f"hx: {name}", part, weight)
        params = {name: parameter for name, parameter in self._parameters.items() if parameter is not None}
        return self.cell.step(self.cell.project(x, params), self.cell.state_type(*first), params)


class RNNCell(_Single):
    """torch.nn.RNNCell. The equation stands in `recurra.cells.rnn`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(cells.RNN(nonlinearity), input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """(B, I) or (I,), h (B, H) or (H,) -> h."""
        return self._step(input, None if hx is None else (hx,))[0]


class GRUCell(_Single):
    """torch.nn.GRUCell. The equation stands in `recurra.cells.gru`."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(cells.GRU(), input_size, hidden_size, bias, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """(B, I) or (I,), h (B, H) or (H,) -> h."""
        return self._step(input, None if hx is None else (hx,))[0]


class LSTMCell(_Single):
    """torch.nn.LSTMCell. The equation stands in `recurra.cells.lstm`."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(cells.LSTM(), input_size, hidden_size, bias, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """(B, I) or (I,), (h, c) of (B, H) or (H,) each -> (h, c)."""
        h, c = self._step(input, hx)
        return h, c
