"""`similarity`: how alike two representations of the same time steps are.

Linear centered kernel alignment: Kornblith, Norouzi, Lee and Hinton 2019, arXiv:1905.00414. Procrustes: Schönemann 1966,
Psychometrika 31; as a similarity in Williams, Kunz, Kornblith and Linderman 2021, arXiv:2110.14739.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ..errors import CallError
from .charts import Chart, HeatMap
from .gates import valid_steps
from .record import Recording
from .results import Array, Result


@final
@dataclass(frozen=True, eq=False, repr=False)
class Similarity(Result):
    """The result of `similarity`: one row for each array of a, one column for each array of b.

    Attributes:
        cka: (P, Q), linear centered kernel alignment, from 0 to 1. It does not change under rotations and scaling.
        procrustes: (P, Q), the correlation that remains after the best rotation, from 0 to 1.
        rows: (P,), the names of the arrays of a.
        columns: (Q,), those of b.
    """

    cka: Array
    procrustes: Array
    rows: Array
    columns: Array

    def charts(self) -> list[Chart]:
        """Both matrices."""
        labels = tuple(map(str, self.rows)), tuple(map(str, self.columns))
        return [
            HeatMap(title, "b", "a", values, *labels)
            for title, values in (("linear CKA", self.cka), ("Procrustes", self.procrustes))
        ]


def similarity(a: Any, b: Any) -> Similarity:
    """Compare two representations of the same time steps.

    Args:
        a: an array (..., F) of features, or a `Recording`, whose states are compared one by one.
        b: the same, with as many time steps as a; F may differ. Two recordings must be of the same data.

    Raises:
        CallError: the numbers of time steps differ, or an array is constant.

    Example:
        >>> import numpy as np
        >>> from recurra import inspection
        >>> a = np.random.default_rng(0).normal(size=(100, 3))
        >>> rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
        >>> result = inspection.similarity(a, 2 * a @ rotation)
        >>> result.cka.round(6), result.procrustes.round(6)
        (array([[1.]]), array([[1.]]))
    """
    ours, theirs = _arrays("a", a), _arrays("b", b)
    cka, procrustes = (np.zeros((len(ours), len(theirs))) for _ in range(2))
    for i, (name, one) in enumerate(ours.items()):
        for j, (other_name, other) in enumerate(theirs.items()):
            if len(one) != len(other):
                raise CallError(
                    f"{name} has {len(one)} time steps and {other_name} {len(other)}; expected equal numbers"
                )
            cross, first, second = one.T @ other, one.T @ one, other.T @ other
            cka[i, j] = np.sum(cross**2) / (np.linalg.norm(first) * np.linalg.norm(second))
            procrustes[i, j] = np.linalg.svd(cross, compute_uv=False).sum() / (
                np.linalg.norm(one) * np.linalg.norm(other)
            )
    return Similarity(cka, procrustes, np.array(list(ours)), np.array(list(theirs)))


def _arrays(name: str, value: Any) -> dict[str, Array]:
    """Return the centered features (M, F) of each array."""
    if isinstance(value, Recording):
        valid = valid_steps(value)
        found = {key: array[valid] for key, array in value.states.items()}
    else:
        array = np.asarray(value)
        if array.ndim < 2 or array.dtype.kind not in "fiu":
            raise CallError(f"{name} has shape {array.shape} and dtype {array.dtype}; expected numbers (..., F)")
        found = {name: array.reshape(-1, array.shape[-1])}
    centered = {key: np.asarray(one, np.float64) - one.mean(0, dtype=np.float64) for key, one in found.items()}
    for key, one in centered.items():
        if not np.abs(one).max(initial=0) > 0:
            raise CallError(f"{key} is constant over all {len(one)} time steps, so that it cannot be compared")
    return centered
