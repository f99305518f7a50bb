"""`unit_features`: units whose values follow a feature of the input, and whether the network needs them.

Karpathy, Johnson and Fei-Fei 2015, Visualizing and understanding recurrent networks, arXiv:1506.02078. A correlation may be a
coincidence: the loss where the unit is held at its mean shows whether the network uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from ..errors import CallError
from ..nn.patch import patched
from ..nn.validate import Lengths
from ..run import Run
from .arguments import check_count
from .charts import Chart, HeatMap
from .gates import valid_steps
from .models import layer_of
from .record import Recording, record
from .results import Array, Result


@final
@dataclass(frozen=True, eq=False, repr=False)
class UnitFeatures(Result):
    """The result of `unit_features`.

    Axes: F features, U units of all layers, directions and components, K units that follow a feature most.

    Attributes:
        features: (F,), the names of the features.
        units: (U,), the names of the units, such as `l0.forward.h.17`.
        correlation: (F, U), Pearson's correlation over all valid time steps; 0 for a constant unit.
        best: (F, K), the indices of the units with the largest absolute correlation.
        loss: the loss of the network as it is; NaN where no loss was given.
        loss_increase: (F, K), the increase of the loss where each of these units is held at its mean; NaN without a loss.
    """

    features: Array
    units: Array
    correlation: Array
    best: Array
    loss: float
    loss_increase: Array

    def charts(self) -> list[Chart]:
        """The correlation of all units with all features."""
        return [
            HeatMap("absolute correlation", "unit", "feature", np.abs(self.correlation), tuple(map(str, self.features)))
        ]


def unit_features(
    model: Any,
    data: Any,
    features: Mapping[str, Any],
    lengths: Lengths = None,
    *,
    loss: Callable[[], float] | str | Path | None = None,
    top: int = 3,
    module: str | None = None,
) -> UnitFeatures:
    """Find the units that follow a feature, and the increase of the loss where they are held constant.

    Args:
        model: a Run, or a Recurrent of recurra.nn; other layers without `loss`.
        data: see `record`.
        features: for each feature by name, its values: (B, T), or a list with one array (T_b,) for each sequence, whose lengths
            are those of the recorded sequences. `inside_quotes` and `position_in_line` compute them from texts.
        lengths: see `record`.
        loss: a function without arguments that returns the loss; for a Run also a file on which it is evaluated.
            Default: None, no unit is held.
        top: K, the number of units for each feature.
        module: for a Run, the name of the recurrent layer in its network. Default: None, the first one.

    Raises:
        CallError: the shapes do not fit.

    Example:
        >>> import torch
        >>> from recurra import inspection, nn
        >>> layer, x = nn.Recurrent("rnn", 1, 4), torch.randn(2, 30, 1)
        >>> result = inspection.unit_features(layer, x, {"input": x[:, :, 0]}, top=1)
        >>> bool(abs(result.correlation[0, result.best[0, 0]]) > 0.5)
        True
    """
    layer, recording = layer_of(model, module), record(model, data, lengths, module=module)
    valid = valid_steps(recording)
    values = np.stack([_feature(name, one, recording)[valid] for name, one in features.items()]) if features else None
    if values is None or not valid.any():
        raise CallError("features is empty, or data has no valid time step")
    names = [(key, n) for key, array in recording.states.items() for n in range(array.shape[2])]
    table = np.concatenate([array[valid] for array in recording.states.values()], axis=1).astype(np.float64)
    correlation = _correlation(values, table)
    K = check_count("top", top, 1, len(names))
    best = np.argsort(-np.abs(correlation), axis=1, kind="stable")[:, :K]
    units = np.array([f"{key}.{n}" for key, n in names])
    increase, base = np.full(best.shape, np.nan), float("nan")
    if loss is not None:
        measure = _measure(model, loss)
        base = measure()
        network = model.network if isinstance(model, Run) else layer
        for unit in np.unique(best):
            key, n = names[unit]
            level, direction, component = key.split(".")
            options = {"direction": direction, "component": component, "module": module}
            with patched(network, int(level[1:]), n, float(table[:, unit].mean()), **options):
                increase[best == unit] = measure() - base
    return UnitFeatures(np.array(list(features)), units, correlation, best, base, increase)


def inside_quotes(text: str) -> Array:
    """Return for each character of a text 1 inside double quotes and 0 outside; the quotes themselves are inside.

    Example:
        >>> inside_quotes('a "b" c').tolist()
        [0, 0, 1, 1, 1, 0, 0]
    """
    marks = np.array([character in '"“”' for character in text])
    count = np.cumsum(marks)
    return np.where(marks, 1, count % 2).astype(np.int64)


def position_in_line(text: str) -> Array:
    """Return for each character of a text its position in its line, from 0; a line break belongs to the line before it.

    Example:
        >>> position_in_line("ab\\ncd").tolist()
        [0, 1, 2, 0, 1]
    """
    positions, now = [], 0
    for character in text:
        positions.append(now)
        now = 0 if character == "\n" else now + 1
    return np.array(positions, dtype=np.int64)


def _feature(name: str, value: Any, recording: Recording) -> Array:
    """Return the values of a feature, (B, T)."""
    B, T = recording.inputs.shape[:2]
    found = np.zeros((B, T))
    rows = list(value)
    if len(rows) != B:
        raise CallError(f"feature {name!r} has {len(rows)} sequences; expected {B}")
    for b, row in enumerate(rows):
        numbers, steps = np.asarray(row, dtype=np.float64), int(recording.lengths[b])
        if numbers.shape != (T,) and numbers.shape != (steps,):
            raise CallError(
                f"feature {name!r} has shape {numbers.shape} for sequence {b}; expected ({steps},), one value per time step"
            )
        found[b, : len(numbers)] = numbers
    return found


def _correlation(features: Array, units: Array) -> Array:
    """Return Pearson's correlation (F, U) of features (F, M) with units (M, U)."""
    one, other = features - features.mean(1, keepdims=True), units - units.mean(0)
    scale = np.linalg.norm(one, axis=1)[:, None] * np.linalg.norm(other, axis=0)
    result: Array = np.divide(one @ other, scale, out=np.zeros(scale.shape), where=scale > 1e-12)
    return result


def _measure(model: Any, loss: Any) -> Callable[[], float]:
    """Return the function that computes the loss."""
    if callable(loss):
        return lambda: float(loss())
    if not isinstance(model, Run):
        raise CallError(f"loss is {loss!r}; expected a function without arguments, because model is a layer")
    return lambda: float(model.evaluate(loss)["loss"])
