"""What a cell is: its parameters, a projection of the input, and one pure step.

A cell knows nothing of time, layout, direction or device. To write one, subclass `Cell`; the options of the cell are
the fields of a frozen dataclass:

    @dataclass(frozen=True)
    class Leaky(Cell):
        leak: float = 0.1

        def parameters(self, input_size, hidden_size, bias): ...
        def project(self, x, params): ...
        def step(self, projected, state, params): ...
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from torch import Tensor

from ..errors import CallError

Params = Mapping[str, Tensor]


class Parameter(NamedTuple):
    """A parameter a cell asks for: its shape, and what fills a fresh tensor of that shape in place."""

    shape: tuple[int, ...]
    init: Callable[[Tensor], object]


class Hidden(NamedTuple):
    """The state of a cell that keeps one vector."""

    h: Tensor  # (B, H)


def uniform(hidden_size: int) -> Callable[[Tensor], object]:
    """The usual initialisation of recurrent layers: U(-1/sqrt(H), 1/sqrt(H))."""
    bound = 1.0 / math.sqrt(hidden_size)
    return lambda tensor: tensor.uniform_(-bound, bound)


@dataclass(frozen=True)
class Cell(ABC):
    """One recurrence. Its fields are its options; two cells with equal options are equal.

    name        how it is called in settings; the class name in lower case unless said otherwise
    state_type  a NamedTuple of the parts of the state; the first part is the output of the cell
    states      the names of those parts (read from `state_type`)
    gates       the names of the gates, in the order in which they are stacked in the parameters
    source      the paper
    """

    name: ClassVar[str]
    state_type: ClassVar[Any] = Hidden
    states: ClassVar[tuple[str, ...]] = Hidden._fields
    gates: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__.lower()
        if not hasattr(cls.state_type, "_fields"):
            raise CallError(f"cell {cls.__name__}: state_type is {cls.state_type!r}; wanted a NamedTuple class")
        cls.states = cls.state_type._fields

    @abstractmethod
    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
        """The parameters by name, in the order in which they are drawn and stored."""

    @abstractmethod
    def project(self, x: Tensor, params: Params) -> Tensor:
        """What the step needs of the input, for all time at once: (..., I) -> (..., G*H); or `x` itself."""

    @abstractmethod
    def step(self, projected: Tensor, state: Any, params: Params) -> tuple[Tensor, ...]:
        """One step: projected (B, G*H) and the state before -> the state after, a `state_type`. Pure."""

    def gates_of(self, projected: Tensor, state: Any, params: Params) -> dict[str, Tensor]:
        """The gates of one step, (B, H) each, by the names in `gates`. `step` begins with this, so it cannot drift."""
        if self.gates:
            raise NotImplementedError(f"{type(self).__name__} names gates but does not define gates_of")
        return {}

    def state_sizes(self, hidden_size: int) -> dict[str, int]:
        """The features of each part of the state."""
        return dict.fromkeys(self.states, hidden_size)


def gated_parameters(gates: int, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
    """Input and hidden weights and biases of a cell with `gates` stacked gates, named and ordered as in torch.nn."""
    rows, init = gates * hidden_size, uniform(hidden_size)
    parameters = {
        "weight_ih": Parameter((rows, input_size), init),
        "weight_hh": Parameter((rows, hidden_size), init),
    }
    if bias:
        parameters |= {"bias_ih": Parameter((rows,), init), "bias_hh": Parameter((rows,), init)}
    return parameters
