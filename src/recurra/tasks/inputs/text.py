"""Text as input: tokens of a vocabulary, each with an embedding that is learnt."""

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
    """A table with a column of text."""

    text: str | None = setting(None, description="column of the text; found by itself")
    tokenization: Literal["words", "characters", "subwords"] | None = setting(None, description="what a token is")
    vocabulary_size: int = setting(30_000, ge=10, description="tokens kept, the most frequent")
    min_count: int | None = setting(None, ge=1, description="rarer tokens are unknown", advanced=True)
    character_ngrams: bool | None = setting(None, description="know words by their letters too", advanced=True)
    tokenizer: TokenizerName = setting("recurra", description="cuts words")
    stop_words: str | None = setting(None, description="language whose stop words are left out", advanced=True)
    keep_pos: str | None = setting(None, description="parts of speech kept, as noun,verb", advanced=True)
    tokenizer_language: str = setting("english", pattern="^[a-z]+$", description="of NLTK's sentences", advanced=True)


class TextModel(PretrainedModel):
    """An encoder of text."""

    embedding_size: int = open_setting(ge=1, description="features of a token's vector", only_for="text")
    token_dropout: float = open_setting(
        ge=0, lt=1, description="share of tokens made unknown in training", advanced=True, only_for="text"
    )


@final
class TextInput(Input):
    """See the module's docstring."""

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
        return "no other kind is seen in it"  # tried last; the column is looked for when it is read

    def adapt_source(self, source: Source, others: Callable[[Source], Sequence[str]]) -> Source:
        return source

    def from_example(self, example: Mapping[str, Any]) -> Any:
        return None

    def identify(self, example: Any) -> dict[str, Any]:
        return {}

    def augment(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        return x, lengths

    def embedding(self, model: Any) -> tuple[nn.Module, int]:
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
        return text_defaults(
            settings.model,
            info,
            tokenization=str(self.field.tokenization),
            character_ngrams=bool(self.field.character_ngrams),
        )
