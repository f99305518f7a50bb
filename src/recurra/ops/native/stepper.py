"""Single time steps of a stack of layers by the native kernels, with buffers that are bound once."""

from __future__ import annotations

from contextlib import suppress

import torch
from torch import Tensor

from ...errors import BackendError
from ..call import Call
from . import autograd, loader
from .kernels import kernel_of

with suppress(ImportError):  # `loader.load` reports the reason
    from . import _native

_INT8_BLOCK = 64  # the 8-bit kernel reads this many numbers at once: see native/int8.h


class NativeStepper:
    """Single time steps of B streams through a stack of layers. The buffers are bound and the weights packed once, here.

    `run()` reads `x` (B, I) and updates the components of `state` in place; `y` is the h of the last layer. The weights are
    copies, so a change of the layer needs a new stepper. With `int8` they are rounded to 8 bits, with one scale for each row.
    Raises BackendError if the kernels do not support a layer.
    """

    def __init__(self, calls: list[Call], int8: bool = False) -> None:
        for call in calls:
            if reason := _unsupported_reason(call, int8):
                raise BackendError(f"backend 'native' cannot step this layer: {reason}")
        self._stepper = _native.Stepper(
            target=loader.target(), threads=torch.get_num_threads(), gomp_parallel=loader.gomp_parallel()
        )
        self._stepper.tensors = []  # the compiled object owns them, because `run` may outlive this object
        self.x = x = calls[0].x.new_zeros(calls[0].x.shape[0], calls[0].x.shape[2])
        self.state: list[Tensor] = []
        for call in calls:
            state = self._add_layer(call, x, int8)
            self.state += state.unbind(0)
            x = state[0]
        self.y = x
        self.run = self._stepper.__call__  # without another Python function around it

    def _add_layer(self, call: Call, x: Tensor, int8: bool) -> Tensor:
        """Binds the buffers of one layer that reads x (B, I). Returns its state (components, B, H)."""
        (B, I), H, cell = x.shape, call.hidden_size, kernel_of(call.cell).name
        state, scratch = x.new_zeros(len(call.cell.states), B, H), x.new_zeros(B, H)
        biases: list[Tensor | None] = [bias.detach().clone() for bias in call.weights[2:]] or [None, None]
        pack = self._pack_int8 if int8 else self._pack
        weight_ih, scale_ih = pack(cell, call.weights[0], I, H)
        weight_hh, scale_hh = pack(cell, call.weights[1], H, H)
        quantized = x.new_zeros(B, _padded(I) + _padded(H), dtype=torch.int16) if int8 else None
        self._stepper.add_layer(
            cell=cell,
            is_double=x.dtype == torch.float64,
            B=B,
            I=I,
            H=H,
            x_stride=I,
            x=x,
            state=state,
            scratch=scratch,
            packed_weight_ih=weight_ih,
            packed_weight_hh=weight_hh,
            bias_ih=biases[0],
            bias_hh=biases[1],
            scale_ih=scale_ih,
            scale_hh=scale_hh,
            quantized=quantized,
        )
        owned = (x, state, scratch, weight_ih, weight_hh, *biases, scale_ih, scale_hh, quantized)
        self._stepper.tensors += [tensor for tensor in owned if tensor is not None]
        return state

    def _pack(self, cell: str, weight: Tensor, K: int, H: int) -> tuple[Tensor, None]:
        """Weights (G*H, K) in the order in which the kernel reads them."""
        weight, is_double = weight.detach().contiguous(), weight.dtype == torch.float64
        packed = weight.new_zeros(self._stepper.packed_size(cell=cell, is_double=is_double, K=K, H=H))
        self._stepper.pack(cell=cell, is_double=is_double, K=K, H=H, weight=weight, packed=packed)
        return packed, None

    def _pack_int8(self, cell: str, weight: Tensor, K: int, H: int) -> tuple[Tensor, Tensor]:
        """The same with 8 bits, and the scale of each row (G*H,)."""
        weight = weight.detach().contiguous()
        packed = weight.new_zeros(self._stepper.packed_int8_size(cell=cell, K=K, H=H), dtype=torch.int8)
        scale = weight.new_zeros(len(weight))
        self._stepper.pack_int8(cell=cell, K=K, H=H, weight=weight, packed=packed, scale=scale)
        return packed, scale


def _padded(K: int) -> int:
    return (K + _INT8_BLOCK - 1) // _INT8_BLOCK * _INT8_BLOCK


def _unsupported_reason(call: Call, int8: bool) -> str | None:
    if call.bidirectional:
        return "the reverse direction needs the end of the sequence first"
    if call.masks:
        return "it does not support the masks of recurrent_dropout and zoneout"
    if int8 and call.x.dtype != torch.float32:
        return f"weights of 8 bits go with float32, and x is {call.x.dtype}"
    return autograd.BACKEND.unsupported_reason(call)
