"""Options of a layer. They act around the cells, which do not contain any of them. docs/layers.md has an example of each.

recurrent_dropout  p: in training, h is dropped where the gates read it, with one mask per sequence for all time steps;
                   the path that carries h to the next step (z * h in a GRU) is not affected. Gal and Ghahramani 2016,
                   arXiv:1512.05287
zoneout            p, or one p per component of the state ({"h": 0.05, "c": 0.5}): in training, each value of the state
                   keeps its previous value with probability p at each time step; in evaluation it is the expected value,
                   p * previous + (1 - p) * new. Krueger et al. 2017, arXiv:1606.01305
weight_drop        p: in training, entries of the recurrent weights (weight_hh) are dropped, with one mask per call, the
                   same for all sequences and time steps. DropConnect as in Merity et al. 2018, arXiv:1708.02182
forget_bias        a number: the sum of the biases of the forget gate (`forget_gate` of the cell) at initialization.
                   Gers et al. 2000, Neural Computation 12(10); Jozefowicz et al. 2015, ICML
learned_state      the initial state is learned, one for all sequences, zero at initialization: parameters
                   `{component}0_l{k}`. Forcada and Carrasco 1995, Neural Computation 7(5)
merge              how the outputs of two directions are combined: "concat", "sum", "mean" or "mul".
                   Schuster and Paliwal 1997, IEEE Transactions on Signal Processing 45(11)
residual           each layer except the first adds its input to its output. Prakash et al. 2016, arXiv:1610.03098
layer_norm         layer normalization between layers, over the features. Ba et al. 2016, arXiv:1607.06450
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypedDict

import torch
from torch import Tensor

from ..cells import Cell
from ..errors import CallError, near, short
from .validate import ArgumentError, check_bool, check_probability

MERGES = ("concat", "sum", "mean", "mul")


class LayerOptions(TypedDict, total=False):
    """Options that every layer accepts as keyword arguments."""

    recurrent_dropout: float
    zoneout: float | Mapping[str, float]
    weight_drop: float
    forget_bias: float | None
    learned_state: bool
    merge: str
    residual: bool


class RecurrentOptions(LayerOptions, total=False):
    """Options that `Recurrent` accepts as keyword arguments."""

    layer_norm: bool


@dataclass(frozen=True)
class Options:
    """The values of all options. The constructor raises CallError for a value that no layer accepts."""

    recurrent_dropout: float = 0.0
    zoneout: float | Mapping[str, float] = 0.0
    weight_drop: float = 0.0
    forget_bias: float | None = None
    learned_state: bool = False
    merge: str = "concat"
    residual: bool = False
    layer_norm: bool = False

    def __post_init__(self) -> None:
        for name in ("recurrent_dropout", "weight_drop"):
            check_probability(name, getattr(self, name), below_one=True)
        for component, p in (self.zoneout if isinstance(self.zoneout, Mapping) else {"": self.zoneout}).items():
            check_probability(f"zoneout of {component}" if component else "zoneout", p, below_one=True)
        for name in ("learned_state", "residual", "layer_norm"):
            check_bool(name, getattr(self, name))
        bias = self.forget_bias
        if bias is not None and (
            isinstance(bias, bool) or not isinstance(bias, (int, float)) or not math.isfinite(bias)
        ):
            raise ArgumentError(f"forget_bias is {short(bias)}; expected a finite number or None")
        if not isinstance(self.merge, str) or self.merge not in MERGES:
            raise CallError(f"merge is {short(self.merge)}; expected one of {', '.join(MERGES)}")

    @classmethod
    def from_kwargs(cls, kwargs: Mapping[str, Any], accepted: type) -> Options:
        """Return the options in `kwargs`. Raises CallError for a name that the TypedDict `accepted` does not contain."""
        names = accepted.__optional_keys__  # type: ignore[attr-defined]
        for name, value in kwargs.items():
            if name not in names:
                raise ArgumentError(f"{name} is {value!r}, and this layer has no such argument; {near(name, names)}")
        return cls(**kwargs)

    def non_default(self) -> dict[str, Any]:
        """Return the options that differ from their defaults."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    def for_inference(self) -> Options:
        """Return the options without those that act in training only."""
        return replace(self, recurrent_dropout=0.0, weight_drop=0.0)

    @property
    def act_in_call(self) -> bool:
        """Whether any option affects a call. `forget_bias` acts at initialization only."""
        return bool(self.non_default().keys() - {"forget_bias"})

    def zoneout_of(self, component: str) -> float:
        """Return the zoneout probability of one component of the state."""
        return self.zoneout.get(component, 0.0) if isinstance(self.zoneout, Mapping) else self.zoneout

    def check_fit(self, cells: Sequence[Cell], parameters: Sequence[Sequence[str]], bidirectional: bool) -> None:
        """Raise CallError if an option has no effect on these cells. `parameters` are the names of the parameters per cell."""
        if self.merge != "concat" and not bidirectional:
            raise CallError(f"merge is {self.merge!r}, which requires two directions, and bidirectional is False")
        for name in ("residual", "layer_norm"):
            if getattr(self, name) and len(cells) == 1:
                raise CallError(f"{name} is True, which acts between layers, and num_layers is 1; change one of them")
        for cell, names in zip(cells, parameters, strict=True):
            if self.weight_drop and "weight_hh" not in names:
                raise CallError(f"weight_drop is {self.weight_drop}, and {cell.name} has no parameter weight_hh")
            if self.recurrent_dropout and not cell.gates:
                raise CallError(f"recurrent_dropout is {self.recurrent_dropout}, and {cell.name} declares no gates")
            if self.forget_bias is not None and not {"bias_ih"} <= set(names):
                raise CallError(
                    f"forget_bias is {self.forget_bias}, and {cell.name} has no bias_ih with these arguments"
                )
            if self.forget_bias is not None and cell.forget_gate is None:
                raise CallError(f"forget_bias is {self.forget_bias}, and {cell.name} has no forget gate")
            if self.learned_state and cell.has_initial_state:
                raise CallError(
                    f"learned_state is True, and {cell.name} has an initial state of its own; remove learned_state"
                )
        components = {component for cell in cells for component in cell.states}
        for name in self.zoneout if isinstance(self.zoneout, Mapping) else ():
            if name not in components:
                raise CallError(f"zoneout has the key {name!r}; expected components of the state, "
                                f"{', '.join(sorted(components))}")  # fmt: skip

    def masks(self, sizes: Mapping[str, int], directions: int, x: Tensor, training: bool) -> list[Tensor]:
        """Draw the masks of one call of a layer with input x (B, T, I): see `ops.Call.masks`."""
        p, zoned = self.recurrent_dropout if training else 0.0, any(self.zoneout_of(name) for name in sizes)
        if not p and not zoned:
            return []
        (B, T, _), masks = x.shape, []
        for _ in range(directions):
            width = next(iter(sizes.values()))
            masks.append(x.new_empty(B, width).bernoulli_(1 - p).div_(1 - p) if p else x.new_empty(0))
            for component, size in sizes.items():
                q = self.zoneout_of(component)
                if training and q:
                    masks.append(x.new_empty(T, B, size).bernoulli_(q))
                else:
                    masks.append(x.new_full((1, 1, 1), q) if q else x.new_empty(0))
        return masks

    def merge_directions(self, y: Tensor) -> Tensor:
        """Return the combined output of two directions, (B, T, 2*H) or (B, T, H), from y (B, T, 2*H)."""
        if self.merge == "concat":
            return y
        forward, reverse = y.chunk(2, dim=-1)
        if self.merge == "mul":
            return forward * reverse
        return forward + reverse if self.merge == "sum" else (forward + reverse) / 2


def fill_forget_bias(cell: Cell, hidden_size: int, value: float, bias_ih: Tensor, bias_hh: Tensor | None) -> None:
    """Set the biases of the forget gate, a block of (G*H,) each, in place so that their sum is `value`."""
    assert cell.forget_gate is not None  # see `Options.check_fit`
    gate = cell.gates.index(cell.forget_gate)
    rows = slice(gate * hidden_size, (gate + 1) * hidden_size)
    with torch.no_grad():
        bias_ih[rows] = value
        if bias_hh is not None:
            bias_hh[rows] = 0
