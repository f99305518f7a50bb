"""Code of the user's own that a run was trained with: a digest in config.yaml, and a warning when the file has changed."""

from __future__ import annotations

import hashlib
import sys
import warnings
from pathlib import Path
from typing import Any

from .errors import RecurraWarning


def digest_of(kind: type) -> str | None:
    """The SHA-256 of the file that defines a class of the user's own; None for a class of recurra, or without a file."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if kind.__module__.startswith("recurra.") or file is None or not Path(file).is_file():
        return None
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def digests(**kinds: type) -> dict[str, str]:
    """The digests of the user's own classes by role: `digests(task=MyTask, cell=MyCell)`. Classes of recurra have none."""
    found = {role: digest_of(kind) for role, kind in kinds.items()}
    return {role: digest for role, digest in found.items() if digest is not None}


def warn_if_changed(path: Path, recorded: Any, **kinds: type) -> None:
    """Warn where the file of a class has changed since the run at `path` was trained: it may predict otherwise."""
    for role, digest in digests(**kinds).items():
        before = recorded.get(role) if isinstance(recorded, dict) else None
        if before is not None and before != digest:
            file = sys.modules[kinds[role].__module__].__file__
            warnings.warn(
                f"{file} has changed since {path} was trained with its {role} {kinds[role].__name__}: predictions may differ",
                RecurraWarning,
                stacklevel=2,
            )
