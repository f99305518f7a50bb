"""Prepares a file for a task as `train` does, without training. Shared by the tests of the shapes of input files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recurra import tasks
from recurra.settings import as_given, settings_from
from recurra.tasks.base import Dataset, DatasetInfo, ignore_progress

WORDS = ["a fine film to see", "a dull and slow one", "warm bright people", "nobody knows why", "the sea at night"]
TEXTS = [f"{WORDS[at % 5]} {WORDS[at // 5 % 5]} {at}" for at in range(60)]
LABELS = ["good" if at % 2 else "bad" for at in range(60)]


def prepared(task: str, data: Path, **settings: Any) -> tuple[Dataset, DatasetInfo]:
    """The dataset of a task after reading a file, and what was found."""
    kind = tasks.get(task)
    dataset = kind.dataset_for(settings_from(as_given(kind.settings_class), settings))
    cache = data.parent / "run" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    return dataset, dataset.prepare(data, None, cache, ignore_progress)


def examples(task: str, data: Path, **settings: Any) -> int:
    """The number of examples in a file."""
    info = prepared(task, data, **settings)[1]
    return info.rows + info.valid_rows


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    """Write a text to a file, and return the file."""
    path.write_bytes(text.encode(encoding))
    return path
