"""Parameters of one convention into those of another; the values of the cell stay the same, up to rounding.

All functions take the parameters of a cell by name, or the state_dict of a layer (`weight_ih_l0`, ...), change nothing
in place, and raise CallError for parameters they do not know.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import CallError
from .base import Cell, Params
from .coupled_lstm import CoupledLSTM
from .gru import GRU
from .gru_before import GRUBefore
from .gru_textbook import GRUTextbook
from .ln_gru import LayerNormGRU
from .ln_lstm import LayerNormLSTM
from .lstm import LSTM
from .mgu import MGU
from .peephole_lstm import PeepholeLSTM
from .rnn import RNN

# Where both biases are only ever added to each other, and where that of n stands inside the reset: r * (Un h + cn).
_BOTH_OUTSIDE = (RNN, LSTM, PeepholeLSTM, CoupledLSTM, LayerNormLSTM, GRUBefore, GRUTextbook, MGU)
_N_INSIDE = (GRU, LayerNormGRU)


def turn_update_gate(params: Params) -> dict[str, Tensor]:
    """Parameters of a GRU, gate order r, z, n, for the same GRU whose update gate points the other way.

    1 - sigmoid(a) = sigmoid(-a), so the rows of z change their sign, to the bit: `gru_before` <-> `gru_textbook`, and
    any GRU of another library whose z lets the new in before it becomes a `gru`. Twice is nothing.
    """
    turned = {}
    for name, tensor in params.items():
        if not name.startswith(("weight_ih", "weight_hh", "bias_ih", "bias_hh")) or tensor.shape[0] % 3:
            shape = tuple(tensor.shape)
            raise CallError(f"{name} {shape} is no weight or bias of a plain GRU; wanted weight_ih (3H, I) and its kin")
        r, z, n = tensor.chunk(3)
        turned[name] = torch.cat([r, -z, n])
    return turned


def _cell(spec: str | Cell | type[Cell]) -> Cell:
    from . import get  # the registry imports the cells, this file among them

    return get(spec)


def single_bias(cell: str | Cell | type[Cell], params: Params) -> dict[str, Tensor]:
    """`bias_ih` and `bias_hh` (G*H,) -> their sum, `bias` (G*H,).

    Where the reset stands after the matmul (`gru`, `ln_gru`) the hidden bias of n is inside it and cannot be merged: it
    is kept as `bias_hn` (H,), and `bias` holds the input bias of n alone.
    """
    cell = _cell(cell)
    inside = _n_inside(cell)
    single = {name: tensor for name, tensor in params.items() if not name.startswith(("bias_ih", "bias_hh"))}
    for suffix in _suffixes(cell, params, "bias_ih", "bias_hh"):
        b, c = params[f"bias_ih{suffix}"], params[f"bias_hh{suffix}"]
        if inside:
            rz, n = c.tensor_split([c.shape[0] // 3 * 2])
            single[f"bias{suffix}"], single[f"bias_hn{suffix}"] = b + torch.cat([rz, torch.zeros_like(n)]), n.clone()
        else:
            single[f"bias{suffix}"] = b + c
    return single


def double_bias(cell: str | Cell | type[Cell], params: Params) -> dict[str, Tensor]:
    """`bias` (G*H,), and `bias_hn` (H,) where the cell has it, -> `bias_ih` and `bias_hh`: all in the first, else 0."""
    cell = _cell(cell)
    wanted = ("bias", "bias_hn") if _n_inside(cell) else ("bias",)
    suffixes = _suffixes(cell, params, *wanted)
    gone = {f"{name}{suffix}" for name in wanted for suffix in suffixes}
    double = {name: tensor for name, tensor in params.items() if name not in gone}
    for suffix in suffixes:
        b = params[f"bias{suffix}"]
        c = torch.zeros_like(b)
        if len(wanted) == 2:
            n = params[f"bias_hn{suffix}"]
            c = torch.cat([c[: -len(n)], n])
        double |= {f"bias_ih{suffix}": b.clone(), f"bias_hh{suffix}": c}
    return double


def _n_inside(cell: Cell) -> bool:
    if type(cell) not in (*_BOTH_OUTSIDE, *_N_INSIDE):
        raise CallError(f"cell is {cell}; which of its biases may be merged is known for the registered cells alone")
    return type(cell) in _N_INSIDE


def _suffixes(cell: Cell, params: Params, first: str, *others: str) -> list[str]:
    """What follows `first` in each name: "" for a cell; "_l0", "_l0_reverse", ... for a layer. All must be there."""
    found = [name.removeprefix(first) for name in params if name == first or name.startswith(f"{first}_l")]
    if not found:
        raise CallError(f"params has no {first} for {cell.name}; it holds {', '.join(params) or 'nothing'}")
    for suffix in found:
        for other in others:
            if other + suffix not in params:
                raise CallError(f"params has {first}{suffix} and no {other}{suffix}, which {cell.name} wants with it")
    return found
