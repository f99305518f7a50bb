"""Components of tasks. Custom tasks import these names from here; see docs/custom-task.md.

SequenceTask   an N-to-1 task with a dataset and a head                            sequence_task.py
Head           the loss, the metrics and the JSON of its outputs                   head.py
RowDataset     a table with an input and targets                                   row_dataset.py
RowReader      reads rows: columns, checks, split, encoding                        row_reader.py
LengthSampler  batches of sequences of similar length                              length_sampler.py
SeriesInput    a series of numbers as the input                                    ../inputs/series.py
RowData        settings of tasks with one example per row                          ../inputs/row_data.py
EncoderModel   settings of a sequence encoder                                      ../../models/encoder.py
"""

from __future__ import annotations

from ...models.encoder import EncoderModel
from ..inputs.row_data import RowData
from ..inputs.series import SeriesInput
from .head import Head
from .length_sampler import LengthSampler
from .row_dataset import RowDataset
from .row_reader import RowReader
from .sequence_task import SequenceTask

__all__ = [
    "EncoderModel",
    "Head",
    "LengthSampler",
    "RowData",
    "RowDataset",
    "RowReader",
    "SequenceTask",
    "SeriesInput",
]
