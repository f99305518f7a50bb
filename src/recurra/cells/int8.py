"""RNN, LSTM and GRU with 8-bit weights, for inference: post-training quantization of the weights.

    W = s * Q                                one scale s for each row of W; Q are integers with |Q| <= 127
    round(x) = a * q                         one scale a for all features of x; q are integers of 16 bits
    gates    = as in the float cell, from s * Q round(x) + b and s' * Q' round(h) + c

x and h are rounded at each time step, h only where the gates read it. With K features, the largest integer of q is
2^31 / (127 K) - 1 and at most 32639, so that a sum of K products fits into 32 bits. The rounding changes a weight by at most
s / 2, and a feature by at most a / 2.

Q is weight_ih (G*H, I) and weight_hh (G*H, H), s scale_ih (G*H,) and scale_hh (G*H,)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from ..errors import CallError
from .base import Cell, Parameter, Params
from .gru import GRU
from .lstm import LSTM
from .rnn import RNN

_SMALLEST = 2.0**-118  # the scale of a row whose weights are all smaller would not be a normal number; they become 0


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights (rows, K) as integers and scales: `scale[:, None] * integers` is nearest to `weight`.

    The integers are (rows, K) int8, the scales (rows,). A row with a weight that is not finite has an infinite scale or NaN.
    """
    largest = weight.abs().amax(1) if weight.shape[1] else weight.new_zeros(len(weight))
    scale = torch.where(largest < _SMALLEST, 0, largest / 127)
    usable = (scale > 0) & scale.isfinite()
    integers = torch.where(usable[:, None], weight / scale[:, None], 0).round().to(torch.int8)
    return integers, scale


def round_features(x: Tensor) -> Tensor:
    """Return x (..., K) rounded to multiples of one scale for each last axis: see the formulas above.

    Raises CallError if x has a gradient or a tangent, because that of a rounding is zero almost everywhere.
    """
    tangent = unpack_dual(x).tangent  # type: ignore[no-untyped-call]
    if (torch.is_grad_enabled() and x.requires_grad) or tangent is not None:
        raise CallError(
            "a layer with 8-bit weights is for inference and has no gradient; call it under torch.no_grad()"
        )
    steps = min(2**31 // (127 * max(x.shape[-1], 1)) - 1, 127 * 256 + 127)
    largest = x.abs().amax(-1, keepdim=True) if x.shape[-1] else x.new_zeros(())
    scale, inverse = largest / steps, steps / largest
    rounded = (x * inverse).round() * scale
    return torch.where(inverse.isfinite(), rounded, torch.where(largest.isfinite(), 0.0, torch.nan))


class Int8Cell(Cell):
    """The parts that the cells with 8-bit weights share. It precedes the float cell among the bases of each of them."""

    differentiable: ClassVar[bool] = False

    def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, Parameter]:
        # The scales come first, because the first parameter of a layer determines the dtype that it expects.
        declared = super().parameters(input_size, hidden_size, bias)  # type: ignore[safe-super]
        zero, rows = Tensor.zero_, declared["weight_ih"].shape[:1]
        scales = {name: Parameter(rows, zero, trainable=False) for name in ("scale_ih", "scale_hh")}
        integers = {
            name: Parameter(declared[name].shape, zero, trainable=False, dtype=torch.int8)
            for name in ("weight_ih", "weight_hh")
        }
        return (
            scales
            | integers
            | {name: Parameter(rows, zero, trainable=False) for name in declared if name.startswith("bias")}
        )

    @staticmethod
    def quantized(params: Params) -> dict[str, Tensor]:
        """Return the parameters of this cell that are nearest to those of the float cell."""
        integers_ih, scale_ih = quantize_rows(params["weight_ih"])
        integers_hh, scale_hh = quantize_rows(params["weight_hh"])
        scales = {"scale_ih": scale_ih, "scale_hh": scale_hh, "weight_ih": integers_ih, "weight_hh": integers_hh}
        return scales | {name: bias.clone() for name, bias in params.items() if name.startswith("bias")}

    @staticmethod
    def dequantized(params: Params) -> dict[str, Tensor]:
        """Return the parameters of the float cell that these stand for."""
        weights = {f"weight_{end}": params[f"scale_{end}"][:, None] * params[f"weight_{end}"] for end in ("ih", "hh")}
        return weights | {name: bias for name, bias in params.items() if name.startswith("bias")}

    def project(self, x: Tensor, params: Params) -> Tensor:
        return super().project(round_features(x), self.dequantized(params))  # type: ignore[safe-super]

    def gates_of(self, projected: Tensor, state: Any, params: Params) -> dict[str, Tensor]:
        return super().gates_of(projected, state._replace(h=round_features(state.h)), self.dequantized(params))


@dataclass(frozen=True)
class Int8RNN(Int8Cell, RNN):
    """Simple recurrent cell with 8-bit weights."""

    name: ClassVar[str] = "rnn_int8"


@dataclass(frozen=True)
class Int8LSTM(Int8Cell, LSTM):
    """Long short-term memory cell with 8-bit weights."""

    name: ClassVar[str] = "lstm_int8"


@dataclass(frozen=True)
class Int8GRU(Int8Cell, GRU):
    """Gated recurrent unit with 8-bit weights."""

    name: ClassVar[str] = "gru_int8"


_OF: dict[type[Cell], type[Int8Cell]] = {RNN: Int8RNN, LSTM: Int8LSTM, GRU: Int8GRU}


def int8_of(cell: Cell) -> Int8Cell | None:
    """Return the cell with 8-bit weights and the equation of `cell`, or None if there is none."""
    cls = _OF.get(type(cell))
    return None if cls is None else cls(**vars(cell))
