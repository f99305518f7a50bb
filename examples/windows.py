"""A task of one's own in one file: which of several machines, gestures, ... a window of measurements comes from.

    python examples/windows.py waves.jsonl                                  makes data to try it with
    recurra train examples/windows.py:Windows waves.jsonl --no-bidirectional
    recurra evaluate runs/waves waves.jsonl --import examples/windows.py
    echo '[0.1, 0.5, 0.8, 0.9]' | recurra predict runs/waves --import examples/windows.py

The data: JSON lines, each with a window (numbers, one a step, or lists of equally many) and the class it belongs to:

    {"window": [0.0, 0.38, 0.71, 0.92], "label": "sine"}
"""

from __future__ import annotations

import json
import math
import random
import sys
from functools import cached_property
from pathlib import Path

from recurra.fields import Label, Series
from recurra.settings import ClassTraining, Settings, setting
from recurra.tasks.classify.classification import Classification
from recurra.tasks.shared import EncoderModel, RowData, RowDataset, SequenceTask, SeriesInput


class WindowsData(RowData):
    """What the user may specify about the data; each field is an option of `recurra train` as well (--measurements, --label)."""

    window: str = setting("window", description="key of the numbers")
    label: str = setting("label", description="key of the class")


WindowsSettings = Settings[WindowsData, EncoderModel, ClassTraining]


class Windows(SequenceTask[WindowsSettings]):
    """A row is a window and its class. Classification brings loss and metrics, SequenceTask everything else."""

    name = "windows"
    structure = "N to 1"
    summary = "a class for each window of measurements"
    settings_class = WindowsSettings

    @classmethod
    def dataset_for(cls, settings: WindowsSettings) -> RowDataset:
        data = settings.data
        return RowDataset(settings, [Label("label", data.label)], SeriesInput(Series("window", data.measurements)))

    @cached_property
    def head(self) -> Classification:
        return Classification(self.dataset.target(Label))


def make_waves(path: Path, rows: int = 300, seed: int = 0) -> None:
    """Sines, squares and saws of any phase and pitch, of 20 to 40 steps, with noise."""
    draw = random.Random(seed)
    shapes = {
        "sine": lambda x: math.sin(2 * math.pi * x),
        "square": lambda x: 1.0 if x % 1 < 0.5 else -1.0,
        "saw": lambda x: 2 * (x % 1) - 1,
    }
    with path.open("w", encoding="utf-8") as file:
        for row in range(rows):
            label = list(shapes)[row % 3]
            phase, pitch = draw.random(), draw.uniform(0.06, 0.1)
            window = [
                round(shapes[label](phase + pitch * t) + draw.gauss(0, 0.05), 4) for t in range(draw.randint(20, 40))
            ]
            file.write(json.dumps({"window": window, "label": label}) + "\n")


if __name__ == "__main__":
    make_waves(Path(sys.argv[1] if len(sys.argv) > 1 else "waves.jsonl"))
