"""The modes of the matrix. A mode is one function, registered by `mode`; a new file is one line here."""

from __future__ import annotations

from . import contexts, gradients, onnx, tensors, tracing, transforms
from .base import MODES, Mode

__all__ = ["MODES", "Mode", "contexts", "gradients", "onnx", "tensors", "tracing", "transforms"]
