"""`gates`: how saturated the gates are, which units do nothing, and how long each unit keeps what it stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from ..cells import Cell
from ..errors import CallError
from ..nn.unroll import Direction, directions_of
from ..nn.validate import Lengths
from .charts import Chart, Lines
from .models import layer_of
from .record import Recording, record
from .results import Array, Result

CONSTANT = 1e-4  # the largest standard deviation of a constant unit
SMALLEST = 1e-12  # a fraction that is kept is at least this, so that its logarithm is finite


@final
@dataclass(frozen=True, eq=False, repr=False)
class GateStatistics(Result):
    """The result of `gates`, over all valid time steps of all sequences.

    Axes: H features. Gates are named as in `record`, such as `l0.forward.f`, states as `l0.forward.c`.

    Attributes:
        mean: (H,), the mean of each gate.
        low: (H,), the fraction of time steps at which a gate is below 0.1; for a candidate, whose values are not all in [0, 1],
            below -0.9.
        high: (H,), the fraction of time steps at which it is above 0.9.
        dead: (H,), whether a value of the state is always 0.
        constant: (H,), whether its standard deviation is at most 1e-4; dead ones are constant too.
        time_constants: (H,), in descending order, the number of steps after which 1/e of a stored value remains while the
            gates are as they are: -1 / mean(log f), where f is the fraction that a step keeps (f of an LSTM, z of a GRU,
            1 - f of an MGU). Only for components that keep a fraction of their old value by gates alone.
        units: (H,), the units in the order of `time_constants`.
    """

    mean: dict[str, Array]
    low: dict[str, Array]
    high: dict[str, Array]
    dead: dict[str, Array]
    constant: dict[str, Array]
    time_constants: dict[str, Array]
    units: dict[str, Array]

    def charts(self) -> list[Chart]:
        """The fractions of saturated steps, and the time constants."""
        found: list[Chart] = [
            Lines(
                f"saturation of {name}",
                "fraction below the lower limit",
                "fraction above 0.9",
                {name: (self.low[name], self.high[name])},
                points=True,
            )
            for name in self.low
        ]
        curves = {name: (np.arange(len(one)), one) for name, one in self.time_constants.items()}
        return [Lines("time constants", "unit, sorted", "time steps", curves, log=True), *found] if curves else found


def gates(model: Any, data: Any, lengths: Lengths = None, *, module: str | None = None) -> GateStatistics:
    """Compute the saturation of gates, dead and constant units, and time constants, in evaluation mode.

    Args:
        model: a Run, a layer of recurra.nn, or RNN, LSTM or GRU of torch.nn.
        data: see `record`.
        lengths: see `record`.
        module: for a Run, the name of the recurrent layer in its network. Default: None, the first one.

    Raises:
        CallError: the model or the data cannot be used, or there is no valid time step.

    Example:
        >>> import torch
        >>> from recurra import inspection, nn
        >>> layer = nn.Recurrent("lstm", 3, 4, forget_bias=3.0)
        >>> result = inspection.gates(layer, torch.randn(5, 7, 3))
        >>> bool((result.time_constants["l0.forward.c"] > 5).all())
        True
    """
    layer = layer_of(model, module)
    recording = record(model, data, lengths, module=module)
    valid = valid_steps(recording)
    if not valid.any():
        raise CallError("data has no valid time step")
    rows = {name: array[valid] for name, array in recording.gates.items()}
    inside = {name: bool((one >= 0).all() and (one <= 1).all()) for name, one in rows.items()}
    states = {name: array[valid] for name, array in recording.states.items()}
    constants: dict[str, Array] = {}
    for d in directions_of(layer):
        here = {gate: torch.from_numpy(rows[f"{d.name}.{gate}"]) for gate in d.cell.gates}
        constants |= {f"{d.name}.{name}": one for name, one in time_constants(d, here).items()}
    order = {name: np.argsort(-one, kind="stable") for name, one in constants.items()}
    return GateStatistics(
        mean={name: one.mean(0) for name, one in rows.items()},
        low={name: (one < (0.1 if inside[name] else -0.9)).mean(0) for name, one in rows.items()},
        high={name: (one > 0.9).mean(0) for name, one in rows.items()},
        dead={name: (one == 0).all(0) for name, one in states.items()},
        constant={name: one.std(0) <= CONSTANT for name, one in states.items()},
        time_constants={name: one[order[name]] for name, one in constants.items()},
        units=order,
    )


def valid_steps(recording: Recording) -> Array:
    """Return which time steps of a recording are no padding, (B, T)."""
    valid: Array = np.arange(recording.inputs.shape[1]) < recording.lengths[:, None]
    return valid


def time_constants(d: Direction, gates: dict[str, Tensor]) -> dict[str, Array]:
    """Return the time constants (H,) of the components of the state that gates (M, H) at M time steps keep.

    With the gates fixed, a step of such a component is f * old + other terms: f is its increase where the old value
    increases from 0 to 1. A component for which it is not the same from 1 to 2 is left out.
    """
    if not gates:
        return {}
    cell, M = with_gates(d.cell, gates), len(next(iter(gates.values())))
    like = next(iter(d.params.values()))
    projected = d.cell.project(like.new_zeros(1, d.input_size), d.params).detach().expand(M, -1)
    found = {}
    with torch.no_grad():
        for n, name in enumerate(d.cell.states):
            ends = []
            for value in (0.0, 1.0, 2.0):
                parts = [like.new_zeros(M, size) for size in d.sizes.values()]
                parts[n] += value
                ends.append(d.step(projected, d.cell.state_type(*parts), cell)[n])
            kept, again = ends[1] - ends[0], ends[2] - ends[1]
            if torch.allclose(kept, again, atol=1e-5) and bool((kept > SMALLEST).any()) and bool((kept >= -1e-6).all()):
                logs = kept.double().clamp(SMALLEST, 1.0).log().mean(0)
                found[name] = (-1 / logs).cpu().numpy()
    return found


def with_gates(cell: Cell, gates: dict[str, Tensor]) -> Cell:
    """Return the cell whose gates have these values."""
    base: Any = type(cell)

    class WithGates(base):  # type: ignore[misc]
        name = cell.name

        def gates_of(self, projected: Tensor, state: Any, params: Any) -> dict[str, Tensor]:
            return dict(gates)

    given: Cell = WithGates(**vars(cell))
    return given
