"""`Stepper`, which runs a layer one time step at a time with preallocated buffers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ..errors import BackendError, CallError
from ..ops import Call, NativeStepper
from .base import RecurrentBase
from .pickling import cell_of, plain_cell
from .state import State
from .validate import ArgumentError, ShapeError, check_bool, check_index, check_size, check_tensor


class Stepper:
    """Runs a recurrent layer one time step at a time, for independent streams and without gradients.

    Inputs and outputs are preallocated buffers: write the input of the step to `x`, call the stepper, read the output from
    `y`. A step takes a few microseconds, because nothing is allocated or checked. The native kernels run the step, so the
    layer must consist of `rnn`, `lstm` and `gru` cells in one direction, without projection, zoneout, `residual` and
    `layer_norm`. For other layers, call the layer itself with T = 1 and pass the state on.

    The stepper copies the weights. After they change, create a new one. A copy of a stepper, by `copy` or `pickle`, has the
    same weights, and its own buffers and state. A step that uses several threads or takes long releases the lock of Python.

    Args:
        layer: an RNN, LSTM, GRU or Recurrent. A layer in training mode with `recurrent_dropout` or `weight_drop` is not
            supported.
        streams: number of independent streams, B. Default: 1.
        int8: if True, the copied weights are rounded to 8 bits, with one scale per row of a weight matrix, which reduces
            the memory that a step reads to a quarter. A weight changes by half a scale at most; x and h are rounded to 16
            bits. Requires float32. An input that is not finite makes the output of its stream NaN. Default: False.

    Attributes:
        x: (streams, I), the input buffer. Each step reads this buffer. Assigning a tensor copies it into the buffer.
        y: (streams, H), the output of the last layer after the last step. Each step overwrites it.
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
        ...     stepper.x = x[:, t]
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
            raise ArgumentError(f"layer is a {name}; expected an RNN, LSTM, GRU or Recurrent from recurra.nn")
        check_size("streams", streams)
        check_bool("int8", int8)
        if layer.training and (layer.options.weight_drop or layer.options.recurrent_dropout):
            raise CallError(
                "the layer is in training mode, in which each call draws new dropout masks; call layer.eval() first"
            )
        for option in ("residual", "layer_norm"):
            if getattr(layer.options, option):
                raise BackendError(
                    f"a Stepper does not support {option}, which acts between layers; call the layer itself with T = 1"
                )
        with _plain_tensors():
            calls = []
            for k in range(layer.num_layers):
                x = layer._first_weight().new_zeros(streams, 1, layer._input_size(k))
                call = layer._call(k, x, None, ())
                calls.append(call._replace(weights=[weight.detach().clone() for weight in call.weights]))
            initial = [component.detach().clone() for component in layer._initial()]
        self._build(calls, int8, initial, layer._state_names)
        self.reset()

    def _build(self, calls: list[Call], int8: bool, initial: list[Tensor], names: list[str]) -> None:
        self._calls, self._int8, self._initial, self._names = calls, int8, initial, list(names)
        with _plain_tensors():
            self._steps = NativeStepper(calls, int8)
        self._x, self._y, self._step = self._steps.x, self._steps.y, self._steps.run

    def __call__(self) -> None:
        """Run one time step: read `x`, update the state, write `y`."""
        self._step()

    @property
    def x(self) -> Tensor:
        """The input buffer, (streams, I). Each step reads it; assigning a tensor copies it into the buffer."""
        return self._x

    @x.setter
    def x(self, x: Tensor) -> None:
        if check_tensor("x", x).shape != self._x.shape:
            raise ShapeError(f"x has shape {tuple(x.shape)}; expected (streams, I) = {tuple(self._x.shape)}")
        if x.is_complex():
            raise ShapeError(f"x is {x.dtype}; expected real numbers, which are converted to {self._x.dtype}")
        with torch.no_grad():
            self._x.copy_(x)

    @property
    def y(self) -> Tensor:
        """The output buffer, (streams, H): the output of the last layer after the last step. Each step overwrites it."""
        return self._y

    @property
    def step(self) -> Callable[[], None]:
        """The function that `stepper()` calls. Calling it directly saves the overhead of one Python call."""
        return self._step

    @property
    def state(self) -> State:
        """The state after the last step, (streams, H) per component; a copy. Assigning a State replaces it."""
        return State({name: tensor.clone() for name, tensor in zip(self._names, self._steps.state, strict=True)})

    @state.setter
    def state(self, state: State) -> None:
        if not isinstance(state, State):
            raise ArgumentError(
                f"state is a {type(state).__name__}; expected a State, as returned by a layer or a Stepper"
            )
        buffers = self._steps.state
        shapes = {name: (len(buffer), buffer.shape[1]) for name, buffer in zip(self._names, buffers, strict=True)}
        with torch.no_grad():
            for buffer, tensor in zip(buffers, state.flat(shapes), strict=True):
                buffer.copy_(tensor)

    def reset(self, index: Tensor | slice | Sequence[int] = slice(None)) -> None:
        """Set the state of some streams to the initial state of the layer.

        Args:
            index: the streams: integers, a slice, or booleans (streams,). Default: all streams.

        Raises:
            CallError: if `index` is none of these, or has a stream that does not exist.
        """
        streams = check_index("index", index, len(self._x))
        with torch.no_grad():
            for k, buffer in enumerate(self._steps.state):
                buffer[streams] = self._initial[k] if self._initial else 0

    def __getstate__(self) -> dict[str, Any]:
        layers = [(plain_cell(c.cell), list(c.weights), c.x.shape[2], c.hidden_size, c.bias) for c in self._calls]
        buffers = {"x": self._x.clone(), "state": self.state.tensors()}
        return {"layers": layers, "int8": self._int8, "initial": self._initial, **buffers}

    def __setstate__(self, state: dict[str, Any]) -> None:
        x, components, calls = state["x"], state["state"], []
        for cell, weights, input_size, hidden_size, bias in state["layers"]:
            zeros = x.new_zeros(len(x), 1, input_size)
            calls.append(Call(cell_of(cell), zeros, None, (), weights, hidden_size, bias, bidirectional=False))
        self._build(calls, state["int8"], state["initial"], list(components))
        self.x, self.state = x, State(components)


@contextmanager
def _plain_tensors() -> Iterator[None]:
    """Tensors that are created in this context can be changed outside of inference mode, and have no gradients."""
    with torch.inference_mode(False), torch.no_grad():
        yield
