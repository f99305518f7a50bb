"""`recurra bench`: measures the speed of the backends on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import progress

if TYPE_CHECKING:
    from ..ops.timings import Timing

_SAVE_EVERY = 20.0  # seconds


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME ...]", help="Cells: rnn, gru, lstm; all by default.")
    ] = None,
    save: Annotated[
        bool, typer.Option("--save", help="Save the timings; later runs on this machine use them.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the timings to FILE; RECURRA_TIMINGS=FILE selects them.")
    ] = None,
    threads: Annotated[
        list[int] | None,
        typer.Option(metavar="N", min=1, help="Number of threads; can be repeated. Default: that of torch."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Measure the complete grid: about 20 minutes with --threads 1 --threads 2.")
    ] = False,
) -> None:
    """Measure the backends on this machine. `backend=auto` uses the saved timings.

    An interrupted measurement with --save or --out continues when the command is repeated.
    """
    import torch

    from ..errors import CallError, near
    from ..ops import autotune, timings

    chosen = list(dict.fromkeys(names or autotune.CELLS))
    for name in chosen:
        if name not in autotune.CELLS:
            raise CallError(f"unknown cell {name!r}; {near(name, autotune.CELLS)}")
    if save and set(chosen) != set(autotune.CELLS):
        raise CallError("--save requires the timings of all cells; remove the names, or use --out FILE")
    facts, counts = autotune.metadata(), sorted(set(threads or [torch.get_num_threads()]))
    targets = [*([timings.cache_path()] if save else []), *([out] if out else [])]
    print(f"{facts['machine']}; torch {facts['torch']}, threads: {', '.join(map(str, counts))}; float32, I = H")
    print(f"current timings: {timings.state_of_table()}")
    print("Minimum seconds per call. Do not use the machine for anything else meanwhile.")
    points = _measure(list(autotune.signatures(chosen, counts, full)), facts, targets)
    _show(points)
    for path in targets:
        timings.write(path, points, facts)
        print(f"saved: {path}")
    for path in targets:
        _partial(path).unlink(missing_ok=True)
    if not targets:
        print("not saved: --save saves the timings for all runs on this machine, --out FILE writes them to a file")


def _partial(path: Path) -> Path:
    """The file of a measurement that is not complete."""
    return path.with_name(path.name + ".partial")


def _measure(asked: Sequence[Any], facts: dict[str, Any], targets: Sequence[Path]) -> list[Timing]:
    """The timings of all points. They are saved beside the first target meanwhile, and continue from there."""
    from ..ops import autotune, timings

    partial = _partial(targets[0]) if targets else None
    done: dict[Any, Timing] = {}
    if partial is not None and partial.exists():
        table = timings.read(partial)
        if table.machine == facts["machine"]:
            done = {(point.signature, point.size): point for some in table.points.values() for point in some}
            print(f"continues from {partial}: {sum(key in done for key in asked)} of {len(asked)} points are measured")
        else:
            print(f"{partial} is of another machine ({table.machine}) and is replaced")
    points: list[Timing] = []
    saved = time.monotonic()
    with progress().bar("measuring", len(asked)) as bar:
        for n, (signature, size) in enumerate(asked):
            bar.update(n)
            points.append(done.get((signature, size)) or autotune.measure(signature, size))
            if partial is not None and time.monotonic() - saved > _SAVE_EVERY:
                timings.write(partial, points, facts)
                saved = time.monotonic()
    return points


def _show(points: Sequence[Timing]) -> None:
    """Print a line for each point."""
    print(
        f"\n{'cell':<10}{'':<10}{'rows':<8}{'dirs':>4}{'threads':>8}{'B':>5}{'T':>5}{'H':>5}   "
        "fastest backend, and the ratios of the others"
    )
    for point in points:
        kind, (B, T, H) = point.signature, point.size
        best, *others = point.order
        longer = ", ".join(f"{name} {point.seconds[name] / point.seconds[best]:.2f}x" for name in others)
        print(
            f"{kind.cell:<10}{'training' if kind.training else 'forward':<10}{'ragged' if kind.ragged else 'even':<8}"
            f"{kind.directions:>4}{kind.threads:>8}{B:>5}{T:>5}{H:>5}   {best} {point.seconds[best]:.2e} s; "
            f"{longer or 'no other supports it'}"
        )
