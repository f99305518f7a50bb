"""A folder whose names are the classes.

`Czech.txt` (an example a line), `positive/1.txt` (an example a file); and of files that are no text, which rows name and
do not hold, `yes/1.wav`, or `yes_1.wav`, whose class is the name up to the first underscore.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from recurra.data.sources.files import bare_name, open_lines, reading, suffixes, wrong_characters
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

NAMED = {  # column -> files that are an example each
    "audio": (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".au"),
    "image": (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm"),
}
_LARGEST_EXAMPLE = 1 << 24  # characters of one file that is one example


def text_files(folder: Path) -> list[Path]:
    """The .txt and .txt.gz files directly in `folder`, by name; hidden ones are left out."""
    files = (p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    return sorted(p for p in files if suffixes(p)[0] == ".txt")


def holds(name: str | Path) -> str | None:
    """The column that a file of this name belongs into, by its suffix, if any."""
    suffix = Path(name).suffix.lower()
    return next((column for column, ends in NAMED.items() if suffix in ends), None)


def named_files(folder: Path) -> list[tuple[str, Path]]:
    """(column, file) of the files directly in `folder` that are named and not read, by name; hidden ones are left out."""
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    return [(column, p) for p in files if (column := holds(p))]


class ClassFolder(Source):
    """Columns `text` (or the column of named files) and `label`; blank lines and blank files are no examples."""

    format = "folder"

    @property
    def columns(self) -> list[str]:
        return [self._kind, "label"]

    @property
    def _kind(self) -> str:
        return self._named[0] if self._named else "text"

    @cached_property
    def _inside(self) -> list[Path]:
        return sorted(p for p in self.path.iterdir() if p.is_dir() and not p.name.startswith("."))

    @cached_property
    def _named(self) -> tuple[str, list[tuple[str, str]]] | None:
        """The column of named files, and (file, class) of each; None where there are none."""
        with reading(self.path):
            flat = [(kind, path, path.name.partition("_")[0]) for kind, path in named_files(self.path)]
            deep = [(kind, path, folder.name) for folder in self._inside for kind, path in named_files(folder)]
        if flat and deep:
            both = f"{flat[0][1].name}, {deep[0][2]}/{deep[0][1].name}"
            raise DataError(f"both files and folders of files ({both}); keep one kind", file=self.path)
        found = flat or deep
        if not found:
            return None
        if len(kinds := sorted({kind for kind, _, _ in found})) > 1:
            raise DataError(f"both {' and '.join(kinds)} files; keep one kind", file=self.path)
        if single := next((path.name for _, path, _ in flat if "_" not in path.name), None):
            raise DataError(
                f"{single} names no class: call it CLASS_{single}, put it into a folder named by its class, or write a table",
                file=self.path,
            )
        return found[0][0], [(path.relative_to(self.path).as_posix(), label) for _, path, label in found]

    @cached_property
    def _files(self) -> list[tuple[Path, str, bool]]:
        """(file, class, whether the whole file is one example)."""
        with reading(self.path):
            flat = [(path, bare_name(path), False) for path in text_files(self.path)]
            deep = [(path, folder.name, True) for folder in self._inside for path in text_files(folder)]
        if self._named:
            return []  # text beside files of another kind is about them, as a licence is
        if flat and deep:
            both = f"{flat[0][0].name}, {deep[0][0].parent.name}/"
            raise DataError(f"both .txt files and folders of .txt files ({both}); keep one kind", file=self.path)
        if not flat and not deep:
            raise DataError(
                f"no .txt files in this folder, each a class with an example a line, and no files of {' or '.join(NAMED)}",
                file=self.path,
            )
        return flat or deep

    def _read(self) -> Iterator[Row | DataError]:
        if self._named:
            column, files = self._named
            for number, (name, label) in enumerate(files, 1):
                yield Row(number, {column: name, "label": label}, self.path)
            return
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
