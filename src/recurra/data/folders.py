"""A folder whose names are the classes.

`Czech.txt` (an example a line), `positive/1.txt`, `cat/1.png` (an example a file); or images or sounds side by side, each
called by its class up to the first underscore: `yes_1.wav`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from recurra.data.files import bare_name, open_lines, reading, suffixes, wrong_characters
from recurra.data.rows import Row, Source
from recurra.errors import DataError

FILES = {  # by what is in it, the suffixes of a file that is an example by itself
    "image": (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm"),
    "audio": (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".au"),
}
_LARGEST_EXAMPLE = 1 << 24  # characters of one file that is one example


def text_files(folder: Path) -> list[Path]:
    """The .txt and .txt.gz files directly in `folder`, by name; hidden ones are left out."""
    files = (p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    return sorted(p for p in files if suffixes(p)[0] == ".txt")


class ClassFolder(Source):
    """Columns `text` and `label`; blank lines and blank files are no examples."""

    format = "folder"

    @property
    def columns(self) -> list[str]:
        return ["text", "label"]

    @cached_property
    def _files(self) -> list[tuple[Path, str, bool]]:
        """(file, class, whether the whole file is one example)."""
        with reading(self.path):
            inside = sorted(p for p in self.path.iterdir() if p.is_dir() and not p.name.startswith("."))
            flat = [(path, bare_name(path), False) for path in text_files(self.path)]
            deep = [(path, folder.name, True) for folder in inside for path in text_files(folder)]
        if flat and deep:
            both = f"{flat[0][0].name}, {deep[0][1]}/"
            raise DataError(f"both .txt files and folders of .txt files ({both}); keep one kind", file=self.path)
        if not flat and not deep:
            raise DataError(
                "no .txt files in this folder (each a class, with an example a line), and no images or sounds named by class",
                file=self.path,
            )
        return flat or deep

    def _read(self) -> Iterator[Row | DataError]:
        number = 0
        for path, label, whole in self._files:
            with reading(path), open_lines(path, self.encoding, "\n") as stream:
                lines = iter([stream.read(_LARGEST_EXAMPLE)]) if whole else stream
                for line, raw in enumerate(lines, 1):
                    text = raw.strip() if whole else raw.removesuffix("\n").removesuffix("\r")
                    if not text or text.isspace():
                        continue
                    number += 1
                    row = Row(number, {"text": text, "label": label}, path, line)
                    wrong = wrong_characters(text, self.encoding)
                    yield row.error(wrong, "text") if wrong else row


def holds(path: str | Path) -> str | None:
    """What a file that is an example by itself holds, by its suffix: image, audio; None where it is no such file."""
    suffix = Path(path).suffix.lower()
    return next((kind for kind, suffixes in FILES.items() if suffix in suffixes), None)


class FileFolder(Source):
    """Images or sounds, in folders named by class or with its name before an underscore: `image` or `audio`, and `label`."""

    format = "folder"

    @cached_property
    def files(self) -> list[tuple[Path, str]]:
        """(file, class); empty where this is no such folder."""
        with reading(self.path):
            inside = sorted(p for p in self.path.iterdir() if not p.name.startswith("."))
            flat = [(path, path.name.partition("_")[0]) for path in inside if path.is_file() and holds(path)]
            folders = [path for path in inside if path.is_dir()]
            deep = [(p, f.name) for f in folders for p in sorted(f.iterdir()) if holds(p) and p.name[0] != "."]
        if flat and deep:
            both = f"{flat[0][0].name}, {deep[0][1]}/{deep[0][0].name}"
            raise DataError(f"both files and folders of files ({both}); keep one kind", file=self.path)
        if single := next((path.name for path, _ in flat if "_" not in path.name), None):
            raise DataError(
                f"{single} names no class: call it CLASS_{single}, put it into a folder named by its class, or write a table",
                file=self.path,
            )
        if len(kinds := {str(holds(path)) for path, _ in flat or deep}) > 1:
            raise DataError(f"files of {' and '.join(sorted(kinds))}; keep one kind", file=self.path)
        return flat or deep

    @property
    def columns(self) -> list[str]:
        return [str(holds(self.files[0][0])), "label"]

    def _read(self) -> Iterator[Row | DataError]:
        column = self.columns[0]
        for number, (path, label) in enumerate(self.files, 1):
            yield Row(number, {column: path.relative_to(self.path).as_posix(), "label": label}, self.path)
