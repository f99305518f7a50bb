"""Conversion of parameters from one convention to another; the values of the cell stay the same, up to rounding.

All functions take the parameters of a cell by name, or the state_dict of a layer (`weight_ih_l0`, ...), change nothing
in place, and raise CallError for parameters they do not know.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import CallError
from .base import Cell, Params


def turn_update_gate(params: Params) -> dict[str, Tensor]:
    """Return the parameters of a GRU, gate order r, z, n, for the same GRU whose update gate points the other way.

    1 - sigmoid(a) = sigmoid(-a), so the rows of z change their sign, to the bit: `gru_before` <-> `gru_textbook`, and
    any GRU of another library whose z admits the candidate before it becomes a `gru`. The function is its own inverse.
    """
    turned = {}
    for name, tensor in params.items():
        if not name.startswith(("weight_ih", "weight_hh", "bias_ih", "bias_hh")) or tensor.shape[0] % 3:
            shape = tuple(tensor.shape)
            raise CallError(
                f"{name} {shape} is not a parameter of a GRU; expected those of torch.nn.GRU, such as weight_ih (3H, I)"
            )
        r, z, n = tensor.chunk(3)
        turned[name] = torch.cat([r, -z, n])
    return turned


def _cell(spec: str | Cell | type[Cell]) -> Cell:
    from . import get  # the registry imports the cells, this file among them

    return get(spec)


def single_bias(cell: str | Cell | type[Cell], params: Params) -> dict[str, Tensor]:
    """Replace `bias_ih` and `bias_hh` (G*H,) by their sum, `bias` (G*H,).

    The hidden bias of a gate in `cell.separate_hidden_bias` is inside a product and cannot be merged (n of `gru` and `ln_gru`,
    where the reset is after the matmul): it is kept, as `bias_hn` (H,) for the gate n, and `bias` holds the
    input bias of that gate alone.
    """
    cell = _cell(cell)
    separate = _separate(cell)
    single = {name: tensor for name, tensor in params.items() if not name.startswith(("bias_ih", "bias_hh"))}
    for suffix in _suffixes(cell, params, "bias_ih", "bias_hh"):
        added, kept = params[f"bias_hh{suffix}"].clone(), {}
        for gate in separate:
            rows = _rows(cell, gate, added)
            kept[f"bias_h{gate}{suffix}"] = added[rows].clone()
            added[rows] = 0
        single |= {f"bias{suffix}": params[f"bias_ih{suffix}"] + added, **kept}
    return single


def double_bias(cell: str | Cell | type[Cell], params: Params) -> dict[str, Tensor]:
    """Replace `bias` (G*H,), and `bias_hn` (H,) where the cell has it, by `bias_ih` with all that could be merged, and
    `bias_hh` with the rest."""
    cell = _cell(cell)
    separate = _separate(cell)
    stored = ("bias", *(f"bias_h{gate}" for gate in separate))
    suffixes = _suffixes(cell, params, *stored)
    replaced = {f"{name}{suffix}" for name in stored for suffix in suffixes}
    double = {name: tensor for name, tensor in params.items() if name not in replaced}
    for suffix in suffixes:
        bias_ih = params[f"bias{suffix}"].clone()
        bias_hh = torch.zeros_like(bias_ih)
        for gate in separate:
            bias_hh[_rows(cell, gate, bias_hh)] = params[f"bias_h{gate}{suffix}"]
        double |= {f"bias_ih{suffix}": bias_ih, f"bias_hh{suffix}": bias_hh}
    return double


def _separate(cell: Cell) -> tuple[str, ...]:
    """Return the gates whose hidden bias cannot be merged."""
    if cell.separate_hidden_bias is None:
        raise CallError(
            f"the biases of {cell} cannot be merged, because the cell does not declare separate_hidden_bias"
        )
    return cell.separate_hidden_bias


def _rows(cell: Cell, gate: str, bias: Tensor) -> slice:
    """Return the rows of `gate` in a stacked bias (G*H,)."""
    size, k = bias.shape[0] // len(cell.gates), cell.gates.index(gate)
    return slice(k * size, (k + 1) * size)


def _suffixes(cell: Cell, params: Params, first: str, *others: str) -> list[str]:
    """Return what follows `first` in each name: "" for a cell; "_l0", "_l0_reverse", ... for a layer.

    Raises CallError unless each of `others` exists with the same endings.
    """
    found = [name.removeprefix(first) for name in params if name == first or name.startswith(f"{first}_l")]
    if not found:
        raise CallError(f"params has no {first} for {cell.name}; it holds {', '.join(params) or 'nothing'}")
    for suffix in found:
        for other in others:
            if other + suffix not in params:
                raise CallError(f"params has {first}{suffix} but no {other}{suffix}; {cell.name} expects both")
    return found
