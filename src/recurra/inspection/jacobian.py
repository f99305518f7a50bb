"""`jacobian`: the exact Jacobian of a step, or of several, and `spectra`: the recurrent weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from ..errors import CallError
from ..nn.unroll import directions_of, stack_step
from .arguments import components_of, input_steps, state_vector
from .charts import Chart, Lines
from .models import in_double, layer_of
from .results import Array, Result


@final
@dataclass(frozen=True, eq=False, repr=False)
class Jacobian(Result):
    """The result of `jacobian`.

    The state of the whole stack is one vector of N numbers: the components in the order of `components`.

    Attributes:
        matrix: (N, N), the derivative of the state after the steps (rows) with respect to the state before (columns).
        singular_values: (N,), in descending order.
        eigenvalues: (N,), complex, by descending absolute value.
        state: (N,), the state after the steps.
        components: for each component of the state, such as `h_l0`, its first index and the index after its last one.
    """

    matrix: Array
    singular_values: Array
    eigenvalues: Array
    state: Array
    components: dict[str, Array]

    @property
    def spectral_radius(self) -> float:
        """The largest absolute value of an eigenvalue."""
        return float(np.abs(self.eigenvalues[0]))

    def charts(self) -> list[Chart]:
        """The eigenvalues in the complex plane with the unit circle, and the singular values."""
        return [
            eigenvalue_chart({"eigenvalues": self.eigenvalues}),
            Lines(
                "singular values",
                "rank",
                "value",
                {"singular values": (np.arange(len(self.matrix)), self.singular_values)},
                log=True,
            ),
        ]


def jacobian(model: Any, state: Any = None, x: Any = None, *, module: str | None = None) -> Jacobian:
    """Compute the exact Jacobian of a step of the whole stack, in float64.

    The state after one step is F(state, x), and the matrix is dF/dstate. With inputs of several steps it is the product of
    the Jacobians along the trajectory, the derivative of the state after the last step.

    Args:
        model: a Run, a layer of recurra.nn, or RNN, LSTM or GRU of torch.nn; in one direction, see `part`.
        state: (N,), the state before the first step, or a `recurra.nn.State` of one sequence, or a dict of its components.
            Default: None, the initial state of the layer.
        x: (I,), the input of one step, or (T, I) of several. Default: None, zeros.
        module: for a Run, the name of the recurrent layer in its network. Default: None, the first one.

    Raises:
        CallError: the layer is bidirectional, or a shape is wrong.

    Example:
        >>> import torch
        >>> from recurra import inspection, nn
        >>> layer = nn.Recurrent("lstm", 3, 4, num_layers=2)
        >>> result = inspection.jacobian(layer, torch.zeros(16), torch.randn(3))
        >>> result.matrix.shape, result.components["c_l0"]
        ((16, 16), array([4, 8]))
    """
    layer = in_double(model, module)
    step = stack_step(layer)
    now, (inputs, _) = state_vector(layer, state), input_steps(layer, x)
    product: Tensor | None = None
    for one in inputs:
        now, of_step = step_jacobian(step, now, one)
        product = of_step if product is None else of_step @ product
    assert product is not None
    matrix = product.cpu().numpy()
    ends = np.cumsum(list(components_of(layer).values()))
    components = {
        name: np.array([end - size, end]) for (name, size), end in zip(components_of(layer).items(), ends, strict=True)
    }
    return Jacobian(
        matrix, np.linalg.svd(matrix, compute_uv=False), sorted_eigenvalues(matrix), now.cpu().numpy(), components
    )


def step_jacobian(step: Any, state: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the state after a step (N,) and the Jacobian (N, N), from a state (N,) and an input (I,)."""

    def both(s: Tensor) -> tuple[Tensor, Tensor]:
        after = step(s[None], x[None])[0]
        return after, after

    matrix, after = torch.func.jacrev(both, has_aux=True)(state)
    return after.detach(), matrix.detach()


def batch_jacobians(step: Any, states: Tensor, x: Tensor) -> Tensor:
    """Return the Jacobians (P, N, N) at several states (P, N) for one input (I,)."""
    one = torch.func.jacrev(lambda s: step(s[None], x[None])[0])
    result: Tensor = torch.func.vmap(one)(states)
    return result.detach()


def sorted_eigenvalues(matrix: Array) -> Array:
    """Return the eigenvalues (..., N) of matrices (..., N, N) by descending absolute value."""
    values = np.linalg.eigvals(matrix).astype(np.complex128)
    return np.take_along_axis(values, np.argsort(-np.abs(values), axis=-1, kind="stable"), axis=-1)


def eigenvalue_chart(values: dict[str, Array]) -> Chart:
    """Return eigenvalues in the complex plane, with the unit circle."""
    angle = np.linspace(0, 2 * np.pi, 200)
    circle = {"unit circle": (np.cos(angle), np.sin(angle))}
    shown = {name: (one.real.ravel(), one.imag.ravel()) for name, one in values.items()}
    return Lines("eigenvalues", "real part", "imaginary part", shown | circle, points=True)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Spectra(Result):
    """The result of `spectra`, by layer, direction and gate, such as `l0.forward.f`.

    Attributes:
        radius: the spectral radius of the recurrent matrix of the gate; NaN where it is not square (`proj_size`).
        norm: its spectral norm, the largest singular value.
        singular_values: all its singular values, in descending order.
    """

    radius: dict[str, float]
    norm: dict[str, float]
    singular_values: dict[str, Array]

    def charts(self) -> list[Chart]:
        """The singular values of each recurrent matrix."""
        curves = {name: (np.arange(len(one)), one) for name, one in self.singular_values.items()}
        return [Lines("singular values of the recurrent matrices", "rank", "value", curves, log=True)]


def spectra(model: Any, *, module: str | None = None) -> Spectra:
    """Compute spectral radius and norm of the recurrent matrices, the blocks of `weight_hh`, one for each gate.

    Args:
        model: a Run, a layer of recurra.nn, or RNN, LSTM or GRU of torch.nn.
        module: for a Run, the name of the recurrent layer in its network. Default: None, the first one.

    Raises:
        CallError: the cell has no parameter `weight_hh`.

    Example:
        >>> from recurra import inspection, nn
        >>> result = inspection.spectra(nn.Recurrent("gru", 3, 4))
        >>> sorted(result.norm)
        ['l0.forward.n', 'l0.forward.r', 'l0.forward.z']
    """
    radius, norm, singular = dict[str, float](), dict[str, float](), dict[str, Array]()
    for d in directions_of(layer_of(model, module)):
        weight = d.params.get("weight_hh")
        if weight is None or not d.cell.gates or weight.dim() != 2 or weight.shape[0] % len(d.cell.gates):
            raise CallError(
                f"{d.cell.name} has no parameter weight_hh with a block for each gate; use inspection.jacobian"
            )
        blocks = weight.detach().double().cpu().numpy()
        for gate, block in zip(d.cell.gates, np.split(blocks, len(d.cell.gates)), strict=True):
            name = f"{d.name}.{gate}"
            singular[name] = np.linalg.svd(block, compute_uv=False)
            norm[name] = float(singular[name][0])
            square = block.shape[0] == block.shape[1]
            radius[name] = float(np.abs(np.linalg.eigvals(block)).max()) if square else float("nan")
    return Spectra(radius, norm, singular)
