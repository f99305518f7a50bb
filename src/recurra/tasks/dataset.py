"""Datasets, samplers and batches: the data of a task. `tasks/base.py` exports these names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..data.sources.inspect.facts import FileFacts
from ..data.sources.reading import FileReading
from ..data.sources.rows import Source
from ..data.store.windows import TokenWindow

OnProgress = Callable[[int], None]


def ignore_progress(count: int) -> None:
    """An `on_progress` callback that does nothing."""


@dataclass
class Batch:
    """The tensors of one training step.

    Attributes:
        inputs: the input tensors by name.
        targets: the target tensors by name.
        valid: number of time steps without padding.
        computed: number of time steps that the network computes, padding included.
        window: where the batch is a window of longer sequences, its place in them.
    """

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    valid: int
    computed: int
    window: TokenWindow | None = None

    def to(self, device: torch.device) -> Batch:
        """Return the batch on another device."""
        if device.type == "cpu":
            return self

        def moved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            return {name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()}

        return Batch(moved(self.inputs), moved(self.targets), self.valid, self.computed, self.window)


@dataclass(frozen=True)
class Role:
    """The use of a column: its role, such as "text", the column, and why it was chosen."""

    role: str
    column: str
    reason: str = ""

    def __str__(self) -> str:
        """Return the role in one clause."""
        return f"{self.role}: column {self.column!r}" + (f" ({self.reason})" if self.reason else "")


def roles_of(source: Source, columns: Mapping[str, str]) -> list[Role]:
    """Return the use of each column of a source, by role, with the reason where it is known."""
    return [Role(role, column, source.reasons.get(column, "")) for role, column in columns.items()]


def used_columns(source: Source, columns: Mapping[str, str]) -> list[str]:
    """Return a message about the columns that are used and those that are not; none for columns that the program has made."""
    used = {role: column for role, column in columns.items() if column in source.columns}
    made = () if source.facts is None else {*used.values()} - {*source.facts.names}
    if source.facts is None or len(used) < len(columns) or (source.facts.names and made):
        return []
    unused = [column for column in source.columns if column not in used.values()]
    shown = ", ".join(map(repr, unused[:3])) + (f" and {len(unused) - 3:,} more" if len(unused) > 3 else "")
    ignored = f"; not used: {shown}" if unused else ""
    return [f"columns: {', '.join(f'{role} {column!r}' for role, column in used.items())}{ignored}"]


@dataclass
class Description:
    """How a task would use a file; `recurra describe FILE --task TASK` prints it.

    Attributes:
        roles: the columns that are used.
        notes: assumptions, such as the period of time steps.
        warnings: anything suspicious, such as labels that look alike.
    """

    roles: list[Role] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass
class DatasetInfo:
    """The result of `Dataset.prepare`.

    Attributes:
        rows: number of training examples.
        valid_rows: number of validation examples.
        time_steps: number of time steps of the training part, without padding.
        stats: statistics on which defaults depend, such as the lengths.
        settings: settings that the data or pretrained weights determine, by group.
        messages: lines for the user.
        file: the facts of the training file, which the training fills in.
    """

    rows: int = 0
    valid_rows: int = 0
    time_steps: int = 0
    stats: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    file: FileFacts | None = None


@dataclass(frozen=True)
class DataQuality:
    """Facts about encoded data that a diagnosis needs; see `Dataset.quality`.

    Attributes:
        unknown: for each field of tokens, the fraction of the tokens in the training part that are not in the vocabulary.
        classes: for each field of labels, the number of training examples of each class.
        shared: number of validation examples whose input is also in the training part; None where it is not known.
        compared: number of validation examples that were compared; those with unknown tokens are not.
    """

    unknown: dict[str, float] = field(default_factory=dict)
    classes: dict[str, dict[str, int]] = field(default_factory=dict)
    shared: int | None = None
    compared: int = 0


class Dataset(ABC):
    """Reads the data of a user: finds the columns, fits vocabularies, splits, and encodes the examples once into a cache.

    `RowDataset` is the dataset of N-to-1 tasks. A task with another shape implements this class; `RowReader` does most of the
    work for tables. The life of a dataset: `prepare` reads the training data once; `save` writes the vocabularies into the run
    folder; a run that is opened or resumed calls `load`, and `load_cache` if training continues.

    A fine-tuned run calls `load` and then `prepare`: the dataset then keeps what was loaded, and only splits and encodes the
    data.

    Attributes:
        keeps_vocabulary: True where `prepare` after `load` keeps the vocabulary; otherwise runs cannot be fine-tuned.
        inputs_are_rows: True where each item of `inputs(file)` is one row of the file, so that errors can name the row.
        reading: how the files are read; None where the dataset opens its files in another way.
    """

    keeps_vocabulary: ClassVar[bool] = False
    inputs_are_rows: ClassVar[bool] = True
    reading: FileReading | None = None

    def describe(self, data: str | Path) -> Description:
        """Return how the training would use `data`: the role of each column, notes and warnings. By default nothing is known.

        Raises:
            DataError: the data cannot be read, or a column cannot be found.
        """
        return Description()

    def quality(self) -> DataQuality:
        """Return unknown tokens, classes and shared examples, after `prepare` or `load_cache`. By default nothing is known."""
        return DataQuality()

    @abstractmethod
    def prepare(self, data: str | Path, valid: str | Path | None, cache: Path, on_progress: OnProgress) -> DatasetInfo:
        """Fit the vocabularies to the training data, split and encode the data into `cache`.

        Args:
            data: the training data: a file, a folder, `hf:NAME` or a built-in dataset.
            valid: the validation data. None: a fraction of the training data, `data.validation_fraction`.
            cache: a folder for the encoded parts.
            on_progress: called with the number of examples so far.

        Returns:
            Counts and statistics, settings that the data determine, and messages for the user.

        Raises:
            DataError: the data cannot be read or used.
        """

    @abstractmethod
    def load_cache(self, cache: Path) -> None:
        """Open the encoded parts that `prepare` wrote to `cache`, after `load`."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write everything that encoding needs to `folder`, the `vocabulary/` of the run."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""

    @abstractmethod
    def inputs(self, file: str) -> Iterator[Any] | None:
        """Return the inputs in a file given to `predict`, such as a table; None where each line of the file is one input."""

    @abstractmethod
    def parse_line(self, line: str) -> Any:
        """Return the input of one line of a file or of standard input. Raises DataError for an invalid line."""


class Sampler(ABC):
    """Yields the batches of an epoch. Its results depend only on the settings and the epoch, so that runs are reproducible."""

    @abstractmethod
    def epoch(self, number: int) -> Sequence[Any]:
        """Return the keys of the batches of an epoch, in order. `Task.batch` converts a key to a batch."""

    @abstractmethod
    def time_steps(self, keys: Sequence[Any]) -> np.ndarray:
        """Return the time steps of each batch, padding included, (len(keys),). Training time is estimated from them."""

    @abstractmethod
    def padding_fraction(self) -> float | None:
        """Return the fraction of time steps that is padding; None where there is no padding."""


def device_of(network: torch.nn.Module) -> torch.device:
    """Return the device of the first parameter."""
    return next(network.parameters()).device


def chunked(items: Iterable[Any], size: int) -> Iterable[list[Any]]:
    """Yield lists of `size` items; the last one may be shorter."""
    part: list[Any] = []
    for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
