"""What all recurrent layers share: the parameters of a deep, perhaps two-directional stack of cells, and its run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import dropout

from .. import ops
from ..cells import Cell, Parameter
from .checks import Lengths, ShapeError, check_bool, check_dtype, check_lengths, check_probability, check_size
from .reset import Pieces, Reset, check_reset


class Stack(torch.nn.Module):
    """A layer for each cell, their parameters named `{parameter}_l{k}` and `{parameter}_l{k}_reverse`."""

    def __init__(
        self,
        cells: Sequence[Cell],
        input_size: int,
        hidden_sizes: Sequence[int],
        bias: bool,
        bidirectional: bool,
        dropout: float,
        backend: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        self.input_size, self.num_layers = check_size("input_size", input_size), len(cells)
        self.hidden_sizes = tuple(check_size("hidden_size", size) for size in hidden_sizes)
        self.hidden_size, self.cells, self.cell = self.hidden_sizes[-1], tuple(cells), cells[-1]
        self.bias, self.bidirectional = check_bool("bias", bias), check_bool("bidirectional", bidirectional)
        self.dropout, self.backend = check_probability("dropout", dropout), ops.check_name(backend)
        self._sizes = [cell.state_sizes(size) for cell, size in zip(cells, self.hidden_sizes, strict=True)]
        self._suffixes = ("", "_reverse") if bidirectional else ("",)
        self._state_names = [f"{part}{end}" for k, end in self._ends() for part in self._sizes[k]]
        self._names: list[list[str]] = [[] for _ in cells]  # the parameters of each layer, direction after direction
        for k, name, parameter in self._parameters_asked():
            self._names[k].append(name)
            tensor = torch.empty(parameter.shape, device=device, dtype=dtype)
            self.register_parameter(name, torch.nn.Parameter(tensor))
        self._find_operators()
        self.reset_parameters()

    def _ends(self) -> Iterator[tuple[int, str]]:
        """What the names of each layer and direction end in."""
        return ((k, f"_l{k}{suffix}") for k in range(self.num_layers) for suffix in self._suffixes)

    def _parameters_asked(self) -> Iterator[tuple[int, str, Parameter]]:
        """What the cells ask for, in the order of torch.nn: layer, name, parameter."""
        for k, end in self._ends():
            asked = self.cells[k].parameters(self._input_size(k), self.hidden_sizes[k], self.bias)
            yield from ((k, name + end, parameter) for name, parameter in asked.items())

    def _find_operators(self) -> None:
        self._operators: list[Callable[..., list[Tensor]] | None] = [ops.operator_of(cell) for cell in self.cells]
        self._options = [ops.options_of(cell) if ops.operator_of(cell) else "" for cell in self.cells]

    def _input_size(self, k: int) -> int:
        return self.input_size if k == 0 else self._output_size(k - 1)

    def _output_size(self, k: int) -> int:
        return next(iter(self._sizes[k].values())) * len(self._suffixes)

    @property
    def output_size(self) -> int:
        """Features of y: those of the last layer's output, for each direction."""
        return self._output_size(self.num_layers - 1)

    def reset_parameters(self) -> None:
        """Draw all parameters anew, in the order of torch.nn."""
        with torch.no_grad():
            for _, name, parameter in self._parameters_asked():
                parameter.init(getattr(self, name))

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
        # The operators are found again: they cannot be copied or pickled.
        return {name: value for name, value in self.__dict__.items() if name != "_operators"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._find_operators()

    def _check_x(self, x: Tensor) -> None:
        if x.dim() != 3 or x.shape[2] != self.input_size:
            raise ShapeError(f"x has shape {tuple(x.shape)}; wanted (B, T, I) with I = {self.input_size}")
        check_dtype("x", x, getattr(self, self._names[0][0]))

    def _call(self, k: int, x: Tensor, lengths: Tensor | None, state: Sequence[Tensor]) -> ops.Call:
        weights = [getattr(self, name) for name in self._names[k]]
        return ops.Call(self.cells[k], x, lengths, state, weights, self.hidden_sizes[k], self.bias, self.bidirectional)

    def _run(
        self, x: Tensor, lengths: Tensor | None, state: Sequence[Tensor], starts: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """x (B, T, I), checked lengths, first state in the order of `_state_names` or empty, checked reset -> y, last."""
        if starts is None:
            return self._run_layers(x, lengths, state)
        pieces = Pieces.of(starts, lengths, x.device)
        directions = [int(name.endswith("_reverse")) for name in self._state_names]
        if state:
            fresh = x.new_zeros(())
            state = [pieces.first(part, fresh, d) for part, d in zip(state, directions, strict=True)]
        y, last = self._run_layers(pieces.cut(x), pieces.lengths, state)
        return pieces.stitch(y), [pieces.last(part, d) for part, d in zip(last, directions, strict=True)]

    def _run_layers(self, x: Tensor, lengths: Tensor | None, state: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """One layer after the other."""
        last: list[Tensor] = []
        for k, operator in enumerate(self._operators):
            here = len(last), len(last) + len(self._sizes[k]) * len(self._suffixes)
            call = self._call(k, x, lengths, state[slice(*here)])
            if operator is None:
                outputs = ops.execute(call, self.backend)
            else:
                outputs = operator(*call[1:], self._options[k], self.backend)
            x = outputs[0]
            last += outputs[1:]
            if self.dropout and k + 1 < self.num_layers:
                x = dropout(x, self.dropout, self.training)
        return x, last

    def _plan(self, x: Tensor, lengths: Lengths, reset: Reset = None) -> ops.Plan:
        self._check_x(x)
        checked, starts = check_lengths(lengths, x), check_reset(reset, x)
        if starts is not None:
            pieces = Pieces.of(starts, checked, x.device)
            x, checked = pieces.cut(x), pieces.lengths
        return ops.plan(self._call(0, x, checked, ()), self.backend)
