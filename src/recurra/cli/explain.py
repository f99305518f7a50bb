"""`recurra explain`: the equation, parameters, reference and backends of a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..cells import Cell


def explain(
    cell: Annotated[str, typer.Argument(metavar="CELL", help="A built-in cell, or file.py:Class.")],
    input_size: Annotated[int, typer.Option(metavar="I", min=1, help="Number of input features.")] = 64,
    hidden_size: Annotated[int, typer.Option(metavar="H", min=1, help="Number of hidden features.")] = 128,
) -> None:
    """Show the equation, shapes, number of parameters, reference and backends of a cell."""
    from ..cells import get
    from ..plugins import is_spec, load_cell

    for line in explanation(get(load_cell(cell) if is_spec(cell) else cell), input_size, hidden_size):
        print(line)


def explanation(cell: Cell, input_size: int, hidden_size: int) -> list[str]:
    """Return the lines about a cell of these sizes."""
    import inspect
    import math
    import sys

    from ..cells import check_parameters, check_sizes

    module = sys.modules[type(cell).__module__]
    document = inspect.cleandoc(module.__doc__ or type(cell).__doc__ or "")
    declared = cell.parameters(input_size, hidden_size, True)
    check_parameters(cell, declared)
    sizes = cell.state_sizes(hidden_size)
    check_sizes(cell, sizes)
    rows = {name: f"{tuple(one.shape)}{'' if one.trainable else ', fixed'}" for name, one in declared.items()}
    width = max(map(len, [*rows, *sizes]))
    count = sum(math.prod(one.shape) for one in declared.values() if one.trainable)
    plain = sum(
        math.prod(one.shape) for one in cell.parameters(input_size, hidden_size, False).values() if one.trainable
    )
    lines = [cell.name, "", *document.splitlines(), "", f"parameters, with I = {input_size} and H = {hidden_size}"]
    lines += [f"  {name:<{width}}  {shape}" for name, shape in rows.items()]
    lines += [
        f"  {count:,} numbers that are trained, {plain:,} without biases, for each layer and direction",
        "",
        "state",
    ]
    lines += [f"  {name:<{width}}  ({size},)" for name, size in sizes.items()]
    if cell.gates:
        lines += ["", f"gates: {', '.join(cell.gates)}"]
    if options := vars(cell):
        lines += ["", f"options: {', '.join(f'{name}={value!r}' for name, value in options.items())}"]
    lines += ["", f"reference: {cell.source or 'none is given'}", "", *_backends(cell, input_size, hidden_size)]
    return lines


def _backends(cell: Cell, input_size: int, hidden_size: int) -> list[str]:
    """Return a line for each backend: that it runs the cell on this machine, or why not."""
    import torch

    from .. import nn

    layer = nn.Recurrent(cell, input_size, hidden_size)
    plan = layer.plan(torch.zeros(1, 8, input_size))
    lines = [f"backends on this machine: {plan.runs} is chosen for one sequence of 8 steps"]
    return lines + [f"  {name}: {reason}" for name, reason in plan.others.items()]
