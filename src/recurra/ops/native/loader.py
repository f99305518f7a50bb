"""The compiled kernels of native/: whether they are here, for which instruction set, and what each cell's keeps."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from types import ModuleType
from typing import NamedTuple

from ...cells import LSTM, RNN, Cell

TARGET = "RECURRA_NATIVE"  # an instruction set by name instead of the widest, or "off"


class Kernel(NamedTuple):
    """What the kernel of a cell keeps, in units of H: see native/*.h."""

    number: int
    gates: int
    saved: int


KERNELS = (
    Kernel(0, gates=1, saved=1),  # tanh
    Kernel(1, gates=1, saved=1),  # relu
    Kernel(2, gates=4, saved=5),
    Kernel(3, gates=3, saved=4),
)


def kernel_of(cell: Cell) -> Kernel:
    """The kernel of a cell, one of RNN, LSTM, GRU."""
    if type(cell) is RNN:
        return KERNELS[0 if cell.nonlinearity == "tanh" else 1]
    return KERNELS[2 if type(cell) is LSTM else 3]


@cache
def load() -> tuple[ModuleType | None, str]:
    """The compiled kernels and the instruction set to use; or None, and why."""
    asked = os.environ.get(TARGET, "")
    if asked == "off":
        return None, f"switched off by {TARGET}=off"
    try:
        from .. import _native  # type: ignore[attr-defined]
    except ImportError as error:
        return None, f"the kernels are not built here ({error}); install recurra where there is a C++ compiler"
    targets: list[str] = _native.targets()
    if asked and asked not in targets:
        return None, f"{TARGET}={asked}, and this machine has {', '.join(targets)}"
    return _native, asked or targets[0]


def loaded() -> tuple[ModuleType, str]:
    """As `load`, where they are known to be here."""
    module, target = load()
    assert module is not None, target
    return module, target


def state_of_kernels() -> str:
    """In words: the instruction set they use, or why they are not there."""
    module, said = load()
    return said if module is not None else f"none, {said}"


@cache
def parallel() -> int:
    """GOMP_parallel of the OpenMP that torch runs on, so that its threads are ours too; 0: threads of our own."""
    try:
        return ctypes.cast(ctypes.CDLL(None).GOMP_parallel, ctypes.c_void_p).value or 0
    except (AttributeError, OSError):
        return 0
