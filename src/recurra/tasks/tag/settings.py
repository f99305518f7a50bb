"""The settings of a tagger."""

from __future__ import annotations

from typing import Literal

from ...data.words.tag_schemes import Scheme
from ...fields.words import TokenUnit
from ...settings import DataSettings, Settings, TrainingSettings, open_setting, setting
from ..inputs.pretrained import PretrainedModel

NO_SENTENCE_LABEL = "none"  # the value of `sentence_label` where rows have no label


class TagData(DataSettings):
    """Rows of tokens with a tag each."""

    tags: str | None = setting(None, description="column of the tags, by name or number")
    words: str | None = setting(None, description="column of the words; found by itself")
    token_features: str | None = setting(None, description="columns to read beside the words: upos,feats")
    sentence_label: str = open_setting(description="column of the row's label, or none")
    scheme: Scheme = open_setting(description="how tags spell spans")
    tokenization: TokenUnit = open_setting(description="what a token is")
    vocabulary_size: int = setting(30_000, ge=10, description="words kept, the most frequent")
    min_count: int | None = setting(None, ge=1, description="rarer words are unknown (2)")
    character_ngrams: bool = open_setting(description="know words by their letters too (yes)")


class TagModel(PretrainedModel):
    """A tagger."""

    pooling: Literal["last", "mean", "max", "attention", "mean_max"] = setting(
        "mean_max", description="from all outputs to one, for the sentence_label"
    )
    embedding_size: int = open_setting(ge=1, description="features of a word's vector")
    token_dropout: float = open_setting(
        ge=0, lt=1, description="share of words made unknown in training", advanced=True
    )
    crf: bool = open_setting(description="choose all tags of a row together")


TagSettings = Settings[TagData, TagModel, TrainingSettings]
