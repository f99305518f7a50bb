"""The one place that chooses a back end."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import BackendError, near
from . import reference, timings, torch_rnn
from .call import Backend, Call
from .native import autograd

# `auto` takes of those that can the fastest at the nearest point of the table in use. Where the table says nothing it takes
# the first here that can and is not slow. The reference is last, refuses nothing and is never passed over.
BACKENDS: tuple[Backend, ...] = (autograd.BACKEND, torch_rnn.BACKEND, reference.BACKEND)


def names() -> tuple[str, ...]:
    """What `backend` may be."""
    return ("auto", *(backend.name for backend in BACKENDS))


def check_name(name: str) -> str:
    """`name` again, or BackendError."""
    if name not in names():
        raise BackendError(f"there is no back end {name!r}; {near(name, names())}")
    return name


def choose(call: Call, name: str) -> Backend:
    """The back end that runs `call`: with "auto" the fastest that can, as far as that is known, else the one named.

    Raises BackendError, which says why the one named cannot."""
    named = {backend.name: backend for backend in BACKENDS}
    if name == "auto":
        if point := timings.near(call):
            for one in (named[fastest] for fastest in point.order if fastest in named):
                if one.refuses(call) is None:
                    return one
        return next(one for one in BACKENDS if one.refuses(call) is None and one.slow(call) is None)
    check_name(name)
    backend = named[name]
    if reason := backend.refuses(call):
        raise BackendError(f"back end {name!r} cannot run this call: {reason}")
    return backend


@dataclass(frozen=True)
class Plan:
    """Which back end runs a call, and in words why each other one will not."""

    cell: str
    runs: str
    others: dict[str, str]

    def __str__(self) -> str:
        lines = [f"{self.cell}: back end {self.runs!r} runs"]
        return "\n".join([*lines, *(f"  not {name!r}: {why}" for name, why in self.others.items())])


def plan(call: Call, name: str) -> Plan:
    """The choice of `choose`, explained."""
    chosen = choose(call, name)
    others = {}
    for backend in BACKENDS:
        if backend is not chosen:
            asked = f"{name!r} was asked for by name" if name != "auto" else _slower(call, backend, chosen)
            others[backend.name] = backend.refuses(call) or asked
    return Plan(call.cell.name, chosen.name, others)


def _slower(call: Call, backend: Backend, chosen: Backend) -> str:
    """Why `chosen` was taken and not `backend`, which could run the call too."""
    if (point := timings.near(call)) and {backend.name, chosen.name} <= point.seconds.keys():
        B, T, H = point.size
        times = point.seconds[backend.name] / point.seconds[chosen.name]
        return f"{chosen.name!r} is faster: this took {times:.2f} times as long at B={B}, T={T}, H={H}"
    return backend.slow(call) or f"{chosen.name!r} is faster and can"
