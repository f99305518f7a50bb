"""The settings of data that name media files."""

from __future__ import annotations

from ..settings import DataSettings, setting


class MediaData(DataSettings):
    """A table that names files of images or audio."""

    root: str | None = setting(None, description="Folder of file names (that of the table).")
