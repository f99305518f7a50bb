"""`memory`: how far back the gradient of an output, or of the loss of a run, reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from ..nn.base import RecurrentBase
from ..nn.unroll import Unrolled, directions_of, unroll
from ..nn.validate import Lengths, check_lengths
from ..run import Run
from .arguments import check_count
from .charts import Chart, HeatMap, Lines
from .gradients import gradient_norms, independent
from .models import batch_first, evaluating, layer_of
from .results import Array, Result
from .training_batches import gradients_of_loss

REMAINS = 0.01  # the fraction that defines the horizon


@final
@dataclass(frozen=True, eq=False, repr=False)
class MemoryProfile(Result):
    """The result of `memory`.

    Axes: R rows, one for each layer, or one for each layer and direction of a bidirectional model (`rows`); T time steps, or
    lags. A norm is the mean over the sequences that have this time step of the Euclidean norm over all components of the
    state; NaN where no sequence has it.

    Attributes:
        norms: (R, T), the norm of the gradient with respect to the state after each time step.
        by_lag: (R, T), the same by lag: the number of steps between the state and the last valid one of its sequence, in the
            reverse direction the first one.
        horizon: (R,), the smallest lag from which on at most 1 % of the largest norm by lag remains; infinite where more
            remains at the largest lag.
        older: (R, T), the fraction of the sum of `by_lag` at lags larger than n.
        matrix: (R, S, T), for a layer the norm of the gradient of the output at each of `steps` with respect to the state at
            each time step, NaN where the output does not depend on it; (R, 0, T) for the loss of a run.
        steps: (S,), the time steps of the outputs in `matrix`: all of them, or equally spaced ones of a long sequence.
        rows: (R,), the names of the rows, such as `l0.forward`.
    """

    norms: Array
    by_lag: Array
    horizon: Array
    older: Array
    matrix: Array
    steps: Array
    rows: Array

    def charts(self) -> list[Chart]:
        """The norms by lag, and the matrix of the last layer."""
        lags = np.arange(self.by_lag.shape[1])
        curves = {str(name): (lags, row) for name, row in zip(self.rows, self.by_lag, strict=True)}
        charts: list[Chart] = [Lines("norm of the gradient by lag", "lag (time steps)", "norm", curves, log=True)]
        if self.matrix.shape[1]:
            with np.errstate(divide="ignore"):
                values = np.log10(self.matrix[-1])
            charts.append(HeatMap(f"log10 norm, {self.rows[-1]}", "state at step", "output at step", values))
        return charts


def memory(
    model: Any, data: Any = None, lengths: Lengths = None, *, outputs: int = 32, module: str | None = None
) -> MemoryProfile:
    """Compute the norm of the gradient with respect to the state at each time step, in evaluation mode.

    For a layer it is the gradient of the sum of the final hidden states of the last layer: of the output at the last valid
    time step, in the reverse direction at the first one. For a Run it is the gradient of the loss on batches of the data on
    which the run was trained.

    Args:
        model: a Run, a layer of recurra.nn, or RNN, LSTM or GRU of torch.nn.
        data: for a layer its input, as for `record`. For a Run the training data. Default: None, for a Run the data that
            config.yaml names.
        lengths: (B,), number of valid time steps of each sequence. Default: None, all steps are valid. Not for a Run.
        outputs: for a layer, the largest number of output steps in `matrix`; 0 for none. Each takes one backward pass.
        module: for a Run, the name of the recurrent layer in its network. Default: None, the first one.

    Raises:
        CallError: the model or the data cannot be used.
        DataError: for a Run, the data do not exist, or are not those on which it was trained.

    Example:
        >>> import torch
        >>> from recurra import inspection, nn
        >>> result = inspection.memory(nn.Recurrent("rnn", 3, 8), torch.randn(5, 40, 3))
        >>> result.norms.shape, bool(result.by_lag[0, 0] > result.by_lag[0, 30])
        ((1, 40), True)
    """
    check_count("outputs", outputs, 0)
    layer = layer_of(model, module)
    rows = [d.name for d in directions_of(layer)]
    if isinstance(model, Run):
        return profile_of_loss(gradients_of_loss(model, data, lengths, layer), rows)
    x = batch_first(layer, data)
    checked = check_lengths(lengths, x)
    B, T = x.shape[:2]
    with evaluating(layer), torch.enable_grad():
        run = unroll(layer, x.requires_grad_(), checked, edit=independent)
        norms = gradient_norms(_final_sum(layer, run), run.states)
        steps = (
            np.unique(np.linspace(0, T - 1, min(outputs, T)).round().astype(np.int64)) if T else np.zeros(0, np.int64)
        )
        ends = np.full(B, T) if checked is None else checked.cpu().numpy()
        matrix = [_mean(gradient_norms(run.y[:, s].sum(), run.states), ends > s) for s in steps]
    table = np.stack(matrix, 1) if matrix else np.zeros((len(rows), 0, T))
    for r, d in enumerate(
        directions_of(layer)
    ):  # an output depends on no later state, in the reverse direction no earlier
        for n, s in enumerate(steps):
            if not layer.bidirectional:
                table[r, n, s + 1 :] = np.nan
            elif layer.num_layers == 1:
                table[r, n, slice(None, s) if d.reverse else slice(s + 1, None)] = np.nan
    return _result(norms, ends, table, steps, rows)


def profile_of_loss(found: Sequence[tuple[Array, Array]], rows: Sequence[str]) -> MemoryProfile:
    """Return the profile of the gradients of the loss of several batches, as `gradients_of_loss` returns them."""
    T = max(norms.shape[2] for norms, _ in found)
    norms = np.concatenate([_padded(norms, T) for norms, _ in found], axis=1)
    ends = np.concatenate([ends for _, ends in found])
    return _result(norms, ends, np.zeros((len(rows), 0, T)), np.zeros(0, np.int64), rows)


def _final_sum(layer: RecurrentBase, run: Unrolled) -> Tensor:
    """Return the sum of the final hidden states of the last layer."""
    last = [states[0 if name.endswith("reverse") else -1][0] for name, states in run.states.items()]
    return torch.stack([one.sum() for one in last[-(2 if layer.bidirectional else 1) :]]).sum()


def _result(norms: Array, ends: Array, matrix: Array, steps: Array, rows: Sequence[str]) -> MemoryProfile:
    """Return the means over the sequences of norms (R, B, T), of which `ends` (B,) steps are valid."""
    _, B, T = norms.shape
    valid = np.arange(T) < ends[:, None]
    lagged = np.zeros_like(norms)
    for r, name in enumerate(rows):
        for b in range(B):
            row = norms[r, b, : ends[b]]
            lagged[r, b, : ends[b]] = row if name.endswith("reverse") else row[::-1]
    by_lag = _mean_over_valid(lagged, valid)
    filled = np.nan_to_num(by_lag)
    total = filled.sum(1, keepdims=True)
    with np.errstate(invalid="ignore"):
        older = 1 - np.cumsum(filled, 1) / total
    return MemoryProfile(
        norms=_mean_over_valid(norms, valid),
        by_lag=by_lag,
        horizon=horizon_of(by_lag),
        older=np.clip(older, 0, 1),
        matrix=matrix,
        steps=steps,
        rows=np.array(rows),
    )


def horizon_of(by_lag: Array) -> Array:
    """Return for each row of norms by lag (R, T) the smallest lag from which on at most 1 % of the largest norm remains."""
    horizon = np.full(len(by_lag), np.nan)
    for r, row in enumerate(by_lag):
        known = row[np.isfinite(row)]
        if len(known) and known.max() > 0:
            after = int(np.flatnonzero(known > REMAINS * known.max())[-1]) + 1
            horizon[r] = after if after < len(known) else np.inf
    return horizon


def _mean_over_valid(norms: Array, valid: Array) -> Array:
    """Return the mean over the sequences, (R, T), of norms (R, B, T) at valid (B, T); NaN where there is none."""
    count = valid.sum(0)
    total = np.where(valid, norms, 0).sum(1)
    mean: Array = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def _mean(norms: Array, keep: Array) -> Array:
    """Return the mean over some of the sequences, (R, T)."""
    mean: Array = norms[:, keep].mean(1) if keep.any() else np.full((norms.shape[0], norms.shape[2]), np.nan)
    return mean


def _padded(norms: Array, T: int) -> Array:
    return np.pad(norms, ((0, 0), (0, 0), (0, T - norms.shape[2])))
