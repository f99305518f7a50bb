"""Spoken digits (FSDD): single digits for classify, and concatenated strings of digits for transcribe.

Recordings are split by their index: 5 to 9 are the part `report`, 10 to 13 `select`, the others `train`.
"""

from __future__ import annotations

import random
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from splits import PARTS, Row, write_csv

RATE = 8000
STRINGS = {"train": 3000, "select": 200, "report": 300}
LENGTHS, SILENCE = (3, 7), (0.05, 0.3)  # number of digits, and seconds of silence before, between and after them


def part_of_index(index: int) -> str:
    """Return the part of a recording with this index."""
    return "report" if index < 10 else "select" if index < 14 else "train"


def recordings(data: Path, folder: Path) -> list[tuple[str, str, str, str]]:
    """Unpack the recordings into `folder` and return (file, part, digit, speaker) of each."""
    rows = []
    with tarfile.open(data / "fsdd" / "recordings_train.tar.gz") as archive:
        archive.extractall(folder, filter="data")
        for name in sorted(archive.getnames()):
            digit, speaker, index = Path(name).stem.split("_")
            rows.append((name, part_of_index(int(index)), digit, speaker))
    return rows


def digits(data: Path, folder: Path) -> Mapping[str, Path]:
    """Write tables with one recording per row: columns audio and label."""
    folder.mkdir(parents=True, exist_ok=True)
    parts: dict[str, list[Row]] = {part: [] for part in PARTS}
    for name, part, digit, _ in recordings(data, folder):
        parts[part].append((name, digit))
    return _write(folder, parts, ("audio", "label"))


def strings(data: Path, folder: Path) -> Mapping[str, Path]:
    """Write strings of digits with silences, each of one speaker and one part, and their tables: columns audio and text."""
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    groups: dict[tuple[str, str], list[tuple[str, np.ndarray]]] = {}
    for name, part, digit, speaker in recordings(data, folder):
        samples, rate = soundfile.read(folder / name, dtype="int16")
        assert rate == RATE, f"{name}: {rate} samples a second"
        groups.setdefault((part, speaker), []).append((digit, samples))
    speakers = sorted({speaker for _, speaker in groups})
    parts: dict[str, list[Row]] = {}
    for part, count in STRINGS.items():
        draw = random.Random(f"strings {part}")
        (folder / part).mkdir(exist_ok=True)
        parts[part] = []
        for number in range(count):
            chosen = draw.choices(groups[part, speakers[number % len(speakers)]], k=draw.randint(*LENGTHS))
            pieces = [_silence(draw)]
            for _, samples in chosen:
                pieces += [samples, _silence(draw)]
            name = f"{part}/{number:04}.wav"
            soundfile.write(folder / name, np.concatenate(pieces), RATE, subtype="PCM_16")
            parts[part].append((name, " ".join(digit for digit, _ in chosen)))
    return _write(folder, parts, ("audio", "text"))


def _silence(draw: random.Random) -> np.ndarray:
    return np.zeros(round(draw.uniform(*SILENCE) * RATE), np.int16)


def _write(folder: Path, parts: Mapping[str, Iterable[Row]], columns: tuple[str, str]) -> dict[str, Path]:
    paths = {part: folder / f"{part}.csv" for part in parts}
    for part, rows in parts.items():
        write_csv(paths[part], rows, columns)
    return paths
