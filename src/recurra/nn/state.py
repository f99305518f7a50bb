"""The state of a recurrent layer, as a value: hand it on, keep a part of it, save it, restore it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree

from ..errors import CallError


class State:
    """Named parts of a state: `h_l0`, `c_l0`, `h_l0_reverse`, ... , (B, H) each. Never changed in place.

    `state["h_l0"]` is one part; every method gives a new State.
    """

    __slots__ = ("_parts",)

    def __init__(self, parts: Mapping[str, Tensor]) -> None:
        self._parts = dict(parts)

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._parts:
            raise CallError(f"a state has no part {name!r}; this one has {', '.join(map(repr, self._parts))}")
        return self._parts[name]

    def __repr__(self) -> str:
        return f"State({', '.join(f'{name} {tuple(part.shape)}' for name, part in self._parts.items())})"

    @property
    def batch_size(self) -> int:
        return next(iter(self._parts.values())).shape[0]

    def tensors(self) -> dict[str, Tensor]:
        """The parts by name, as safetensors saves them."""
        return dict(self._parts)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> State:
        """The inverse of `tensors`. CallError when these are not the parts of one state."""
        if not tensors:
            raise CallError("a state has at least one part; got none")
        batch = {part.shape[0] if part.dim() == 2 else None for part in tensors.values()}
        if len(batch) != 1 or None in batch:
            shapes = {name: tuple(part.shape) for name, part in tensors.items()}
            raise CallError(f"the parts of a state are (B, H) with one B; got {shapes}")
        return cls(tensors)

    def map(self, function: Callable[[Tensor], Tensor]) -> State:
        """`function` of every part."""
        return State({name: function(part) for name, part in self._parts.items()})

    def detach(self) -> State:
        """Cut from the graph, as truncated backpropagation through time does between two windows."""
        return self.map(Tensor.detach)

    def to(self, *args: Any, **kwargs: Any) -> State:
        """On another device, in another dtype: the arguments of `Tensor.to`."""
        return self.map(lambda part: part.to(*args, **kwargs))

    def rows(self, index: Tensor | slice | Sequence[int]) -> State:
        """The rows at `index`: integers, a slice, or booleans (B,)."""
        return self.map(lambda part: part[index])

    def reset(self, rows: Tensor | slice | Sequence[int], initial: State | None = None) -> State:
        """The same with `rows` as they are in `initial`, or zeroed: integers, a slice, or booleans (B,).

        A layer whose initial state is not zero gives the other: `state.reset(rows, layer.initial_state(B))`.
        """
        first = next(iter(self._parts.values()))
        mask = torch.zeros(first.shape[0], 1, dtype=torch.bool, device=first.device)
        mask[rows] = True
        if initial is None:
            return self.map(lambda part: torch.where(mask, torch.zeros_like(part), part))
        shapes: dict[str, Any] = {name: tuple(part.shape) for name, part in self._parts.items()}
        fresh = dict(zip(shapes, initial.flat(shapes), strict=True))
        return State({name: torch.where(mask, fresh[name], part) for name, part in self._parts.items()})

    def flat(self, shapes: Mapping[str, tuple[int, int]]) -> list[Tensor]:
        """The parts in the order of `shapes`. CallError unless names and shapes are those."""
        if self._parts.keys() != shapes.keys():
            raise CallError(f"state has the parts {', '.join(self._parts)}; this layer wants {', '.join(shapes)}")
        for name, shape in shapes.items():
            if self._parts[name].shape != shape:
                raise CallError(f"state: {name} has shape {tuple(self._parts[name].shape)}; wanted {tuple(shape)}")
        return [self._parts[name] for name in shapes]


def _flatten(state: State) -> tuple[list[Any], Any]:
    parts = state.tensors()
    return list(parts.values()), list(parts)


def _unflatten(parts: Any, names: Any) -> State:
    return State(dict(zip(names, parts, strict=True)))


def _flatten_with_keys(state: State) -> tuple[list[Any], Any]:
    parts = state.tensors()
    return [(_pytree.MappingKey(name), part) for name, part in parts.items()], list(parts)


# torch.export, torch.compile and torch.func look into a State as they look into a dict.
_pytree.register_pytree_node(
    State,
    _flatten,
    _unflatten,
    serialized_type_name="recurra.nn.State",
    flatten_with_keys_fn=_flatten_with_keys,
)
