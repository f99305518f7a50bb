"""`Cell`, the base class of all recurrences: parameters, a projection of the input, and one pure step.

A cell contains nothing about time, layout, direction or device. To write one, subclass `Cell`; the options of the cell are
the fields of a frozen dataclass:

    @dataclass(frozen=True)
    class Leaky(Cell):
        leak: float = 0.1

        def parameters(self, input_size, hidden_size, bias): ...
        def project(self, x, params): ...
        def step(self, projected, state, params): ...

Everything that other code uses of a cell is a class attribute or a method of `Cell`, so a cell is one file.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from ..errors import CallError

Params = Mapping[str, Tensor]


class Parameter(NamedTuple):
    """A parameter that a cell declares.

    Attributes:
        shape: shape of the tensor.
        init: function that fills a tensor of this shape in place. Default: None, if the cell defines `initialize`.
        trainable: False for a fixed parameter, which is saved, loaded and moved with the layer but not trained.
            Default: True.
        dtype: dtype of the tensor, for a fixed parameter of integers. Default: None, the dtype of the layer.
        role: "input" for a matrix that multiplies the input, "recurrent" for one that multiplies the state, "bias"; penalties,
            initializations and constraints find parameters by their role. Default: "", that of the name: `weight_ih...` is
            "input", `weight_hh...` "recurrent", `bias...` "bias", and any other name has none.
    """

    shape: tuple[int, ...]
    init: Callable[[Tensor], object] | None = None
    trainable: bool = True
    dtype: torch.dtype | None = None
    role: str = ""


ROLES = ("input", "recurrent", "bias")
_ROLE_OF_NAME = {"weight_ih": "input", "weight_hh": "recurrent", "bias": "bias"}


def role_of(name: str, parameter: Parameter) -> str:
    """Return the role of a parameter of a cell: the one it declares, otherwise that of its name, or ""."""
    of_name = (role for prefix, role in _ROLE_OF_NAME.items() if name.startswith(prefix))
    return parameter.role or next(of_name, "")


class Hidden(NamedTuple):
    """The state of a cell that has one component, the hidden state."""

    h: Tensor  # (B, H)


@dataclass(frozen=True)
class Uniform:
    """Initialization by the uniform distribution U(low, high)."""

    low: float
    high: float

    def __call__(self, tensor: Tensor) -> Tensor:
        """Fill `tensor` in place."""
        return tensor.uniform_(self.low, self.high)


def uniform(hidden_size: int) -> Uniform:
    """Return the usual initialization of recurrent layers, U(-1/sqrt(H), 1/sqrt(H)); U(0, 0) for H = 0."""
    bound = 1.0 / math.sqrt(hidden_size) if hidden_size else 0.0
    return Uniform(-bound, bound)


@dataclass(frozen=True)
class Cell(ABC):
    """Abstract base class of a recurrence: its parameters, a projection of the input, and one pure step.

    A subclass is a frozen dataclass. Its fields are the options of the cell, each a bool, int, float or str with a default
    value; two cells with equal options are equal. The subclass must define `parameters`, `project` and `step`; everything
    else is optional. A cell contains nothing about time, layout, direction or device: a layer computes

        projected = cell.project(x, params)                        for all time steps at once
        state = cell.step(projected[:, t], state, params)          for t = 0, ..., T-1

    Axes: B sequences, I input features, H hidden features, G gates.

    Attributes:
        name: name of the cell in settings. Default: the class name in lower case.
        state_type: a NamedTuple class with the components of the state. The first component is the output of the cell.
            Default: `Hidden`, with the single component h.
        states: names of the components, read from `state_type`.
        gates: names of the gates, in the order in which they are stacked in the parameters. Default: none.
        forget_gate: name of the gate that keeps the cell state where it is 1, to which the option `forget_bias` of a layer
            applies. Default: None.
        memory_gates: the gates whose biases determine how long the state is kept, each with 1 if an open gate keeps the
            state, or -1 if it replaces it; `recurra.nn.init.chrono_` sets these biases. Default: none.
        separate_hidden_bias: for a cell with the two biases `bias_ih` and `bias_hh` (G*H,), the gates in which the second
            bias cannot be merged with the first, because it is inside a product; () if both are only added. Default: None,
            for a cell with other biases.
        source: reference of the equation. Default: "".
        differentiable: False for a cell for inference only, whose step contains a rounding. A call that needs a gradient
            is then an error. Default: True.

    Raises:
        CallError: when a subclass is defined whose `state_type` is not a NamedTuple class.

    Example:
        >>> from dataclasses import dataclass
        >>> import torch
        >>> from torch.nn.functional import linear
        >>> from recurra import nn
        >>> from recurra.cells import Cell, Hidden, Parameter, uniform
        >>> @dataclass(frozen=True)
        ... class Leaky(Cell):
        ...     leak: float = 0.1
        ...     def parameters(self, input_size, hidden_size, bias):
        ...         shapes = {"W": (hidden_size, input_size), "U": (hidden_size, hidden_size)}
        ...         return {name: Parameter(shape, uniform(hidden_size)) for name, shape in shapes.items()}
        ...     def project(self, x, params):
        ...         return linear(x, params["W"])
        ...     def step(self, projected, state, params):
        ...         new = torch.tanh(projected + linear(state.h, params["U"]))
        ...         return Hidden((1 - self.leak) * state.h + self.leak * new)
        >>> y, state = nn.Recurrent(Leaky(leak=0.5), 5, 8)(torch.randn(3, 9, 5))
        >>> y.shape
        torch.Size([3, 9, 8])
    """

    name: ClassVar[str]
    state_type: ClassVar[Any] = Hidden
    states: ClassVar[tuple[str, ...]] = Hidden._fields
    gates: ClassVar[tuple[str, ...]] = ()
    forget_gate: ClassVar[str | None] = None
    memory_gates: ClassVar[Mapping[str, int]] = {}
    separate_hidden_bias: ClassVar[tuple[str, ...] | None] = None
    source: ClassVar[str] = ""
    differentiable: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__.lower()
        if not hasattr(cls.state_type, "_fields"):
            raise CallError(f"cell {cls.__name__}: state_type is {cls.state_type!r}; expected a NamedTuple class")
        cls.states = cls.state_type._fields

    @abstractmethod
    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
        """Return the parameters by name, in the order in which they are initialized and stored.

        Args:
            input_size: number of input features, I.
            hidden_size: number of hidden features, H.
            bias: whether the cell has biases.
        """

    @abstractmethod
    def project(self, x: Tensor, params: Params) -> Tensor:
        """Return the projection of the input that `step` reads. It must not mix time steps.

        Args:
            x: (..., I), the input of all time steps.
            params: the parameters by name.

        Returns:
            A tensor (..., G*H), or with any other number of features; or `x` itself.
        """

    @abstractmethod
    def step(self, projected: Tensor, state: Any, params: Params) -> tuple[Tensor, ...]:
        """Compute one time step. It must be pure: it changes no argument and stores nothing.

        Args:
            projected: (B, G*H), the projected input of this time step.
            state: the state before the step, a `state_type` of components (B, size).
            params: the parameters by name.

        Returns:
            The state after the step, a `state_type` of the same shapes.
        """

    def gates_of(self, projected: Tensor, state: Any, params: Params) -> dict[str, Tensor]:
        """Return the gates of one step, (B, H) each, by the names in `gates`. `step` begins with this call, so that the
        gates shown are the gates computed."""
        if self.gates:
            raise NotImplementedError(f"{type(self).__name__} names gates but does not define gates_of")
        return {}

    def state_sizes(self, hidden_size: int) -> dict[str, int]:
        """Return the number of features of each component of the state."""
        return dict.fromkeys(self.states, hidden_size)

    def initialize(self, params: Params, input_size: int, hidden_size: int, bias: bool) -> None:
        """Fill fresh `params` in place. By default each is filled by its own `init`, in the order of `parameters`; define
        this where the initial values of one parameter depend on those of another."""
        for name, parameter in self.parameters(input_size, hidden_size, bias).items():
            if parameter.init is not None:
                parameter.init(params[name])

    def initial_state(self, hidden_size: int, params: Params) -> tuple[Tensor, ...] | None:
        """Return the state before the first time step, the same for every sequence: a `state_type` of components (H,);
        None, the default, for zeros. Return a parameter for a learned state, `params[...].new_full(...)` for a constant
        one."""
        return None

    @property
    def has_initial_state(self) -> bool:
        """Whether the cell defines `initial_state`."""
        return type(self).initial_state is not Cell.initial_state


def gated_parameters(gates: int, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
    """Return input and hidden weights and biases of a cell with `gates` stacked gates, named and ordered as in torch.nn."""
    rows, init = gates * hidden_size, uniform(hidden_size)
    parameters = {
        "weight_ih": Parameter((rows, input_size), init),
        "weight_hh": Parameter((rows, hidden_size), init),
    }
    if bias:
        parameters |= {"bias_ih": Parameter((rows,), init), "bias_hh": Parameter((rows,), init)}
    return parameters
