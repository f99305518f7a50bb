"""`State`, the state of a recurrent layer as an immutable value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree

from ..errors import CallError
from .validate import ArgumentError, check_index


class ComponentError(CallError, KeyError):
    """A state has no component of this name. A mapping raises KeyError; this error is both."""

    __str__ = Exception.__str__  # that of KeyError puts the message in quotes


class State(Mapping[str, Tensor]):
    """The state of a recurrent layer: named components, (B, size) each.

    The components of layer k are named `{component}_l{k}`, and `{component}_l{k}_reverse` in the reverse direction, where
    `component` is a component of the state of the cell: `h_l0`, `c_l0`, `h_l1`, ... for an LSTM. A State is a mapping of
    these names to the tensors: `state["h_l0"]`, `in`, `len`, `keys`, `values`, `items`, `get` and `dict(state)` work as for
    a dict. It is never changed in place; every method returns a new one. Layers return a State and accept one as the initial
    state of the next call, which is how chunks of a sequence are processed (streaming, truncated backpropagation through
    time).

    Two states are equal if they have the same names, and their components the same shapes, dtypes, devices and values. As a
    dict, a State has no hash. `torch.save` and `torch.load` accept it, after `import recurra.nn` also with `weights_only=True`.

    Args:
        components: the tensors by name, (B, size) each. size is H; for the component `h` of an LSTM with `proj_size`, P.

    Example:
        >>> import torch
        >>> from recurra import nn
        >>> layer = nn.Recurrent("lstm", 5, 8)
        >>> y, state = layer(torch.randn(3, 9, 5))
        >>> state
        State(h_l0 (3, 8), c_l0 (3, 8))
        >>> state["c_l0"].shape
        torch.Size([3, 8])
        >>> state = state.detach().reset([1])  # the sequence 1 restarts from zeros
        >>> state.rows([0, 2]).batch_size
        2
        >>> again = nn.State.from_tensors(state.tensors())
        >>> again == state
        True
        >>> nn.State.cat([state.rows([2]), state]).batch_size
        4
    """

    __slots__ = ("_components",)

    def __init__(self, components: Mapping[str, Tensor]) -> None:
        self._components = dict(components)

    def __getitem__(self, name: str) -> Tensor:
        """Return the component `name`, (B, size). Raises CallError, also a KeyError, if the state has no such component."""
        if name not in self._components:
            known = ", ".join(map(repr, self._components))
            raise ComponentError(f"this state has no component {name!r}; it has {known}")
        return self._components[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the components."""
        return iter(self._components)

    def __len__(self) -> int:
        """Return the number of components."""
        return len(self._components)

    def __eq__(self, other: object) -> bool:
        """Return whether `other` is a State of the same names, shapes, dtypes, devices and values."""
        if not isinstance(other, State):
            return NotImplemented
        return self.keys() == other.keys() and all(_equal(tensor, other[name]) for name, tensor in self.items())

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return State, (self.tensors(),)

    def __repr__(self) -> str:
        """Return the names and shapes of the components."""
        shapes = [f"{name} {tuple(tensor.shape)}" for name, tensor in self._components.items()]
        return f"State({', '.join(shapes)})"

    @property
    def batch_size(self) -> int:
        """The number of sequences, B."""
        return next(iter(self._components.values())).shape[0]

    def tensors(self) -> dict[str, Tensor]:
        """Return the components as a dict by name, in the form that `safetensors.torch.save_file` accepts."""
        return dict(self._components)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> State:
        """Return a State with these components: the inverse of `tensors`.

        Raises:
            CallError: if `tensors` is empty or its tensors are not (B, size) with the same B.
        """
        if not tensors:
            raise CallError("a state has at least one component; got none")
        batch = {tensor.shape[0] if tensor.dim() == 2 else None for tensor in tensors.values()}
        if len(batch) != 1 or None in batch:
            shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
            raise CallError(f"the components of a state are (B, H) with the same B; got {shapes}")
        return cls(tensors)

    def map(self, function: Callable[[Tensor], Tensor]) -> State:
        """Return the State whose components are `function(component)`."""
        return State({name: function(tensor) for name, tensor in self._components.items()})

    def detach(self) -> State:
        """Return the State detached from the autograd graph, as truncated BPTT does between two chunks."""
        return self.map(Tensor.detach)

    def to(self, *args: Any, **kwargs: Any) -> State:
        """Return the State on another device or in another dtype. The arguments are those of `Tensor.to`."""
        return self.map(lambda tensor: tensor.to(*args, **kwargs))

    def cpu(self) -> State:
        """Return the State on the CPU."""
        return self.map(Tensor.cpu)

    def clone(self) -> State:
        """Return the State with copies of the components, which remain in the autograd graph."""
        return self.map(Tensor.clone)

    @classmethod
    def cat(cls, states: Sequence[State]) -> State:
        """Return the State of the sequences of all `states`, one after the other. `rows` is the inverse.

        Raises:
            CallError: if there is no state, or if the names, sizes, dtypes or devices of two states differ.
        """
        states = list(states)
        if not states or not all(isinstance(state, State) for state in states):
            given = [type(state).__name__ for state in states]
            raise ArgumentError(f"states is a list of {given}; expected at least one State, and nothing else")
        first = {name: _kind(tensor) for name, tensor in states[0].items()}
        for k, state in enumerate(states[1:], start=1):
            kinds = {name: _kind(tensor) for name, tensor in state.items()}
            if kinds != first:
                raise CallError(
                    f"states[{k}] has the components {_shown(kinds)}; expected {_shown(first)}, as states[0]"
                )
        return cls({name: torch.cat([state[name] for state in states]) for name in first})

    def rows(self, index: Tensor | slice | Sequence[int]) -> State:
        """Return the State of some of the sequences.

        Args:
            index: the sequences: integers, booleans (B,), or a slice.

        Raises:
            CallError: if `index` is none of these, or has a sequence that does not exist.
        """
        checked = check_index("index", index, self.batch_size)
        return self.map(lambda tensor: tensor[checked])

    def reset(self, index: Tensor | slice | Sequence[int], initial: State | None = None) -> State:
        """Return the State in which some of the sequences have their initial state again.

        Args:
            index: the sequences: integers, a slice, or booleans (B,).
            initial: the State that provides their new values, of the same names and shapes; None, the default, for zeros.
                For a layer whose initial state is not zero, pass `layer.initial_state(B)`.

        Raises:
            CallError: if `index` is invalid, or names or shapes of `initial` differ from those of this State.
        """
        like = next(iter(self._components.values()))
        mask = torch.zeros(like.shape[0], 1, dtype=torch.bool, device=like.device)
        mask[check_index("index", index, like.shape[0])] = True
        if initial is None:
            return self.map(lambda tensor: torch.where(mask, torch.zeros_like(tensor), tensor))
        shapes: dict[str, Any] = {name: tuple(tensor.shape) for name, tensor in self._components.items()}
        new = dict(zip(shapes, initial.flat(shapes), strict=True))
        return State({name: torch.where(mask, new[name], tensor) for name, tensor in self._components.items()})

    def flat(self, shapes: Mapping[str, tuple[int, int]]) -> list[Tensor]:
        """Return the components in the order of `shapes`. Raises CallError if names or shapes differ."""
        if self._components.keys() != shapes.keys():
            names = ", ".join(self._components)
            raise CallError(f"state has the components {names}; this layer expects {', '.join(shapes)}")
        for name, shape in shapes.items():
            if self._components[name].shape != shape:
                shape_of_name = tuple(self._components[name].shape)
                raise CallError(f"state: {name} has shape {shape_of_name}; expected {tuple(shape)}")
        return [self._components[name] for name in shapes]


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.device == b.device and torch.equal(a, b)


def _kind(tensor: Tensor) -> tuple[Any, ...]:
    """What the components of two states must have in common to be concatenated."""
    return tuple(tensor.shape[1:]), tensor.dtype, tensor.device


def _shown(kinds: Mapping[str, tuple[Any, ...]]) -> str:
    return ", ".join(
        f"{name} (B, {', '.join(map(str, size))}) {dtype} {device}" for name, (size, dtype, device) in kinds.items()
    )


def _flatten(state: State) -> tuple[list[Any], Any]:
    tensors = state.tensors()
    return list(tensors.values()), list(tensors)


def _unflatten(tensors: Any, names: Any) -> State:
    return State(dict(zip(names, tensors, strict=True)))


def _flatten_with_keys(state: State) -> tuple[list[Any], Any]:
    tensors = state.tensors()
    return [(_pytree.MappingKey(name), tensor) for name, tensor in tensors.items()], list(tensors)


# torch.export, torch.compile and torch.func treat a State like a dict.
_pytree.register_pytree_node(
    State,
    _flatten,
    _unflatten,
    serialized_type_name="recurra.nn.State",
    flatten_with_keys_fn=_flatten_with_keys,
)

# Unpickling a State calls its constructor on a dict of tensors, so that torch.load may do it with weights_only=True.
torch.serialization.add_safe_globals([State])
