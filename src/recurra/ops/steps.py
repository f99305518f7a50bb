"""Single steps of a stack of layers by the native kernels, with buffers that are bound once."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import BackendError
from . import kernels, native
from .call import Call


class Steps:
    """Single steps of B streams through a stack of layers: buffers are bound and weights packed once, here.

    `run()` reads `x` (B, I), and changes the parts of `state` in place; `y` is the last layer's h. The weights are
    copies: bind anew when they have changed. Raises BackendError where the kernels cannot.
    """

    def __init__(self, calls: list[Call]) -> None:
        for call in calls:
            why = "the reverse direction sees the end first" if call.bidirectional else native.BACKEND.refuses(call)
            if why:
                raise BackendError(f"back end 'native' cannot step this layer: {why}")
        module, target = kernels.loaded()
        self._steps, self._kept = module.Steps(target, torch.get_num_threads(), kernels.parallel()), list[Tensor]()
        self.x = x = calls[0].x.new_zeros(calls[0].x.shape[0], calls[0].x.shape[2])
        self.state: list[Tensor] = []
        for call in calls:
            kernel, B, I, H = kernels.kernel_of(call), len(x), x.shape[1], call.hidden_size
            double = x.dtype == torch.float64
            parts = x.new_zeros(len(call.cell.states), B, H)
            packed = []
            for weight, K in zip(call.weights[:2], (I, H), strict=True):
                packed.append(x.new_zeros(self._steps.packed_size(kernel.number, double, K, H)))
                source = weight.detach().contiguous()
                self._steps.pack(kernel.number, double, source.data_ptr(), K, H, packed[-1].data_ptr())
            biases = [bias.detach().clone() for bias in call.weights[2:]]
            data = [x, parts, x.new_zeros(B, H), *packed, *biases]
            addresses = [part.data_ptr() for part in data]
            self._steps.add(kernel.number, double, B, I, H, addresses + [0] * (7 - len(addresses)))
            self._kept += data
            self.state += parts.unbind(0)
            x = parts[0]
        self.y = x
        self.run = self._steps.__call__  # without a detour through Python
