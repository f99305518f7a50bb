"""history.jsonl: one line per event of a training run. A resumed run continues the history of its checkpoint."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, final

from ..errors import RunError
from ..files import append_line


@final
class History:
    """The history of a run, in the file `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, facts: dict[str, Any]) -> None:
        """Add a line. Raises RunError if it cannot be written."""
        if not self.path.parent.is_dir():
            raise RunError(f"{self.path.parent}: the run folder was removed during training; the run cannot be saved")
        append_line(self.path, json.dumps(facts, ensure_ascii=False))

    @property
    def size(self) -> int:
        """The number of bytes, which a checkpoint stores."""
        return self.path.stat().st_size if self.path.exists() else 0

    def cut(self, size: int) -> None:
        """Remove what was written after the checkpoint that stored `size`. Raises RunError if lines before it are missing."""
        if self.size < size:
            raise RunError(
                f"{self.path} is damaged: lines that the checkpoint knows are missing; train again with --overwrite"
            )
        if size:
            os.truncate(self.path, size)
        else:
            self.path.unlink(missing_ok=True)
