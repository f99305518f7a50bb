"""The dataset of transcribe: a table of audio files and their transcripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from ...data.sources.json_line import parse_json_line
from ...data.sources.sources import Source
from ...data.store.store import Store
from ...decoding.ctc import min_steps
from ...fields.audio import Audio
from ...fields.base import Field
from ...fields.paired_text import RawText
from ...files import read_json, write_json
from ..base import DataQuality, Dataset, DatasetInfo, Description, OnProgress, roles_of
from ..shared.generation import check_splits
from ..shared.quality import quality_of
from ..shared.row_reader import RowReader
from .ctc_loss import min_steps_of_texts
from .settings import TranscribeSettings
from .transcript import Transcript

REFERENCE = "reference"  # name of the stored field of the original texts
FRAMES_PER_SECOND = 100


@final
class TranscribeDataset(Dataset):
    """Recordings and their transcripts. A row whose text needs more steps than its audio has is invalid.

    Attributes:
        has_words: whether texts consist of several words separated by spaces.
    """

    keeps_vocabulary: ClassVar[bool] = True

    def __init__(self, settings: TranscribeSettings) -> None:
        data = settings.data
        self.frame_stacking = settings.model.frame_stacking or 1  # an open setting may still become 1
        self.audio = Audio("audio", data.audio, data.sample_rate, data.n_mels, data.root)
        self.text = Transcript("text", data.text, data.tokenization)
        self.rows = RowReader([self.audio, self.text, RawText(REFERENCE)], data, problem=self._problem)
        self.rows.depends_on = {"frame_stacking": self.frame_stacking}
        self.reading = self.rows.reading
        self.has_words = True

    # reading -------------------------------------------------------------------------------------------------------
    def prepare(self, data: str | Path, valid: str | Path | None, cache: Path, on_progress: OnProgress) -> DatasetInfo:
        """Read the data. `info.stats` of the training part: `lengths` in frames, and `min_steps` that the texts need."""
        source = self.rows.open(data)
        columns = self._columns(source)
        if not self.rows.is_loaded:
            self._inspect_texts([str(row.values.get(columns["text"]) or "") for row in source.first_rows()])

        def validation() -> tuple[Source, dict[str, str]]:
            other = self.rows.open(str(valid))
            return other, self._columns(other)

        report = self.rows.read(
            source, columns, cache, on_progress, None if valid is None else validation, data=(data, valid)
        )
        check_splits(self.stores, "rows", data)
        train = self.stores["train"]
        lengths = train.lengths("audio")
        info = DatasetInfo(rows=len(train), valid_rows=len(self.stores["valid"]), time_steps=int(lengths.sum()))
        info.stats = {"lengths": lengths, "min_steps": min_steps_of_texts(train.flat("text"), train.lengths("text"))}
        info.messages = [*report.lines(), *self.rows.facts.fields, _duration(info)]
        return info

    def describe(self, data: str | Path) -> Description:
        """Return the column of the recordings and that of the transcripts; see `Dataset.describe`."""
        source = self.rows.open(data)
        return Description(roles_of(source, self.rows.find_columns(source, [self.audio, self.text])))

    def _inspect_texts(self, texts: Sequence[str]) -> None:
        """Choose the tokenization, and determine whether there are words, from the first texts."""
        self.text.choose_tokenization(texts)
        multi_word = sum(len(text.split()) > 1 for text in texts)
        self.has_words = multi_word > len(texts) / 10 or self.text.tokenization == "words"

    def _columns(self, source: Source) -> dict[str, str]:
        columns = self.rows.find_columns(source, [self.audio, self.text])
        return columns | {REFERENCE: columns["text"]}

    def _problem(self, values: Sequence[Any]) -> tuple[Field, str] | None:
        """The field and the description of the problem of a row, or None."""
        if problem := self.rows.first_problem(values):
            return problem
        units, steps = self.text.tokenize(values[1]), -(-self.audio.num_frames(values[0]) // self.frame_stacking)
        if (required := min_steps(units)) > steps:
            return self.text, (
                f"has {len(units)} {self.text.tokenization}, which need {required} steps, but {Path(str(values[0])).name} has "
                f"{steps}; is it the right file?"
            )
        return None

    @property
    def stores(self) -> dict[str, Store]:
        """The encoded parts of the data: `train` and `valid`."""
        return self.rows.stores

    def load_cache(self, cache: Path) -> None:
        """Open the encoded data of an interrupted run."""
        self.rows.load_cache(cache)

    @contextmanager
    def encoded(self, data: str | Path) -> Iterator[Store]:
        """Context manager that gives the encoded rows of another file for evaluation."""
        source = self.rows.open(data)
        with self.rows.encoded(source, self._columns(source)) as store:
            yield store

    # the run folder ------------------------------------------------------------------------------------------------
    def quality(self) -> DataQuality:
        """Return facts about the encoded parts; see `Dataset.quality`."""
        return quality_of(self.rows.stores, self.rows.fields)

    def save(self, folder: Path) -> None:
        """Write fields and properties of the dataset to the folder of the run."""
        self.rows.save(folder)
        write_json(folder / "transcribe.json", {"has_words": self.has_words})

    def load(self, folder: Path) -> None:
        """Read fields and properties of the dataset from the folder of the run."""
        self.rows.load(folder)
        self.has_words = bool(read_json(folder / "transcribe.json")["has_words"])

    # inference -----------------------------------------------------------------------------------------------------------
    def inputs(self, file: str) -> Iterator[Any] | None:
        """Return the inputs in a file for `predict`, or None for a file of lines."""
        return self.rows.inputs(file)

    def parse_line(self, line: str) -> Any:
        """Return the input on a line: a JSON object or a file name."""
        return parse_json_line(line)

    def encode_examples(self, examples: Sequence[Any]) -> list[np.ndarray]:
        """Return the encoded frames of inputs of `predict`. Raises CallError with the number of an invalid example."""
        values = self.rows.check_inputs([self.rows.input_value(example) for example in examples])
        return list(self.audio.encode(values))


def _duration(info: DatasetInfo) -> str:
    seconds = info.time_steps / FRAMES_PER_SECOND
    hours = info.time_steps / (3600 * FRAMES_PER_SECOND)
    duration = f"{hours:.2f} hours" if hours >= 0.1 else f"{60 * hours:.1f} minutes"
    return f"{duration} of training audio, {seconds / info.rows:.1f} s per recording"
