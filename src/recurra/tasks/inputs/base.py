"""A type of input of the N-to-1 tasks: what one value is, where it is found, which network reads it, and its defaults.

`classify` and `regress` take every type that `registry.py` lists. A type is one file with a final class, and its settings:
each is an option of the tasks, and one that is given selects the type.
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
    """See the module's docstring. `field` reads and encodes the values."""

    input_type: ClassVar[str]  # the word of `--input`
    Data: ClassVar[type[DataSettings]]
    Model: ClassVar[type[ModelSettings]]
    field: Any  # a Field

    @abstractmethod
    def __init__(self, data: Any) -> None:
        """`data`: the settings of the group, of the class `Data`."""

    @classmethod
    @abstractmethod
    def matches(cls, source: Source, taken: Sequence[str]) -> str | None:
        """How the first rows show that the columns beside `taken` hold such values; None where they do not."""

    @abstractmethod
    def adapt_source(self, source: Source, others: Callable[[Source], Sequence[str]]) -> Source:
        """The source with the values in one column. `others` finds the columns of the other fields."""

    @abstractmethod
    def from_example(self, example: Mapping[str, Any]) -> Any:
        """The value that an object to predict from gives in a way of this type's own; None where it does not."""

    @abstractmethod
    def identify(self, example: Any) -> dict[str, Any]:
        """What identifies an example, for its result to begin with; usually nothing."""

    @abstractmethod
    def augment(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """A training batch (B, T, ...) and its lengths (B,), varied at random."""

    @abstractmethod
    def embedding(self, model: Any) -> tuple[nn.Module, int]:
        """A new module that makes vectors (B, T, I) of a batch of encoded values, and I."""

    @abstractmethod
    def defaults(self, settings: Any, info: DatasetInfo) -> Defaults:
        """Values for open settings."""
