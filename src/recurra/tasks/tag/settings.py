"""The settings of a tagger."""

from __future__ import annotations

from typing import Literal

from pydantic import Field as Setting

from ...data.words.tag_schemes import Scheme
from ...fields.words import TokenLevel
from ...settings import RARE, DataSettings
from ..shared.pretrained import PretrainedModel


class TagData(DataSettings):
    """Rows of tokens with a tag each."""

    column: str | None = Setting(None, description="column of the tags, by name or number")
    words: str | None = Setting(None, description="column of the words; found by itself")
    features: str | None = Setting(None, description="columns to read beside the words: upos,feats")
    intent: str | None = Setting(None, description="column of the row's label, or none")
    scheme: Scheme | None = Setting(None, description="how tags spell spans")
    level: TokenLevel | None = Setting(None, description="what a token is")
    vocabulary_size: int = Setting(30_000, ge=10, description="words kept, the most frequent")
    min_count: int | None = Setting(None, ge=1, description="rarer words are unknown (2)")
    spelling: bool | None = Setting(None, description="know words by their letters too (yes)")


class TagModel(PretrainedModel):
    """A tagger."""

    pooling: Literal["last", "mean", "max", "attention", "mean_max"] = Setting(
        "mean_max", description="from all outputs to one, for the intent"
    )
    embedding_size: int | None = Setting(None, ge=1, description="features of a word's vector")
    token_dropout: float | None = Setting(
        None, ge=0, lt=1, description="share of words made unknown in training", json_schema_extra=RARE
    )
    crf: bool | None = Setting(None, description="choose all tags of a row together")
