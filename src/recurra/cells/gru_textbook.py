"""Gated recurrent unit as many textbooks print it: the update gate admits the candidate. Chung et al. 2014, arXiv:1412.3555.

    r  = sigmoid(Wr x + br + Ur h + cr)      reset gate: 0 hides the past from the candidate
    z  = sigmoid(Wz x + bz + Uz h + cz)      update gate: 1 takes the CANDIDATE, 0 keeps the old state
    n  = tanh(Wn x + bn + Un (r * h) + cn)   candidate, reset before the matmul
    h' = (1 - z) * h + z * n

W is weight_ih (3H, I), U weight_hh (3H, H), b bias_ih (3H,), c bias_hh (3H,); gate order r, z, n. The gates are those
of `gru_before`; `convert.turn_update_gate` converts the parameters of one to those of the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from .base import Hidden, Params
from .gru_before import GRUBefore


@dataclass(frozen=True)
class GRUTextbook(GRUBefore):
    """Gated recurrent unit, reset before the matmul, whose update gate admits the candidate."""

    name: ClassVar[str] = "gru_textbook"
    memory_gates: ClassVar[Mapping[str, int]] = {"z": -1}
    source: ClassVar[str] = (
        "Chung, Gulcehre, Cho and Bengio 2014, Empirical evaluation of gated recurrent neural networks "
        "on sequence modeling, arXiv:1412.3555"
    )

    def step(self, projected: Tensor, state: Hidden, params: Params) -> Hidden:
        _, z, n = self.gates_of(projected, state, params).values()
        return Hidden((1 - z) * state.h + z * n)
