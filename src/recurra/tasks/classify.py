"""classify: a class for each sequence (N to 1). Sentiment, intent, the language of a name, ...

embedding -> recurrent layers -> pooling -> linear -> softmax
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field as Setting
from torch import nn

from ..data.cutters import Cutter, Name, choose_cutter
from ..data.spelling import BUCKETS
from ..settings import OPTIONAL, RARE, ModelSettings, Settings
from .base import Reading
from .parts.classes import OneClass
from .parts.encoder import Tokens
from .parts.fields import Label, Text
from .parts.pretrained import Pretrained, PretrainedModel
from .parts.rows import RowData
from .parts.text import choose_text_settings


class TextData(RowData):
    """A table with a column of text."""

    text: str | None = Setting(None, description="column of the text; found by itself")
    level: Literal["words", "characters", "subwords"] | None = Setting(None, description="what a token is")
    vocabulary_size: int = Setting(30_000, ge=10, description="tokens kept, the most frequent")
    min_count: int | None = Setting(None, ge=1, description="rarer tokens are unknown")
    spelling: bool | None = Setting(None, description="know words by their letters too")
    cutter: Name = Setting("recurra", description="cuts words")
    stop_words: str | None = Setting(
        None, description="language whose stop words are left out", json_schema_extra=OPTIONAL
    )
    keep_pos: str | None = Setting(None, description="parts of speech kept, as noun,verb", json_schema_extra=OPTIONAL)
    cutter_language: str = Setting(
        "english", pattern="^[a-z]+$", description="of NLTK's sentences", json_schema_extra=RARE
    )


class TextModel(PretrainedModel):
    """An encoder of text."""

    embedding_size: int | None = Setting(None, ge=1, description="features of a token's vector")
    token_dropout: float | None = Setting(
        None, ge=0, lt=1, description="share of tokens made unknown in training", json_schema_extra=RARE
    )


class ClassifyData(TextData):
    """A column of text and one of classes."""

    label: str | None = Setting(None, description="column of the classes; found by itself")


class TextTask(Pretrained):
    """What classify and regress share: a column of text, encoded into one vector by recurrent layers."""

    Model: ClassVar[type[ModelSettings]] = TextModel
    one_way: ClassVar[bool] = True

    def _text_field(self) -> Text:
        data = self.settings.data
        assert isinstance(data, TextData)

        def cutter() -> Cutter | None:
            return choose_cutter(data.cutter, data.cutter_language, data.stop_words, data.keep_pos)

        return Text("text", data.text, data.level, data.vocabulary_size, data.min_count, data.spelling, cutter)

    def choose(self, reading: Reading) -> Settings:
        text = self.fields[0]
        assert isinstance(text, Text)
        return choose_text_settings(self.settings, reading, level=str(text.level), spelling=bool(text.spelling))

    def front(self) -> tuple[nn.Module, int]:
        model, text = self.settings.model, self.fields[0]
        assert isinstance(model, TextModel) and isinstance(text, Text)
        assert model.embedding_size  # choose() has filled it
        vocabulary, size = text.vocabulary, model.embedding_size
        drop = model.token_dropout or 0.0
        buckets = BUCKETS if text.spelling else None
        tokens = Tokens(
            len(vocabulary),
            size,
            drop,
            pad=vocabulary.pad,
            unknown=vocabulary.unknown,
            buckets=buckets,
            frozen=model.vectors_frozen,
        )
        return tokens, size


class Classify(OneClass, TextTask):
    """See the module's docstring."""

    name: ClassVar[str] = "classify"
    structure: ClassVar[str] = "N to 1"
    summary: ClassVar[str] = "a class for each text: sentiment, intent, language of a name"
    Data = ClassifyData

    def __init__(self, settings: Settings, **given: Any) -> None:
        super().__init__(settings, **given)
        self.label = Label("label", getattr(settings.data, "label", None))
        self.fields = [self._text_field(), self.label]
