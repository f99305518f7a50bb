"""An output that is saved for the backward pass and that the caller may change in place."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


class SavedOutput:
    """Saves the memory of `y` without copying it.

    torch reports an error if a saved tensor was changed in place. Here `alias`, which is to be saved, has the memory of `y`
    and a version of its own, so that there is no error, and `was_changed()` tells whether it no longer has the values.
    """

    def __init__(self, y: Tensor) -> None:
        self.alias = y.data
        counter = y.detach()  # shares the version of y and, at first, its memory
        counter.data = y.new_empty(0)  # so that the memory is not kept beyond what is saved
        version = counter._version
        self.was_changed: Callable[[], bool] = lambda: counter._version != version
