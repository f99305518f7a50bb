"""The source text of Python's standard library: its top-level modules in sequence."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import TextIO


def write(file: TextIO) -> None:
    """Write the modules of the running Python in order of their names, separated by blank lines; about 5 MB."""
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        if not path.name.startswith("_sysconfigdata"):  # differs between machines
            file.write(path.read_text(encoding="utf-8").rstrip() + "\n\n")
