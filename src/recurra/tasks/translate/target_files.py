"""The target side of a plain text: a second file, line by line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import final

from ...errors import DataError


@final
class TargetFiles:
    """Finds the file of the targets that belongs to a file of sources.

    target      of the settings: the file that training used, or one that was given later
    trained_on  both files, absolute, where training read such; else empty
    """

    def __init__(self, target: str | None) -> None:
        self.target = target
        self.trained_on: Sequence[str] = ("", "")
        self._while_training: dict[str, str | None] = {}

    def begin_training(self, data: str | Path, valid: str | Path | None, valid_target: str | None) -> None:
        """From now on only the files of the training and of the validation data are known."""
        self._while_training = {str(data): self.target}
        if valid is not None:
            self._while_training[str(valid)] = valid_target

    def remember(self, data: str | Path) -> None:
        """Note that training read `data` and the file of its targets."""
        self.trained_on = [str(Path(file).resolve()) for file in (data, self.target or "")]

    def target_of(self, data: str | Path) -> Path:
        """The file of the targets. DataError where it was not named, and where it is that of other sources."""
        known = self._while_training
        if known:
            other = known.get(str(data))
            flag = "--target " if str(data) == next(iter(known)) else "--valid-target "
        else:  # a trained run, whose setting is the file that it was trained with, unless it was changed
            other = None if self._is_of_training(data) else self.target
            flag = "--set target="
        if other is None:
            raise DataError(
                f"is one side of the pairs; name the file of the other, line by line, with {flag}FILE", file=data
            )
        return Path(other).expanduser()

    def _is_of_training(self, data: str | Path) -> bool:
        """Whether the file of the targets is that of the training data, and `data` is not."""
        source, target = (str(Path(file).resolve()) for file in (data, self.target or ""))
        return target == self.trained_on[1] and source != self.trained_on[0]
