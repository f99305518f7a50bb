"""A layer as a stream runs it: one step at a time, with buffers that are bound once."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import CallError
from ..ops import Steps
from .stack import Stack
from .state import State


class Stepper:
    """Single steps of a recurrent layer for `streams` independent streams, without gradients.

        stepper = Stepper(layer)
        stepper.x[:] = torch.tensor([0.1, 0.2])   # (streams, I)
        stepper()
        print(stepper.y)                          # (streams, H): the output of the last layer

    x and y are always the same memory. The weights are copied here: after they change, make another one. The state is a
    value, as everywhere: read it, keep it, set it. Raises BackendError where the native kernels cannot run the layer.
    """

    def __init__(self, layer: Stack, streams: int = 1) -> None:
        if not isinstance(streams, int) or streams < 1:
            raise CallError(f"streams is {streams!r}; wanted an integer of at least 1")
        with torch.no_grad():
            weight = getattr(layer, layer._names[0][0])
            calls = []
            for k in range(layer.num_layers):
                x = weight.new_zeros(streams, 1, layer.input_size if k == 0 else layer.output_size)
                calls.append(layer._call(k, x, None, ()))
            self._steps = Steps(calls)
        self._names = layer._state_names
        self.x: Tensor = self._steps.x
        self.y: Tensor = self._steps.y
        self.step = self._steps.run  # as calling it, without a detour

    def __call__(self) -> None:
        self.step()

    @property
    def state(self) -> State:
        """The state after the last step, (streams, H) a part; a copy."""
        return State({name: part.clone() for name, part in zip(self._names, self._steps.state, strict=True)})

    @state.setter
    def state(self, state: State) -> None:
        shapes = {name: tuple(part.shape) for name, part in zip(self._names, self._steps.state, strict=True)}
        for mine, part in zip(self._steps.state, state.flat(shapes), strict=True):  # type: ignore[arg-type]
            mine.copy_(part)

    def reset(self, rows: Tensor | slice | list[int] = slice(None)) -> None:
        """Zero the state of `rows`: these streams begin anew."""
        for part in self._steps.state:
            part[rows] = 0
