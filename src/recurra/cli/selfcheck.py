"""`recurra selfcheck`: whether this machine computes the same in every way there is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import typer

from .common import progress

if TYPE_CHECKING:
    from ..selfcheck import Agreement


def selfcheck() -> None:
    """Compare back ends, batches, pieces of time and threads on this machine."""
    import torch

    from ..ops.native.loader import state_of_kernels
    from ..selfcheck import agreements, ways

    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; native kernels: {state_of_kernels()}")
    print("decimal digits in which each agrees with the plain loop in float64: outputs, last state, every gradient")
    names = [way.name for way in ways()]
    wrong: list[tuple[str, Agreement]] = []
    with progress().bar("comparing") as bar:
        for count, dtype in enumerate((torch.float32, torch.float64)):
            table: dict[str, dict[str, Agreement]] = {}
            for n, one in enumerate(agreements(dtype)):
                bar.at(count + n)
                table.setdefault(one.cell, {})[one.way] = one
            kind = str(dtype).removeprefix("torch.")
            wrong += [(kind, one) for row in table.values() for one in row.values() if not one.agrees]
            width = max(map(len, table))
            print(f"\n{kind:<{width}}" + "".join(f"{name:>12}" for name in names))
            for cell, row in table.items():
                shown = (_shown(row[name]) if name in row else "-" for name in names)
                print(f"{cell:<{width}}" + "".join(f"{text:>12}" for text in shown))
    print(
        "\n- where a back end has no kernel for the cell, or pieces cannot be: a backward direction sees the end first"
    )
    if wrong:
        kind, one = wrong[0]
        print(
            f"{len(wrong)} do not agree; the first: {one.cell}, {one.way}, {kind}: {one.digits:.1f} digits, "
            f"wanted {one.wanted:.1f}. Please report this table"
        )
        raise typer.Exit(1)
    print("all agree")


def _shown(one: Agreement) -> str:
    return "exact" if math.isinf(one.digits) and one.agrees else f"{one.digits:.1f}" + ("" if one.agrees else " WRONG")
