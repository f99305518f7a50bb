"""The table of what is fastest where: measured by `recurra bench`, read by `choose`.

A table is a JSON file: the machine it was taken on, the versions, and a list of points, each a kind of call with the
seconds of every back end that can run it. A call is looked up at the nearest point of its kind: the distance is that of
B, T and H in doublings; where none is within REACH, or there is no table, the rules in the back ends' `slow` hold.

Which one is used: the file that RECURRA_TABLE names ("off": none); else that of this machine in the user's cache folder,
where `recurra bench --save` puts it; else the one that comes with the package.
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

SETTING = "RECURRA_TABLE"
FORMAT = 1
REACH = 4.0  # doublings, of B, T and H together
BUILT_IN = Path(__file__).with_name("table.json")


class Kind(NamedTuple):
    """A kind of call. Only points of the same kind say something about it."""

    cell: str
    training: bool  # a gradient is wanted
    ragged: bool
    directions: int
    threads: int


@dataclass(frozen=True)
class Point:
    """A kind at one size, and the seconds of each back end."""

    kind: Kind
    size: tuple[int, int, int]  # B, T, H
    seconds: dict[str, float]

    @cached_property
    def order(self) -> list[str]:
        """The back ends, the fastest first."""
        return sorted(self.seconds, key=self.seconds.__getitem__)


@dataclass(frozen=True)
class Table:
    """The points by kind; `name` says where they are from."""

    name: str
    points: dict[Kind, list[Point]]

    def near(self, kind: Kind, size: tuple[int, int, int]) -> Point | None:
        """The nearest point of a kind within reach. Of the numbers of threads measured the nearest one counts."""
        threads = [k.threads for k in self.points if k[:4] == kind[:4]]
        if not threads:
            return None
        kind = kind._replace(threads=min(threads, key=lambda n: abs(n - kind.threads)))

        def distance(point: Point) -> float:
            return sum(abs(math.log2(a / b)) for a, b in zip(point.size, size, strict=True))

        nearest = min(self.points[kind], key=distance)
        return nearest if distance(nearest) <= REACH else None


def kind_of(call: Call) -> Kind:
    """The kind of a call; the two nonlinearities of the RNN are one."""
    return Kind(call.cell.name, call.wants_gradient, call.lengths is not None, call.directions, torch.get_num_threads())


def near(call: Call) -> Point | None:
    """The point of the table in use that is nearest to a call; None where nothing was measured, or nothing is computed."""
    B, T, _ = call.x.shape
    if not call.x.is_cpu or call.masks or call.x.dtype != torch.float32 or not B or not T:
        return None
    return nearest(kind_of(call), (B, T, call.hidden_size))


@lru_cache(maxsize=4096)
def nearest(kind: Kind, size: tuple[int, int, int]) -> Point | None:
    """That of a kind and a size, B, T and H."""
    return in_use().near(kind, size)


@lru_cache(maxsize=4096)
def fastest(cell: str, B: int, T: int, H: int, threads: int) -> str | None:
    """The fastest back end at the nearest point, in one direction, without lengths or a gradient."""
    point = nearest(Kind(cell, False, False, 1, threads), (B, T, H))
    return point.order[0] if point else None


@cache
def in_use() -> Table:
    """The table that RECURRA_TABLE asks for, looked for once."""
    setting = os.environ.get(SETTING, "")
    if setting == "off":
        return Table(f"none, switched off by {SETTING}=off", {})
    if setting:
        return read(Path(setting))
    mine = cache_path()
    if mine.exists():
        return read(mine)
    return read(BUILT_IN) if BUILT_IN.exists() else Table("none", {})


def forget() -> None:
    """Look for the table in use anew."""
    for known in (in_use, nearest, fastest):
        known.cache_clear()


def state_of_table() -> str:
    """In words: where the table in use is from."""
    return in_use().name


def cache_path() -> Path:
    """Where the table of this machine is kept: a folder may be shared by several machines."""
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "recurra"
    return folder / f"back-ends-{platform.node() or 'here'}-{loader.load()[1].split()[0]}.json"


def read(path: Path) -> Table:
    """A table that `write` wrote. BackendError where it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}")
        points: dict[Kind, list[Point]] = {}
        for row in content["points"]:
            kind = Kind(*(row[name] for name in Kind._fields))
            seconds = {str(name): float(value) for name, value in row["seconds"].items()}
            B, T, H = (int(row[axis]) for axis in "BTH")
            if min(B, T, H) < 1 or not seconds or not all(math.isfinite(s) and s > 0 for s in seconds.values()):
                raise ValueError(f"a point with B={B}, T={T}, H={H} and {seconds}")
            points.setdefault(kind, []).append(Point(kind, (B, T, H), seconds))
    except OSError as error:
        raise BackendError(f"{SETTING}: {path}: {error.strerror}; `recurra bench --out FILE` makes a table") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackendError(
            f"{path} is no table of back ends ({error}); delete it or make another: recurra bench"
        ) from None
    name = "built in" if path == BUILT_IN else str(path)
    return Table(f"{name} ({content.get('machine', 'machine not told')}, {content.get('date', 'no date')})", points)


def write(path: Path, points: list[Point], facts: dict[str, Any]) -> None:
    """A table as JSON, a point a line."""
    rows = [
        json.dumps({**point.kind._asdict(), **dict(zip("BTH", point.size, strict=True)), "seconds": point.seconds})
        for point in points
    ]
    head = json.dumps({"format": FORMAT, **facts}, ensure_ascii=False)[:-1]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, head + ', "points": [\n' + ",\n".join(rows) + "\n]}\n")
    forget()
