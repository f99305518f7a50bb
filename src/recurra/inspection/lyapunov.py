"""`lyapunov`: the exponents with which small differences between states grow or shrink.

An orthonormal basis is carried along a trajectory by the Jacobians of the steps and orthonormalized by a QR decomposition after
each one; the exponents are the means of the logarithms of the diagonal of R.
Benettin, Galgani, Giorgilli and Strelcyn 1980, Meccanica 15; for recurrent networks Engelken, Wolf and Abbott 2023,
Physical Review Research 5:043044, arXiv:2006.02427.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from ..errors import CallError
from ..nn.unroll import stack_step
from .arguments import check_count, components_of, input_steps, state_vector
from .charts import Chart, Lines
from .models import in_double
from .results import Array, Result

SPREAD = 0.1  # standard deviation of the random initial state


@final
@dataclass(frozen=True, eq=False, repr=False)
class Lyapunov(Result):
    """The result of `lyapunov`.

    Attributes:
        exponents: (k,), in descending order, in nats per unit of time.
        history: (S, k), the estimates after each counted step, in which the convergence can be seen.
    """

    exponents: Array
    history: Array

    @property
    def kaplan_yorke_dimension(self) -> float:
        """The dimension of the attractor by Kaplan and Yorke 1979; NaN where more exponents are needed to compute it."""
        sums = np.cumsum(self.exponents)
        if sums[0] < 0:
            return 0.0
        negative = np.flatnonzero(sums < 0)
        if not len(negative):
            return float("nan")
        j = int(negative[0])
        return float(j + sums[j - 1] / abs(self.exponents[j]))

    def charts(self) -> list[Chart]:
        """The exponents, and the convergence of the first ones."""
        steps = np.arange(1, len(self.history) + 1)
        curves = {str(n + 1): (steps, self.history[:, n]) for n in range(min(5, self.history.shape[1]))}
        index = np.arange(1, len(self.exponents) + 1)
        return [
            Lines(
                "Lyapunov exponents", "index", "per unit of time", {"exponents": (index, self.exponents)}, points=True
            ),
            Lines("convergence", "counted step", "per unit of time", curves),
        ]


def lyapunov(
    model: Any,
    k: int | None = None,
    x: Any = None,
    steps: int = 1000,
    dt: float = 1.0,
    seed: int = 0,
    *,
    state: Any = None,
    module: str | None = None,
) -> Lyapunov:
    """Compute the first Lyapunov exponents of the whole stack, in float64.

    The largest one is negative where differences die out, and positive where the network is chaotic. The first tenth of the
    steps is not counted, while state and basis settle.

    Args:
        model: a Run, a layer of recurra.nn, or RNN, LSTM or GRU of torch.nn; in one direction, see `part`.
        k: number of exponents. Default: None, as many as the state has features, N.
        x: (I,), a constant input, or (T, I) with T >= steps. Default: None, zeros.
        steps: number of time steps.
        dt: the time of a step, by which the exponents are divided.
        seed: seed of the initial basis and state.
        state: (N,), the initial state; see `jacobian`. Default: None, the initial state of the layer with a normal
            perturbation of standard deviation 0.1.
        module: for a Run, the name of the recurrent layer in its network. Default: None, the first one.

    Raises:
        CallError: an argument is invalid.

    Example:
        >>> import math, torch
        >>> from recurra import inspection, nn
        >>> layer = nn.Recurrent("rnn", 1, 2, bias=False)
        >>> with torch.no_grad():
        ...     _ = layer.weight_hh_l0.copy_(torch.tensor([[0.5, 0.0], [0.0, 0.25]]))
        >>> result = inspection.lyapunov(layer, steps=200)
        >>> [round(float(one), 3) for one in result.exponents / math.log(2)]  # log2 of 1/2 and 1/4
        [-1.0, -2.0]
    """
    layer = in_double(model, module)
    N = sum(components_of(layer).values())
    k = check_count("k", N if k is None else k, 1, N)
    check_count("steps", steps, 10)
    if isinstance(dt, bool) or not isinstance(dt, int | float) or not dt > 0:
        raise CallError(f"dt is {dt!r}; expected a number above 0")
    inputs, is_sequence = input_steps(layer, x)
    if is_sequence and len(inputs) < steps:
        raise CallError(f"x has {len(inputs)} time steps and steps is {steps}; expected T >= steps, or x of shape (I,)")
    generator = torch.Generator().manual_seed(seed)
    like = state_vector(layer, state)
    if state is None:
        like = like + SPREAD * torch.randn(N, generator=generator, dtype=like.dtype).to(like.device)
    basis = torch.linalg.qr(torch.randn(N, k, generator=generator, dtype=like.dtype).to(like.device))[0]
    with (
        warnings.catch_warnings()
    ):  # torch scripts some of its formulas of forward differentiation when they are first used
        warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)
        logs = _logs(stack_step(layer), like, basis, inputs, steps)[steps // 10 :]
    history = np.cumsum(logs, axis=0) / (np.arange(1, len(logs) + 1)[:, None] * dt)
    order = np.argsort(-history[-1], kind="stable")
    return Lyapunov(history[-1][order], history[:, order])


def _logs(step: Any, state: Tensor, basis: Tensor, inputs: Tensor, steps: int) -> Array:
    """Return the logarithms of the diagonal of R, (steps, k)."""
    logs = []
    for t in range(steps):
        state, basis = _push(step, state, basis, inputs[t if len(inputs) > 1 else 0])
        basis, R = torch.linalg.qr(basis)
        logs.append(R.diagonal().abs().log())
    result: Array = torch.stack(logs).cpu().numpy()
    return result


def _push(step: Any, state: Tensor, basis: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the state after a step, and its Jacobian times the columns of a basis (N, k), by forward differentiation."""
    k = basis.shape[1]
    with torch.no_grad(), forward_ad.dual_level():
        dual = forward_ad.make_dual(  # type: ignore[no-untyped-call]
            state.repeat(k, 1), basis.mT.contiguous()
        )
        new, tangents = forward_ad.unpack_dual(  # type: ignore[no-untyped-call]
            step(dual, x.repeat(k, 1))
        )
        return new[0].clone(), tangents.mT
