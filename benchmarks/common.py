"""Functions shared by all benchmarks: a lock, a check that the machine is idle, interleaved timing, and the record.

    with alone(options.even_if_busy) as watch:      # waits for the lock, stops on a busy machine (status 2)
        times = interleave({"a": f, "b": g}, rounds=9)
    record("loop_overhead", {"ratio": times.ratio("a", "b")}, watch=watch)

Times are in seconds; fractions are between 0 and 1.
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
BUSY = 0.10  # fraction of all cores above which other processes count as busy
os.environ["RECURRA_CACHE"] = "off"  # each measurement reads and encodes its data
PACKAGES = ("torch", "numpy", "lightning-fabric", "tokenizers")


def stop(message: str) -> NoReturn:
    """Print an error message and exit with status 2. The message explains in one or two lines what to do."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)


def say(line: str) -> None:
    """Print a progress message to standard error. Standard output contains only the results."""
    print(line, file=sys.stderr, flush=True)


def data_folder() -> Path:
    """Return the folder of datasets from RECURRA_DATA. Exit with status 2 if it is not set or does not exist."""
    name = os.environ.get("RECURRA_DATA", "")
    if not name:
        stop("RECURRA_DATA is not set; set it to the folder with the public datasets (see docs/measuring.md)")
    if not Path(name).is_dir():
        stop(f"RECURRA_DATA={name}: this folder does not exist")
    return Path(name).resolve()


# --- the idle machine -----------------------------------------------------------------------------------------------


def read_stat() -> str:
    """Return the processor time counters of the kernel. Exit with status 2 if there are none (not Linux)."""
    try:
        return Path("/proc/stat").read_text()
    except OSError:
        stop(
            "cannot measure the load: /proc/stat does not exist; use --even-if-busy to continue and record 'not alone'"
        )


def jiffies(stat: str) -> tuple[int, int]:
    """Return (busy, total) clock ticks of all cores since the system start. Waiting for a disk does not count as busy."""
    user, nice, system, idle, iowait, *rest = (int(word) for word in stat.splitlines()[0].split()[1:9])
    busy = user + nice + system + sum(rest)
    return busy, busy + idle + iowait


def busy_share(seconds: float = 2.0, read: Callable[[], str] = read_stat) -> float:
    """Sleep for `seconds` and return the fraction of all cores that were busy during this time."""
    busy, total = jiffies(read())
    time.sleep(seconds)
    busy_after, total_after = jiffies(read())
    return (busy_after - busy) / max(1, total_after - total)


def own_seconds() -> float:
    """Return the processor time of this process and of its finished children."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


@dataclass
class Watch:
    """The load of the machine during a benchmark.

    before   fraction of busy cores before the start; None if unknown
    read     function that returns the content of /proc/stat
    begin    start time, in seconds of the monotonic clock
    """

    before: float | None
    read: Callable[[], str] = read_stat
    begin: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._own = own_seconds()
        self._busy = jiffies(self.read()) if self.before is not None else None

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.begin

    def others(self) -> float | None:
        """Return the fraction of all cores that other processes used since the start, or None if unknown."""
        if self._busy is None:
            return None
        busy, total = jiffies(self.read())
        passed = max(1, total - self._busy[1])
        own = (own_seconds() - self._own) * os.sysconf("SC_CLK_TCK")
        return max(0.0, busy - self._busy[0] - own) / passed

    @property
    def alone(self) -> bool:
        """Whether the load of other processes was at most `BUSY`, before the start and since then."""
        others = self.others()
        return self.before is not None and self.before <= BUSY and others is not None and others <= BUSY


def lock_path() -> Path:
    """Return the path of the common lock."""
    return Path(tempfile.gettempdir()) / "recurra-bench.lock"


@contextmanager
def lock(path: Path | None = None) -> Iterator[None]:
    """Hold the common lock of all benchmarks. If another benchmark holds it, print a message and wait."""
    path = path or lock_path()
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:  # created by another user; a lock does not require write permission
        handle = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another benchmark is running; waiting for its lock ({path})")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)  # releases the lock


@contextmanager
def alone(
    even_if_busy: bool = False, *, seconds: float = 2.0, read: Callable[[], str] = read_stat, path: Path | None = None
) -> Iterator[Watch]:
    """Hold the lock, and exit with status 2 if other processes use more than a tenth of the cores.

    The threads of a recurrent layer on a CPU synchronize at every time step. One other process that uses a core makes
    the layer many times slower, so that a measurement on a busy machine is not meaningful. With `even_if_busy` the
    benchmark runs anyway, for a trial; its record then contains "alone": false.
    """
    with lock(path):
        share: float | None = None
        if even_if_busy and not Path("/proc/stat").exists() and read is read_stat:
            say("cannot measure the load of this machine; the record will contain 'not alone'")
        else:
            share = busy_share(seconds, read)
        if share is not None and share > BUSY:
            message = f"other processes use {share:.0%} of the cores (limit {BUSY:.0%})"
            if not even_if_busy:
                stop(
                    f"{message}; the results would not be meaningful. Stop these processes, or use --even-if-busy for a trial"
                )
            say(f"{message}; the record will contain 'not alone'")
        watch = Watch(share, read)
        yield watch
        if share is not None and share <= BUSY and not watch.alone:
            say(f"other processes used {watch.others():.0%} of the cores during the benchmark; repeat the measurement")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every benchmark."""
    parser.add_argument(
        "--even-if-busy", action="store_true", help="Run even if the machine is busy; the record notes it."
    )


# --- timing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Times:
    """The times of each function by its name, in seconds, with one entry per round."""

    rounds: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """Return the median time of a function, in seconds."""
        return statistics.median(self.rounds[name])

    def ratio(self, name: str, other: str) -> float:
        """Return the median over the rounds of time(name) / time(other), which slow changes of the machine do not affect."""
        pairs = zip(self.rounds[name], self.rounds[other], strict=True)
        return statistics.median(a / b for a, b in pairs)


def interleave(
    functions: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 9,
    warm: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> Times:
    """Time the functions alternately, `rounds` times each after `warm` untimed calls. Every other round is in reverse order."""
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


def peak_operations(threads: int, seconds: float = 1.0) -> float:
    """Return the floating-point operations per second that `threads` threads reach in a loop of float32 multiply-adds.

    The loop (native/peak.h) works in registers, so this is the limit of the multiply-add units. A matrix product of a library
    reaches less of it on some processors. Exit with status 2 if the native kernels are not available.
    """
    from recurra.ops.native import loader

    module, target = loader.load()
    if module is None:
        stop(f"cannot measure the speed of the multiply-add units: {target}")
    found: float = module.peak_operations(
        target=target, threads=threads, gomp_parallel=loader.gomp_parallel(), seconds=seconds
    )
    return found


# --- the record -----------------------------------------------------------------------------------------------------


def git(*words: str) -> str:
    """Return the output of a git command in this repository, or an empty string if the command fails."""
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages among `PACKAGES`."""
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
    """Add a line to `results/NAME.jsonl`: the results and the conditions of the measurement. Return the line."""
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
    """Return the model name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


# --- the command line under test -------------------------------------------------------------------------------------


def recurra(*words: object, quiet: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the command line in a separate process, as a user does. Its progress is printed to standard error."""
    command = [sys.executable, "-m", "recurra", *map(str, words)]
    say("$ recurra " + " ".join(map(str, words)))
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL if quiet else None, text=True, check=False
    )
    if done.returncode:
        stop(f"`recurra {words[0]}` exited with status {done.returncode}; its error message is above")
    return done
