"""A cache of encoded data: later runs on the same files with the same settings use them instead of encoding again.

An entry is a folder whose name is the digest of all that determines its content (`cache_key.py`). Its files are hard links to
those of the run that encoded the data, or copies where the two are on different disks; they are never changed. `entry.json` has
the size and the checksum of each file. An entry is made beside its place and renamed, so that it is complete or absent.

RECURRA_CACHE names the folder ("off" for none), by default `recurra/encoded` in the cache folder of the user. RECURRA_CACHE_GB
limits its size (10); the entries that were not used for the longest time are removed.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any, final

from recurra.errors import SettingError
from recurra.files import link_or_copy, user_cache

FOLDER, LIMIT = "RECURRA_CACHE", "RECURRA_CACHE_GB"
DEFAULT_LIMIT = 10.0  # GB
_FORMAT = 1
_ENTRY = "entry.json"
_DAY = 86_400.0  # seconds, after which what a killed process has left is removed
_BLOCK = 1 << 20


@final
class EncodedCache:
    """The entries of a folder.

    Args:
        folder: the folder, which is created for the first entry.
        limit: bytes that all entries may have together.

    Attributes:
        messages: lines for the user: where an entry was found or kept, or why not.
    """

    def __init__(self, folder: Path, limit: float = DEFAULT_LIMIT * 1e9) -> None:
        self.folder, self.limit = folder, limit
        self.messages: list[str] = []

    @classmethod
    def of_user(cls) -> EncodedCache | None:
        """Return the cache that the environment names; None if there is none. Raises SettingError for an invalid limit."""
        name, text = os.environ.get(FOLDER, ""), os.environ.get(LIMIT, "") or str(DEFAULT_LIMIT)
        try:
            limit = float(text)
        except ValueError:
            limit = math.nan
        if not limit >= 0:
            raise SettingError(f"{LIMIT} is {text!r}; expected a number of gigabytes, such as 10")
        home = user_cache()
        if name == "off" or (not name and home is None):
            return None
        return cls(Path(name).expanduser() if name or home is None else home / "encoded", limit * 1e9)

    # use -----------------------------------------------------------------------------------------------------------
    def take(self, key: str, folder: Path) -> Any:
        """Link the files of an entry into `folder`, and return what `keep` was given; None if there is no such entry.

        A damaged entry is removed, with a message.
        """
        entry = self.folder / key
        try:
            text = (entry / _ENTRY).read_text(encoding="utf-8")
        except (OSError, ValueError):
            if entry.exists():
                self._discard(entry, f"{_ENTRY} cannot be read")
            return None
        try:
            record = json.loads(text)
            facts, files = record["facts"], dict(record["files"])
            if record["format"] != _FORMAT:
                raise ValueError(f"format {record['format']}")
            for name, (size, checksum) in files.items():
                link_file(entry / name, folder / name)
                if _summary(folder / name) != (size, checksum):
                    raise ValueError(f"{name} is damaged")
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._discard(entry, getattr(error, "strerror", None) or str(error))
            shutil.rmtree(folder, ignore_errors=True)
            return None
        with suppress(OSError):
            os.utime(entry)  # the time of the latest use
        self.messages.append(f"encoded data: read from the cache, {entry} (--no-cache encodes them again)")
        return facts

    def keep(self, key: str, folder: Path, facts: Any) -> None:
        """Make an entry of the files of `folder`. If that is not possible, a message says so."""
        entry, part = self.folder / key, self.folder / f".{key}.{os.getpid()}.part"
        try:
            files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
            record = {name: _summary(path) for name, path in files.items()}
            size = sum(size for size, _ in record.values())
            if size > self.limit:
                self.messages.append(
                    f"encoded data: not kept in the cache; {size / 1e9:,.1f} GB are more than its limit, {LIMIT}="
                    f"{self.limit / 1e9:g}"
                )
                return
            part.mkdir(parents=True)
            for name, path in files.items():
                link_file(path, part / name)
            content = {"format": _FORMAT, "facts": facts, "files": record}
            (part / _ENTRY).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
            with suppress(OSError):  # another process has made the same entry in the meantime
                part.replace(entry)
            self.messages.append(f"encoded data: kept for later runs in {entry}")
            self._make_room(entry)
        except OSError as error:
            self.messages.append(
                f"warning: encoded data cannot be kept in the cache, {error.filename or self.folder}: {error.strerror}; "
                f"set {FOLDER} to another folder, or use --no-cache"
            )
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _discard(self, entry: Path, problem: str) -> None:
        self.messages.append(f"encoded data: the entry {entry} of the cache is not used ({problem}); it is made again")
        _remove(entry)

    def _make_room(self, newest: Path) -> None:
        """Remove the entries that were not used for the longest time, and what killed processes have left."""
        entries: list[tuple[float, int, Path]] = []
        for path in self.folder.iterdir():
            with suppress(OSError):
                used = path.stat().st_mtime
                if path.name.startswith("."):
                    if path.name.endswith(".part") and time.time() - used > _DAY:
                        shutil.rmtree(path, ignore_errors=True)
                elif path.is_dir():
                    entries.append((used, sum(file.stat().st_size for file in path.rglob("*") if file.is_file()), path))
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self.limit:
                return
            if path != newest:
                _remove(path)
                total -= size


def link_file(source: Path, target: Path) -> None:
    """Replace `target` by a hard link to a file that nobody changes, or by a copy where links are not possible."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    link_or_copy(source, target)


def _summary(path: Path) -> tuple[int, int]:
    """The size and the CRC-32 of a file."""
    size = checksum = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            size, checksum = size + len(block), zlib.crc32(block, checksum)
    return size, checksum


def _remove(entry: Path) -> None:
    """Remove an entry: first its name, so that no other process finds half of it."""
    away = entry.with_name(f".{entry.name}.{os.getpid()}.part")
    with suppress(OSError):
        entry.replace(away)
    shutil.rmtree(away, ignore_errors=True)
