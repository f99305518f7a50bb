"""A few time steps of one layer in one direction without gradients, directly from the layer to the kernel.

A step takes one or two microseconds, and the general path with its checks about thirty. Here the compiled module checks the
tensors (native/fast_path.h). A call that it does not accept takes the general path, which supports it or reports what is wrong.
Nothing is kept between calls except the choice of "auto" for a size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from ...cells import Cell
from .. import timings
from ..call import record_run
from ..eligibility import fast_path_may_run
from . import loader, small_batch
from .kernels import CELLS, kernel_of

with suppress(ImportError):  # `loader.load` reports the reason
    from . import _native


class FastPath:
    """The fast path of a layer of `cell` in one direction; `names` are its parameters in the order of the cell."""

    def __init__(self, cell: Cell, hidden_size: int, names: Sequence[str]) -> None:
        self.cell, self.H, self.names = cell, hidden_size, list(names)
        self._bound: dict[str, _native.FastPath] = {}  # by instruction set

    @classmethod
    def of(cls, cell: Cell, hidden_size: int, names: Sequence[str]) -> FastPath | None:
        """The fast path of a layer, or None for a cell without a kernel."""
        return cls(cell, hidden_size, names) if type(cell) in CELLS else None

    def run(
        self,
        x: Any,
        time_first: bool,
        state: Sequence[Any] | None,
        leading_axes: int,
        parameters: Mapping[str, Any],
        backend: str,
    ) -> list[Tensor] | None:
        """x is (B, T, I), or (T, B, I) with `time_first`. `state` has the components of the initial state, (B, H) each after
        `leading_axes` axes of size 1, or is None.

        Returns [y (T, B, H), components of the final state], or None if the call has to take the general path."""
        if torch.is_grad_enabled() or not fast_path_may_run() or torch.is_autocast_enabled("cpu"):
            return None
        module, target = loader.load()
        if module is None or (backend != "native" and (backend != "auto" or not self._is_fastest(x, time_first))):
            return None
        outputs = (self._bound.get(target) or self._bind(target)).run(
            x=x,
            time_first=time_first,
            state=state,
            leading_axes=leading_axes,
            parameters=parameters,
            threads=torch.get_num_threads(),
        )
        if outputs is not None:
            record_run("native")
        return outputs

    def _bind(self, target: str) -> _native.FastPath:
        """The compiled object with everything that does not change between calls."""
        self._bound[target] = _native.FastPath(
            target=target,
            gomp_parallel=loader.gomp_parallel(),
            cell=kernel_of(self.cell).name,
            H=self.H,
            names=self.names,
            tensor=Tensor,
            parameter=torch.nn.Parameter,
            float32=torch.float32,
            float64=torch.float64,
            max_steps=small_batch.STEPS - 1,
            max_batch=small_batch.ROWS,
        )
        return self._bound[target]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_bound": {}}  # a compiled object cannot be copied or pickled

    def _is_fastest(self, x: Any, time_first: bool) -> bool:
        """Whether "auto" would choose the native backend: see `dispatch.choose`."""
        if not isinstance(x, Tensor) or x.dim() != 3 or 0 in x.shape:
            return False
        B, T = x.shape[time_first], x.shape[not time_first]
        fastest = timings.fastest(self.cell.name, B, T, self.H, torch.get_num_threads())
        return fastest in (None, "native") or x.dtype != torch.float32  # the table is for float32
