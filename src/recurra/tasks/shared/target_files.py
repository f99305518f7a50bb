"""The file of target lines that belongs to a plain text file of source lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import final

from ...errors import DataError


@final
class TargetFiles:
    """Determines which file of targets belongs to a file of sources.

    target      the setting `target`: the file that was used for training, or one that was set later
    trained_on  absolute paths of both training files; empty strings if training used a table
    """

    def __init__(self, target: str | None) -> None:
        self.target = target
        self.trained_on: Sequence[str] = ("", "")
        self._while_training: dict[str, str | None] = {}

    def begin_training(self, data: str | Path, valid: str | Path | None, valid_target: str | None) -> None:
        """Use the targets of the training and the validation data, and no others, for this object."""
        self._while_training = {str(data): self.target}
        if valid is not None:
            self._while_training[str(valid)] = valid_target

    def remember(self, data: str | Path) -> None:
        """Record that training used `data` and the file of its targets."""
        self.trained_on = [str(Path(file).resolve()) for file in (data, self.target or "")]

    def target_of(self, data: str | Path) -> Path:
        """The file of the targets. DataError if it was not named, or if it belongs to other sources."""
        training = self._while_training
        if training:
            target = training.get(str(data))
            flag = "--target " if str(data) == next(iter(training)) else "--valid-target "
        else:  # a trained run: the setting is the file that was used for training, unless it was changed
            target = None if self._belongs_to_training(data) else self.target
            flag = "--set target="
        if target is None:
            raise DataError(
                f"contains only the sources; name the file with the target of each line with {flag}FILE", file=data
            )
        return Path(target).expanduser()

    def _belongs_to_training(self, data: str | Path) -> bool:
        """Whether the file of targets is that of the training data, and `data` is another file."""
        source, target = (str(Path(file).resolve()) for file in (data, self.target or ""))
        return target == self.trained_on[1] and source != self.trained_on[0]
