"""Every state that a kill can leave on the disk.

An audit hook of Python runs before each operation that changes files. There it copies the run folder: what is on the disk at
this moment is what a kill at this moment would leave. A file that is being written can also be left half written.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.truncate")


class Recorder:
    """Copies `folder/name*` before each change of a file, to `folder/states/N`; equal states once."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name, self.states = folder, name, folder / "states"
        self.active, self.seen = False, set[str]()
        self.written: tuple[Path, int] | None = None  # the file that was opened last for writing, and its size before
        self.states.mkdir()
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = isinstance(path, str) and (any(c in mode for c in "wa+") if isinstance(mode, str) else flags & 3)
            if not writes or not path.startswith(str(self.folder)):
                return
            self._copy()
            appends = isinstance(mode, str) and "a" in mode and Path(path).exists()
            self.written = Path(path), Path(path).stat().st_size if appends else 0
        elif event in CHANGES:
            self._copy()
            self.written = None

    def _copy(self) -> None:
        self.active = False  # the operations below are none of the run
        try:
            self._keep()
            if self.written is not None and self.written[0].exists():
                path, before = self.written
                self._keep(path, (before + path.stat().st_size) // 2)
        finally:
            self.active = True

    def _keep(self, torn: Path | None = None, size: int = 0) -> None:
        """Copy the present state; of the file `torn`, only the first `size` bytes."""
        parts = [path for path in self.folder.iterdir() if self.name in path.name and path != self.states]
        target = self.states / str(len(self.seen))
        for part in parts:
            shutil.copytree(part, target / part.name)
        if not parts:
            target.mkdir()
        if torn is not None:
            copy = target / torn.relative_to(self.folder)
            copy.write_bytes(copy.read_bytes()[:size])
        digest = hashlib.sha256()
        for path in sorted(target.rglob("*")):
            digest.update(str(path.relative_to(target)).encode() + (path.read_bytes() if path.is_file() else b""))
        if digest.hexdigest() in self.seen:
            shutil.rmtree(target)
        self.seen.add(digest.hexdigest())


def record(folder: Path, name: str, train: Callable[[], Any]) -> Iterator[Path]:
    """Run `train`, which writes `folder/name`, and yield a folder for each state, with the run folder if there was one."""
    recorder = Recorder(folder, name)
    recorder.active = True
    try:
        train()
    finally:
        recorder.active = False
    yield from sorted(recorder.states.iterdir(), key=lambda path: int(path.name))
