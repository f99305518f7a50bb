"""Runs one entry of the matrix and judges it.

An entry is `supported` if values and gradients equal those of the plain loop in float64, within twice the error that the plain
loop makes in the dtype under test, and a few roundings. It is `rejected` if it raises a CallError. Everything else is a defect:
`wrong` values, an `error` of another type, or a `crashed` process. An entry that works in torch.nn must be supported.
"""

from __future__ import annotations

import contextlib
import re
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import torch

from recurra.errors import CallError

from .case import Case, Configuration
from .modes import MODES, Mode
from .observe import Found
from .subjects import SUBJECTS, B, flat_loop, flat_ours, flat_torch

DTYPE = torch.float32  # the dtype under test


@dataclass(frozen=True)
class Result:
    """What an entry gave. `torch` is what torch.nn gave: supported, not supported and why, or none if it has no such layer."""

    mode: str
    configuration: Configuration
    status: str
    detail: str
    torch: str
    required: bool
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the entry meets the requirement."""
        return self.status in ("supported", "skipped") or (self.status == "rejected" and not self.required)

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON has it."""
        return asdict(self) | {"ok": self.ok}


def judge(mode: Mode, configuration: Configuration) -> Result:
    """Run one entry."""
    start = time.perf_counter()
    reason = mode.unavailable() or mode.skipped(configuration)
    if reason is not None:
        return Result(mode.name, configuration, "skipped", reason, "none", False, 0.0)
    theirs, dtype = in_torch(mode.name, counterpart(configuration))
    status, detail = attempt(mode, configuration, flat_ours, dtype)
    named = SUBJECTS[configuration.subject].torch is not None
    required = (theirs == "supported" and not mode.torchscript) or (mode.always and named)
    return Result(mode.name, configuration, status, detail, theirs, required, time.perf_counter() - start)


def counterpart(configuration: Configuration) -> Configuration | None:
    """The same configuration of a drop-in layer, which torch.nn has too."""
    subject = SUBJECTS[configuration.subject]
    if subject.torch is None or subject.cls != "Recurrent":
        return None if subject.torch is None else configuration
    drop_in = "RNN tanh" if subject.torch == "RNN" else subject.torch
    return Configuration(drop_in, *[getattr(configuration, n) for n in ("deep", "with_lengths", "T", "frozen")])


@lru_cache(maxsize=2000)
def in_torch(mode: str, configuration: Configuration | None) -> tuple[str, torch.dtype | None]:
    """Whether torch.nn supports an entry, and the dtype of its output."""
    if configuration is None:
        return "none", None
    found: Found = {}
    status, detail = attempt(MODES[mode], configuration, flat_torch, None, slack=10, found=found)
    output = found.get("output 0")
    theirs = "supported" if status == "supported" else f"not supported: {detail}"
    return theirs, None if output is None else output.dtype


def attempt(
    mode: Mode,
    configuration: Configuration,
    make: Any,
    dtype: torch.dtype | None,
    slack: float = 1,
    found: Found | None = None,
) -> tuple[str, str]:
    """Return status and detail of a layer that `make` makes, and put what it gave into `found`.

    `dtype` is that of the outputs, if it is known. `slack` multiplies the tolerance.
    """
    exact, loop = expected(mode, configuration)
    found = {} if found is None else found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found.update(mode.run(flat(make, configuration, DTYPE), Case(configuration, DTYPE)))
        except AssertionError as error:
            return "wrong", brief(error)
        except Exception as error:
            refused = mode.refused is not None and re.search(mode.refused, str(error)) is not None
            return ("rejected" if refused or is_call_error(error) else "error"), brief(error)
    dtypes = [DTYPE] if mode.autocast is None else [DTYPE, mode.autocast] if dtype is None else [dtype]
    return compare(mode, configuration, found, exact, loop, dtypes, slack)


def flat(make: Any, c: Configuration, dtype: torch.dtype) -> Any:
    """Return a new module in the flat form."""
    module = make(SUBJECTS[c.subject], c.deep, c.with_lengths).to(dtype)
    return module.requires_grad_(False) if c.frozen else module


def expected(mode: Mode, configuration: Configuration) -> tuple[Found, Found]:
    """Return what the plain loop gives in float64, and in the dtype under test."""
    return _expected(mode.exact, mode.autocast, configuration)


@lru_cache(maxsize=400)
def _expected(run: Any, autocast: torch.dtype | None, configuration: Configuration) -> tuple[Found, Found]:
    exact = run(flat(flat_loop, configuration, torch.float64), Case(configuration, torch.float64))
    context = contextlib.nullcontext() if autocast is None else torch.autocast("cpu", dtype=autocast)
    with context:
        loop = run(flat(flat_loop, configuration, DTYPE), Case(configuration, DTYPE))
    return tuple({name: t.detach() for name, t in found.items()} for found in (exact, loop))  # type: ignore[return-value]


def compare(
    mode: Mode,
    configuration: Configuration,
    found: Found,
    exact: Found,
    loop: Found,
    dtypes: Sequence[torch.dtype],
    slack: float,
) -> tuple[str, str]:
    """Return status and detail of what a layer gave. `dtypes` are the valid ones of outputs."""
    if found.keys() != exact.keys():
        return "wrong", f"gives {list(found)}; expected {list(exact)}"
    eps = torch.finfo(mode.autocast or DTYPE).eps
    terms = B * configuration.T  # a gradient is a sum of so many terms
    for name, e in exact.items():
        ours = found[name]
        if ours.shape != e.shape:
            return "wrong", f"{name} has shape {tuple(ours.shape)}; expected {tuple(e.shape)}"
        valid = dtypes if name.startswith("output") else [DTYPE]
        if ours.dtype not in valid:
            return "wrong", f"{name} is {ours.dtype}; expected {' or '.join(map(str, valid))}"
        if mode.metadata_only or not e.numel():
            continue
        roundings = 4 + (terms / 2 if not name.startswith("output") else 0)
        size = max(1.0, e.abs().max().item())
        allowed = slack * (2 * distance(loop[name], e) + roundings * eps * size)
        if not (off := distance(ours, e)) <= allowed:
            return "wrong", f"{name} is off by {off:.1e}; allowed are {allowed:.1e}"
    return "supported", ""


def distance(a: torch.Tensor, exact: torch.Tensor) -> float:
    """Return the largest absolute difference; infinity for NaN."""
    return (a.detach().double() - exact).abs().nan_to_num(nan=float("inf")).max().item()


def is_call_error(error: BaseException | None) -> bool:
    """Whether an error is a CallError, or was raised from one by the machinery of a mode."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, CallError):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def brief(error: BaseException) -> str:
    """The type and the first line of an error."""
    text = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {text[0][:200]}"
