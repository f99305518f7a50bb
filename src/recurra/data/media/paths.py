"""Where the media files are that a table names: beside the table, in a folder of a corpus, or in a folder of the user."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from recurra.data.media.segments import Segment
from recurra.data.sources.folders import media_column
from recurra.data.sources.rows import Row

MEDIA_FOLDERS = ("clips", "wavs")  # beside the table, in public speech corpora
_CAPTION_NUMBER = re.compile(r"(?<=\.)(\w+)#\d+\s*$")
ID_SUFFIXES = (".wav", ".flac")  # of files that LJSpeech names by their ID


def without_caption_number(name: str) -> str:
    """Return a name without the number of the caption that Flickr8k appends.

    >>> without_caption_number("1000_ab.jpg#0"), without_caption_number("a.jpg")
    ('1000_ab.jpg', 'a.jpg')
    """
    return _CAPTION_NUMBER.sub(r"\1", name)


def locate(name: str, folder: Path) -> Path:
    """Return the path of a file that is named in a table in `folder`.

    A file that is not there is looked for in `clips/` (Common Voice) and `wavs/` (LJSpeech, whose names have no suffix).
    """
    path = folder / Path(name.strip()).expanduser()
    if path.exists():
        return path
    if (image := without_caption_number(name)) != name:
        return locate(image, folder)
    names = [name.strip()] if media_column(name) else [name.strip(), *(f"{name.strip()}{end}" for end in ID_SUFFIXES)]
    others = (folder / sub / one for sub in MEDIA_FOLDERS for one in names)
    return next((other for other in others if other.is_file()), path)


def folder_of(file: Path, root: str | None) -> Path:
    """Return the folder that file names are relative to: `root`, or that of the table `file`, or `file` if it is a folder."""
    if root is not None:
        return Path(root).expanduser().absolute()
    return file if file.is_dir() else file.parent


def resolve_path(row: Row, column: str, root: str | None = None) -> Any:
    """Return the value of a row; the name of a file becomes a path. Other values are returned unchanged."""
    value = row.values.get(column)
    if isinstance(value, Segment):
        return value._replace(file=str(locate(value.file, folder_of(row.file, root))))
    if not isinstance(value, str) or not value.strip():
        return value
    return str(locate(value, folder_of(row.file, root)))


def located_input(example: Any, root: str | None) -> Any:
    """Return an input of `predict`; the name of a file becomes a path in `root`, if there is one."""
    if root is None or not isinstance(example, (str, Path)) or not str(example).strip():
        return example
    return str(locate(str(example), folder_of(Path(), root)))
