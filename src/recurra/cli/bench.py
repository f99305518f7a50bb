"""`recurra bench`: measures the speed of the backends on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import progress


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME ...]", help="Cells: rnn, gru, lstm; all by default.")
    ] = None,
    save: Annotated[bool, typer.Option("--save", help="Save the timings for all runs on this machine.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the timings to FILE; RECURRA_TIMINGS=FILE selects them.")
    ] = None,
    threads: Annotated[
        list[int] | None,
        typer.Option(metavar="N", min=1, help="Number of threads; can be repeated. Default: that of torch."),
    ] = None,
) -> None:
    """Measure the backends on this machine. `backend=auto` uses the saved timings."""
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
    print(f"{facts['machine']}; torch {facts['torch']}, threads: {', '.join(map(str, counts))}; float32, I = H")
    print(f"current timings: {timings.state_of_table()}")
    print("Minimum seconds per call. Do not use the machine for anything else meanwhile.")
    asked = list(autotune.signatures(chosen, counts))
    points: list[timings.Timing] = []
    with progress().bar("measuring", len(asked)) as bar:
        for n, (signature, size) in enumerate(asked):
            bar.update(n)
            points.append(autotune.measure(signature, size))
    print(
        f"\n{'cell':<6}{'':<10}{'rows':<8}{'dirs':>4}{'threads':>8}{'B':>5}{'T':>5}{'H':>5}   "
        "fastest backend, and the ratios of the others"
    )
    for point in points:
        kind, (B, T, H) = point.signature, point.size
        best, *others = point.order
        longer = ", ".join(f"{name} {point.seconds[name] / point.seconds[best]:.2f}x" for name in others)
        print(
            f"{kind.cell:<6}{'training' if kind.training else 'forward':<10}{'ragged' if kind.ragged else 'even':<8}"
            f"{kind.directions:>4}{kind.threads:>8}{B:>5}{T:>5}{H:>5}   {best} {point.seconds[best]:.2e} s; "
            f"{longer or 'no other supports it'}"
        )
    for path in [*([timings.cache_path()] if save else []), *([out] if out else [])]:
        timings.write(path, points, facts)
        print(f"saved: {path}")
    if not save and out is None:
        print("not saved: --save saves the timings for all runs on this machine, --out FILE writes them to a file")
