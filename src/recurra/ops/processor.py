"""The processor of this machine: what selects one of the tables of timings that the package includes."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import NamedTuple

from .native import loader

_LINES = {"vendor_id": "vendor", "cpu family": "family", "model": "model", "model name": "name"}


class Processor(NamedTuple):
    """A processor. `target` is the instruction set of the kernels, as "avx2"; an unknown text is empty."""

    vendor: str
    family: str
    model: str
    name: str
    target: str

    def likeness(self, other: Processor) -> int:
        """How similar two processors are: 3 for the same model and instruction set, 2 for the same vendor and instruction
        set, 1 for the same instruction set, otherwise 0."""
        if self.target != other.target:
            return 0
        if self.vendor != other.vendor:
            return 1
        return 3 if self.model and (self.family, self.model) == (other.family, other.model) else 2


@cache
def this_processor() -> Processor:
    """The processor of this machine, from /proc/cpuinfo, where there is one."""
    found = {"vendor": "", "family": "", "model": "", "name": platform.processor() or platform.machine()}
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if not line.strip():
            break  # the first processor is enough
        if name := _LINES.get(key.strip()):
            found[name] = value.strip()
    module, target = loader.load()
    return Processor(**found, target=target if module is not None else "")
