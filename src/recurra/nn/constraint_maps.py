"""The maps from what is trained, V, to the recurrent weights (G*H, P) of a constraint: see `recurra.nn.constraints`.

Each is a parametrization of `torch.nn.utils.parametrize`. `right_inverse` maps weights to V, so that weights which satisfy the
constraint are kept, and others are changed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor


def _by_gate(weights: Tensor, gates: int) -> Tensor:
    """Return the matrices (G, H, P) of weights (G*H, P)."""
    return weights.reshape(gates, -1, weights.shape[1])


def _stacked(matrices: Tensor) -> Tensor:
    """Return the weights (G*H, P) of matrices (G, H, P)."""
    return matrices.reshape(-1, matrices.shape[2])


class Constraint(torch.nn.Module, ABC):
    """A constraint on recurrent weights (G*H, P).

    Attributes:
        saved_as_result: whether a run folder contains the constrained weights instead of what is trained. Default: False.
    """

    saved_as_result = False

    @abstractmethod
    def forward(self, *trained: Tensor) -> Tensor:
        """Return the weights (G*H, P)."""

    def right_inverse(self, weight: Tensor) -> Any:
        """Return what is trained, from weights (G*H, P)."""
        return weight


class Dale(Constraint):
    """The outgoing weights of unit j, column j, have the sign `signs[j]`: W = |V| diag(signs)."""

    signs: Tensor

    def __init__(self, signs: Tensor) -> None:
        super().__init__()
        self.register_buffer("signs", signs)

    def forward(self, *trained: Tensor) -> Tensor:
        """Return |V| diag(signs)."""
        return trained[0].abs() * self.signs


class Mask(Constraint):
    """Only the connections of a mask (H, P) exist, in each of G gates: W = V * mask."""

    mask: Tensor

    def __init__(self, gates: int, mask: Tensor) -> None:
        super().__init__()
        self.gates = gates
        self.register_buffer("mask", mask)

    def forward(self, *trained: Tensor) -> Tensor:
        """Return V * mask."""
        return trained[0] * self.mask.repeat(self.gates, 1)


class Symmetric(Constraint):
    """The matrix of each of G gates is symmetric: its upper triangle is that of V."""

    def __init__(self, gates: int) -> None:
        super().__init__()
        self.gates = gates

    def forward(self, *trained: Tensor) -> Tensor:
        """Return the symmetric matrices."""
        V = _by_gate(trained[0], self.gates)
        return _stacked(V.triu() + V.triu(1).mT)


class Rank(Constraint):
    """The matrix of each of G gates has at most the rank r: W = A B, with A (G*H, r) and B (G*r, P)."""

    def __init__(self, gates: int, rank: int) -> None:
        super().__init__()
        self.gates, self.rank = gates, rank

    def forward(self, *trained: Tensor) -> Tensor:
        """Return A B."""
        A, B = (_by_gate(factor, self.gates) for factor in trained)
        with torch.autocast(A.device.type, enabled=False):
            return _stacked(A @ B)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return the factors of the nearest matrices of this rank, both with the same singular values."""
        U, s, Vh = torch.linalg.svd(_by_gate(weight, self.gates), full_matrices=False)
        root = s[:, : self.rank].sqrt()
        A, B = U[:, :, : self.rank] * root[:, None], Vh[:, : self.rank] * root[:, :, None]
        return A.flatten(0, 1).contiguous(), B.flatten(0, 1).contiguous()


class SpectralNorm(Constraint):
    """The largest singular value of the matrix of each of G gates is at most `bound`: larger ones are scaled."""

    def __init__(self, gates: int, bound: float) -> None:
        super().__init__()
        self.gates, self.bound = gates, bound

    def forward(self, *trained: Tensor) -> Tensor:
        """Return V, scaled where its norm exceeds the bound."""
        V = _by_gate(trained[0], self.gates)
        with torch.autocast(V.device.type, enabled=False):
            norms = torch.linalg.matrix_norm(V, 2)
            return _stacked(V * (self.bound / norms.clamp(min=self.bound))[:, None, None])


class SpectralRadius(Constraint):
    """The largest absolute value of an eigenvalue of the matrix of each of G gates is at most `bound`: others are scaled."""

    def __init__(self, gates: int, bound: float) -> None:
        super().__init__()
        self.gates, self.bound = gates, bound

    def forward(self, *trained: Tensor) -> Tensor:
        """Return V, scaled where its spectral radius exceeds the bound."""
        V = _by_gate(trained[0], self.gates)
        with torch.autocast(V.device.type, enabled=False):
            radii = torch.stack([spectral_radius(matrix) for matrix in V])
            return _stacked(V * (self.bound / radii.clamp(min=self.bound))[:, None, None])


def spectral_radius(matrix: Tensor) -> Tensor:
    """Return the largest absolute value of an eigenvalue of a matrix (H, H), with its gradient.

    The gradient of an eigenvalue with the left and right eigenvectors y and x is y x^T / (y^T x). Autograd of
    `torch.linalg.eigvals` inverts the matrix of all eigenvectors, which fails where another eigenvalue is defective, as in a
    sparse matrix. If the largest eigenvalue itself is defective, it has no gradient, and the result is a constant.
    """
    with torch.no_grad():
        values, right = torch.linalg.eig(matrix)
        others, left = torch.linalg.eig(matrix.mT)
        first = values.abs().argmax()
        x, y = right[:, first], left[:, (others - values[first]).abs().argmin()]
        radius: Tensor = values[first].abs()
        product = y @ x
    if not matrix.requires_grad or product.abs() < 1e-6 or radius == 0:
        return radius
    estimate: Tensor = ((y @ (matrix.to(x.dtype) @ x)) / product).abs()
    return radius + (estimate - estimate.detach())
