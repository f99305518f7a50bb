"""docs/cells.md: every registered cell stands there, with the equation and the source that its module states."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from recurra import cells

PAGE = (Path(__file__).parents[2] / "docs" / "cells.md").read_text(encoding="utf-8")
every_name = pytest.mark.parametrize("name", cells.names())


def section(name: str) -> str:
    """What stands under the heading of a cell."""
    _, heading, rest = PAGE.partition(f"\n## {name}\n")
    assert heading, f"docs/cells.md has no heading '## {name}'"
    return rest.partition("\n## ")[0]


def equation(name: str) -> str:
    """The indented lines of the module's docstring."""
    doc = inspect.cleandoc(sys.modules[type(cells.get(name)).__module__].__doc__ or "")
    return dedent("\n".join(line for line in doc.splitlines() if line.startswith("    ")))


@every_name
def test_the_page_has_equation_and_source_of_each_cell(name: str) -> None:
    cell = cells.get(name)
    assert f"```\n{equation(name)}\n```" in section(name)
    assert cell.source in " ".join(section(name).split())


@every_name
def test_the_table_lists_gates_state_and_options(name: str) -> None:
    cell = cells.get(name)
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| [`{name}`](#{name}) |")]
    options = ", ".join(f"`{option}={value!r}`" for option, value in vars(cell).items())
    expected = [f"`cells.{type(cell).__name__}`", ", ".join(cell.gates), ", ".join(cell.states), options]
    assert [column.strip() for column in row.split("|")[2:6]] == expected


def test_the_page_has_no_other_cells() -> None:
    headings = [line.removeprefix("## ") for line in PAGE.splitlines() if line.startswith("## ")]
    assert [heading for heading in headings if heading[0].islower()] == list(cells.names())
