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
    """The history of a run.

    path    the file
    lines   number of its lines, which a checkpoint stores
    """

    def __init__(self, path: Path) -> None:
        self.path, self.lines = path, 0

    def append(self, facts: dict[str, Any]) -> None:
        """Add a line. Raises RunError if it cannot be written."""
        if not self.path.parent.is_dir():
            raise RunError(f"{self.path.parent}: the run folder was removed during training; the run cannot be saved")
        append_line(self.path, json.dumps(facts, ensure_ascii=False))
        self.lines += 1

    def cut(self, lines: int) -> None:
        """Remove what was written after the checkpoint that stored `lines`. Raises RunError if lines before it are missing."""
        content = self.path.read_bytes() if self.path.exists() else b""
        kept = content.split(b"\n")[:lines]
        if content.count(b"\n") < lines:
            raise RunError(
                f"{self.path} is damaged: lines that the checkpoint knows are missing; train again with --overwrite"
            )
        if lines:
            os.truncate(self.path, sum(len(line) + 1 for line in kept))
        else:
            self.path.unlink(missing_ok=True)
        self.lines = lines
