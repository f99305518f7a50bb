"""The table of measured times of the backends: `recurra bench` writes it, and `choose` reads it.

A table is a JSON file: the machine, the versions, and a list of points. Each point is a call signature and a size, with the
seconds of every backend that supports it. A call is looked up at the nearest point with its signature; the distance is that of
B, T and H in doublings. If no point is within MAX_DISTANCE, or there is no table, `Backend.heuristic_skip` applies.

The table in use is the file that RECURRA_TIMINGS names ("off" for none), otherwise that of this machine in the user's cache
folder, where `recurra bench --save` writes it, or else `timings.json` of this package.
"""

from __future__ import annotations

import json
import math
import os
import platform
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..errors import BackendError
from ..files import write_text
from .call import Call
from .native import loader

SETTING = "RECURRA_TIMINGS"
FORMAT = 1
MAX_DISTANCE = 4.0  # doublings, of B, T and H together
BUILT_IN = Path(__file__).with_name("timings.json")


class CallSignature(NamedTuple):
    """The properties of a call apart from its size. Times are compared only between calls with the same signature."""

    cell: str
    training: bool  # a gradient is needed
    ragged: bool  # variable-length sequences
    directions: int
    threads: int


@dataclass(frozen=True)
class Timing:
    """The seconds of each backend for a signature and a size."""

    signature: CallSignature
    size: tuple[int, int, int]  # B, T, H
    seconds: dict[str, float]

    @cached_property
    def order(self) -> list[str]:
        """The backends, fastest first."""
        return sorted(self.seconds, key=self.seconds.__getitem__)


@dataclass(frozen=True)
class TimingTable:
    """The timings by signature; `name` says where they come from."""

    name: str
    points: dict[CallSignature, list[Timing]]

    def nearest(self, signature: CallSignature, size: tuple[int, int, int]) -> Timing | None:
        """The nearest timing within MAX_DISTANCE, among those with the nearest measured number of threads."""
        threads = [known.threads for known in self.points if known[:4] == signature[:4]]
        if not threads:
            return None
        signature = signature._replace(threads=min(threads, key=lambda n: abs(n - signature.threads)))

        def distance(timing: Timing) -> float:
            return sum(abs(math.log2(a / b)) for a, b in zip(timing.size, size, strict=True))

        nearest = min(self.points[signature], key=distance)
        return nearest if distance(nearest) <= MAX_DISTANCE else None


def signature_of(call: Call) -> CallSignature:
    """The signature of a call. The two nonlinearities of the RNN share one."""
    threads = torch.get_num_threads()
    return CallSignature(call.cell.name, call.needs_gradient, call.lengths is not None, call.directions, threads)


def nearest_to(call: Call) -> Timing | None:
    """The timing of the table in use that is nearest to a call. None if nothing was measured, or nothing is computed."""
    B, T, _ = call.x.shape
    if not call.x.is_cpu or call.masks or call.x.dtype != torch.float32 or not B or not T:
        return None
    return nearest(signature_of(call), (B, T, call.hidden_size))


@lru_cache(maxsize=4096)
def nearest(signature: CallSignature, size: tuple[int, int, int]) -> Timing | None:
    """The nearest timing for a signature and a size (B, T, H)."""
    return in_use().nearest(signature, size)


@lru_cache(maxsize=4096)
def fastest(cell: str, B: int, T: int, H: int, threads: int) -> str | None:
    """The fastest backend at the nearest timing, in one direction, without lengths and gradient."""
    timing = nearest(CallSignature(cell, False, False, 1, threads), (B, T, H))
    return timing.order[0] if timing else None


@cache
def in_use() -> TimingTable:
    """The table in use. It is read once."""
    setting = os.environ.get(SETTING, "")
    if setting == "off":
        return TimingTable(f"none, switched off by {SETTING}=off", {})
    if setting:
        return read(Path(setting))
    own = cache_path()
    if own.exists():
        return read(own)
    return read(BUILT_IN) if BUILT_IN.exists() else TimingTable("none", {})


def forget() -> None:
    """Forgets the table in use, so that the next call reads it again."""
    for cached in (in_use, nearest, fastest):
        cached.cache_clear()


def state_of_table() -> str:
    """Where the table in use comes from, as text."""
    return in_use().name


def cache_path() -> Path:
    """The path of the table of this machine. The name contains the machine, because several may share the folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "recurra"
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
    except OSError as error:
        raise BackendError(f"{SETTING}: {path}: {error.strerror}; `recurra bench --out FILE` creates one") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackendError(
            f"{path} is not a valid timings file ({error}); delete it, or create a new one with `recurra bench`"
        ) from None
    name = "built in" if path == BUILT_IN else str(path)
    return TimingTable(
        f"{name} ({content.get('machine', 'unknown machine')}, {content.get('date', 'no date')})", points
    )


def write(path: Path, timings: list[Timing], metadata: dict[str, Any]) -> None:
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
