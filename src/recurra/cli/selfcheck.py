"""`recurra selfcheck`: compares all variants of the computation on this machine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import typer

from .common import progress

if TYPE_CHECKING:
    from ..selfcheck import Agreement


def selfcheck() -> None:
    """Check that backends, batches, chunks and threads compute the same on this machine."""
    import torch

    from ..ops.native.loader import state_of_kernels
    from ..selfcheck import agreements, variants

    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; native kernels: {state_of_kernels()}")
    print(
        "Decimal digits equal to those of the Python loop in float64, of the outputs, the final state and every gradient:"
    )
    names = [variant.name for variant in variants()]
    failed: list[tuple[str, Agreement]] = []
    with progress().bar("comparing") as bar:
        for count, dtype in enumerate((torch.float32, torch.float64)):
            table: dict[str, dict[str, Agreement]] = {}
            for n, one in enumerate(agreements(dtype)):
                bar.update(count + n)
                table.setdefault(one.cell, {})[one.variant] = one
            kind = str(dtype).removeprefix("torch.")
            failed += [(kind, one) for row in table.values() for one in row.values() if not one.agrees]
            width = max(map(len, table))
            print(f"\n{kind:<{width}}" + "".join(f"{name:>12}" for name in names))
            for cell, row in table.items():
                shown = (_shown(row[name]) if name in row else "-" for name in names)
                print(f"{cell:<{width}}" + "".join(f"{text:>12}" for text in shown))
    print("\n-: the backend has no kernel for the cell, or a bidirectional layer cannot be computed in chunks")
    if failed:
        kind, one = failed[0]
        print(
            f"{len(failed)} do not agree; the first: {one.cell}, {one.variant}, {kind}: {one.digits:.1f} digits, "
            f"expected {one.required:.1f}. Please report this table"
        )
        raise typer.Exit(1)
    print("All agree.")


def _shown(one: Agreement) -> str:
    return "exact" if math.isinf(one.digits) and one.agrees else f"{one.digits:.1f}" + ("" if one.agrees else " WRONG")
