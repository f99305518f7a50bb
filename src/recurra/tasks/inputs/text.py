"""The input type for text: tokens of a vocabulary with learned embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, final

from torch import Tensor, nn

from ...data.sources.sources import Source
from ...data.words.ngrams import BUCKETS
from ...data.words.tokenizers import TokenizerName, WordTokenizer, choose_tokenizer
from ...fields.text import Text
from ...models.encoder import TokenEmbedding
from ...settings import DataSettings, ModelSettings, open_setting, setting
from ..base import DatasetInfo
from .base import Defaults, Input
from .pretrained import PretrainedModel
from .row_data import RowData
from .text_defaults import text_defaults


class TextData(RowData):
    """Settings of a table with a column of text."""

    text: str | None = setting(None, description="Column of the text; detected by default.")
    tokenization: Literal["words", "characters", "subwords"] | None = setting(None, description="Text units.")
    vocabulary_size: int = setting(30_000, ge=10, description="Maximum size of the vocabulary.")
    min_count: int | None = setting(
        None,
        ge=1,
        description="Minimum count of a token in the training data; rarer tokens are replaced by the unknown token.",
        advanced=True,
    )
    character_ngrams: bool | None = setting(None, description="Add embeddings of character n-grams.", advanced=True)
    tokenizer: TokenizerName = setting("recurra", description="Tool.")
    stop_words: str | None = setting(None, description="Language whose stop words are removed.", advanced=True)
    keep_pos: str | None = setting(None, description="Parts of speech to keep, such as noun,verb.", advanced=True)
    tokenizer_language: str = setting(
        "english", pattern="^[a-z]+$", description="Language of NLTK's sentence splitter.", advanced=True
    )


class TextModel(PretrainedModel):
    """Settings of an encoder of text."""

    embedding_size: int = open_setting(ge=1, description="Size of the token embeddings.", only_for="text")
    token_dropout: float = open_setting(
        ge=0,
        lt=1,
        description="Probability of replacing a token by the unknown token in training.",
        advanced=True,
        only_for="text",
    )


@final
class TextInput(Input):
    """Text as a sequence of tokens."""

    input_type: ClassVar[str] = "text"
    Data: ClassVar[type[DataSettings]] = TextData
    Model: ClassVar[type[ModelSettings]] = TextModel

    def __init__(self, data: Any) -> None:
        def tokenizer() -> WordTokenizer | None:
            return choose_tokenizer(data.tokenizer, data.tokenizer_language, data.stop_words, data.keep_pos)

        self.field: Text = Text(
            "text", data.text, data.tokenization, data.vocabulary_size, data.min_count, data.character_ngrams, tokenizer
        )

    @classmethod
    def matches(cls, source: Source, taken: Sequence[str]) -> str | None:
        """Every source matches; the type is tried last."""
        return "the data match no other type"  # matched last; the column is found when the data are read

    def adapt_source(self, source: Source, others: Callable[[Source], Sequence[str]]) -> Source:
        """Return the source unchanged."""
        return source

    def from_example(self, example: Mapping[str, Any]) -> Any:
        """There is no special form."""
        return None

    def identify(self, example: Any) -> dict[str, Any]:
        """Examples have no ID."""
        return {}

    def augment(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """No augmentation."""
        return x, lengths

    def embedding(self, model: Any) -> tuple[nn.Module, int]:
        """Return a token embedding, and the size of the embeddings."""
        field = self.field
        tokens = TokenEmbedding(
            len(field.vocabulary),
            model.embedding_size,
            model.token_dropout,
            pad=field.vocabulary.pad,
            unknown=field.vocabulary.unknown,
            buckets=BUCKETS if field.character_ngrams else None,
            frozen=model.freeze_embeddings,
        )
        return tokens, model.embedding_size

    def defaults(self, settings: Any, info: DatasetInfo) -> Defaults:
        """Return the defaults of an encoder of text."""
        return text_defaults(
            settings.model,
            info,
            tokenization=str(self.field.tokenization),
            character_ngrams=bool(self.field.character_ngrams),
        )
