"""`DropIn`, the base class of RNN, LSTM and GRU: torch.nn's arguments, layouts, attributes and return types."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from .. import cells, ops
from ..errors import CallError
from .base import RecurrentBase
from .explain import LayerPlan
from .layout import SequenceLayout
from .options import LayerOptions, Options
from .packed import run_packed
from .reset import Reset, check_reset
from .validate import (
    ArgumentError,
    Lengths,
    ShapeError,
    check_bool,
    check_lengths,
    check_like,
    check_size,
    check_tensor,
)


class DropIn(RecurrentBase):
    """Base class of RNN, LSTM and GRU.

    It converts between torch's layouts and those of `RecurrentBase._run`, which works batch first and takes the state as
    a flat list of components.
    """

    mode: str  # torch.nn's name of the recurrence

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
        options: LayerOptions,
    ) -> None:
        L, checked = check_size("num_layers", num_layers), Options.from_kwargs(options, LayerOptions)
        super().__init__(
            [cell] * L,
            input_size,
            [hidden_size] * L,
            bias,
            bidirectional,
            dropout,
            checked,
            backend,
            device,
            dtype,
        )
        self.batch_first = check_bool("batch_first", batch_first)
        self.proj_size = 0
        if dropout and L == 1:  # torch.nn warns too
            warnings.warn(f"dropout={dropout} acts between layers and has no effect with num_layers = 1", stacklevel=3)

    def extra_repr(self) -> str:
        """Return the arguments that `repr` shows: the sizes and everything that differs from its default."""
        extra = {"batch_first": self.batch_first, "proj_size": self.proj_size}
        return ", ".join([super().extra_repr(), *(f"{name}={value}" for name, value in extra.items() if value)])

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters, one list per layer and direction, in torch.nn's order."""
        n = len(self._names[0]) // len(self._suffixes)
        lists = [names[d : d + n] for names in self._names for d in range(0, len(names), n)]
        return [[self._weight(name) for name in names] for names in lists]

    def flatten_parameters(self) -> None:
        """Do nothing. The method exists for code that was written for torch.nn."""

    def plan(self, input: Tensor, lengths: Lengths = None, *, reset: Reset = None) -> LayerPlan:
        """Return which backend would run this call.

        Args:
            input: the input of the call, as for `forward`; only its shape, dtype and device matter.
            lengths: lengths (B,) of the sequences in time steps, as for `forward`. Default: None.
            reset: where sequences restart, as for `forward`. Default: None.

        Returns:
            A `LayerPlan`: the backend, the reason why each other one is not used, and the numbers of computed and valid
            time steps. Its `str` is a report.

        Raises:
            CallError: if the arguments do not fit the layer.
            BackendError: if the layer's `backend` does not support the call.
        """
        return self._plan(self._batch_first(input), lengths, reset)

    def _batch_first(self, x: Tensor) -> Tensor:
        """Return the input as (B, T, I), whichever of torch's layouts it has."""
        if check_tensor("input", x).dim() not in (2, 3):
            raise ShapeError(
                f"input has shape {tuple(x.shape)}; expected (T, B, I), (B, T, I) with batch_first, or (T, I)"
            )
        if x.shape[-1] != self.input_size:
            axes = "(T, I)" if x.dim() == 2 else "(B, T, I)" if self.batch_first else "(T, B, I)"
            raise ShapeError(f"input has shape {tuple(x.shape)}; expected {axes} with I = {self.input_size}")
        if x.dim() == 2:
            return x[None]
        return x if self.batch_first else x.transpose(0, 1)

    def _forward(
        self, x: Tensor | PackedSequence, hx: Sequence[Tensor] | None, lengths: Lengths, reset: Reset
    ) -> tuple[Any, list[Tensor]]:
        """Return output and components of the final state, (L*D, B, H) each, in the layout of torch.nn.

        `hx` contains the components of the initial state, (L*D, B, H) each, or is None.
        """
        if self._fast_path is not None and lengths is None and reset is None:
            outputs = self._fast_path.run(x, not self.batch_first, hx, 1, self._parameters, self.backend)
            if outputs is not None:
                y, *final = outputs
                return (y.transpose_(0, 1) if self.batch_first else y), final
        if isinstance(x, PackedSequence):
            packed, flat = run_packed(self, x, lambda B: self._flatten_state(hx, B), lengths, reset)
            return packed, self._stack_state(flat)
        sequences, is_batched = self._batch_first(x), x.dim() == 3
        for name, argument in (("lengths", lengths), ("reset", reset)):
            if not is_batched and argument is not None:
                raise CallError(
                    f"{name} is not supported for an input without a batch axis; pass a batch of one sequence"
                )
        check_like("x", sequences, self._first_weight())
        initial = self._flatten_state(hx, sequences.shape[0] if is_batched else None)
        layout = SequenceLayout(time_first=is_batched and not self.batch_first)
        checked = check_lengths(lengths, sequences), initial, check_reset(reset, sequences)
        y, flat = self._run(sequences, *checked, layout)
        final = self._stack_state(flat)
        if not is_batched:
            return y[0], [component[:, 0] for component in final]
        return y, final

    def _flatten_state(self, hx: Sequence[Tensor] | None, B: int | None) -> list[Tensor]:
        """Return a component (B, size) for each layer and direction from `hx`.

        Each tensor of `hx` has the shape (L*D, B, size), or (L*D, size) if `B` is None (no batch axis).
        """
        if hx is None:
            return []
        sizes, count = self._sizes[0], self.num_layers * len(self._suffixes)
        if not isinstance(hx, Sequence) or len(hx) != len(sizes):
            raise ArgumentError(f"hx is a {type(hx).__name__}; expected the tuple ({', '.join(sizes)}) of tensors")
        weight = self._first_weight()
        dtype, device = weight.dtype, weight.device
        for (name, size), component in zip(sizes.items(), hx, strict=True):
            expected = (count, size) if B is None else (count, B, size)
            is_like = isinstance(component, Tensor) and component.dtype == dtype and component.device == device
            if is_like and component.shape == expected:
                continue
            if check_tensor(f"hx: {name}", component).shape != expected:
                axes = "(L*D, H)" if B is None else "(L*D, B, H)"
                raise ShapeError(f"hx: {name} has shape {tuple(component.shape)}; expected {axes} = {expected}")
            check_like(f"hx: {name}", component, weight)
        if B is not None and count == 1:
            return [component.squeeze(0) for component in hx]
        by_name = [(component[:, None] if B is None else component).unbind(0) for component in hx]
        return [component for group in zip(*by_name, strict=True) for component in group]

    def _stack_state(self, flat: list[Tensor]) -> list[Tensor]:
        """Return the components, (L*D, B, size) each, which are no views: the inverse of `_flatten_state`."""
        count = len(self._sizes[0])
        if len(flat) == count:
            return [ops.with_leading_axis(component) for component in flat]
        return [torch.stack(flat[k::count]) for k in range(count)]
