"""Text as input: tokens of a vocabulary, each with a vector that is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field as Setting
from torch import nn

from ...data.sources.sources import Source
from ...data.words.ngrams import BUCKETS
from ...data.words.tokenizers import Cutter, Name, choose_cutter
from ...fields.text import Text
from ...models.encoder import Tokens
from ...settings import ADDED, RARE, DataSettings, ModelSettings, Settings
from ..base import Reading
from ..shared.pretrained import PretrainedModel
from ..shared.sequence_task import RowData
from .base import Input
from .text_defaults import choose_text_settings


class TextData(RowData):
    """A table with a column of text."""

    text: str | None = Setting(None, description="column of the text; found by itself")
    level: Literal["words", "characters", "subwords"] | None = Setting(None, description="what a token is")
    vocabulary_size: int = Setting(30_000, ge=10, description="tokens kept, the most frequent")
    min_count: int | None = Setting(None, ge=1, description="rarer tokens are unknown", json_schema_extra=RARE)
    spelling: bool | None = Setting(None, description="know words by their letters too", json_schema_extra=RARE)
    cutter: Name = Setting("recurra", description="cuts words")
    stop_words: str | None = Setting(
        None, description="language whose stop words are left out", json_schema_extra=RARE | ADDED
    )
    keep_pos: str | None = Setting(
        None, description="parts of speech kept, as noun,verb", json_schema_extra=RARE | ADDED
    )
    cutter_language: str = Setting(
        "english", pattern="^[a-z]+$", description="of NLTK's sentences", json_schema_extra=RARE
    )


class TextModel(PretrainedModel):
    """An encoder of text."""

    embedding_size: int | None = Setting(None, ge=1, description="features of a token's vector")
    token_dropout: float | None = Setting(
        None, ge=0, lt=1, description="share of tokens made unknown in training", json_schema_extra=RARE
    )


class TextInput(Text, Input):
    """See the module's docstring."""

    called = "text"
    Data: ClassVar[type[DataSettings]] = TextData
    Model: ClassVar[type[ModelSettings]] = TextModel

    @classmethod
    def made(cls, settings: Settings) -> TextInput:
        data = settings.data
        assert isinstance(data, TextData)

        def cutter() -> Cutter | None:
            return choose_cutter(data.cutter, data.cutter_language, data.stop_words, data.keep_pos)

        return cls("text", data.text, data.level, data.vocabulary_size, data.min_count, data.spelling, cutter)

    @classmethod
    def suits(cls, source: Source, taken: Sequence[str]) -> str | None:
        return "no other kind is seen in it"  # asked last; the column is looked for when it is read

    def choose(self, settings: Settings, reading: Reading) -> Settings:
        return choose_text_settings(settings, reading, level=str(self.level), spelling=bool(self.spelling))

    def front(self, model: ModelSettings) -> tuple[nn.Module, int]:
        assert isinstance(model, TextModel) and model.embedding_size  # choose() has filled it
        tokens = Tokens(
            len(self.vocabulary),
            model.embedding_size,
            model.token_dropout or 0.0,
            pad=self.vocabulary.pad,
            unknown=self.vocabulary.unknown,
            buckets=BUCKETS if self.spelling else None,
            frozen=model.vectors_frozen,
        )
        return tokens, model.embedding_size
