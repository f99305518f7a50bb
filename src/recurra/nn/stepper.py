"""`Stepper`, which runs a layer one time step at a time with preallocated buffers."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import BackendError, CallError
from ..ops import NativeStepper
from .base import RecurrentBase
from .state import State
from .validate import check_bool


class Stepper:
    """Runs a recurrent layer one time step at a time, for independent streams and without gradients.

    Inputs and outputs are preallocated buffers: write the input of the step to `x`, call the stepper, read the output from
    `y`. A step takes a few microseconds, because nothing is allocated or checked. The native kernels run the step, so the
    layer must consist of `rnn`, `lstm` and `gru` cells in one direction, without projection, zoneout, `residual` and
    `layer_norm`. For other layers, call the layer itself with T = 1 and pass the state on.

    The stepper copies the weights. After they change, create a new one.

    Args:
        layer: an RNN, LSTM, GRU or Recurrent. A layer in training mode with `recurrent_dropout` or `weight_drop` is not
            supported.
        streams: number of independent streams, B. Default: 1.
        int8: if True, the copied weights are rounded to 8 bits, with one scale per row of a weight matrix, which reduces
            the memory that a step reads to a quarter. A weight changes by half a scale at most; x and h are rounded to 16
            bits. Requires float32. An input that is not finite makes the output of its stream NaN. Default: False.

    Attributes:
        x: (streams, I), the input buffer. It is always the same memory.
        y: (streams, H), the output of the last layer after the last step. It is always the same memory.
        step: the function that `stepper()` calls. Calling it directly saves the overhead of one Python call.
        state: the current `State`, (streams, H) per component. Reading it returns a copy; assigning a State replaces it.

    Raises:
        CallError: if an argument is invalid.
        BackendError: (a CallError) if the native kernels are not available or do not support the layer.

    Example:
        >>> import torch
        >>> from recurra import nn
        >>> layer = nn.Recurrent("gru", 5, 8)
        >>> stepper = nn.Stepper(layer, streams=2)
        >>> x = torch.randn(2, 3, 5)
        >>> for t in range(3):
        ...     stepper.x[:] = x[:, t]
        ...     stepper()
        >>> y, _ = layer(x)
        >>> torch.allclose(stepper.y, y[:, -1], atol=1e-6)
        True
        >>> before = stepper.state
        >>> stepper.reset([1])
        >>> stepper.state = before
    """

    def __init__(self, layer: RecurrentBase, streams: int = 1, *, int8: bool = False) -> None:
        if not isinstance(layer, RecurrentBase):
            name = f"{type(layer).__module__}.{type(layer).__name__}"
            raise CallError(f"layer is a {name}; expected an RNN, LSTM, GRU or Recurrent from recurra.nn")
        if not isinstance(streams, int) or streams < 1:
            raise CallError(f"streams is {streams!r}; expected an integer of at least 1")
        if layer.training and (layer.options.weight_drop or layer.options.recurrent_dropout):
            raise CallError(
                "the layer is in training mode, in which each call draws new dropout masks; call layer.eval() first"
            )
        for option in ("residual", "layer_norm"):
            if getattr(layer.options, option):
                raise BackendError(
                    f"a Stepper does not support {option}, which acts between layers; call the layer itself with T = 1"
                )
        with torch.no_grad():
            weight = layer._first_weight()
            calls = []
            for k in range(layer.num_layers):
                x = weight.new_zeros(streams, 1, layer._input_size(k))
                calls.append(layer._call(k, x, None, ()))
            self._steps = NativeStepper(calls, check_bool("int8", int8))
            self._initial = [component.detach().clone() for component in layer._initial()]
        self._names = layer._state_names
        self.x: Tensor = self._steps.x
        self.y: Tensor = self._steps.y
        self.step = self._steps.run  # what __call__ calls
        self.reset()

    def __call__(self) -> None:
        """Run one time step: read `x`, update the state, write `y`."""
        self.step()

    @property
    def state(self) -> State:
        """The state after the last step, (streams, H) per component; a copy. Assigning a State replaces it."""
        return State({name: tensor.clone() for name, tensor in zip(self._names, self._steps.state, strict=True)})

    @state.setter
    def state(self, state: State) -> None:
        shapes = {name: tuple(tensor.shape) for name, tensor in zip(self._names, self._steps.state, strict=True)}
        for buffer, tensor in zip(self._steps.state, state.flat(shapes), strict=True):  # type: ignore[arg-type]
            buffer.copy_(tensor)

    def reset(self, index: Tensor | slice | list[int] = slice(None)) -> None:
        """Set the state of some streams to the initial state of the layer.

        Args:
            index: the streams: integers, a slice, or booleans (streams,). Default: all streams.
        """
        for k, buffer in enumerate(self._steps.state):
            buffer[index] = self._initial[k] if self._initial else 0
