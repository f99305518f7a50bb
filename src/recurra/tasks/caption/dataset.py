"""The dataset of caption: a table with images or feature vectors, and one or several captions of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from ...data.report import DataReport
from ...data.sources.json_line import parse_json_line
from ...data.sources.sources import Source
from ...data.store.store import Store
from ...fields.image import image_column
from ...fields.image_features import features_column
from ...fields.paired_text import RawText
from ...files import read_json, write_json
from ..base import DataQuality, Dataset, DatasetInfo, Description, OnProgress, roles_of
from ..shared.generation import check_splits
from ..shared.quality import quality_of
from ..shared.row_reader import RowReader
from .fields import Captions, ImageId, captions_of
from .inputs import CaptionInput, input_for
from .settings import CaptionSettings

TEXT, IMAGE_ID = "raw_text", "image_id"  # names of the stored fields besides the input and the tokens


@final
class CaptionDataset(Dataset):
    """Captions as examples. The split is by the content of the image, so that all captions of an image are in one part.

    Attributes:
        max_length: number of tokens of the longest caption of the training part.
        has_several_steps: whether an encoded input of the training part has more than one step.
    """

    keeps_vocabulary: ClassVar[bool] = True

    def __init__(self, settings: CaptionSettings) -> None:
        data = settings.data
        self.settings = settings
        self.text = Captions("text", data.text, data.tokenization, data.vocabulary_size, data.min_count)
        self.input: CaptionInput = input_for(data)
        self.rows = RowReader([], data, examples=_examples)
        self.reading = self.rows.reading
        self._set_fields()
        self.max_length, self.has_several_steps = 1, True

    def _set_fields(self) -> None:
        field = self.input.field
        self.rows.fields = [field, self.text, RawText(TEXT), ImageId(IMAGE_ID, field)]

    # reading -------------------------------------------------------------------------------------------------------
    def prepare(self, data: str | Path, valid: str | Path | None, cache: Path, on_progress: OnProgress) -> DatasetInfo:
        """Read, split and encode the data, and return what was found."""
        info, source = DatasetInfo(), self.rows.open(data)
        if not self.rows.is_loaded:
            self._choose_input(source, info)

        def validation() -> tuple[Source, dict[str, str]]:
            other = self.rows.open(str(valid))
            return other, self._columns(other)

        columns = self._columns(source)
        report = self.rows.read(
            source, columns, cache, on_progress, None if valid is None else validation, data=(data, valid)
        )
        check_splits(self.stores, "images", data)
        train = self.stores["train"]
        lengths = train.lengths("text")
        self.max_length = int(lengths.max())
        self.has_several_steps = int(train.lengths(self.input.field.name).max()) > 1
        info.rows, info.valid_rows = len(train), len(self.stores["valid"])
        info.time_steps = int(lengths.sum()) + len(train)
        summary = f"captions have {lengths.mean():.1f} {self.text.tokenization} on average, {self.max_length} at most"
        info.messages = [*self._report_lines(report), *self.rows.facts.fields, summary]
        return info

    def describe(self, data: str | Path) -> Description:
        """Return the column of the images or features and that of the captions; see `Dataset.describe`."""
        source = self.rows.open(data)
        features = self._choose_input(source, DatasetInfo())
        columns = self.rows.find_columns(source, self.rows.fields[:2])
        if features is not None:
            source.reasons[features] = "its values are vectors, and no column has images"
        return Description(roles_of(source, columns))

    def _choose_input(self, source: Source, info: DatasetInfo) -> str | None:
        """Choose features if no column was named, no column contains images, and one contains features. Return it."""
        data = self.settings.data
        if data.image_features is None and data.image is None and image_column(source, ()) is None:
            column = features_column(source, ())
            if column:
                info.settings["data"] = {"image_features": column}
                self.input = input_for(data.model_copy(update={"image_features": column}))
                self._set_fields()
                return column
        return None

    def _report_lines(self, report: DataReport) -> list[str]:
        """The lines of the report. Its rows are captions, and those of the same image repeat each other."""
        images = report.rows - report.duplicates
        return [f"{report.rows:,} captions of {images:,} {self.input.plural}", *report.lines()[1:]]

    def _columns(self, source: Source) -> dict[str, str]:
        columns = self.rows.find_columns(source, self.rows.fields[:2])
        return columns | {TEXT: columns["text"], IMAGE_ID: columns[self.input.field.name]}

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
        write_json(
            folder / "caption.json", {"max_length": self.max_length, "has_several_steps": self.has_several_steps}
        )

    def load(self, folder: Path) -> None:
        """Read fields and properties of the dataset from the folder of the run."""
        self.rows.load(folder)
        saved = read_json(folder / "caption.json")
        self.max_length, self.has_several_steps = int(saved["max_length"]), bool(saved["has_several_steps"])

    # inference -----------------------------------------------------------------------------------------------------------
    def inputs(self, file: str) -> Iterator[Any] | None:
        """Return the inputs in a file for `predict`, or None for a file of lines."""
        return self.rows.inputs(file)

    def parse_line(self, line: str) -> Any:
        """Return the input on a line: a JSON object, a list of numbers, or a file name."""
        return parse_json_line(line, "{[")

    def encode_examples(self, examples: Sequence[Any]) -> list[np.ndarray]:
        """Return the encoded inputs of `predict`. Raises CallError with the number of an invalid example."""
        values = self.rows.check_inputs([self.rows.input_value(example) for example in examples])
        return list(self.input.field.encode(values))


def _examples(values: list[Any]) -> Iterator[list[Any]]:
    """Yield one example per caption of the image in a row."""
    image, captions, _, image_id = values
    for caption in captions_of(captions):
        yield [image, caption, caption, image_id]
