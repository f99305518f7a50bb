"""Checks for extensions of recurra, to be called from a test: what a user wrote is held to its contract in seconds.

    from recurra.testing import check_cell

    def test_my_cell():
        check_cell(MyCell())

A check returns nothing when all is well, and raises CallError with one line that names what is wrong, file and line.
There is one module for each kind of extension: `cell.py` for `check_cell`.
"""

from __future__ import annotations

from .cell import check_cell as check_cell
