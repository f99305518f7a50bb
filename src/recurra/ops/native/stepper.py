"""Single steps of a stack of layers by the native kernels, with buffers that are bound once."""

from __future__ import annotations

import torch
from torch import Tensor

from ...errors import BackendError
from ..call import Call
from . import autograd, loader

_BLOCK = 64  # numbers that an 8-bit kernel takes at once: see native/int8.h


class Steps:
    """Single steps of B streams through a stack of layers: buffers are bound and weights packed once, here.

    `run()` reads `x` (B, I), and changes the parts of `state` in place; `y` is the last layer's h. The weights are
    copies: bind anew when they have changed. With `int8` they are rounded to 8 bits, with a scale for each row.
    Raises BackendError where the kernels cannot.
    """

    def __init__(self, calls: list[Call], int8: bool = False) -> None:
        for call in calls:
            if why := _refuses(call, int8):
                raise BackendError(f"back end 'native' cannot step this layer: {why}")
        module, target = loader.loaded()
        self._steps = module.Steps(target, torch.get_num_threads(), loader.parallel())
        self._steps.kept = kept = list[Tensor]()  # by the steps themselves: `run` may outlive this object
        self.x = x = calls[0].x.new_zeros(calls[0].x.shape[0], calls[0].x.shape[2])
        self.state: list[Tensor] = []
        for call in calls:
            kernel, B, I, H = loader.kernel_of(call.cell), len(x), x.shape[1], call.hidden_size
            parts, biases = (
                x.new_zeros(len(call.cell.states), B, H),
                [bias.detach().clone() for bias in call.weights[2:]],
            )
            pack = self._packed_int8 if int8 else self._packed
            packed = [pack(kernel.number, weight, K) for weight, K in zip(call.weights[:2], (I, H), strict=True)]
            data: list[Tensor | None] = [x, parts, x.new_zeros(B, H), *(weight for weight, _ in packed)]
            data += biases or [None, None]
            data += [scale for _, scale in packed]
            data.append(x.new_zeros(B, _padded(I) + _padded(H), dtype=torch.int16) if int8 else None)
            addresses = [0 if part is None else part.data_ptr() for part in data]
            self._steps.add(kernel.number, x.dtype == torch.float64, B, I, H, addresses)
            kept += [part for part in data if part is not None]
            self.state += parts.unbind(0)
            x = parts[0]
        self.y = x
        self.run = self._steps.__call__  # without a detour through Python

    def _packed(self, kernel: int, weight: Tensor, K: int) -> tuple[Tensor, None]:
        """Weights (G*H, K) in the order in which the kernel reads them."""
        source, double = weight.detach().contiguous(), weight.dtype == torch.float64
        H = source.shape[0] // loader.KERNELS[kernel].gates
        packed = source.new_zeros(self._steps.packed_size(kernel, double, K, H))
        self._steps.pack(kernel, double, source.data_ptr(), K, H, packed.data_ptr())
        return packed, None

    def _packed_int8(self, kernel: int, weight: Tensor, K: int) -> tuple[Tensor, Tensor]:
        """The same in 8 bits, and the scale of each row (G*H,)."""
        source, H = weight.detach().contiguous(), weight.shape[0] // loader.KERNELS[kernel].gates
        packed = source.new_zeros(self._steps.packed_int8_size(kernel, K, H), dtype=torch.int8)
        scale = source.new_zeros(len(source))
        self._steps.pack_int8(kernel, source.data_ptr(), K, H, packed.data_ptr(), scale.data_ptr())
        return packed, scale


def _padded(K: int) -> int:
    return (K + _BLOCK - 1) // _BLOCK * _BLOCK


def _refuses(call: Call, int8: bool) -> str | None:
    if call.bidirectional:
        return "the reverse direction sees the end first"
    if call.masks:
        return "it has no place for the masks of recurrent_dropout and zoneout"
    if int8 and call.x.dtype != torch.float32:
        return f"weights of 8 bits go with float32, and x is {call.x.dtype}"
    return autograd.BACKEND.refuses(call)
