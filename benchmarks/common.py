"""What all benchmarks share: one lock, a refusal when somebody else computes, timing in turns, and the record.

    with alone(options.even_if_busy) as watch:      # waits for the lock, refuses a busy machine (status 2)
        times = interleave({"a": f, "b": g}, rounds=9)
    record("loop_overhead", {"ratio": times.ratio("a", "b")}, watch=watch)

Seconds everywhere; shares are between 0 and 1.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results"
CACHE = HERE / ".cache"
BUSY = 0.10  # of all cores: above this somebody else computes
PACKAGES = ("torch", "numpy", "lightning-fabric", "tokenizers")


def stop(message: str) -> NoReturn:
    """End with status 2: the person or the machine is not ready; one or two lines that say what to do."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)


def say(line: str) -> None:
    """A line for the person who waits; standard output keeps the figures."""
    print(line, file=sys.stderr, flush=True)


def data_folder() -> Path:
    """The folder of real data sets that RECURRA_DATA names; status 2 when it is not set or not there."""
    name = os.environ.get("RECURRA_DATA", "")
    if not name:
        stop("RECURRA_DATA is not set: set it to the folder with the public data sets (see docs/measuring.md)")
    if not Path(name).is_dir():
        stop(f"RECURRA_DATA={name}: there is no such folder")
    return Path(name).resolve()


# --- alone on the machine -------------------------------------------------------------------------------------------


def read_stat() -> str:
    """The kernel's counters of processor time, or status 2 where there are none (not Linux)."""
    try:
        return Path("/proc/stat").read_text()
    except OSError:
        stop("cannot see who computes: there is no /proc/stat here; --even-if-busy goes on and records 'not alone'")


def jiffies(stat: str) -> tuple[int, int]:
    """(busy, all) clock ticks of all cores since the start. Waiting for a disk is not busy."""
    user, nice, system, idle, iowait, *rest = (int(word) for word in stat.splitlines()[0].split()[1:9])
    busy = user + nice + system + sum(rest)
    return busy, busy + idle + iowait


def busy_share(seconds: float = 2.0, read: Callable[[], str] = read_stat) -> float:
    """Share of all cores that computed during the next `seconds`, while this process slept."""
    busy, total = jiffies(read())
    time.sleep(seconds)
    busy_after, total_after = jiffies(read())
    return (busy_after - busy) / max(1, total_after - total)


def own_seconds() -> float:
    """Processor time of this process and of its children that ended."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


@dataclass
class Watch:
    """Who computed: `before` is the busy share before the start, `others()` that of other processes since then."""

    before: float | None
    read: Callable[[], str] = read_stat
    begin: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._own = own_seconds()
        self._busy = jiffies(self.read()) if self.before is not None else None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begin

    def others(self) -> float | None:
        """Share of all cores that other processes used since the start; None where nobody can tell."""
        if self._busy is None:
            return None
        busy, total = jiffies(self.read())
        passed = max(1, total - self._busy[1])
        own = (own_seconds() - self._own) * os.sysconf("SC_CLK_TCK")
        return max(0.0, busy - self._busy[0] - own) / passed

    @property
    def alone(self) -> bool:
        others = self.others()
        return self.before is not None and self.before <= BUSY and others is not None and others <= BUSY


def lock_path() -> Path:
    return Path(tempfile.gettempdir()) / "recurra-bench.lock"


@contextmanager
def lock(path: Path | None = None) -> Iterator[None]:
    """Hold the lock that all benchmarks share; wait, and say so, while another one has it."""
    path = path or lock_path()
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:  # another user made it; a lock needs no right to write
        handle = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another benchmark runs; waiting for its lock ({path})")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)  # gives the lock back


@contextmanager
def alone(
    even_if_busy: bool = False, *, seconds: float = 2.0, read: Callable[[], str] = read_stat, path: Path | None = None
) -> Iterator[Watch]:
    """Hold the lock, and refuse (status 2) when other processes use more than a tenth of the cores.

    A recurrent layer on a CPU meets at a barrier at every time step: one other process that wants a core makes it
    many times slower, so a figure taken on a busy machine says nothing. `even_if_busy` goes on all the same, for
    trying a benchmark out; its record then says "alone": false.
    """
    with lock(path):
        share: float | None = None
        if even_if_busy and not Path("/proc/stat").exists() and read is read_stat:
            say("nobody can tell who computes here: the record will say 'not alone'")
        else:
            share = busy_share(seconds, read)
        if share is not None and share > BUSY:
            message = f"other processes use {share:.0%} of the cores (limit {BUSY:.0%})"
            if not even_if_busy:
                stop(f"{message}: figures taken now say nothing. Stop them, or try out with --even-if-busy")
            say(f"{message}: the record will say 'not alone'")
        watch = Watch(share, read)
        yield watch
        if share is not None and share <= BUSY and not watch.alone:
            say(f"others used {watch.others():.0%} of the cores meanwhile: take this figure again")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that every benchmark has."""
    parser.add_argument("--even-if-busy", action="store_true", help="run on a busy machine; the record says so")


# --- timing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Times:
    """Seconds of each name, a list per name, one entry a round."""

    rounds: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        return statistics.median(self.rounds[name])

    def ratio(self, name: str, other: str) -> float:
        """Median over the rounds of time(name) / time(other): slow drifts of the machine fall out of each pair."""
        pairs = zip(self.rounds[name], self.rounds[other], strict=True)
        return statistics.median(a / b for a, b in pairs)


def interleave(
    functions: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 9,
    warm: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> Times:
    """Time the functions in turns, `rounds` times each after `warm` untimed ones; every other round runs backwards."""
    for _ in range(warm):
        for function in functions.values():
            function()
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for index in range(rounds):
        names = list(functions)
        for name in names[::-1] if index % 2 else names:
            begin = clock()
            functions[name]()
            seconds[name].append(clock() - begin)
    return Times(seconds)


def gemm_peak(size: int = 1024, seconds: float = 1.0) -> float:
    """Floating-point operations a second of the best float32 matrix product of (size, size) seen in `seconds`."""
    import torch

    a, b = torch.randn(size, size), torch.randn(size, size)
    out = a @ b
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        torch.mm(a, b, out=out)
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best


# --- the record -----------------------------------------------------------------------------------------------------


def git(*words: str) -> str:
    """What git says about this repository; empty outside of one."""
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def record(
    name: str,
    figures: Mapping[str, Any],
    *,
    watch: Watch | None = None,
    steps: int | Sequence[int] | None = None,
    seconds: float | None = None,
    threads: int | None = None,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Add a line to `results/NAME.jsonl`: the figures, and all that is needed to judge them. Returns the line."""
    changed = [line for line in git("status", "--porcelain").splitlines() if "benchmarks/results/" not in line]
    line: dict[str, Any] = {
        "benchmark": name,
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "commit": git("rev-parse", "HEAD"),
        "dirty": bool(changed),
        "steps": steps,
        "seconds": round(watch.seconds if seconds is None and watch else seconds or 0.0, 2),
        "alone": watch.alone if watch else None,
        "busy_before": watch.before if watch else None,
        "busy_others": watch.others() if watch else None,
        "load": [round(value, 2) for value in os.getloadavg()],
        "cores": os.cpu_count(),
        "threads": threads if threads is not None else int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
        "machine": processor(),
        "versions": versions(),
        "figures": dict(figures),
    }
    folder = folder or RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return line


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


# --- the command line under test -------------------------------------------------------------------------------------


def recurra(*words: object, quiet: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the command line as a person does, in a process of its own; its progress goes to standard error."""
    command = [sys.executable, "-m", "recurra", *map(str, words)]
    say("$ recurra " + " ".join(map(str, words)))
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL if quiet else None, text=True, check=False
    )
    if done.returncode:
        stop(f"`recurra {words[0]}` ended with status {done.returncode}; its own words are above")
    return done
