"""Checks for extensions of recurra, to be called from a test: what a user wrote is held to its contract in seconds.

    from recurra.testing import check_cell, check_task

    def test_my_cell():
        check_cell(MyCell())

    def test_my_task():
        check_task(MyTask, [{"text": "a fine film", "label": "good"}, {"text": "a dull film", "label": "bad"}] * 8)

A check returns nothing when all is well, and raises CallError with one line that names what is wrong, file and line.
There is one module for each kind of extension: `cell.py` for `check_cell`, `task.py` for `check_task`.
"""

from __future__ import annotations

from .cell import check_cell as check_cell
from .task import check_task as check_task
