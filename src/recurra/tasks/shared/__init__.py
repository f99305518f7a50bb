"""What tasks are made of. A task of one's own imports these names from here; see docs/custom-task.md.

SequenceTask   an N-to-1 task: names its dataset and its head                      sequence_task.py
Head           loss, metrics and JSON of the outputs of such a task                head.py
RowDataset     a table with an input and targets                                   row_dataset.py
RowReader      reading rows: columns, checks, split, encoding                      row_reader.py
LengthSampler  batches of rows of similar length                                   length_sampler.py
SeriesInput    numbers over time as the input                                      ../inputs/series.py
RowData        settings of tasks over rows                                         ../inputs/row_data.py
EncoderModel   settings of an encoder of sequences                                 ../../models/encoder.py
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
