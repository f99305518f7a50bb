"""`Recurrent`: a recurrent layer of any cell, in several layers and one or two directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from .. import cells
from ..errors import CallError
from .base import RecurrentBase
from .explain import LayerPlan
from .fx import Proxy, leaf
from .layout import SequenceLayout
from .options import Options, RecurrentOptions
from .packed import run_packed
from .reset import Reset, check_reset
from .state import State
from .validate import ArgumentError, Lengths, check_lengths, check_like, check_probability, check_size

CellSpec = str | cells.Cell | type[cells.Cell]


class Recurrent(RecurrentBase):
    """Recurrent layer of any cell.

    At each time step t, layer k computes

        state_t = cell.step(cell.project(x_t, params), state_{t-1}, params)

    with its own parameters; its output at t is the first component of state_t, and the input of the layer above. The
    module of a cell contains its equation: `help(recurra.cells.lstm)`; docs/cells.md lists all of them.

    Axes: B sequences, T time steps, I input features, H hidden features, L layers, D = 2 if bidirectional, otherwise 1.

    Args:
        cell: name of a built-in cell ("rnn", "lstm", "gru", ...), a `recurra.cells.Cell` class or an instance; or a list of
            these, one per layer.
        input_size: number of input features, I.
        hidden_size: number of features of the hidden state, H; or a list, one per layer.
        num_layers: number of stacked layers, L. Default: None, the length of the lists, or 1.
        bias: if False, the cells have no biases. Default: True.
        bidirectional: if True, each layer also reads the sequences backwards. Default: False.
        dropout: probability of dropout on the output of each layer except the last. Training only. Default: 0.
        backend: "auto" or the name of the backend that must run the layer: "native", "torch" or "reference".
            Default: "auto".
        device: device of the parameters. Default: None, torch's default device.
        dtype: dtype of the parameters. Default: None, torch's default dtype.
        recurrent_dropout: dropout probability of h where the gates read it, with one mask per sequence for all time steps
            (Gal and Ghahramani 2016). Training only. Default: 0.
        zoneout: probability with which each state value keeps its previous value at a time step, one number or one per
            component, `{"h": p, "c": q}` (Krueger et al. 2017). In evaluation the expected value is used. Default: 0.
        weight_drop: dropout probability of the recurrent weights, with one mask per call (Merity et al. 2018). Training
            only. Default: 0.
        forget_bias: sum of the biases of the forget gate at initialization (Gers et al. 2000), or None for the
            initialization of the cell. Default: None.
        learned_state: if True, the initial state is a parameter, zero at initialization: `h0_l0` (size,), ...
            Default: False.
        merge: how the outputs of the two directions are combined: "concat", "sum", "mean" or "mul". Default: "concat".
        residual: if True, each layer except the first adds its input to its output. Default: False.
        layer_norm: if True, a `torch.nn.LayerNorm` normalizes the output of each layer except the last (Ba et al. 2016).
            Default: False.

    Attributes:
        output_size: number of features of the output: D*H, or H with a `merge` other than "concat".

    Raises:
        CallError: if an argument is invalid or has no effect on the cell.
        BackendError: (a CallError) if there is no backend of this name.

    Example:
        >>> import torch
        >>> from recurra import nn
        >>> layer = nn.Recurrent("lstm", 5, 8, num_layers=2, bidirectional=True)
        >>> x = torch.randn(3, 9, 5)  # (B, T, I)
        >>> y, state = layer(x, lengths=[9, 2, 4])
        >>> y.shape, state["c_l1_reverse"].shape
        (torch.Size([3, 9, 16]), torch.Size([3, 8]))
        >>> layer = nn.Recurrent(["lstm", "gru"], 5, [16, 8], forget_bias=None, zoneout=0.1)
        >>> head, state = layer(x[:, :4])
        >>> tail, state = layer(x[:, 4:], state)
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
        if check_probability("dropout", dropout) and L == 1:
            raise CallError(f"dropout is {dropout}, which acts between layers, and num_layers is 1; change one of them")
        layer_cells = [cells.get(spec) for spec in _per_layer(cell, L)]
        sizes = _per_layer(hidden_size, L)
        checked = Options.from_kwargs(options, RecurrentOptions)
        super().__init__(layer_cells, input_size, sizes, bias, bidirectional, dropout, checked, backend, device, dtype)

    def extra_repr(self) -> str:
        """Return the arguments that `repr` shows: cells, sizes and everything that differs from its default."""
        shown = self.cell if len(set(self.cells)) == 1 else list(self.cells)
        return f"{shown}, {super().extra_repr()}"

    def forward(
        self, x: Any, state: State | None = None, lengths: Lengths = None, reset: Reset = None
    ) -> tuple[Any, State]:
        """Run the layer.

        Args:
            x: (B, T, I), the input, or a `torch.nn.utils.rnn.PackedSequence`. T may be 0.
            state: initial state, a `State` with components (B, size). Default: None, `initial_state(B)`.
            lengths: (B,), integers, a tensor or a list; number of valid time steps of each sequence. Results and gradients
                equal those of each sequence alone. A tensor on a GPU is checked on the CPU, which waits for the GPU.
                Default: None, all T time steps are valid.
            reset: booleans (B, T) or pairs (sequence, time step); at these time steps a sequence restarts from
                `initial_state`: see `recurra.nn.reset`. Default: None.

        Returns:
            y: (B, T, D*H), or (B, T, H) with a `merge` other than "concat"; zero in the padding; a `PackedSequence` if the
                input is one.
            state: the `State` after the last valid time step of each sequence, in the reverse direction after its first
                one. A sequence of length 0 keeps its initial state.

        Raises:
            CallError: if a shape, dtype or value is invalid.
            BackendError: (a CallError) if the backend named by `backend` does not support the call.
        """
        if isinstance(x, Proxy):
            return leaf(self, x, state, lengths=lengths, reset=reset)  # type: ignore[no-any-return]
        if isinstance(x, PackedSequence):
            packed, final = run_packed(
                self, x, lambda B: [] if state is None else self._flatten_state(state, B), lengths, reset
            )
            return packed, State(dict(zip(self._state_names, final, strict=True)))
        self._check_x(x)
        initial = () if state is None else self._flatten_state(state, x.shape[0])
        if self._fast_path is not None and lengths is None and reset is None:
            outputs = self._fast_path.run(x, False, tuple(initial) or None, 0, self._parameters, self.backend)
            if outputs is not None:
                y, *final = outputs
                return y.transpose_(0, 1), State(dict(zip(self._state_names, final, strict=True)))
        y, final = self._run(x, check_lengths(lengths, x), initial, check_reset(reset, x), SequenceLayout())
        return y, State(dict(zip(self._state_names, final, strict=True)))

    def _flatten_state(self, state: State, B: int) -> list[Tensor]:
        """Return the components of `state` in the order of the layers. Raises CallError if they do not fit this layer."""
        if not isinstance(state, State):
            raise ArgumentError(
                f"state is a {type(state).__name__}; expected a State, as returned by a call or by initial_state"
            )
        components = state.flat(self._state_shapes(B))
        for name, component in zip(self._state_names, components, strict=True):
            check_like(f"state: {name}", component, self._first_weight())
        return components

    def initial_state(self, batch_size: int) -> State:
        """Return the state before the first time step, on the device and in the dtype of the layer.

        Args:
            batch_size: number of sequences, B.

        Returns:
            A `State` with components (B, size): zeros, the learned state (`learned_state`), or the one that the cell
            defines.
        """
        if initial := self._initial():
            components = (component.repeat(batch_size, 1) for component in initial)
            return State(dict(zip(self._state_names, components, strict=True)))
        weight = self._first_weight()
        return State({name: weight.new_zeros(shape) for name, shape in self._state_shapes(batch_size).items()})

    def plan(self, x: Tensor, lengths: Lengths = None, *, reset: Reset = None) -> LayerPlan:
        """Return which backend would run this call.

        Args:
            x: (B, T, I), the input of the call; only its shape, dtype and device matter.
            lengths: lengths (B,) of the sequences in time steps, as for `forward`. Default: None.
            reset: where sequences restart, as for `forward`. Default: None.

        Returns:
            A `LayerPlan`: the backend, the reason why each other one is not used, and the numbers of computed and valid
            time steps. Its `str` is a report.

        Raises:
            CallError: if the arguments do not fit the layer.
            BackendError: if the layer's `backend` does not support the call.
        """
        return self._plan(x, lengths, reset)


def _per_layer(spec: Any, num_layers: int) -> list[Any]:
    """Return one item per layer."""
    return list(spec) if isinstance(spec, (list, tuple)) else [spec] * num_layers


def _num_layers(num_layers: int | None, cell: Any, hidden_size: Any) -> int:
    """Return the number of layers. Raises CallError if the arguments imply different numbers."""
    counts = {
        name: len(spec)
        for name, spec in (("cell", cell), ("hidden_size", hidden_size))
        if isinstance(spec, (list, tuple))
    }
    if num_layers is not None:
        counts["num_layers"] = check_size("num_layers", num_layers)
    if len(set(counts.values())) > 1 or 0 in counts.values():
        conflict = " and ".join(f"{count} by {name}" for name, count in counts.items())
        raise CallError(f"the number of layers is {conflict}; expected one number, at least 1")
    return next(iter(counts.values()), 1)
