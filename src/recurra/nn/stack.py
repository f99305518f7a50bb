"""What all recurrent layers share: the parameters of a deep, perhaps two-directional stack of one cell, and its run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import dropout

from .. import ops
from ..cells import Cell
from ..errors import CallError

Lengths = Tensor | Sequence[int] | None


class Stack(torch.nn.Module):
    """`num_layers` layers of `cell`, their parameters named `{parameter}_l{k}` and `{parameter}_l{k}_reverse`."""

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        bidirectional: bool,
        dropout: float,
        backend: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
            if not isinstance(size, int) or size < 1:
                raise CallError(f"{name} is {size!r}; wanted an integer of at least 1")
        if not isinstance(dropout, (int, float)) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise CallError(f"dropout is {dropout!r}; wanted a probability, 0 to 1")
        self.cell, self.input_size, self.hidden_size = cell, input_size, hidden_size
        self.num_layers, self.bias, self.bidirectional = num_layers, bias, bidirectional
        self.dropout, self.backend = float(dropout), ops.check_name(backend)
        self._operator, self._options = ops.operator_of(cell), ops.options_of(cell) if ops.operator_of(cell) else ""
        self._sizes = cell.state_sizes(hidden_size)
        suffixes = ("", "_reverse") if bidirectional else ("",)
        self._inits: dict[str, Any] = {}
        self._names: list[list[str]] = []  # the parameters of each layer, direction after direction
        self._state_names = [f"{s}_l{k}{suffix}" for k in range(num_layers) for suffix in suffixes for s in self._sizes]
        for k in range(num_layers):
            parameters = cell.parameters(input_size if k == 0 else self.output_size, hidden_size, bias)
            self._names.append([f"{name}_l{k}{suffix}" for suffix in suffixes for name in parameters])
            for name, parameter in zip(self._names[k], list(parameters.values()) * len(suffixes), strict=True):
                tensor = torch.empty(parameter.shape, device=device, dtype=dtype)
                self.register_parameter(name, torch.nn.Parameter(tensor))
                self._inits[name] = parameter.init
        self.reset_parameters()

    @property
    def output_size(self) -> int:
        """Features of y: those of the cell's output, for each direction."""
        return next(iter(self._sizes.values())) * (2 if self.bidirectional else 1)

    def reset_parameters(self) -> None:
        """Draw all parameters anew, in the order of torch.nn."""
        with torch.no_grad():
            for name, init in self._inits.items():
                init(getattr(self, name))

    def extra_repr(self) -> str:
        options = {
            "num_layers": (self.num_layers, 1),
            "bias": (self.bias, True),
            "dropout": (self.dropout, 0.0),
            "bidirectional": (self.bidirectional, False),
            "backend": (self.backend, "auto"),
        }
        return ", ".join(
            [f"{self.input_size}, {self.hidden_size}"]
            + [f"{name}={value}" for name, (value, default) in options.items() if value != default]
        )

    def __getstate__(self) -> dict[str, Any]:
        # The operator is found again, and the initialisations belong to the cell: neither can be copied or pickled.
        return {name: value for name, value in self.__dict__.items() if name not in ("_operator", "_inits")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._operator = ops.operator_of(self.cell)
        self._inits = {}
        for k, names in enumerate(self._names):
            inputs = self.input_size if k == 0 else self.output_size
            inits = [parameter.init for parameter in self.cell.parameters(inputs, self.hidden_size, self.bias).values()]
            self._inits |= dict(zip(names, inits * (2 if self.bidirectional else 1), strict=True))

    def _check_x(self, x: Tensor) -> None:
        if x.dim() != 3 or x.shape[2] != self.input_size:
            raise CallError(f"x has shape {tuple(x.shape)}; wanted (B, T, I) with I = {self.input_size}")
        weight = getattr(self, self._names[0][0])
        if x.dtype != weight.dtype and not torch.is_autocast_enabled(x.device.type):
            raise CallError(f"x is {x.dtype} and the layer is {weight.dtype}; convert one: x.to({weight.dtype})")

    def _check_lengths(self, lengths: Lengths, x: Tensor) -> Tensor | None:
        """`lengths` as the operators take it; None when no row is shorter than T."""
        if lengths is None:
            return None
        if not isinstance(lengths, Tensor):
            lengths = torch.as_tensor(lengths)
        if lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
            raise CallError(f"lengths is {lengths.dtype}; wanted integers, (B,)")
        if lengths.dim() != 1 or lengths.shape[0] != x.shape[0]:
            raise CallError(f"lengths has shape {tuple(lengths.shape)}; wanted (B,) with B = {x.shape[0]}, as x has it")
        kept: Tensor | None = lengths
        if not torch.compiler.is_compiling() and not ops.traced(x):
            kept = ops.check_lengths(lengths, x.shape[1])  # a traced graph checks when it runs
        return None if kept is None else kept.to(x.device, torch.int64)

    def _call(self, k: int, x: Tensor, lengths: Tensor | None, state: Sequence[Tensor]) -> ops.Call:
        weights = [getattr(self, name) for name in self._names[k]]
        return ops.Call(self.cell, x, lengths, state, weights, self.hidden_size, self.bias, self.bidirectional)

    def _run(self, x: Tensor, lengths: Tensor | None, state: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """x (B, T, I), checked lengths, first state in the order of `_state_names` or empty -> y, last state."""
        last: list[Tensor] = []
        parts = len(state) // self.num_layers
        for k in range(self.num_layers):
            call = self._call(k, x, lengths, state[k * parts : (k + 1) * parts])
            if self._operator is None:
                outputs = ops.execute(call, self.backend)
            else:
                outputs = self._operator(*call[1:], self._options, self.backend)
            x = outputs[0]
            last += outputs[1:]
            if self.dropout and k + 1 < self.num_layers:
                x = dropout(x, self.dropout, self.training)
        return x, last

    def _plan(self, x: Tensor, lengths: Lengths) -> ops.Plan:
        self._check_x(x)
        return ops.plan(self._call(0, x, self._check_lengths(lengths, x), ()), self.backend)
