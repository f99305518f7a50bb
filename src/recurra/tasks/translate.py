"""translate: a sequence for each sequence (N to M). Translation, dates, letters to sounds, summaries, answers.

    source -> encoder -> attention <-> decoder -> target

Pairs come from two parallel files or from two columns of a table; several source columns are read as one, with an end mark
between them. The decoder is taught with the true target before each step (teacher forcing), as far as the schedule says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field as Setting
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.batching import LengthBatches
from ..data.store import Store
from ..data.vocabulary import Vocabulary
from ..errors import CallError, DataError, SettingError
from ..nn.attention import attention
from ..settings import RARE, ClassTraining, DataSettings, ModelSettings, Settings, TrainingSettings
from .base import Batch, Reading, device_of
from .parts.decoder import Decoder
from .parts.encoder import Tokens
from .parts.forcing import forcing_share, mixed
from .parts.pairreader import PairData, PairReader
from .parts.pairs import Raw, Side
from .parts.rows import evenly, padded
from .parts.search import Found, search
from .parts.seq2seq import Encoder, SequenceToSequence, shifted
from .parts.textscores import scores_of

SEARCHED = 1000  # rows of the held-back part that are looked at in each evaluation of a training run
SCORES = 1 << 25  # numbers that the output layer gives at once in evaluation
BEAMS = 256  # answers followed at once


class TranslateModel(ModelSettings):
    """Encoder, attention, decoder."""

    hidden_size: int | None = Setting(None, ge=2, description="of the decoder; the encoder has half of it each way")
    num_layers: int | None = Setting(None, ge=1, le=64, description="recurrent layers of the decoder")
    encoder_layers: int = Setting(1, ge=1, le=64, description="those of the encoder", json_schema_extra=RARE)
    bidirectional: bool = Setting(True, description="the encoder reads both ways")
    embedding_size: int | None = Setting(None, ge=1, description="features of a token's vector")
    attention: Literal["additive", "dot", "concat", "none"] = Setting("additive", description="score")
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


class TranslateTraining(ClassTraining):
    """The training run."""

    label_smoothing: float = Setting(0.1, ge=0, lt=1, description="share of the target spread over all tokens")
    teacher_forcing: float = Setting(1.0, ge=0, le=1, description="share of true tokens given at the end")
    forcing_schedule: Literal["constant", "linear", "sigmoid"] = Setting(
        "linear", description="how that share falls from 1", json_schema_extra=RARE
    )
    metric: Literal["bleu", "chrf", "exact_match", "token_error_rate", "loss"] | None = Setting(
        None, description="the figure that picks the best weights", json_schema_extra=RARE
    )


class Translate(PairReader):
    """See the module's docstring."""

    name: ClassVar[str] = "translate"
    structure: ClassVar[str] = "N to M"
    summary: ClassVar[str] = "a text for each text: translation, dates, letters to sounds, summaries, answers"
    Data: ClassVar[type[DataSettings]] = PairData
    Model: ClassVar[type[ModelSettings]] = TranslateModel
    Training: ClassVar[type[TrainingSettings]] = TranslateTraining
    in_use: ClassVar[tuple[str, ...]] = (
        *("model.beam", "model.length_penalty", "model.copy_unknown", "model.weights"),
        *("data.target", "data.broken", "data.encoding"),
    )

    @property
    def model(self) -> TranslateModel:
        assert isinstance(self.settings.model, TranslateModel)
        return self.settings.model

    @property
    def training(self) -> TranslateTraining:
        assert isinstance(self.settings.training, TranslateTraining)
        return self.settings.training

    @property
    def metric(self) -> str:  # type: ignore[override]
        return self.training.metric or "loss"

    @property
    def higher_is_better(self) -> bool:  # type: ignore[override]
        return self.metric in ("bleu", "chrf", "exact_match")

    def choose(self, reading: Reading) -> Settings:
        """Defaults from the number of pairs, their lengths, and what a token is.

        Letters and sounds need less room than words and their meaning. A pair that is ten times seen is learnt by heart.
        """
        lengths = np.maximum(reading.facts["lengths"], reading.facts["targets"])
        longest = max(min(int(np.quantile(lengths, 0.999)), 400), 8)
        subwords = "subwords" in (self.source.level, self.target.level)
        data = {
            "source_level": self.source.level,
            "target_level": self.target.level,
            "shared": self.target.same_as is not None,
            "max_length": longest,
        }
        model = {
            "hidden_size": 512 if subwords else 256,
            "num_layers": 2,
            "feed": "between",
            "embedding_size": 256 if subwords else 128,
            "dropout": 0.3 if subwords else 0.2,
            "input_dropout": 0.2 if subwords else 0.0,
            "token_dropout": 0.0,
            "tied": True,
        }
        training = {
            "batch_size": 64,
            "learning_rate": 1e-3 if subwords else 2e-3,
            "epochs": float(min(max(2_000_000 / max(reading.rows, 1), 20.0), 100.0)),
            "averaging": 0.998,
            "patience": 8,
            "metric": "bleu" if self.target.level == "subwords" else "token_error_rate",
        }
        settings = self.settings.with_open(data=data, model=model, training=training)
        kept = settings.data.max_length  # type: ignore[attr-defined]
        if over := int((lengths > kept).sum()):
            reading.lines.append(
                f"{over:,} pairs with more than {kept} tokens on a side are not trained on (max_length)"
            )
        if over == len(lengths):
            raise SettingError(f"max_length is {kept}, and every pair has more tokens; make it larger")
        if len(self.stores["valid"]) > SEARCHED:
            reading.lines.append(
                f"while training, figures are of {SEARCHED:,} held-back pairs, evenly picked, without a beam"
            )
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
    def train_batches(self, epoch: int) -> Sequence[np.ndarray]:
        if not hasattr(self, "batches"):
            store, most = self.stores["train"], self.data.max_length
            s, t = store.lengths("source"), store.lengths("target")
            assert self.training.batch_size is not None  # choose() has filled it
            self.kept = np.flatnonzero(np.maximum(s, t) <= (math.inf if most is None else most))
            self.lengths = s + t + 1
            self.batches = LengthBatches(self.lengths[self.kept], self.training.batch_size, seed=self.training.seed)
        return [self.kept[rows] for rows in self.batches.epoch(epoch)]

    def cost(self, keys: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([len(rows) * int(self.lengths[rows].max()) for rows in keys])

    def padding(self, epoch: int = 0) -> float:
        """Share of an epoch's computed steps that is padding."""
        return self.batches.padding_share(self.batches.epoch(epoch))

    def batch(self, key: np.ndarray) -> Batch:
        return self._gather(self.stores["train"], key)

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

    def loss(self, network: nn.Module, batch: Batch, state: Any) -> tuple[Tensor, Any]:
        x, lengths, tokens, steps = (batch.inputs[name] for name in ("x", "lengths", "tokens", "steps"))
        share = forcing_share(self.training.forcing_schedule, self.training.teacher_forcing, self.progress)
        if share < 1:
            with torch.no_grad():
                guess = network(x, lengths, tokens, steps)
            tokens = mixed(tokens, guess.scores, guess.live, share)
        answer = network(x, lengths, tokens, steps)
        wanted = batch.targets["next"][answer.live]
        return F.cross_entropy(answer.scores, wanted, label_smoothing=self.training.label_smoothing), None

    # figures -------------------------------------------------------------------------------------------------------
    def evaluate(self, network: nn.Module, data: str | Path | None, tick: Callable[[int], None]) -> dict[str, Any]:
        if data is None:
            return self._evaluate_store(network, self.stores["valid"], tick, beam=1, most=SEARCHED)
        with self.stored(data) as store:
            lengths = store.lengths("source")
            if said := self._too_long(int(lengths.max())):
                raise DataError(said, file=data, row=int(lengths.argmax()) + 1)
            return self._evaluate_store(network, store, tick, beam=self.model.beam, most=len(store))

    def _evaluate_store(
        self, network: nn.Module, store: Store, tick: Callable[[int], None], *, beam: int, most: int
    ) -> dict[str, Any]:
        """The figures of `most` rows, evenly picked: the loss a token, the others from the answers."""
        device = device_of(network)
        picked = evenly(len(store), most)
        lengths = (store.lengths("source") + store.lengths("target") + 1)[picked]
        nats, tokens = 0.0, 0
        for rows in LengthBatches(lengths, 256, max_tokens=max(SCORES // len(self.target.vocabulary), 1)).in_order():
            batch = self._gather(store, picked[rows]).to(device)
            answer = network(*(batch.inputs[name] for name in ("x", "lengths", "tokens", "steps")))
            wanted = batch.targets["next"][answer.live]
            nats += F.cross_entropy(answer.scores.float(), wanted, reduction="sum").item()
            tokens += len(wanted)
        padded_sources, ends = store.ragged("source", picked)
        sources = [row[:end] for row, end in zip(padded_sources, ends, strict=True)]
        texts = [Raw.read(store, name, picked) for name in ("source_text", "target_text")]
        answers = self._answers(network, sources, beam=beam, tick=tick)
        written = [self._text(best[0], value) for best, value in zip(answers, texts[0], strict=True)]
        return {"loss": nats / tokens, **scores_of(written, texts[1], letters=self.target.level == "characters")}

    # use -----------------------------------------------------------------------------------------------------------
    def _most(self, length: int) -> int:
        """Tokens that the answer to a source of `length` may have: what nearly all training pairs needed, and some more."""
        return min(math.ceil(1.3 * self.ratio * (length + 1)) + 5, 2 * self.longest + 10)

    def _answers(
        self,
        network: nn.Module,
        sources: Sequence[np.ndarray],
        *,
        beam: int,
        tick: Callable[[int], None] = lambda _: None,
        keep_weights: bool = False,
    ) -> list[list[Found]]:
        """The answers to each encoded source, best first."""
        device, copies = device_of(network), self.model.copy_unknown
        if copies and (self.model.attention == "none" or self.target.level != "words"):
            raise SettingError(
                "copy_unknown is for words and wants attention: letters and subwords have no unknown words"
            )
        lengths = np.array([len(source) for source in sources])
        answers: list[list[Found]] = [[] for _ in sources]
        for rows in LengthBatches(lengths, max(BEAMS // beam, 1)).in_order():
            x = padded([sources[row] for row in rows])
            state = network.start(x.to(device), torch.from_numpy(lengths[rows]).to(device))  # type: ignore[operator]
            found = search(
                network.step,  # type: ignore[arg-type]
                state,
                [self._most(int(length)) for length in lengths[rows]],
                start=Vocabulary.end,
                end=Vocabulary.end,
                beam=beam,
                alpha=self.model.length_penalty,
                never=[Vocabulary.pad] if copies else [Vocabulary.pad, Vocabulary.unknown],
                keep_weights=keep_weights or copies,
            )
            for row, best in zip(rows, found, strict=True):
                answers[row] = best
            tick(len(rows))
        return answers

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
        if found.weights is None:
            raise SettingError("weights are asked for, and this run has no attention (attention is none)")
        source = self.source.cut(value)
        target = [self.target.vocabulary.decode([token]) for token in found.tokens]
        weights = [[round(weight, 4) for weight in row[: len(source)]] for row in found.weights.tolist()]
        return {"source": source, "target": [*target, "<end>"][: len(weights)], "weights": weights}

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
