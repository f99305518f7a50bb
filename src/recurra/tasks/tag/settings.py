"""The settings of a tagger."""

from __future__ import annotations

from typing import Literal

from ...data.words.tag_schemes import Scheme
from ...fields.words import TokenUnit
from ...settings import DataSettings, Settings, TrainingSettings, open_setting, setting
from ..inputs.pretrained import PretrainedModel

NO_SENTENCE_LABEL = "none"  # the value of `sentence_label` for sequences without a label


class TagData(DataSettings):
    """Sequences of tokens with a tag for each token."""

    tags: str | None = setting(None, description="Tag column; detected by default.")
    words: str | None = setting(None, description="Token column; detected by default.")
    token_features: str | None = setting(None, description="Additional input columns: upos,feats.")
    sentence_label: str = open_setting(description="Column of the sentence label, or none.")
    scheme: Scheme = open_setting(description="Tagging scheme.")
    tokenization: TokenUnit = open_setting(description="Text units.")
    keep_digits: bool = open_setting(earlier=False, description="Keep the digits of tokens, instead of 0.")
    vocabulary_size: int = setting(30_000, ge=10, description="Maximum size of the vocabulary.")
    min_count: int | None = setting(None, ge=1, description="Minimum count of a word (2).")
    character_ngrams: bool = open_setting(description="Embed character n-grams of words.")
    delay: int = setting(0, ge=0, description="Give the tag of a token N tokens later.")


class TagModel(PretrainedModel):
    """The network of a tagger."""

    pooling: Literal["last", "mean", "max", "attention", "mean_max"] = setting(
        "mean_max", description="Pooling for the sentence label."
    )
    embedding_size: int = open_setting(ge=1, description="Size of the word embeddings.")
    token_dropout: float = open_setting(
        ge=0, lt=1, description="Probability of replacing a word by the unknown word in training.", advanced=True
    )
    crf: bool = open_setting(description="Use a CRF output layer.")


TagSettings = Settings[TagData, TagModel, TrainingSettings]
