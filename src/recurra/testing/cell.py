"""`check_cell`: every property that a cell must have, tried on a user's own in a few seconds."""

from __future__ import annotations

import torch

from .. import cells
from .gradients import check_gradients
from .invariances import check_invariances
from .saving import check_options, check_saved
from .step import check_bias, check_gates, check_step, check_used, draw


def check_cell(cell: cells.Cell | type[cells.Cell] | str, *, input_size: int = 3, hidden_size: int = 5) -> None:
    """Check `cell` against the contract of `recurra.cells.Cell`.

    options                     each has a default value and is a bool, int, float or str
    parameters                  names and shapes; initialized in place, reproducibly; each has an effect
    step                        pure; keeps shape and dtype of each component of the state
    initial state               where the cell declares one: pure, the same for every sequence
    gates                       `gates_of` gives those that are named, and `step` uses them; the bias convention holds
    padding invariance, batch invariance, chunking invariance, back-end agreement
                                two layers of it, on sequences of different length: values, final state, every gradient
    gradient check, second-order gradient check
    serialization               options and weights; a deep copy has its own

    The sizes B and T of the check differ from each other and from I and H. A cell that needs other sizes I and H is given
    them. Tolerances follow from the error of the cell itself in float32. Raises CallError with one line. Draws from
    torch's random numbers and restores their state.
    """
    cell = cells.get(cell)
    I, H = input_size, hidden_size
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        options = check_options(cell)
        for bias in (True, False):
            for dtype in (torch.float64, torch.float32):
                check_step(cell, draw(cell, I, H, bias, dtype), I, H)
            check_used(cell, draw(cell, I, H, bias, torch.float64), I, H)
        check_gates(cell, options, draw(cell, I, H, True, torch.float64), I, H)
        check_bias(cell, draw(cell, I, H, True, torch.float64), I, H)
        check_invariances(cell, I, H)
        check_gradients(cell, draw(cell, I, H, True, torch.float64), I, H)
        check_saved(cell, options, I, H)
