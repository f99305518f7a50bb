"""translate: a sequence for each sequence (N to M). Translation, dates, letters to sounds, summaries, answers.

    source -> encoder -> attention <-> decoder -> target

Pairs come from two parallel files or from two columns of a table; several source columns are read as one, with an end mark
between them. The decoder is taught with the true target before each step (teacher forcing), as far as the schedule says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field as Setting
from torch import nn

from ...data.store.store import Store
from ...data.words.vocabulary import Vocabulary
from ...decoding.beam_search import Found
from ...errors import CallError, DataError, SettingError
from ...fields.paired_text import Raw, Side
from ...metrics.text import scores_of
from ...models.decoder import Decoder
from ...models.encoder import Tokens
from ...models.scheduled_sampling import ForcedTraining
from ...models.seq2seq import Encoder, SequenceToSequence, shifted
from ...nn.attention import attention
from ...settings import RARE, DataSettings, ModelSettings, Settings, TrainingSettings
from ..base import USUAL_CELL, Batch, Reading
from ..shared.generation import evenly, silent, told_at_once
from ..shared.paired_rows import longer_than
from ..shared.seq2seq_task import Decoding, looked
from .dataset import PairData, PairReader

SPELT = 256  # with so few tokens to say, a target is spelt rather than told


class TranslateModel(ModelSettings):
    """Encoder, attention, decoder."""

    hidden_size: int | None = Setting(None, ge=2, description="of the decoder; the encoder has half of it each way")
    num_layers: int | None = Setting(None, ge=1, le=64, description="recurrent layers of the decoder")
    encoder_layers: int = Setting(1, ge=1, le=64, description="those of the encoder", json_schema_extra=RARE)
    bidirectional: bool = Setting(True, description="the encoder reads both ways")
    embedding_size: int | None = Setting(None, ge=1, description="features of a token's vector")
    attention: Literal["additive", "dot", "concat", "none"] = Setting("dot", description="score")
    feed: Literal["between", "input", "output"] | None = Setting(None, description="where the context enters")
    self_attention: bool = Setting(
        False, description="each step of the encoder attends to all of them", json_schema_extra=RARE
    )
    tied: bool | None = Setting(None, description="output layer and embedding are one")
    input_dropout: float | None = Setting(
        None, ge=0, lt=1, description="dropout of the vectors, one mask for all steps", json_schema_extra=RARE
    )
    token_dropout: float | None = Setting(
        None, ge=0, lt=1, description="share of tokens made unknown in training", json_schema_extra=RARE
    )
    beam: int = Setting(4, ge=1, le=64, description="answers followed side by side")
    length_penalty: float = Setting(
        1.0, ge=0, description="a: the score of an answer is log p / length ** a", json_schema_extra=RARE
    )
    copy_unknown: bool = Setting(False, description="unknown words are copied from the source")
    weights: bool = Setting(False, description="predict gives the attention weights")


class TranslateTraining(ForcedTraining):
    """The training run."""

    label_smoothing: float | None = Setting(  # type: ignore[assignment]
        None, ge=0, lt=1, description="share of the target spread over all tokens"
    )


class Translate(PairReader, Decoding):
    """See the module's docstring."""

    name: ClassVar[str] = "translate"
    structure: ClassVar[str] = "N to M"
    summary: ClassVar[str] = "a text for each text: translation, dates, letters to sounds, summaries, answers"
    Data: ClassVar[type[DataSettings]] = PairData
    Model: ClassVar[type[ModelSettings]] = TranslateModel
    Training: ClassVar[type[TrainingSettings]] = TranslateTraining
    called: ClassVar[str] = "pairs"
    in_use: ClassVar[tuple[str, ...]] = (
        *("model.beam", "model.length_penalty", "model.copy_unknown", "model.weights"),
        *("data.target", "data.broken", "data.encoding"),
    )

    @property
    def model(self) -> TranslateModel:
        assert isinstance(self.settings.model, TranslateModel)
        return self.settings.model

    def choose(self, reading: Reading) -> Settings:
        """Defaults from the number of pairs, their lengths, and how many tokens there are to say.

        Few of them, letters or sounds, are spelt by a small network, which sees every pair many times in the time in which a
        large one, as the meaning of words wants it, sees it once. A pair that is ten times seen is learnt by heart.
        """
        lengths = np.maximum(reading.facts["lengths"], reading.facts["targets"])
        longest = max(min(int(np.quantile(lengths, 0.999)), 400), 8)
        spelt = "subwords" not in (self.source.level, self.target.level) and len(self.target.vocabulary) <= SPELT
        little = reading.rows <= 80_000
        data = {
            "source_level": self.source.level,
            "target_level": self.target.level,
            "shared": self.target.same_as is not None,
            "max_length": longest,
        }
        feed = self.model.feed or ("output" if spelt else "between")
        model = {
            "cell": "gru" if spelt and not self.model.cell_options else USUAL_CELL,
            "hidden_size": (128 if little else 256) if spelt else 384,
            "num_layers": 2 if feed == "between" else 1,
            "feed": feed,
            "embedding_size": 128 if spelt else 256,
            "dropout": 0.2 if spelt else 0.3,
            "input_dropout": 0.0 if spelt else 0.2,
            "token_dropout": 0.0,
            "tied": True,
        }
        training = {
            "batch_size": 64,
            "learning_rate": (4e-3 if little else 2e-3) if spelt else 1e-3,
            "epochs": float(min(max(2_000_000 / max(reading.rows, 1), 20.0), 100.0)),
            "averaging": 0.998,
            "patience": 8,
            # one spelling of a date is right, while a word is often said in several ways
            "label_smoothing": 0.0 if spelt and self.target.level == "characters" else 0.1,
            "metric": "bleu" if self.target.level == "subwords" else "token_error_rate",
        }
        settings = self.settings.with_open(data=data, model=model, training=training)
        reading.lines += longer_than(settings.data.max_length, lengths, "tokens")  # type: ignore[attr-defined]
        reading.lines += self._searched_of(len(self.stores["valid"]), "figures")
        return settings

    # network -------------------------------------------------------------------------------------------------------
    def network(self) -> nn.Module:
        model = self.model
        assert (
            model.hidden_size and model.num_layers and model.embedding_size and model.feed
        )  # choose() has filled them
        if model.copy_unknown and model.attention == "none":
            raise SettingError(
                "copy_unknown takes the word that attention looks at, and attention is none; leave one of them"
            )
        size, drop = model.embedding_size, model.token_dropout or 0.0
        given: dict[str, Any] = {
            "dropout": model.dropout or 0.0,
            "input_dropout": model.input_dropout or 0.0,
            "backend": model.backend,
        }

        def embedding(side: Side) -> Tokens:
            return Tokens(len(side.vocabulary), size, drop, pad=Vocabulary.pad, unknown=Vocabulary.unknown)

        target = embedding(self.target)
        source = target if self.data.shared and model.tied else embedding(self.source)
        hidden = max(model.hidden_size // 2, 1) if model.bidirectional else model.hidden_size
        encoder = Encoder(
            source,
            size,
            self.cell,
            hidden_size=hidden,
            num_layers=model.encoder_layers,
            bidirectional=model.bidirectional,
            self_attention=model.self_attention,
            **given,
        )
        attend = (
            None
            if model.attention == "none"
            else attention(model.attention, model.hidden_size, encoder.output_size, self.positions)
        )
        decoder = Decoder(
            target,
            size,
            self.cell,
            memory_size=encoder.output_size,
            hidden_size=model.hidden_size,
            output_size=size if model.tied else model.hidden_size,
            num_layers=model.num_layers,
            attend=attend,
            feed=model.feed,
            **given,
        )
        return SequenceToSequence(
            encoder, decoder, len(self.target.vocabulary), target.embedding if model.tied else None
        )

    # training ------------------------------------------------------------------------------------------------------
    def _sides(self) -> tuple[np.ndarray, np.ndarray]:
        """Tokens of each source and of each target, (N,)."""
        return self.stores["train"].lengths("source"), self.stores["train"].lengths("target")

    def _lengths(self) -> np.ndarray:
        lengths: np.ndarray = np.add(*self._sides()) + 1
        return lengths

    def _trained_on(self) -> np.ndarray:
        most = self.data.max_length
        return np.flatnonzero(np.maximum(*self._sides()) <= (math.inf if most is None else most))

    def _gather(self, store: Store, rows: np.ndarray) -> Batch:
        """Sources; the tokens read before each step, an end mark first; those wanted after it, an end mark last."""
        x, lengths = store.ragged("source", rows)
        y, ends = store.ragged("target", rows)
        before, after = shifted(y, ends)
        inputs = {"x": x, "lengths": lengths, "tokens": before, "steps": ends + 1}
        return Batch(
            {name: torch.from_numpy(array) for name, array in inputs.items()},
            {"next": torch.from_numpy(after)},
            int(lengths.sum() + ends.sum()) + len(rows),
            int(len(rows) * int((lengths + ends + 1).max(initial=1))),
        )

    # figures -------------------------------------------------------------------------------------------------------
    @contextmanager
    def stored(self, data: str | Path) -> Iterator[Store]:
        with super().stored(data) as store:
            lengths = store.lengths("source")
            if said := self._too_long(int(lengths.max())):
                raise DataError(said, file=data, row=int(lengths.argmax()) + 1)
            yield store

    def _evaluate_store(
        self, network: nn.Module, store: Store, tick: Callable[[int], None], *, beam: int, most: int
    ) -> dict[str, Any]:
        """The figures of `most` rows, evenly picked: the loss a token, the others from the answers."""
        picked = evenly(len(store), most)
        lengths = (store.lengths("source") + store.lengths("target") + 1)[picked]
        parts = told_at_once(lengths, len(self.target.vocabulary))
        loss = self._nats(network, store, (picked[rows] for rows in parts))
        padded_sources, ends = store.ragged("source", picked)
        sources = [row[:end] for row, end in zip(padded_sources, ends, strict=True)]
        texts = [Raw.read(store, name, picked) for name in ("source_text", "target_text")]
        answers = self._answers(network, sources, beam=beam, tick=tick)
        written = [self._text(best[0], value) for best, value in zip(answers, texts[0], strict=True)]
        return {"loss": loss, **scores_of(written, texts[1], letters=self.target.level == "characters")}

    # use -----------------------------------------------------------------------------------------------------------
    def _most(self, length: int) -> int:
        """Tokens that the answer to a source of `length` may have: what nearly all training pairs needed, and some more."""
        return min(math.ceil(1.3 * self.ratio * (length + 1)) + 5, 2 * self.longest + 10)

    @property
    def never(self) -> list[int]:
        """An unknown word may stand where it is to be copied."""
        return [Vocabulary.pad] if self.model.copy_unknown else super().never

    def _answers(
        self,
        network: nn.Module,
        sources: Sequence[np.ndarray],
        *,
        beam: int,
        tick: Callable[[int], None] = silent,
        keep_weights: bool = False,
    ) -> list[list[Found]]:
        copies = self.model.copy_unknown
        if copies and (self.model.attention == "none" or self.target.level != "words"):
            raise SettingError(
                "copy_unknown is for words and wants attention: letters and subwords have no unknown words"
            )
        return super()._answers(network, sources, beam=beam, tick=tick, keep_weights=keep_weights or copies)

    def _text(self, found: Found, value: Any) -> str:
        """The answer spelt; with `copy_unknown` an unknown word becomes the source's word where attention looked most."""
        vocabulary = self.target.vocabulary
        if not self.model.copy_unknown or found.weights is None or vocabulary.unknown not in found.tokens:
            return vocabulary.decode(found.tokens)
        cut = self.source.cut(value)
        return vocabulary.decode(
            found.tokens, [cut[i] if i < len(cut) else "" for i in found.weights.argmax(-1).tolist()]
        )

    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        values = [self._value(example, number) for number, example in enumerate(examples, 1)]
        sources = self.source.encode(values) if values else []
        for number, source in enumerate(sources, 1):
            if said := self._too_long(len(source)):
                raise CallError(f"example {number}: {said}")
        results: list[dict[str, Any]] = [{"text": "", "score": 0.0} for _ in values]  # the answer to nothing is nothing
        asked = [row for row, source in enumerate(sources) if len(source)]
        answers = self._answers(
            network, [sources[row] for row in asked], beam=self.model.beam, keep_weights=self.model.weights
        )
        for row, best in zip(asked, answers, strict=True):
            results[row] = {"text": self._text(best[0], values[row]), "score": round(best[0].score, 6)}
            if self.model.weights:
                results[row]["attention"] = self._picture(best[0], values[row])
        return results

    def _picture(self, found: Found, value: Any) -> dict[str, Any]:
        """Where attention looked: for each token of the answer, its end mark too, the weight of each token of the source."""
        source = self.source.cut(value)
        target, weights = looked(found, self.target.vocabulary, len(source))
        return {"source": source, "target": target, "weights": weights}

    def _too_long(self, length: int) -> str | None:
        """What is wrong with a source of `length` tokens, or None."""
        if self.model.attention != "concat" or length <= self.positions:
            return None
        return (
            f"the source has {length} tokens, and attention by concat knows {self.positions}, the longest source seen in "
            "training; shorten it, or train with attention additive or dot"
        )

    def streams(self) -> tuple[bool, str]:
        return False, "an answer begins when the whole source was read"
