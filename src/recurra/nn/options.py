"""The options of a layer: what it does around its cells, which know nothing of them. docs/layers.md has an example of each.

recurrent_dropout  p: while training, h is dropped where the gates read it, with one mask a row for all its time steps;
                   what carries h on (the z * h of a GRU) stays whole. Gal and Ghahramani 2016, arXiv:1512.05287
zoneout            p, or p for each part of the state ({"h": 0.05, "c": 0.5}): while training, each number of the state
                   keeps its old value with probability p at each step; in evaluation it becomes the expected state,
                   p * old + (1 - p) * new. Krueger et al. 2017, arXiv:1606.01305
weight_drop        p: while training, entries of the recurrent weights (weight_hh) are dropped, anew in each call and the
                   same for all rows and steps. DropConnect as in Merity et al. 2018, arXiv:1708.02182
forget_bias        a number: what the biases of the forget gate (`forget_gate` of the cell) add up to at initialisation.
                   Gers et al. 2000, Neural Computation 12(10); Jozefowicz et al. 2015, ICML
learned_state      the state before the first step is learned, one for all rows, zero at initialisation: parameters
                   `{part}0_l{k}`. Forcada and Carrasco 1995, Neural Computation 7(5)
merge              how the outputs of two directions become one: "concat", "sum", "mean" or "mul".
                   Schuster and Paliwal 1997, IEEE Transactions on Signal Processing 45(11)
residual           each layer but the first adds its input to its output. Prakash et al. 2016, arXiv:1610.03098
layer_norm         what goes from layer to layer is normalised over its features. Ba et al. 2016, arXiv:1607.06450
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypedDict

import torch
from torch import Tensor

from ..cells import Cell
from ..errors import CallError, near
from .validate import ArgumentError, check_bool, check_probability

MERGES = ("concat", "sum", "mean", "mul")


class LayerOptions(TypedDict, total=False):
    """Keyword arguments of every layer."""

    recurrent_dropout: float
    zoneout: float | Mapping[str, float]
    weight_drop: float
    forget_bias: float | None
    learned_state: bool
    merge: str
    residual: bool


class RecurrentOptions(LayerOptions, total=False):
    """Keyword arguments of `Recurrent`."""

    layer_norm: bool


@dataclass(frozen=True)
class Options:
    """The options, checked as far as that needs no layer."""

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
        for part, p in (self.zoneout if isinstance(self.zoneout, Mapping) else {"": self.zoneout}).items():
            check_probability(f"zoneout of {part}" if part else "zoneout", p, below_one=True)
        for name in ("learned_state", "residual", "layer_norm"):
            check_bool(name, getattr(self, name))
        bias = self.forget_bias
        if bias is not None and (
            isinstance(bias, bool) or not isinstance(bias, (int, float)) or not math.isfinite(bias)
        ):
            raise ArgumentError(f"forget_bias is {bias!r}; wanted a finite number or None")
        if self.merge not in MERGES:
            raise CallError(f"merge is {self.merge!r}; wanted one of {', '.join(MERGES)}")

    @classmethod
    def of(cls, given: Mapping[str, Any], known: type) -> Options:
        """The options `given` by keyword, of those that the TypedDict `known` lists."""
        names = known.__optional_keys__  # type: ignore[attr-defined]
        for name, value in given.items():
            if name not in names:
                raise ArgumentError(f"{name} is {value!r}, and this layer has no such argument; {near(name, names)}")
        return cls(**given)

    def used(self) -> dict[str, Any]:
        """Those that are not what they are by default."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    @property
    def act(self) -> bool:
        """Whether any has a part in a call; that of `forget_bias` is over once the layer is made."""
        return bool(self.used().keys() - {"forget_bias"})

    def zoneout_of(self, part: str) -> float:
        """The probability for one part of the state."""
        return self.zoneout.get(part, 0.0) if isinstance(self.zoneout, Mapping) else self.zoneout

    def check_fit(self, cells: Sequence[Cell], parameters: Sequence[Sequence[str]], bidirectional: bool) -> None:
        """CallError unless every option has something to act on; `parameters` are the names in each cell."""
        if self.merge != "concat" and not bidirectional:
            raise CallError(f"merge is {self.merge!r}, which joins two directions, and bidirectional is False")
        for name in ("residual", "layer_norm"):
            if getattr(self, name) and len(cells) == 1:
                raise CallError(f"{name} is True, which acts between layers, and num_layers is 1; leave one of them")
        for cell, names in zip(cells, parameters, strict=True):
            if self.weight_drop and "weight_hh" not in names:
                raise CallError(f"weight_drop is {self.weight_drop}, and {cell.name} has no weight_hh to drop")
            if self.recurrent_dropout and not cell.gates:
                raise CallError(
                    f"recurrent_dropout is {self.recurrent_dropout}, and {cell.name} names no gates to act in"
                )
            if self.forget_bias is not None and not {"bias_ih"} <= set(names):
                raise CallError(f"forget_bias is {self.forget_bias}, and {cell.name} has no bias_ih here")
            if self.forget_bias is not None and cell.forget_gate is None:
                raise CallError(f"forget_bias is {self.forget_bias}, and {cell.name} has no forget gate")
            if self.learned_state and cell.has_initial_state:
                raise CallError(f"learned_state is True, and {cell.name} has an initial state of its own; leave it out")
        parts = {part for cell in cells for part in cell.states}
        for part in self.zoneout if isinstance(self.zoneout, Mapping) else ():
            if part not in parts:
                raise CallError(f"zoneout has the part {part!r}; wanted parts of the state, {', '.join(sorted(parts))}")

    def masks(self, sizes: Mapping[str, int], directions: int, x: Tensor, training: bool) -> list[Tensor]:
        """What acts on each step of a layer with input x (B, T, I), drawn anew: see `ops.Call.masks`."""
        p, zoned = self.recurrent_dropout if training else 0.0, any(self.zoneout_of(part) for part in sizes)
        if not p and not zoned:
            return []
        (B, T, _), masks = x.shape, []
        for _ in range(directions):
            width = next(iter(sizes.values()))
            masks.append(x.new_empty(B, width).bernoulli_(1 - p).div_(1 - p) if p else x.new_empty(0))
            for part, size in sizes.items():
                q = self.zoneout_of(part)
                if training and q:
                    masks.append(x.new_empty(T, B, size).bernoulli_(q))
                else:
                    masks.append(x.new_full((1, 1, 1), q) if q else x.new_empty(0))
        return masks

    def merged(self, y: Tensor) -> Tensor:
        """y (B, T, 2*H) of two directions -> (B, T, 2*H) or (B, T, H)."""
        if self.merge == "concat":
            return y
        ahead, back = y.chunk(2, dim=-1)
        if self.merge == "mul":
            return ahead * back
        return ahead + back if self.merge == "sum" else (ahead + back) / 2


def fill_forget_bias(cell: Cell, hidden_size: int, value: float, bias_ih: Tensor, bias_hh: Tensor | None) -> None:
    """Fill the forget gate's part of a cell's biases, (G*H,) each, in place, so that they add up to `value`."""
    assert cell.forget_gate is not None  # `check_fit` has seen to that
    gate = cell.gates.index(cell.forget_gate)
    rows = slice(gate * hidden_size, (gate + 1) * hidden_size)
    with torch.no_grad():
        bias_ih[rows] = value
        if bias_hh is not None:
            bias_hh[rows] = 0
