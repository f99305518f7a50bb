"""`fixed_points`: the states that a step leaves unchanged for a constant input.

Starting states are visited by the network itself, driven by random inputs and then by the constant one, or drawn at random.
From each of them the speed q = |F(s) - s|^2 / 2 is minimized by Adam and then by Newton's method, on the whole stack with all
components of the state (h and c) as one vector. Sussillo and Barak 2013, Opening the black box, Neural Computation 25(3);
Golub and Sussillo 2018, FixedPointFinder, Journal of Open Source Software 3(31).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from ..errors import CallError
from ..nn.unroll import stack_step
from .arguments import check_count, input_steps, plain, state_vector
from .charts import Chart, Lines
from .jacobian import batch_jacobians, eigenvalue_chart
from .models import in_double
from .newton import descend, polish
from .results import Array, Result

FIXED = 1e-16  # the largest speed of a fixed point
SLOW = 1e-5  # the largest speed of a slow point
NEAR = 1e-3  # points are the same if no number of theirs differs by more
DRIVE_STEPS = 50


@final
@dataclass(frozen=True, eq=False, repr=False)
class FixedPoints(Result):
    """The result of `fixed_points`, sorted: stable points first, then by the number of unstable directions.

    Axes: P fixed points, Q slow points, N features of the state of the whole stack, in the order of `jacobian`.

    Attributes:
        points: (P, N), the fixed points, without duplicates.
        speeds: (P,), q = |F(s) - s|^2 / 2 at each.
        stable: (P,), whether all eigenvalues are inside the unit circle.
        eigenvalues: (P, N), complex, of the Jacobian at each point, by descending absolute value.
        unstable: (P,), the number of eigenvalues outside the unit circle; a point with some, but not all, is a saddle.
        directions: (P, N), the real part of the eigenvector of the first eigenvalue, of norm 1: the direction that leaves an
            unstable point fastest, or returns to a stable one slowest.
        slow_points: (Q, N), states at which the search ended with a small speed that is not zero.
        slow_speeds: (Q,), their speeds.
        x: (I,), the input.
    """

    points: Array
    speeds: Array
    stable: Array
    eigenvalues: Array
    unstable: Array
    directions: Array
    slow_points: Array
    slow_speeds: Array
    x: Array

    def charts(self) -> list[Chart]:
        """The points on their two principal components, and the eigenvalues."""
        if not len(self.points):
            return [Lines("no fixed point", "", "", {})]
        centered = self.points - self.points.mean(0)
        axes = np.linalg.svd(centered, full_matrices=False)[2][:2]
        plane = centered @ axes.T
        plane = np.pad(plane, ((0, 0), (0, 2 - plane.shape[1])))
        groups = {"stable": self.stable, "unstable": ~self.stable}
        curves = {name: (plane[keep, 0], plane[keep, 1]) for name, keep in groups.items() if keep.any()}
        values = {name: self.eigenvalues[keep] for name, keep in groups.items() if keep.any()}
        return [
            Lines("fixed points", "principal component 1", "principal component 2", curves, points=True),
            eigenvalue_chart(values),
        ]


def fixed_points(
    model: Any,
    x: Any = None,
    starts: int | Any = 512,
    seed: int = 0,
    *,
    module: str | None = None,
) -> FixedPoints:
    """Find the fixed points of a step of the whole stack for a constant input, in float64.

    Args:
        model: a Run, a layer of recurra.nn, or RNN, LSTM or GRU of torch.nn; in one direction, see `part`.
        x: (I,), the input. Default: None, zeros.
        starts: number of states from which the search starts, or the states themselves, (S, N), for instance visited ones
            from `record`.
        seed: seed of the starting states.
        module: for a Run, the name of the recurrent layer in its network. Default: None, the first one.

    Raises:
        CallError: the layer is bidirectional, or an argument is invalid.

    Example:
        >>> import torch
        >>> from recurra import inspection, nn
        >>> layer = nn.Recurrent("rnn", 1, 1, bias=False)
        >>> with torch.no_grad():
        ...     _ = layer.weight_hh_l0.fill_(1.5)  # h' = tanh(1.5 h) has three fixed points
        >>> result = inspection.fixed_points(layer, starts=32)
        >>> result.points[:, 0].round(3) + 0.0, result.stable
        (array([-0.859,  0.859,  0.   ]), array([ True,  True, False]))
    """
    layer = in_double(model, module)
    inputs, is_sequence = input_steps(layer, x)
    if is_sequence:
        raise CallError(
            f"x has shape {tuple(inputs.shape)}; expected (I,), one constant input; use sweep for several inputs"
        )
    step, constant, N = stack_step(layer), inputs[0], len(state_vector(layer, None))
    generator = torch.Generator().manual_seed(seed)

    def move(s: Tensor) -> Tensor:
        result: Tensor = step(s, constant.expand(len(s), -1))
        return result

    if isinstance(starts, int):
        check_count("starts", starts, 1)
        first = _starting_states(step, state_vector(layer, None), constant, starts, generator)
    else:
        first = torch.as_tensor(plain(starts)).to(constant.device, constant.dtype)
        if first.dim() != 2 or first.shape[1] != N or not len(first):
            raise CallError(f"starts has shape {tuple(first.shape)}; expected (S, N) with N = {N}")
    jacobians = _jacobians_of(step, constant)
    ends, speeds = polish(move, jacobians, descend(move, first))
    found = _unique(ends[speeds <= FIXED])
    between = _middles(found, starts if isinstance(starts, int) else len(first), generator)
    if len(between):  # saddles lie between the basins of the other points
        more, more_speeds = polish(move, jacobians, between)
        ends, speeds = torch.cat([ends, more]), torch.cat([speeds, more_speeds])
        found = _unique(torch.cat([found, more[more_speeds <= FIXED]]))
    slow = (speeds > FIXED) & (speeds <= SLOW)
    slow_points = _unique(ends[slow][speeds[slow].argsort()])
    return _result(move, jacobians, found, slow_points, constant)


def sweep(
    model: Any, xs: Any, starts: int | Any = 512, seed: int = 0, *, module: str | None = None
) -> list[FixedPoints]:
    """Find the fixed points for each of several constant inputs, for instance of one feature that grows.

    Args:
        model: see `fixed_points`.
        xs: (M, I), the inputs.
        starts: see `fixed_points`.
        seed: see `fixed_points`.
        module: see `fixed_points`.

    Returns:
        One `FixedPoints` for each input, in order.

    Example:
        >>> import torch
        >>> from recurra import inspection, nn
        >>> layer = nn.Recurrent("rnn", 1, 1, bias=False)
        >>> with torch.no_grad():
        ...     _, _ = layer.weight_hh_l0.fill_(1.5), layer.weight_ih_l0.fill_(1.0)
        >>> [len(one.points) for one in inspection.sweep(layer, [[0.0], [0.05], [1.0]], starts=64)]
        [3, 3, 1]
    """
    values = np.asarray(xs, dtype=np.float64)
    if values.ndim != 2 or not len(values):
        raise CallError(f"xs has shape {values.shape}; expected (M, I)")
    return [fixed_points(model, x, starts, seed, module=module) for x in values]


def _starting_states(step: Any, initial: Tensor, x: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return states (count, N): a quarter is drawn from U(-1, 1), a quarter is visited under random inputs, and half of them
    are what the constant input makes of those."""

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=x.dtype).to(x.device)

    N, I = len(initial), len(x)
    uniform = (2 * torch.rand(count, N, generator=generator, dtype=x.dtype) - 1).to(x.device)
    visited = initial + 0.1 * drawn(count, N)
    with torch.no_grad():
        for _ in range(DRIVE_STEPS):
            visited = step(visited, x + 2 * drawn(count, I))
        states = torch.where((torch.arange(count, device=x.device) % 2 == 0)[:, None], visited, uniform)
        settled = states
        for _ in range(DRIVE_STEPS):
            settled = step(settled, x.expand(count, -1))
    return torch.where((torch.arange(count, device=x.device) % 4 < 2)[:, None], states, settled)


def _jacobians_of(step: Any, x: Tensor) -> Any:
    return lambda states: batch_jacobians(step, states, x)


def _unique(points: Tensor) -> Tensor:
    """Return the points (P, N) without those that are near an earlier one."""
    kept: list[Tensor] = []
    for point in points:
        if not kept or bool(((torch.stack(kept) - point).abs().amax(1) > NEAR).all()):
            kept.append(point)
    return torch.stack(kept) if kept else points[:0]


def _middles(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return the middles of pairs of points, at most `count` of them."""
    pairs = torch.combinations(torch.arange(len(points)), 2)
    pairs = pairs[torch.randperm(len(pairs), generator=generator)[:count]].to(points.device)
    return points[pairs].mean(1) if len(pairs) else points[:0]


def _result(F: Any, jacobians: Any, found: Tensor, slow: Tensor, x: Tensor) -> FixedPoints:
    P, N = found.shape
    matrices = (
        np.concatenate([jacobians(part).cpu().numpy() for part in torch.split(found, 64)]) if P else np.zeros((0, N, N))
    )
    values, vectors = np.linalg.eig(matrices)
    order = np.argsort(-np.abs(values), axis=1, kind="stable")
    values = np.take_along_axis(values, order, axis=1).astype(np.complex128)
    directions = np.array([one[:, first] for one, first in zip(vectors, order[:, 0], strict=True)]).real.reshape(P, N)
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), np.finfo(float).tiny)
    unstable = (np.abs(values) >= 1).sum(1)
    with torch.no_grad():
        speeds, slow_speeds = (
            ((F(s) - s).square().sum(1) / 2).cpu().numpy() if len(s) else np.zeros(0) for s in (found, slow)
        )
    points = found.cpu().numpy()
    rank: Sequence[int] = sorted(range(P), key=lambda n: (int(unstable[n]), tuple(points[n].round(6))))
    keep = np.array(rank, dtype=np.int64)
    return FixedPoints(
        points=points[keep],
        speeds=speeds[keep],
        stable=unstable[keep] == 0,
        eigenvalues=values[keep],
        unstable=unstable[keep],
        directions=directions[keep],
        slow_points=slow.cpu().numpy(),
        slow_speeds=slow_speeds,
        x=x.cpu().numpy(),
    )
