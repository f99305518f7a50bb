"""Single time steps of a stack of layers by the native kernels, with buffers that are bound once."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from ...cells.int8 import int8_of
from ...errors import BackendError
from .. import timings
from ..call import Call
from . import autograd, int8, loader
from .kernels import INT8_CELLS, kernel_of

with suppress(ImportError):  # `loader.load` reports the reason
    from . import _native

_INT8_BLOCK = 64  # the 8-bit kernel reads this many numbers at once: see native/int8_product.h


class NativeStepper:
    """Single time steps of B streams through a stack of layers. The buffers are bound and the weights packed once, here.

    `run()` reads `x` (B, I) and updates the components of `state` in place; `y` is the h of the last layer. The weights are
    copies, so a change of the layer needs a new stepper. With `round_to_int8` they are rounded to 8 bits, with one scale for
    each row. `kernel` is "packed" or "unpacked", for weights that are packed or read as they are; by default the one that is
    faster according to the table of timings. Raises BackendError if the kernels do not support a layer.
    """

    def __init__(self, calls: list[Call], round_to_int8: bool = False, kernel: str | None = None) -> None:
        calls = [_with_int8(call) if round_to_int8 else call for call in calls]
        for call in calls:
            if reason := _unsupported_reason(call):
                raise BackendError(f"backend 'native' cannot step this layer: {reason}")
        self._stepper = _native.Stepper(
            target=loader.target(), threads=torch.get_num_threads(), gomp_parallel=loader.gomp_parallel()
        )
        self._kernel = kernel
        self._stepper.tensors = []  # the compiled object owns them, because `run` may outlive this object
        self.x = x = calls[0].x.new_zeros(calls[0].x.shape[0], calls[0].x.shape[2])
        self.state: list[Tensor] = []
        for call in calls:
            state = self._add_layer(call, x)
            self.state += state.unbind(0)
            x = state[0]
        self.y = x
        self.run = self._stepper.__call__  # without another Python function around it

    def _add_layer(self, call: Call, x: Tensor) -> Tensor:
        """Binds the buffers of one layer that reads x (B, I). Returns its state (components, B, H)."""
        (B, I), H, cell = x.shape, call.hidden_size, kernel_of(call.cell).name
        state = x.new_zeros(len(call.cell.states), B, H)
        weights = self._int8_weights(call, x) if type(call.cell) in INT8_CELLS else self._weights(call, x)
        self._stepper.add_layer(
            cell=cell,
            is_double=x.dtype == torch.float64,
            unpacked=weights.pop("unpacked"),
            B=B,
            I=I,
            H=H,
            x_stride=I,
            x=x,
            state=state,
            **weights,
        )
        self._stepper.tensors += [tensor for tensor in (x, state, *weights.values()) if tensor is not None]
        return state

    def _weights(self, call: Call, x: Tensor) -> dict[str, Any]:
        """The weights in the order in which the kernel reads them, and the memory that it writes to."""
        (B, I), H, cell = x.shape, call.hidden_size, kernel_of(call.cell).name
        kernel = self._kernel or timings.step_kernel(call.cell.name, B, H, torch.get_num_threads())
        pack = self._pack if kernel == "packed" else _copy
        biases: list[Tensor | None] = [bias.detach().clone() for bias in call.weights[2:]] or [None, None]
        return {
            "unpacked": kernel != "packed",
            "weight_ih": pack(cell, call.weights[0], I, H),
            "weight_hh": pack(cell, call.weights[1], H, H),
            "bias_ih": biases[0],
            "bias_hh": biases[1],
            "scale_ih": None,
            "scale_hh": None,
            "scratch": x.new_zeros(B, H),
            "quantized": None,
        }

    def _pack(self, cell: str, weight: Tensor, K: int, H: int) -> Tensor:
        weight, is_double = weight.detach().contiguous(), weight.dtype == torch.float64
        packed = weight.new_zeros(self._stepper.packed_size(cell=cell, is_double=is_double, K=K, H=H))
        self._stepper.pack(cell=cell, is_double=is_double, K=K, H=H, weight=weight, packed=packed)
        return packed

    def _int8_weights(self, call: Call, x: Tensor) -> dict[str, Any]:
        """The same for 8-bit weights, which one kernel reads as they are."""
        (B, I), H = x.shape, call.hidden_size
        copies = {
            name: [tensor.detach().clone() for tensor in tensors] for name, tensors in int8.arguments(call).items()
        }
        of_name = {name: tensors[0] if tensors else None for name, tensors in copies.items()}
        return {
            **of_name,
            "unpacked": False,
            "scratch": x.new_zeros(B, len(copies["weight_ih"][0])),
            "quantized": x.new_zeros(B, _padded(I) + _padded(H), dtype=torch.int16),
        }


def _with_int8(call: Call) -> Call:
    """The call with weights of 8 bits, if there are such weights for its cell."""
    cell = int8_of(call.cell)
    if cell is None or call.bidirectional:
        return call
    names = list(call.cell.parameters(call.x.shape[2], call.hidden_size, call.bias))
    weights = cell.quantized(dict(zip(names, (weight.detach() for weight in call.weights), strict=True)))
    return call._replace(cell=cell, weights=list(weights.values()))


def _copy(cell: str, weight: Tensor, K: int, H: int) -> Tensor:
    return weight.detach().clone(memory_format=torch.contiguous_format)


def _padded(K: int) -> int:
    return (K + _INT8_BLOCK - 1) // _INT8_BLOCK * _INT8_BLOCK


def _unsupported_reason(call: Call) -> str | None:
    if call.bidirectional:
        return "the reverse direction needs the end of the sequence first"
    if call.masks:
        return "it does not support the masks of recurrent_dropout and zoneout"
    return autograd.BACKEND.unsupported_reason(call)
