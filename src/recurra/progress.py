"""Messages and progress bars. A bar appears if the work takes longer than a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol, final

if TYPE_CHECKING:
    import rich.progress


class Bar(Protocol):
    """A progress bar."""

    def update(self, done: float, note: str = "") -> None:
        """Show that `done` of the total is done, and a note."""


class Progress(Protocol):
    """Shows the messages and the progress of training, prediction and evaluation."""

    def message(self, line: str) -> None:
        """Show a message."""

    def bar(self, label: str, total: float | None = None) -> AbstractContextManager[Bar]:
        """Return a context manager of a progress bar. `total` is None if it is unknown."""


@final
class _NoBar:
    def update(self, done: float, note: str = "") -> None:
        """Show nothing."""


class Silent:
    """Shows nothing. It is the default of the Python functions."""

    def message(self, line: str) -> None:
        """Ignore a message."""

    @contextmanager
    def bar(self, label: str, total: float | None = None) -> Iterator[Bar]:
        """Return a context manager of a bar that is not shown."""
        yield _NoBar()


@final
class Terminal:
    """Prints messages and bars to standard error; no bars if it is not a terminal."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True, highlight=False, soft_wrap=True)

    def message(self, line: str) -> None:
        """Print a message."""
        self.console.print(line, markup=False)

    @contextmanager
    def bar(self, label: str, total: float | None = None) -> Iterator[Bar]:
        """Return a context manager of a bar, which is removed at the end."""
        if not sys.stderr.isatty():
            yield _NoBar()
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
            yield _TerminalBar(shown, label, total)


@final
class _TerminalBar:
    def __init__(self, shown: rich.progress.Progress, label: str, total: float | None) -> None:
        self.shown, self.start = shown, time.monotonic()
        self.task = shown.add_task(label, total=total, note="", visible=False)

    def update(self, done: float, note: str = "") -> None:
        """Show the bar once a second has passed."""
        self.shown.update(self.task, completed=done, note=note, visible=time.monotonic() - self.start > 1.0)
