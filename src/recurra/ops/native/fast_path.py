"""A few steps of one layer in one direction, where no gradient is wanted: straight from the layer to the kernel of `few`.

A step takes a microsecond or two, and the way that every call goes, with its checks in words, thirty. Here the kernel's own
module looks at the tensors (native/direct.h). What it does not take for whatever reason goes the usual way, which says what
is wrong, or does it otherwise; nothing is kept from call to call but the choice of `auto` for a size, as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from ...cells import GRU, LSTM, RNN, Cell
from .. import timings
from ..call import note
from ..library import wants_operator
from . import loader, small_batch


class Straight:
    """Of a layer of `cell` in one direction, `names` its parameters in the cell's order."""

    def __init__(self, cell: Cell, hidden_size: int, names: Sequence[str]) -> None:
        self.cell, self.H, self.names = cell, hidden_size, list(names)
        self.number = loader.kernel_of(cell).number

    @classmethod
    def of(cls, cell: Cell, hidden_size: int, names: Sequence[str]) -> Straight | None:
        """None for a cell that has no kernel."""
        return cls(cell, hidden_size, names) if type(cell) in (RNN, LSTM, GRU) else None

    def run(
        self,
        x: Any,
        time_first: bool,
        state: Sequence[Any] | None,
        axes: int,
        weights: Mapping[str, Any],
        backend: str,
    ) -> list[Tensor] | None:
        """x (B, T, I), or (T, B, I) where time is first; the parts of the state, (B, H) after `axes` axes of 1, or None.

        -> [y (T, B, H), parts after the last step]; None where the usual way is to be gone."""
        if torch.is_grad_enabled() or wants_operator(x) or torch.is_autocast_enabled("cpu"):
            return None
        module, target = loader.load()
        if module is None or (backend != "native" and (backend != "auto" or not self._fastest(x, time_first))):
            return None
        found: list[Tensor] | None = _direct(module, target).run(
            self.number, self.H, x, time_first, state, axes, weights, self.names, torch.get_num_threads()
        )
        if found is not None:
            note("native")
        return found

    def _fastest(self, x: Tensor, time_first: bool) -> bool:
        """Whether `auto` would take the kernels: see `choose`."""
        if x.dim() != 3 or 0 in x.shape:
            return False
        B, T = x.shape[time_first], x.shape[not time_first]
        known = timings.fastest(self.cell.name, B, T, self.H, torch.get_num_threads())
        return known in (None, "native") or x.dtype != torch.float32  # of which alone the table speaks


@cache
def _direct(module: Any, target: str) -> Any:
    kinds = Tensor, torch.nn.Parameter, torch.float32, torch.float64
    return module.Direct(target, loader.parallel(), *kinds, small_batch.STEPS - 1, small_batch.ROWS)
