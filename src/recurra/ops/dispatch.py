"""The list of backends, and the only place that chooses one of them.

A new backend is its own file or folder with a `BACKEND`, and one line in `BACKENDS` here. The tests, the operators, `plan`,
`recurra bench` and `recurra selfcheck` go over this list.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import BackendError, CallError, near, short
from . import native, reference, timings, torch_rnn
from .call import Backend, Call
from .eligibility import traced

# "auto" uses the fastest backend according to the table of timings. Where that has no times, it uses the first one
# here that supports the call and is not skipped by its heuristic. The reference is last, because it supports nearly
# every call.
BACKENDS: tuple[Backend, ...] = (
    native.BACKEND,
    torch_rnn.BACKEND,
    reference.BACKEND,
)


def names() -> tuple[str, ...]:
    """The valid values of `backend`."""
    return ("auto", *(backend.name for backend in BACKENDS))


def check_name(name: str) -> str:
    """Returns `name`, or raises BackendError."""
    if not isinstance(name, str):
        raise BackendError(f"backend is {short(name)}; expected one of {', '.join(names())}")
    if name not in names():
        raise BackendError(f"unknown backend {short(name)}; {near(name, names())}")
    return name


def choose(call: Call, name: str) -> Backend:
    """The backend that runs `call`: the named one, or for "auto" the one that is expected to be fastest.

    Raises BackendError with the reason if the named one does not support the call."""
    if call.needs_gradient and not call.cell.differentiable:
        raise CallError(f"{call.cell.name} is for inference and has no gradient; call it under torch.no_grad()")
    by_name = {backend.name: backend for backend in BACKENDS}
    if name == "auto":
        if timing := _timing(call):
            for backend in (by_name[fastest] for fastest in timing.order if fastest in by_name):
                if backend.unsupported_reason(call) is None:
                    return backend
        for backend in BACKENDS:
            if backend.unsupported_reason(call) is None and backend.heuristic_skip(call) is None:
                return backend
        raise BackendError(f"no backend can run this call of {call.cell.name}: {BACKENDS[-1].unsupported_reason(call)}")
    check_name(name)
    backend = by_name[name]
    if reason := backend.unsupported_reason(call):
        raise BackendError(f"backend {name!r} cannot run this call: {reason}")
    return backend


def _timing(call: Call) -> timings.Timing | None:
    """The nearest timing; None for a cell with one backend only, and where a graph is recorded for other sizes too."""
    if traced(call.x) or not any(type(call.cell) in backend.cells for backend in BACKENDS):
        return None
    return timings.nearest_to(call)


@dataclass(frozen=True)
class BackendChoice:
    """Which backend runs a call, and the reason why each other one does not."""

    cell: str
    runs: str
    others: dict[str, str]

    def __str__(self) -> str:
        lines = [f"{self.cell}: backend {self.runs!r} runs"]
        return "\n".join([*lines, *(f"  not {name!r}: {why}" for name, why in self.others.items())])


def plan(call: Call, name: str) -> BackendChoice:
    """The result of `choose`, with reasons."""
    chosen = choose(call, name)
    others = {}
    for backend in BACKENDS:
        if backend is not chosen:
            reason = f"{name!r} was requested by name" if name != "auto" else _slower(call, backend, chosen)
            others[backend.name] = backend.unsupported_reason(call) or reason
    return BackendChoice(call.cell.name, chosen.name, others)


def _slower(call: Call, backend: Backend, chosen: Backend) -> str:
    """Why `chosen` runs and not `backend`, which supports the call too."""
    if (timing := _timing(call)) and {backend.name, chosen.name} <= timing.seconds.keys():
        times = timing.seconds[backend.name] / timing.seconds[chosen.name]
        return f"{chosen.name!r} is preferred: this takes {times:.2f} times as long, {timings.basis(timing)}"
    return backend.heuristic_skip(call) or f"{chosen.name!r} is faster and can"
