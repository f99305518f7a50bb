"""A kind of input: what one value is, where it is found, which network reads it, and with which defaults.

`classify` and `regress` take any kind that `kinds.py` lists. A kind is one file with a subclass of `Input`:

    made       the field, from the settings of its run
    suits      whether the data holds such values, in words; what decides where nobody says `--input`
    view       the source as this kind wants it: several columns as one, names of files as paths
    Field      find, check, fit, kind, encode, save, load: `field.py`
    disturbed  what training reads in the place of a batch
    front      what makes vectors (B, T, I) of the encoded input
    choose     the defaults
    Data       its settings, each an option of the tasks; one that is given says that the input is of this kind
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from ...data.sources.sources import Source
from ...fields.base import Field
from ...settings import DataSettings, ModelSettings, Settings
from ..base import Reading


class Input(Field):
    """See the module's docstring."""

    sequence: ClassVar[bool] = True
    called: ClassVar[str]  # the word of `--input`
    Data: ClassVar[type[DataSettings]]
    Model: ClassVar[type[ModelSettings]]

    @classmethod
    @abstractmethod
    def made(cls, settings: Settings) -> Input:
        """The field, as the settings of a run want it."""

    @classmethod
    @abstractmethod
    def suits(cls, source: Source, taken: Sequence[str]) -> str | None:
        """By what a look shows that the columns beside `taken` hold such values, in words; None where they do not."""

    def view(self, source: Source, others: Callable[[Source], Sequence[str]]) -> Source:
        """The source with this kind's values in one column. `others` finds the columns of the other fields."""
        return source

    def of(self, example: Mapping[str, Any]) -> Any:
        """The value that an object to predict from spells in a way of this kind's own; None where it does not."""
        return None

    def named(self, example: Any) -> dict[str, Any]:
        """What tells an example from others by a name of its own, for its result to begin with."""
        return {}

    def disturbed(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """A batch of rows and their lengths in training: as they might have been too."""
        return x, lengths

    @abstractmethod
    def front(self, model: ModelSettings) -> tuple[nn.Module, int]:
        """What makes vectors (B, T, I) of a batch of encoded values, and I."""

    @abstractmethod
    def choose(self, settings: Settings, reading: Reading) -> Settings:
        """The settings with those filled that are open."""
