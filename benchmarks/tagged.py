"""Datasets of tagged sentences. The dev or valid set is the report part, and a tenth of the others, by hash, is for select."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from splits import Row, normal, split

Parts = dict[str, Path]


def parts_of(rows: Iterable[Row], report: Sequence[Row]) -> dict[str, list[Row]]:
    """Split rows (sentence, ...) into train and select by hash, without the sentences of the report part."""
    reported = {normal(row[0]) for row in report}
    parts = split(rows, report=0.0)
    remaining = {part: [row for row in parts[part] if normal(row[0]) not in reported] for part in ("train", "select")}
    return {**remaining, "report": list(report)}


def read(path: Path) -> str:
    """Return the text of a file, which may be compressed by gzip."""
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")


def blocks(text: str, word: int) -> list[Row]:
    """Return (words separated by spaces, lines) of each sentence in a file of columns. `word` is the index of the words."""
    rows = []
    for block in text.split("\n\n"):
        lines = block.strip("\n")
        if lines:
            words = [line.split()[word] for line in lines.split("\n") if not line.startswith("# ")]
            rows.append((" ".join(words), lines))
    return rows


def columns(train: str, dev: str | None, *, word: int = 0) -> Callable[[Path, Path], Parts]:
    """Return a function that writes the parts of a file of columns. Without `dev`, `report` is the last tenth of `train`."""

    def write(data: Path, folder: Path) -> Parts:
        rows = blocks(read(data / train), word)
        end = len(rows) * 9 // 10
        report = rows[end:] if dev is None else blocks(read(data / dev), word)
        folder.mkdir(parents=True, exist_ok=True)
        paths = {}
        for part, part_rows in parts_of(rows[:end] if dev is None else rows, report).items():
            paths[part] = folder / f"{part}.conll"
            paths[part].write_text("".join(f"{lines}\n\n" for _, lines in part_rows), encoding="utf-8", newline="\n")
        return paths

    return write


def parallel_files(name: str) -> Callable[[Path, Path], Parts]:
    """Return a function that writes the parts of a folder with seq.in, seq.out and label. `report` is `valid`."""
    files = ("seq.in", "seq.out", "label")

    def rows(folder: Path) -> list[Row]:
        texts = [read(folder / file).removesuffix("\n").split("\n") for file in files]
        return list(zip(*texts, strict=True))

    def write(data: Path, folder: Path) -> Parts:
        paths = {}
        for part, part_rows in parts_of(rows(data / name / "train"), rows(data / name / "valid")).items():
            paths[part] = folder / part
            paths[part].mkdir(parents=True, exist_ok=True)
            for at, file in enumerate(files):
                text = "".join(f"{row[at]}\n" for row in part_rows)
                (paths[part] / file).write_text(text, encoding="utf-8", newline="\n")
        return paths

    return write
