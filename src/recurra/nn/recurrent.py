"""`Recurrent`: any cell over time, deep, in one direction or both, with lengths and a state that can be handed on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import torch
from torch import Tensor

from .. import cells
from ..errors import CallError
from .base import Stack
from .explain import LayerPlan
from .options import Options, RecurrentOptions
from .reset import Reset, check_reset
from .state import State
from .validate import ArgumentError, Lengths, check_dtype, check_lengths, check_size

CellSpec = str | cells.Cell | type[cells.Cell]


class Recurrent(Stack):
    """A recurrent layer.

    cell           a name ("lstm"), a `Cell` class or an instance; or a list of them, one a layer
    input_size     I
    hidden_size    H, or a list, one a layer
    num_layers     layers on top of each other; 1, or as many as a list has
    bias           whether the cell has biases
    bidirectional  whether each layer also reads each row from its last live step to its first
    dropout        probability with which an output between two layers is zeroed while training
    backend        "auto", or the name of the back end that must run
    options        see `recurra.nn.options`

    Raises CallError for an argument that cannot be, BackendError (a CallError) for an unknown back end.
    """

    def __init__(
        self,
        cell: CellSpec | Sequence[CellSpec],
        input_size: int,
        hidden_size: int | Sequence[int],
        *,
        num_layers: int | None = None,
        bias: bool = True,
        bidirectional: bool = False,
        dropout: float = 0.0,
        backend: str = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **options: Unpack[RecurrentOptions],
    ) -> None:
        L = _num_layers(num_layers, cell, hidden_size)
        if dropout and L == 1:
            raise CallError(f"dropout is {dropout}, which acts between layers, and num_layers is 1; leave one of them")
        of = [cells.get(spec) for spec in _each(cell, L)]
        sizes = _each(hidden_size, L)
        checked = Options.of(options, RecurrentOptions)
        super().__init__(of, input_size, sizes, bias, bidirectional, dropout, checked, backend, device, dtype)

    def extra_repr(self) -> str:
        of = self.cell if len(set(self.cells)) == 1 else list(self.cells)
        return f"{of}, {super().extra_repr()}"

    def forward(
        self, x: Tensor, state: State | None = None, *, lengths: Lengths = None, reset: Reset = None
    ) -> tuple[Tensor, State]:
        """x (B, T, I), first state (None: see `initial_state`), lengths (B,) -> y (B, T, D*H), the state after each
        row's last step.

        y is zero past each row's length. A row of length 0 keeps its first state. `reset`, booleans (B, T) or a list of
        (row, step), says where rows start anew in mid-sequence: see `recurra.nn.reset`. With lengths or reset on a GPU
        their check waits for it; keep them on the CPU. Raises CallError when shapes, dtypes or values do not fit.
        """
        self._check_x(x)
        first = () if state is None else self._flat(state, x.shape[0])
        if self._fast_path is not None and lengths is None and reset is None:
            found = self._fast_path.run(x, False, tuple(first) or None, 0, self._parameters, self.backend)
            if found is not None:
                y, *last = found
                return y.transpose(0, 1), State(dict(zip(self._state_names, last, strict=True)))
        y, last = self._run(x, check_lengths(lengths, x), first, check_reset(reset, x))
        return y, State(dict(zip(self._state_names, last, strict=True)))

    def _flat(self, state: State, B: int) -> list[Tensor]:
        """The parts of `state` in the order of the layers. CallError when they are not those of this layer."""
        if not isinstance(state, State):
            raise ArgumentError(
                f"state is a {type(state).__name__}; wanted a State, as a call or initial_state gives it"
            )
        parts = state.flat(self._state_shapes(B))
        for name, part in zip(self._state_names, parts, strict=True):
            check_dtype(f"state: {name}", part, getattr(self, self._names[0][0]))
        return parts

    def initial_state(self, batch_size: int) -> State:
        """The state before the first step: zeros, or as learned, or as the cell declares it; on the device and in the
        dtype of the layer."""
        if initial := self._initial():
            return State(dict(zip(self._state_names, (part.repeat(batch_size, 1) for part in initial), strict=True)))
        weight = getattr(self, self._names[0][0])
        return State({name: weight.new_zeros(shape) for name, shape in self._state_shapes(batch_size).items()})

    def plan(self, x: Tensor, lengths: Lengths = None, *, reset: Reset = None) -> LayerPlan:
        """Which back end will run this call, in words why each other one will not, and how many steps it computes."""
        return self._plan(x, lengths, reset)


def _each(spec: Any, num_layers: int) -> list[Any]:
    """What each layer is given."""
    return list(spec) if isinstance(spec, (list, tuple)) else [spec] * num_layers


def _num_layers(num_layers: int | None, cell: Any, hidden_size: Any) -> int:
    """The number of layers that all arguments agree on."""
    counts = {
        name: len(spec)
        for name, spec in (("cell", cell), ("hidden_size", hidden_size))
        if isinstance(spec, (list, tuple))
    }
    if num_layers is not None:
        counts["num_layers"] = check_size("num_layers", num_layers)
    if len(set(counts.values())) > 1 or 0 in counts.values():
        told = " and ".join(f"{name} {count}" for name, count in counts.items())
        raise CallError(f"layers: {told}; wanted one number of layers, at least 1")
    return next(iter(counts.values()), 1)
