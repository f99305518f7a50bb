"""The base class of the input types of N-to-1 tasks: text, numbers, images, audio.

An input type has a field that reads and encodes the values, an embedding module, settings and defaults. `registry.py` lists the
types that `classify` and `regress` accept. Each setting of a type is an option of these tasks, and using it selects the type.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from ...data.sources.sources import Source
from ...settings import DataSettings, ModelSettings
from ..base import DatasetInfo

Defaults = dict[str, dict[str, Any]]  # by group, what `Settings.fill` takes


class Input(ABC):
    """An input type.

    Attributes:
        input_type: the value of `--input` that selects the type.
        Data: the settings of the data that the type adds.
        Model: the settings of the model that the type adds.
        field: the `Field` that reads and encodes the values.
    """

    input_type: ClassVar[str]
    Data: ClassVar[type[DataSettings]]
    Model: ClassVar[type[ModelSettings]]
    field: Any

    @abstractmethod
    def __init__(self, data: Any) -> None:
        """Create the field from `data`, the settings of the class `Data`."""

    @classmethod
    @abstractmethod
    def matches(cls, source: Source, taken: Sequence[str]) -> str | None:
        """Return the reason why the first rows of `source` are of this type, or None where they are not.

        Columns in `taken` belong to other fields.
        """

    @abstractmethod
    def adapt_source(self, source: Source, others: Callable[[Source], Sequence[str]]) -> Source:
        """Return a source that has the values in one column. `others` returns the columns of the other fields."""

    @abstractmethod
    def from_example(self, example: Mapping[str, Any]) -> Any:
        """Return the value of an input object in a form specific to this type; None where it has another form."""

    @abstractmethod
    def identify(self, example: Any) -> dict[str, Any]:
        """Return keys that identify an example, which are added to its result; usually none."""

    @abstractmethod
    def augment(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return a training batch (B, T, ...) and its lengths (B,) with random augmentation."""

    @abstractmethod
    def embedding(self, model: Any) -> tuple[nn.Module, int]:
        """Return a new module that maps a batch of encoded values to (B, T, I), and I."""

    @abstractmethod
    def defaults(self, settings: Any, info: DatasetInfo) -> Defaults:
        """Return values for open settings, by group."""
