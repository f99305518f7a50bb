"""The text of Python's standard library: its top-level modules, one after another."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import TextIO


def write(file: TextIO) -> None:
    """Modules by name, a blank line between; some 5 MB, as the Python that runs has them."""
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        if not path.name.startswith("_sysconfigdata"):  # differs from one machine to the next
            file.write(path.read_text(encoding="utf-8").rstrip() + "\n\n")
