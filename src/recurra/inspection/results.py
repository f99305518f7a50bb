"""`Result`, the base class of what inspection returns: named arrays that can be saved, plotted and shown in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CallError
from .charts import Chart

Array = NDArray[Any]


class Result(ABC):
    """The result of an inspection: a frozen dataclass of NumPy arrays, and of dicts of arrays."""

    @abstractmethod
    def charts(self) -> list[Chart]:
        """Return what a figure of this result shows."""

    def arrays(self) -> dict[str, Array]:
        """Return all arrays by name; those of a dict are named `FIELD.KEY`, such as `states.l0.forward.h`."""
        found: dict[str, Array] = {}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            named = (
                {f"{field.name}.{key}": one for key, one in value.items()}
                if isinstance(value, Mapping)
                else {field.name: value}
            )
            for name, one in named.items():
                array = np.asarray(one)
                if array.dtype.hasobject:
                    raise TypeError(f"{type(self).__name__}.{name} is not an array of numbers or text")
                found[name] = array
        return found

    def __repr__(self) -> str:
        """Return the names and shapes of the arrays."""
        shapes = ", ".join(f"{name} {array.shape}" for name, array in self.arrays().items())
        return f"{type(self).__name__}({shapes})"

    def save(self, path: str | Path) -> Path:
        """Write all arrays to a file `.npz` without pickle, which `numpy.load` reads; see `arrays` for their names.

        Returns:
            The path of the file; the suffix `.npz` is added where it is missing.
        """
        path = Path(path)
        path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
        np.savez(path, **self.arrays())  # type: ignore[arg-type]
        return path

    def plot(self) -> Any:
        """Return a figure of matplotlib.

        Raises:
            CallError: matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            raise CallError("plot needs matplotlib; install it with: pip install matplotlib") from None
        charts = self.charts()
        figure = Figure(figsize=(6, 3.2 * len(charts)), layout="constrained")
        for n, chart in enumerate(charts):
            chart.draw(figure, figure.add_subplot(len(charts), 1, n + 1))
        return figure

    def _repr_html_(self) -> str:
        """Return the figure as SVG, for notebooks."""
        return "".join(chart.svg() for chart in self.charts())
