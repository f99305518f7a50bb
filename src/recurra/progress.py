"""What the user sees of long work: lines, and a bar on everything longer than a second. Printing is a view of what happens."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Bar(Protocol):
    """One bar: how far it is, and a note beside it."""

    def at(self, done: float, note: str = "") -> None: ...


class Progress(Protocol):
    """Where training tells what it does."""

    def say(self, line: str) -> None: ...

    def bar(self, label: str, total: float | None = None) -> Any:
        """A context manager that gives a Bar; `total` None where it is not known."""


class _Nothing:
    def at(self, done: float, note: str = "") -> None:
        return None


class Silent:
    """Says nothing: the default of Python calls."""

    def say(self, line: str) -> None:
        return None

    @contextmanager
    def bar(self, label: str, total: float | None = None) -> Iterator[Bar]:
        yield _Nothing()


class Terminal:
    """Lines and bars on standard error; no bars when it is not a terminal."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, line: str) -> None:
        self.console.print(line, markup=False)

    @contextmanager
    def bar(self, label: str, total: float | None = None) -> Iterator[Bar]:
        if not sys.stderr.isatty():
            yield _Nothing()
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
        )
        with Progress(*columns, console=self.console, transient=True) as shown:
            task, began = shown.add_task(label, total=total, note="", visible=False), time.monotonic()

            class Shown:
                def at(self, done: float, note: str = "") -> None:
                    long = time.monotonic() - began > 1.0
                    shown.update(task, completed=done, note=note, visible=long)

            yield Shown()
