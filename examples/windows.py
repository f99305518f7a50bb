"""A custom task in one file: classifies windows of measurements, for instance by machine or by gesture.

    python examples/windows.py waves.jsonl                                  creates data to try it with
    recurra train examples/windows.py:Windows waves.jsonl --no-bidirectional
    recurra evaluate runs/waves waves.jsonl --import examples/windows.py
    echo '[0.1, 0.5, 0.8, 0.9]' | recurra predict runs/waves --import examples/windows.py

The data are JSON Lines. Each line has a window, which is a list of numbers or of lists of equal length, and its class:

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
    """Settings of the data. Each field is also an option of `recurra train`: --measurements, --label."""

    measurements: str = setting("window", description="Key of the measurements.")
    label: str = setting("label", description="Key of the class.")


WindowsSettings = Settings[WindowsData, EncoderModel, ClassTraining]


class Windows(SequenceTask[WindowsSettings]):
    """Classification of windows. `Classification` defines the loss and the metrics, `SequenceTask` everything else."""

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
    """Write sine, square and sawtooth waves of 20 to 40 time steps with random phase, frequency and noise."""
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
