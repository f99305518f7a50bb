"""What torch.ao.quantization does to the layers of recurra: a warning instead of silence.

`torch.ao.quantization` replaces modules of the types in its own table, and passes over all others without a word. It sets the
attribute `qconfig` of every module that it visits, also of those that it leaves as they are. `Qconfig` reports that.
"""

from __future__ import annotations

import warnings
from typing import Any


class Qconfig:
    """The attribute `qconfig` of a layer. Setting it warns, unless the layer has 8-bit weights already."""

    def __get__(self, layer: Any, owner: Any = None) -> Any:
        """Return the value that was set. Raises AttributeError if there is none."""
        if layer is None:
            return self
        if "_qconfig" not in layer.__dict__:
            raise AttributeError(f"{type(layer).__name__} has no attribute 'qconfig'")
        return layer.__dict__["_qconfig"]

    def __set__(self, layer: Any, value: Any) -> None:
        """Set the value, and warn that torch.ao.quantization does not quantize this layer."""
        layer.__dict__["_qconfig"] = value
        if not layer.cell.differentiable:
            return  # it has 8-bit weights
        warnings.warn(
            f"torch.ao.quantization leaves {layer!r} of recurra in float; recurra.nn.quantize(module) quantizes it",
            stacklevel=3,
        )

    def __delete__(self, layer: Any) -> None:
        """Remove the value."""
        layer.__dict__.pop("_qconfig", None)
