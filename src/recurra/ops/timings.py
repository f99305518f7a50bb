"""The table of measured times of the backends: `recurra bench` writes it, and `choose` reads it.

A table is a JSON file: the processor, the versions, and a list of points. Each point is a call signature and a size, with the
seconds of every backend that supports it. A call of another size is estimated: the logarithms of the seconds are interpolated
between the nearest points, in the logarithms of B, T and H.

An estimate is an extrapolation if the size lies outside the measured sizes or far from all of them, or if the table is of
another instruction set. Then a backend is preferred to torch's kernels only if it is faster by MARGIN.

The table in use is the file that RECURRA_TIMINGS names ("off" for none), otherwise that of this machine in the user's cache
folder, where `recurra bench --save` writes it, or else the one in `timing_tables/` whose processor is most similar to this one
(see `Processor.likeness`). Nothing is measured while a program runs.
"""

from __future__ import annotations

import json
import math
import os
import platform
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch

from .. import cells
from ..errors import BackendError
from ..files import user_cache, write_text
from .call import Call
from .native import loader
from .processor import Processor, this_processor

SETTING = "RECURRA_TIMINGS"
FORMAT = 1
NEIGHBORS = 8  # points that an estimate is made from
MAX_DISTANCE = 2.5  # doublings, between a size and the nearest point; further away it is an extrapolation
LONG = 8  # time steps
MARGIN = 1.1
CAUTIOUS = "torch"  # what a program without recurra would run
MAX_UNPACKED = 8  # streams; for more, the matrix products of the packed kernel are faster
# Bytes of weights from which "unpacked" is used where nothing was measured, on processors of AMD with AVX-512. On a Zen 5 the
# packed kernel took 1.36 times as long for an LSTM with H = 512 and 2.8 times with H = 1,024, and as long with H = 384.
_UNPACKED_FROM = 4 << 20
BUILT_IN = Path(__file__).with_name("timing_tables")


class CallSignature(NamedTuple):
    """The properties of a call apart from its size. Times are compared only between calls with the same signature."""

    cell: str
    training: bool  # a gradient is needed
    ragged: bool  # variable-length sequences
    directions: int
    threads: int


Size = tuple[int, int, int]  # B, T, H


@dataclass(frozen=True)
class Timing:
    """The seconds of each backend for a signature and a size, measured or estimated."""

    signature: CallSignature
    size: Size
    seconds: dict[str, float]
    nearest: Size | None = None  # the nearest measured size; that of the call if it was measured itself
    extrapolated: bool = False

    @cached_property
    def order(self) -> list[str]:
        """The backends, the one to be preferred first."""
        return sorted(self.seconds, key=lambda name: self.seconds[name] * self._penalty(name))

    def _penalty(self, name: str) -> float:
        return MARGIN if self.extrapolated and name != CAUTIOUS and CAUTIOUS in self.seconds else 1.0


@dataclass(frozen=True)
class TimingTable:
    """The timings by signature; `name` says where they come from. `foreign`: of another instruction set than this machine's."""

    name: str
    points: dict[CallSignature, list[Timing]]
    processor: Processor | None = None
    foreign: bool = False
    machine: str = "unknown machine"

    def estimate(self, signature: CallSignature, size: Size) -> Timing | None:
        """The times for a size, from the points with the nearest measured number of threads; None if there are none.

        Inverse distance weighting: Shepard 1968, A two-dimensional interpolation function for irregularly-spaced data.
        """
        threads = [known.threads for known in self.points if known[:4] == signature[:4]]
        if not threads:
            return None
        signature = signature._replace(threads=min(threads, key=lambda n: abs(n - signature.threads)))
        points = self.points[signature]
        where = (
            size[0],
            min(size[1], max(point.size[1] for point in points)),
            size[2],
        )  # from some T on, T has no influence
        near = sorted(points, key=lambda point: _distance(point.size, where))[:NEIGHBORS]
        nearest, distance = near[0], _distance(near[0].size, where)
        if distance == 0:
            return Timing(signature, size, nearest.seconds, nearest.size, self.foreign)
        weights = [_distance(point.size, where) ** -2 for point in near]
        seconds = {}
        for name in set(nearest.seconds).intersection(*(point.seconds for point in near)):
            logarithms = [math.log(point.seconds[name]) for point in near]
            seconds[name] = math.exp(sum(w * s for w, s in zip(weights, logarithms, strict=True)) / sum(weights))
        outside = any(
            not min(axis) <= n <= max(axis) for n, *axis in zip(where, *(p.size for p in points), strict=True)
        )
        extrapolated = self.foreign or outside or distance > MAX_DISTANCE
        return Timing(signature, size, seconds or nearest.seconds, nearest.size, extrapolated)


def _distance(size: Size, other: Size) -> float:
    """In doublings of B, T and H. From LONG steps on the time per step is nearly constant, so there T counts little."""
    (B, T, H), (B2, T2, H2) = (
        (math.log2(n) for n in (B, min(T, LONG) * max(T / LONG, 1) ** 0.1, H)) for B, T, H in (size, other)
    )
    return math.hypot(B - B2, T - T2, H - H2)


def signature_of(call: Call) -> CallSignature:
    """The signature of a call. The two nonlinearities of the RNN share one."""
    threads = torch.get_num_threads()
    return CallSignature(call.cell.name, call.needs_gradient, call.lengths is not None, call.directions, threads)


def nearest_to(call: Call) -> Timing | None:
    """The times of the table in use for a call. None if nothing was measured, or nothing is computed."""
    B, T, _ = call.x.shape
    if not call.x.is_cpu or call.masks or call.x.dtype != torch.float32 or not B or not T or not call.hidden_size:
        return None
    return estimate(signature_of(call), (B, T, call.hidden_size))


@lru_cache(maxsize=4096)
def estimate(signature: CallSignature, size: Size) -> Timing | None:
    """The times of the table in use for a signature and a size (B, T, H)."""
    return in_use().estimate(signature, size)


@lru_cache(maxsize=4096)
def fastest(cell: str, B: int, T: int, H: int, threads: int) -> str | None:
    """The backend to be preferred in one direction, without lengths and gradient; None if nothing was measured."""
    timing = estimate(CallSignature(cell, False, False, 1, threads), (B, T, H))
    return timing.order[0] if timing else None


def step_kernel(cell: str, B: int, H: int, threads: int) -> str:
    """The kernel for single steps of B streams that is faster: "packed" or "unpacked" weights."""
    if B > MAX_UNPACKED:
        return "packed"
    if timing := estimate(CallSignature(f"{cell} step", False, False, 1, threads), (B, 1, H)):
        return timing.order[0]
    processor = this_processor()
    is_large = max(1, len(cells.get(cell).gates)) * H * 2 * H * 4 >= _UNPACKED_FROM
    return "unpacked" if is_large and processor.vendor == "AuthenticAMD" and processor.target == "avx512" else "packed"


@cache
def in_use() -> TimingTable:
    """The table in use. It is read once."""
    setting = os.environ.get(SETTING, "")
    if setting == "off":
        return TimingTable(f"none, switched off by {SETTING}=off", {})
    try:
        own = Path(setting) if setting else cache_path()
        if setting or own.exists():
            return read(own)
    except (BackendError, OSError) as error:
        warnings.warn(f"{error}; the timings of the package are used instead", stacklevel=2)
    return of_processor(this_processor())


def of_processor(processor: Processor) -> TimingTable:
    """The table of the package whose processor is most similar to this one; of equally similar ones the first by name."""
    if not processor.target:
        return TimingTable("none", {})  # there are no kernels to choose
    tables = [read(path) for path in sorted(BUILT_IN.glob("*.json"))]
    if not tables:
        return TimingTable("none", {})
    likeness = [processor.likeness(table.processor) if table.processor else 0 for table in tables]
    best = tables[likeness.index(max(likeness))]
    why = ("another instruction set", "another vendor", "another model", "this model")[max(likeness)]
    return replace(best, name=f"built in: {best.name}, of {why}", foreign=max(likeness) == 0)


def basis(timing: Timing) -> str:
    """What the times of a call are based on, as text."""
    B, T, H = timing.nearest or timing.size
    measured = (
        "measured" if timing.nearest == timing.size else f"estimated; the nearest measured size is B={B}, T={T}, H={H}"
    )
    cautious = (
        f" (outside of the measurements, where {CAUTIOUS!r} is preferred if close)" if timing.extrapolated else ""
    )
    return f"{measured}{cautious}; timings: {state_of_table()}"


def forget() -> None:
    """Forgets the table in use, so that the next call reads it again."""
    for cached in (in_use, estimate, fastest):
        cached.cache_clear()


def state_of_table() -> str:
    """Where the table in use comes from, as text."""
    return in_use().name


def cache_path() -> Path:
    """The path of the table of this machine. The name contains the machine, because several may share the folder.

    Raises BackendError if there is no home folder."""
    folder = user_cache()
    if folder is None:
        raise BackendError("the cache folder is unknown: there is no home folder; set HOME or XDG_CACHE_HOME")
    return folder / f"back-ends-{platform.node() or 'here'}-{loader.load()[1].split()[0]}.json"


def read(path: Path) -> TimingTable:
    """Reads a table that `write` wrote. Raises BackendError if the file is not one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}")
        points: dict[CallSignature, list[Timing]] = {}
        for row in content["points"]:
            signature = CallSignature(*(row[name] for name in CallSignature._fields))
            seconds = {str(name): float(value) for name, value in row["seconds"].items()}
            B, T, H = (int(row[axis]) for axis in "BTH")
            if min(B, T, H) < 1 or not seconds or not all(math.isfinite(s) and s > 0 for s in seconds.values()):
                raise ValueError(f"invalid entry: B={B}, T={T}, H={H}, seconds={seconds}")
            points.setdefault(signature, []).append(Timing(signature, (B, T, H), seconds))
        facts = content.get("processor")
        processor = Processor(**{name: str(facts[name]) for name in Processor._fields}) if facts else None
    except OSError as error:
        raise BackendError(f"{path}: {error.strerror}; `recurra bench --out FILE` creates a timings file") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackendError(
            f"{path} is not a valid timings file ({error}); delete it, or create a new one with `recurra bench`"
        ) from None
    name = path.stem if path.parent == BUILT_IN else str(path)
    machine = str(content.get("machine", "unknown machine"))
    return TimingTable(f"{name} ({machine}, {content.get('date', 'no date')})", points, processor, machine=machine)


def write(path: Path, timings: Iterable[Timing], metadata: dict[str, Any]) -> None:
    """Writes a table as JSON, one timing per line."""
    rows = [
        json.dumps(
            {**timing.signature._asdict(), **dict(zip("BTH", timing.size, strict=True)), "seconds": timing.seconds}
        )
        for timing in timings
    ]
    head = json.dumps({"format": FORMAT, **metadata}, ensure_ascii=False)[:-1]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, head + ', "points": [\n' + ",\n".join(rows) + "\n]}\n")
    forget()
