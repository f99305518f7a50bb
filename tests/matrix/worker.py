"""Runs the entries of one mode and appends one JSON line per entry to a file: `python -m matrix.worker MODE FILE [COUNT]`.

Entries that the file has already are not run again, so that the runner can start a new process after a crash.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from .case import sample
from .judge import judge
from .modes import MODES


def main() -> None:
    """Run the entries of a mode that the file does not have."""
    name, file, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if sys.argv[3:] else None
    torch.set_num_threads(1)
    done = len(file.read_text().splitlines()) if file.exists() else 0
    with file.open("a") as out:
        for configuration in sample(name, MODES[name].grid, count)[done:]:
            out.write(json.dumps(judge(MODES[name], configuration).as_dict()) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
