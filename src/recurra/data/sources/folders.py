"""A folder in which file names or subfolders are the classes.

Text files are `Czech.txt`, with one example per line, or `positive/1.txt`, with one example per file. Image and audio files, of
which a row has only the name, are `yes/1.wav`, or `yes_1.wav`, whose class is the name up to the first underscore.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from recurra.data.sources.files import bare_name, open_lines, reading, suffixes, wrong_characters
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

MEDIA_SUFFIXES = {  # column -> suffixes of files with one example each
    "audio": (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".au"),
    "image": (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm"),
}
_LARGEST_EXAMPLE = 1 << 24  # characters of a text file with one example


def text_files(folder: Path) -> list[Path]:
    """Return the .txt and .txt.gz files directly in `folder`, sorted, without hidden files."""
    files = (p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    return sorted(p for p in files if suffixes(p)[0] == ".txt")


def numbered_files(folder: Path) -> list[Path]:
    """Return the files directly in `folder` whose names are numbers, as in 20 newsgroups, sorted."""
    return sorted(p for p in folder.iterdir() if p.is_file() and p.name.isdecimal())


def media_column(name: str | Path) -> str | None:
    """Return the column for a media file by its suffix, `audio` or `image`; None for other files."""
    suffix = Path(name).suffix.lower()
    return next((column for column, ends in MEDIA_SUFFIXES.items() if suffix in ends), None)


def media_files(folder: Path) -> list[tuple[str, Path]]:
    """Return (column, file) of the media files directly in `folder`, sorted, without hidden files."""
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    return [(column, p) for p in files if (column := media_column(p))]


class ClassFolder(Source):
    """Rows with the columns `text`, `audio` or `image`, and `label`. Blank lines and blank files are ignored."""

    format = "folder"
    unlabeled = False  # whether media files need no class: they are inputs of `predict`

    @property
    def columns(self) -> list[str]:
        """The column of the input and `label`."""
        return [self._input_column, "label"]

    @property
    def _input_column(self) -> str:
        return self._media[0] if self._media else "text"

    @cached_property
    def _subfolders(self) -> list[Path]:
        return sorted(p for p in self.path.iterdir() if p.is_dir() and not p.name.startswith("."))

    @cached_property
    def _media(self) -> tuple[str, list[tuple[str, str]]] | None:
        """The column of the media files, and (file, class) of each; None where there are none."""
        with reading(self.path):
            flat = [(column, path, path.name.partition("_")[0]) for column, path in media_files(self.path)]
            deep = [(column, path, folder.name) for folder in self._subfolders for column, path in media_files(folder)]
        if flat and deep:
            both = f"{flat[0][1].name}, {deep[0][2]}/{deep[0][1].name}"
            raise DataError(
                f"the folder has both files and folders of files ({both}); keep one of the two", file=self.path
            )
        files = flat or deep
        if not files:
            return None
        if len(types := sorted({column for column, _, _ in files})) > 1:
            raise DataError(f"the folder has both {' and '.join(types)} files; keep one of the two", file=self.path)
        single = next((path.name for _, path, _ in flat if "_" not in path.name), None)
        if single is not None and not self.unlabeled:
            raise DataError(
                f"the name {single} has no class: rename it to CLASS_{single}, move it to a folder named after its class, "
                "or use a table",
                file=self.path,
            )
        return files[0][0], [(path.relative_to(self.path).as_posix(), label) for _, path, label in files]

    @cached_property
    def _files(self) -> list[tuple[Path, str, bool]]:
        """(file, class, whether the file is one example) of the text files."""
        with reading(self.path):
            flat = [(path, bare_name(path), False) for path in text_files(self.path)]
            deep = [(path, folder.name, True) for folder in self._subfolders for path in text_files(folder)]
            deep = deep or [(path, folder.name, True) for folder in self._subfolders for path in numbered_files(folder)]
        if self._media:
            return []  # text files beside media files are documentation, such as a licence
        if flat and deep:
            both = f"{flat[0][0].name}, {deep[0][0].parent.name}/"
            raise DataError(
                f"the folder has both .txt files and folders of .txt files ({both}); keep one of the two",
                file=self.path,
            )
        if not flat and not deep:
            raise DataError(
                f"no .txt files in this folder, with one example of a class per line, and no "
                f"{' or '.join(MEDIA_SUFFIXES)} files",
                file=self.path,
            )
        return flat or deep

    def _read(self) -> Iterator[Row | DataError]:
        if self._media:
            column, files = self._media
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
