"""Ctrl-C: the current step is finished and a checkpoint is saved. A second Ctrl-C ends the process at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupts:
    """Inside the block the first SIGINT or SIGTERM sets `requested`. Outside the main thread it has no effect.

    Attributes:
        requested: whether there was a signal.
        at_once: whether the first signal raises KeyboardInterrupt, because nothing has to be finished and saved.
    """

    def __init__(self) -> None:
        self.requested = self.at_once = False
        self._handlers: dict[int, Any] = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.requested = self.requested, True
        if again or self.at_once:
            raise KeyboardInterrupt

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
