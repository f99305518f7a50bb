"""`Recurrent`: any cell over time, deep, in one direction or both, with lengths and a state that can be handed on."""

from __future__ import annotations

import torch
from torch import Tensor

from .. import cells, ops
from ..errors import CallError
from .checks import Lengths, check_lengths, check_size, check_tensor
from .reset import Reset, check_reset
from .stack import Stack
from .state import State


class Recurrent(Stack):
    """A recurrent layer.

    cell           a name ("lstm"), a `Cell` class or an instance
    input_size     I
    hidden_size    H
    num_layers     layers on top of each other
    bias           whether the cell has biases
    bidirectional  whether each layer also reads each row from its last live step to its first
    dropout        probability with which an output between two layers is zeroed while training
    backend        "auto", or the name of the back end that must run

    Raises CallError for an argument that cannot be, BackendError (a CallError) for an unknown back end.
    """

    def __init__(
        self,
        cell: str | cells.Cell | type[cells.Cell],
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bias: bool = True,
        bidirectional: bool = False,
        dropout: float = 0.0,
        backend: str = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if dropout and num_layers == 1:
            raise CallError(f"dropout is {dropout}, which acts between layers, and num_layers is 1; leave one of them")
        L, of = check_size("num_layers", num_layers), cells.get(cell)
        super().__init__([of] * L, input_size, [hidden_size] * L, bias, bidirectional, dropout, backend, device, dtype)

    def extra_repr(self) -> str:
        return f"{self.cell}, {super().extra_repr()}"

    def forward(
        self, x: Tensor, state: State | None = None, *, lengths: Lengths = None, reset: Reset = None
    ) -> tuple[Tensor, State]:
        """x (B, T, I), first state (None: zeros), lengths (B,) -> y (B, T, D*H), the state after each row's last step.

        y is zero past each row's length. A row of length 0 keeps its first state. `reset`, booleans (B, T) or a list of
        (row, step), says where rows start anew in mid-sequence: see `recurra.nn.reset`. With lengths or reset on a GPU
        their check waits for it; keep them on the CPU. Raises CallError when shapes, dtypes or values do not fit.
        """
        self._check_x(check_tensor("x", x))
        first = () if state is None else state.flat(self._state_shapes(x.shape[0]))
        y, last = self._run(x, check_lengths(lengths, x), first, check_reset(reset, x))
        return y, State(dict(zip(self._state_names, last, strict=True)))

    def initial_state(self, batch_size: int) -> State:
        """The state before the first step: zeros, on the device and in the dtype of the layer."""
        weight = getattr(self, self._names[0][0])
        return State({name: weight.new_zeros(shape) for name, shape in self._state_shapes(batch_size).items()})

    def plan(self, x: Tensor, lengths: Lengths = None, *, reset: Reset = None) -> ops.Plan:
        """Which back end will run this call, and in words why each other one will not."""
        return self._plan(x, lengths, reset)

    def _state_shapes(self, batch_size: int) -> dict[str, tuple[int, int]]:
        sizes = [size for sizes in self._sizes for _ in self._suffixes for size in sizes.values()]
        return {name: (batch_size, size) for name, size in zip(self._state_names, sizes, strict=True)}
