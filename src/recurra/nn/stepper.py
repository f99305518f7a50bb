"""A layer as a stream runs it: one step at a time, with buffers that are bound once."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import BackendError, CallError
from ..ops import NativeStepper
from .base import Stack
from .state import State
from .validate import check_bool


class Stepper:
    """Single steps of a recurrent layer for `streams` independent streams, without gradients.

        stepper = Stepper(layer)
        stepper.x[:] = torch.tensor([0.1, 0.2])   # (streams, I)
        stepper()
        print(stepper.y)                          # (streams, H): the output of the last layer

    x and y are always the same memory. The weights are copied here: after they change, make another one. The state is a
    value, as everywhere: read it, keep it, set it. Raises BackendError where the native kernels cannot run the layer.

    With `int8` the weights are rounded to 8 bits, with one scale for each row of them, which is a quarter of the memory to
    read: a step of few streams is faster about as much where the weights do not fit into the nearest caches. The rounding
    is half a scale at most; x and h are rounded to 16 bits. An x that is not finite makes its stream NaN.
    """

    def __init__(self, layer: Stack, streams: int = 1, *, int8: bool = False) -> None:
        if not isinstance(layer, Stack):
            kind = f"{type(layer).__module__}.{type(layer).__name__}"
            raise CallError(f"layer is a {kind}; wanted an RNN, LSTM, GRU or Recurrent of recurra.nn")
        if not isinstance(streams, int) or streams < 1:
            raise CallError(f"streams is {streams!r}; wanted an integer of at least 1")
        if layer.training and (layer.options.weight_drop or layer.options.recurrent_dropout):
            raise CallError(
                "the layer is in training mode, where each call drops something else; call its eval() first"
            )
        for option in ("residual", "layer_norm"):
            if getattr(layer.options, option):
                raise BackendError(
                    f"a stepper has no place for {option}, which acts between layers; step the layer itself"
                )
        with torch.no_grad():
            weight = getattr(layer, layer._names[0][0])
            calls = []
            for k in range(layer.num_layers):
                x = weight.new_zeros(streams, 1, layer._input_size(k))
                calls.append(layer._call(k, x, None, ()))
            self._steps = NativeStepper(calls, check_bool("int8", int8))
            self._first = [part.detach().clone() for part in layer._initial()]
        self._names = layer._state_names
        self.x: Tensor = self._steps.x
        self.y: Tensor = self._steps.y
        self.step = self._steps.run  # as calling it, without a detour
        self.reset()

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
        """The streams `rows` begin anew: their state is the layer's initial one."""
        for k, part in enumerate(self._steps.state):
            part[rows] = self._first[k] if self._first else 0
