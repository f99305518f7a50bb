"""RNNCell, LSTMCell and GRUCell: a single time step, with torch.nn's arguments, parameters and results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .. import cells
from .fx import Proxy, leaf
from .parameters import initial_values, weight_of
from .pickling import cell_of, plain_cell
from .torch_quantization import Qconfig
from .validate import ArgumentError, ShapeError, check_bool, check_factory, check_like, check_size, check_tensor


class CellModule(torch.nn.Module):
    """Base class of the modules that run one time step of a cell. The parameters have the names of those of the cell."""

    qconfig = Qconfig()

    def __init__(
        self, cell: cells.Cell, input_size: int, hidden_size: int, bias: bool, device: Any, dtype: Any
    ) -> None:
        super().__init__()
        check_factory(device, dtype)
        self.cell, self.input_size = cell, check_size("input_size", input_size, minimum=0)
        self.hidden_size, self.bias = check_size("hidden_size", hidden_size, minimum=0), check_bool("bias", bias)
        declared = cell.parameters(self.input_size, self.hidden_size, bias)
        self._names = tuple(declared)
        for name, parameter in declared.items():
            tensor = torch.empty(parameter.shape, device=device, dtype=dtype)
            self.register_parameter(name, torch.nn.Parameter(tensor))
        if not bias:  # as in torch.nn, where they are None
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize all parameters, in the order of torch.nn."""
        with initial_values(self, {name: name for name in self._names}) as params:
            self.cell.initialize(params, self.input_size, self.hidden_size, self.bias)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"cell": plain_cell(self.cell)}  # plain types only, see `pickling`

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state | {"cell": cell_of(state["cell"])})  # type: ignore[no-untyped-call]

    def extra_repr(self) -> str:
        """Return the arguments that `repr` shows: the sizes and everything that differs from its default."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")

    def _step(self, x: Tensor, hx: Sequence[Tensor] | None) -> tuple[Tensor, ...]:
        """Return the state after a time step from the input x, (B, I) or (I,), and the state before it."""
        if check_tensor("input", x).dim() not in (1, 2) or x.shape[-1] != self.input_size:
            raise ShapeError(f"input has shape {tuple(x.shape)}; expected (B, I) or (I,) with I = {self.input_size}")
        params = {name: weight_of(self, name) for name in self._names}
        weight = params[self._names[0]]
        check_like("input", x, weight)
        expected = (*x.shape[:-1], self.hidden_size)
        if hx is None:
            hx = [x.new_zeros(expected)] * len(self.cell.states)
        if not isinstance(hx, Sequence) or len(hx) != len(self.cell.states):
            names = ", ".join(self.cell.states)
            raise ArgumentError(f"hx is a {type(hx).__name__}; expected the tuple ({names}) of tensors")
        for name, component in zip(self.cell.states, hx, strict=True):
            if check_tensor(f"hx: {name}", component).shape != expected:
                raise ShapeError(f"hx: {name} has shape {tuple(component.shape)}; expected {expected}")
            check_like(f"hx: {name}", component, weight)
        return self.cell.step(self.cell.project(x, params), self.cell.state_type(*hx), params)


class RNNCell(CellModule):
    """One time step of a simple (Elman) recurrent layer, a drop-in replacement for `torch.nn.RNNCell`.

        h' = tanh(W_ih x + b_ih + W_hh h + b_hh)

    With `nonlinearity="relu"`, ReLU replaces tanh. Reference: Elman 1990, Cognitive Science 14(2).

    Args:
        input_size: number of input features, I.
        hidden_size: number of features of the hidden state, H.
        bias: if False, there are no biases. Default: True.
        nonlinearity: "tanh" or "relu". Default: "tanh".
        device: device of the parameters. Default: None, torch's default device.
        dtype: dtype of the parameters. Default: None, torch's default dtype.

    Inputs: input, h
        input: (B, I) or (I,).
        h: (B, H) or (H,); hidden state before the step. Default: None, zeros.

    Output: h'
        h': (B, H) or (H,); hidden state after the step.

    Parameters: weight_ih (H, I), weight_hh (H, H), bias_ih (H,) and bias_hh (H,), initialized from
        U(-1/sqrt(H), 1/sqrt(H)), with the same values as torch.nn for the same seed.

    Raises:
        CallError: (a ValueError, TypeError or RuntimeError, as in torch.nn) if an argument is invalid or a shape or dtype
            does not fit.

    Example:
        >>> import torch
        >>> from recurra import nn
        >>> cell, h = nn.RNNCell(5, 8), torch.zeros(3, 8)
        >>> for x in torch.randn(9, 3, 5):  # time steps of (B, I)
        ...     h = cell(x, h)
        >>> h.shape
        torch.Size([3, 8])
    """

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
        """Return the arguments that `repr` shows: the sizes and everything that differs from its default."""
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Return the hidden state after a time step, (B, H) or (H,), for an input (B, I) or (I,) and a hidden state."""
        if isinstance(input, Proxy):
            return leaf(self, input, hx)
        return self._step(input, None if hx is None else (hx,))[0]


class GRUCell(CellModule):
    """One time step of a gated recurrent unit, a drop-in replacement for `torch.nn.GRUCell`.

        r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
        z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
        n  = tanh(W_in x + b_in + r * (W_hn h + b_hn))
        h' = (1 - z) * n + z * h

    r is the reset gate, z the update gate, n the candidate. Reference: Cho et al. 2014, arXiv:1406.1078.

    Args:
        input_size: number of input features, I.
        hidden_size: number of features of the hidden state, H.
        bias: if False, there are no biases. Default: True.
        device: device of the parameters. Default: None, torch's default device.
        dtype: dtype of the parameters. Default: None, torch's default dtype.

    Inputs: input, h
        input: (B, I) or (I,).
        h: (B, H) or (H,); hidden state before the step. Default: None, zeros.

    Output: h'
        h': (B, H) or (H,); hidden state after the step.

    Parameters: weight_ih (3*H, I), weight_hh (3*H, H), bias_ih (3*H,) and bias_hh (3*H,), rows in the gate order r, z, n,
        initialized from U(-1/sqrt(H), 1/sqrt(H)), with the same values as torch.nn for the same seed.

    Raises:
        CallError: (a ValueError, TypeError or RuntimeError, as in torch.nn) if an argument is invalid or a shape or dtype
            does not fit.

    Example:
        >>> import torch
        >>> from recurra import nn
        >>> cell, h = nn.GRUCell(5, 8), None
        >>> for x in torch.randn(9, 3, 5):  # time steps of (B, I)
        ...     h = cell(x, h)
        >>> h.shape
        torch.Size([3, 8])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(cells.GRU(), input_size, hidden_size, bias, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Return the hidden state after a time step, (B, H) or (H,), for an input (B, I) or (I,) and a hidden state."""
        if isinstance(input, Proxy):
            return leaf(self, input, hx)
        return self._step(input, None if hx is None else (hx,))[0]


class LSTMCell(CellModule):
    """One time step of a long short-term memory, a drop-in replacement for `torch.nn.LSTMCell`.

        i  = sigmoid(W_ii x + b_ii + W_hi h + b_hi)
        f  = sigmoid(W_if x + b_if + W_hf h + b_hf)
        g  = tanh(W_ig x + b_ig + W_hg h + b_hg)
        o  = sigmoid(W_io x + b_io + W_ho h + b_ho)
        c' = f * c + i * g
        h' = o * tanh(c')

    i, f and o are the input, forget and output gates, g is the candidate, c the cell state. References: Hochreiter and
    Schmidhuber 1997, Neural Computation 9(8); Gers, Schmidhuber and Cummins 2000, Neural Computation 12(10).

    Args:
        input_size: number of input features, I.
        hidden_size: number of features of hidden state and cell state, H.
        bias: if False, there are no biases. Default: True.
        device: device of the parameters. Default: None, torch's default device.
        dtype: dtype of the parameters. Default: None, torch's default dtype.

    Inputs: input, (h, c)
        input: (B, I) or (I,).
        h, c: (B, H) or (H,) each; hidden state and cell state before the step. Default: None, zeros.

    Outputs: (h', c')
        h', c': (B, H) or (H,) each; hidden state and cell state after the step.

    Parameters: weight_ih (4*H, I), weight_hh (4*H, H), bias_ih (4*H,) and bias_hh (4*H,), rows in the gate order
        i, f, g, o, initialized from U(-1/sqrt(H), 1/sqrt(H)), with the same values as torch.nn for the same seed.

    Raises:
        CallError: (a ValueError, TypeError or RuntimeError, as in torch.nn) if an argument is invalid or a shape or dtype
            does not fit.

    Example:
        >>> import torch
        >>> from recurra import nn
        >>> cell, state = nn.LSTMCell(5, 8), None
        >>> for x in torch.randn(9, 3, 5):  # time steps of (B, I)
        ...     state = cell(x, state)
        >>> h, c = state
        >>> h.shape, c.shape
        (torch.Size([3, 8]), torch.Size([3, 8]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(cells.LSTM(), input_size, hidden_size, bias, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Return hidden and cell state after a time step, for an input (B, I) or (I,) and the state before it."""
        if isinstance(input, Proxy):
            return leaf(self, input, hx)
        h, c = self._step(input, hx)
        return h, c
