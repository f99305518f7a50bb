"""Loads the compiled module, selects the instruction set, and finds the OpenMP library of torch."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from types import ModuleType

TARGET = "RECURRA_NATIVE"  # the name of an instruction set, instead of the widest one, or "off"


@cache
def load() -> tuple[ModuleType | None, str]:
    """The compiled module and the instruction set to use; or None, and the reason why there is none."""
    requested = os.environ.get(TARGET, "")
    if requested == "off":
        return None, f"switched off by {TARGET}=off"
    try:
        from . import _native
    except ImportError as error:
        return None, f"the kernels are not built here ({error}); install recurra where there is a C++ compiler"
    targets = _native.targets()
    if requested and requested not in targets:
        return None, f"{TARGET}={requested}, and this machine has {', '.join(targets)}"
    return _native, requested or targets[0]


def target() -> str:
    """The instruction set to use, where `supported` has checked that the module is loaded."""
    module, name = load()
    assert module is not None, name
    return name


def state_of_kernels() -> str:
    """The instruction set in use, or the reason why there are no kernels, as text."""
    module, name_or_reason = load()
    return name_or_reason if module is not None else f"none, {name_or_reason}"


@cache
def gomp_parallel() -> int:
    """The address of GOMP_parallel in the OpenMP library of torch, so that the kernels use the same threads. 0 if there is
    none; then the kernels start threads of their own."""
    try:
        return ctypes.cast(ctypes.CDLL(None).GOMP_parallel, ctypes.c_void_p).value or 0
    except (AttributeError, OSError):
        return 0
