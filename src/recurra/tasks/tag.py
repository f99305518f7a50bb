"""tag: a tag for each token (N to N). Names, chunks, parts of speech, slots with the intent of the sentence, ...

    words and their spelling -> recurrent layers -> linear -> conditional random field, or the best tag of each token
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field as Setting
from torch import Tensor, nn

from ..data import schemes
from ..data.batching import LengthBatches
from ..data.rows import Source
from ..data.spelling import BUCKETS
from ..data.store import Store
from ..data.tagged import as_tokens, open_tagged
from ..errors import CallError, DataError
from ..files import read_json
from ..settings import DataSettings, ModelSettings, Settings
from .base import Batch, Reading, Say, Session, device_of
from .parts.encoder import EncoderModel, Tokens
from .parts.fields import Field
from .parts.rows import EVALUATION_STEPS, RowTask, padded
from .parts.tagger import Beside, Scores, Tagger, Taggers, Transitions, best_tags, row_losses
from .parts.tokens import PAD, UNKNOWN, RowLabel, Tags, Words, find_row_label
from .parts.tokens import Beside as BesideField

FEATURES = 32  # of a value beside a word


class TagData(DataSettings):
    """Rows of tokens with a tag each."""

    column: str | None = Setting(None, description="column of the tags, a name or a number; found by itself")
    words: str | None = Setting(None, description="column of the words; found by itself")
    features: str | None = Setting(None, description="further columns to read beside the words, with commas between")
    intent: str | None = Setting(None, description="column of the row's label; found by itself; 'none' to leave it out")
    scheme: schemes.Scheme | None = Setting(None, description="how tags spell spans; found by itself")
    level: Literal["words", "characters"] | None = Setting(None, description="what a token is")
    vocabulary_size: int = Setting(30_000, ge=10, description="words kept, the most frequent")
    min_count: int | None = Setting(None, ge=1, description="rarer words are unknown (2)")
    spelling: bool | None = Setting(None, description="know words by their letters, characters by those around (yes)")


class TagModel(EncoderModel):
    """A tagger."""

    pooling: Literal["last", "mean", "max", "attention", "mean_max"] = Setting(
        "mean_max", description="from all outputs to the one vector that the intent is told from"
    )
    embedding_size: int | None = Setting(None, ge=1, description="features of a word's vector")
    token_dropout: float | None = Setting(None, ge=0, lt=1, description="share of words made unknown in training")
    crf: bool | None = Setting(None, description="tags are chosen together (yes where they spell spans), not each alone")


class Tag(RowTask):
    """See the module's docstring."""

    name: ClassVar[str] = "tag"
    structure: ClassVar[str] = "N to N"
    summary: ClassVar[str] = "a tag for each word or character: names, chunks, parts of speech, slots and intents"
    higher_is_better: ClassVar[bool] = True
    Data: ClassVar[type[DataSettings]] = TagData
    Model: ClassVar[type[ModelSettings]] = TagModel

    def __init__(self, settings: Settings, **given: Any) -> None:
        super().__init__(settings, **given)
        data, model = settings.data, settings.model
        assert isinstance(data, TagData) and isinstance(model, TagModel)
        self.words = Words(
            "words",
            data.words,
            level=data.level,
            size=data.vocabulary_size,
            min_count=data.min_count,
            spelling=data.spelling,
            ahead=model.bidirectional,
        )
        self.tags = Tags("tags", data.column, data.scheme)
        asked = [name.strip() for name in (data.features or "").split(",") if name.strip()]
        self.beside = [BesideField(f"beside{at}", column) for at, column in enumerate(asked, 1)]
        self.intent: RowLabel | None = None
        self.fields = [self.words, self.tags, *self.beside]
        if data.intent not in (None, "none"):
            self._add_intent(data.intent)

    def _add_intent(self, asked: str | None) -> None:
        self.intent = RowLabel("intent", asked)
        self.fields = [*self.fields, self.intent]

    @property
    def metric(self) -> str:  # type: ignore[override]
        """Spans are what counts where there are any."""
        return "accuracy" if self.tags.scheme == "plain" else "f1"

    # reading -------------------------------------------------------------------------------------------------------
    def read(
        self, data: str | Path, valid: str | Path | None, cache: Path, say: Say, tick: Callable[[int], None]
    ) -> Reading:
        source = self._source(data)
        settings = self.settings.data
        if self.intent is None and settings.intent is None and find_row_label(source, ()):  # type: ignore[attr-defined]
            self._add_intent(None)
        reading = super().read(data, valid, cache, say, tick)
        at = self.columns
        beside = "".join(f", {at[field.name]} beside them" for field in self.beside)
        intent = "" if self.intent is None else f", {at['intent']} of the whole row"
        reading.lines.insert(0, f"{source.format}: words {at['words']}, tags {at['tags']}{beside}{intent}")
        return reading

    def _source(self, data: str | Path) -> Source:
        settings = self.settings.data
        return open_tagged(data, encoding=settings.encoding, skip_broken=settings.broken == "skip")

    def _wrong(self, values: Sequence[Any]) -> tuple[Field, str] | None:
        """As for every row; and each token has one of everything."""
        if wrong := super()._wrong(values):
            return wrong
        counts = [len(as_tokens(value) or ()) for field, value in zip(self.fields, values, strict=True) if field.sequence]
        for field, count in zip(self.fields[1:], counts[1:], strict=False):
            if count != counts[0]:
                return field, f"has {count} entries for {counts[0]} words"
        return None

    def load_vocabulary(self, folder: Path) -> None:
        super().load_vocabulary(folder)

    def choose(self, reading: Reading) -> Settings:
        """Defaults from the number of tokens and what they are."""
        words = self.words.level == "words"
        model: dict[str, Any] = {
            "hidden_size": 200,
            "num_layers": 1,
            "dropout": 0.5,
            "embedding_size": 128,
            "input_dropout": 0.3,
            "token_dropout": 0.1,
            "members": 1,
            "crf": self.tags.scheme != "plain",
        }
        training = {
            "batch_size": 32 if reading.rows >= 2_000 else 16,
            "learning_rate": 2e-3,
            "epochs": 20.0,
            "averaging": 0.99,
            "patience": 8,
        }
        data = {
            "scheme": self.tags.scheme,
            "level": self.words.level,
            "spelling": self.words.spelling,
            "intent": "none" if self.intent is None else self.columns["intent"],
        }
        return self.settings.with_open(data=data, model=model, training=training)

    # network -------------------------------------------------------------------------------------------------------
    @property
    def outputs(self) -> int:
        return len(self.tags.tags)

    def network(self) -> nn.Module:
        model = self.settings.model
        assert isinstance(model, TagModel)
        members = [self._tagger(model) for _ in range(model.members or 1)]
        return members[0] if len(members) == 1 else Taggers(members)

    def _tagger(self, model: TagModel) -> Tagger:
        assert model.embedding_size and model.hidden_size and model.num_layers  # choose() has filled them
        words = Tokens(
            len(self.words),
            model.embedding_size,
            model.token_dropout or 0.0,
            pad=PAD,
            unknown=UNKNOWN,
            buckets=BUCKETS if self.words.spelling else None,
        )
        assert self.tags.scheme is not None
        return Tagger(
            Beside(words, [len(field) for field in self.beside], FEATURES),
            model.embedding_size + FEATURES * len(self.beside),
            self.cell,
            tags=len(self.tags.tags),
            transitions=Transitions(schemes.follows(self.tags.tags, self.tags.scheme)) if model.crf else None,
            intents=0 if self.intent is None else len(self.intent.classes),
            hidden_size=model.hidden_size,
            num_layers=model.num_layers,
            bidirectional=model.bidirectional,
            pooling=model.pooling,
            dropout=model.dropout or 0.0,
            input_dropout=model.input_dropout or 0.0,
            backend=model.backend,
        )

    # training ------------------------------------------------------------------------------------------------------
    def _gather(self, store: Store, rows: np.ndarray, *, cut: bool) -> Batch:
        x, lengths = store.ragged(self.words.name, rows)
        inputs = {"x": torch.from_numpy(x), "lengths": torch.from_numpy(lengths)}
        for field in self.beside:
            inputs[field.name] = torch.from_numpy(store.ragged(field.name, rows)[0])
        targets = {"tags": torch.from_numpy(store.ragged(self.tags.name, rows)[0]).long()}
        if self.intent is not None:
            targets["intent"] = torch.from_numpy(np.array(store.column(self.intent.name)[rows]))
        return Batch(inputs, targets, int(lengths.sum()), int(x.shape[0] * x.shape[1]))

    def loss(self, network: nn.Module, batch: Batch, state: Any) -> tuple[Tensor, Any]:
        """Nats of the tags, and the intent if there is one, a token: the mean over the members."""
        scores = self._run(network, batch)
        losses = [self.losses(one, batch).sum() / batch.live for one in (scores if isinstance(scores, list) else [scores])]
        return torch.stack(losses).mean(), None

    def _run(self, network: nn.Module, batch: Batch) -> Any:
        others = [batch.inputs[field.name] for field in self.beside]
        return network(batch.inputs["x"], batch.inputs["lengths"], others)

    def losses(self, scores: Scores, batch: Batch) -> Tensor:
        """(B,)"""
        return row_losses(scores, batch.targets["tags"], batch.inputs["lengths"], batch.targets.get("intent"))

    def row_losses(self, output: Any, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
        return self.losses(output, batch)

    # figures -------------------------------------------------------------------------------------------------------
    def evaluate(self, network: nn.Module, data: str | Path | None, tick: Callable[[int], None]) -> dict[str, Any]:
        if data is not None:
            self.tags.forget()
            if self.intent is not None:
                self.intent.unseen.clear()
        return super().evaluate(network, data, tick)

    def _evaluate_store(self, network: nn.Module, store: Store, tick: Callable[[int], None]) -> dict[str, Any]:
        lengths = store.lengths(self.words.name)
        K = len(self.tags.tags)
        predicted: list[list[int]] = [[] for _ in range(len(store))]
        intents = np.full(len(store), -2)
        total = tokens = 0.0
        device = device_of(network)
        for rows in LengthBatches(lengths, 256, seed=0, max_tokens=EVALUATION_STEPS).in_order():
            batch = self._gather(store, rows, cut=False).to(device)
            known = (batch.targets["tags"] < K).all(1)  # a tag that training did not have has no probability
            batch.targets["tags"] = batch.targets["tags"].clamp(max=K - 1)
            scores = self._run(network, batch)
            total += float(self.losses(scores, batch)[known].sum())
            tokens += float(batch.inputs["lengths"][known].sum())
            for row, path, length in zip(rows, best_tags(scores, batch.inputs["lengths"]).tolist(), lengths[rows], strict=True):
                predicted[row] = path[:length]
            if scores.intent is not None:
                intents[rows] = scores.intent.argmax(1).cpu().numpy()
            tick(len(rows))
        flat, ends = store.flat(self.tags.name).tolist(), np.cumsum(lengths)
        wanted = [flat[end - length : end] for end, length in zip(ends, lengths, strict=True)]
        found = {"loss": total / max(tokens, 1.0), **self._figures(wanted, predicted)}
        if self.intent is not None:
            found["intent_accuracy"] = float((intents == store.column(self.intent.name)).mean())
        if self.tags.unseen:
            found["unseen_tags"] = dict(self.tags.unseen)
        if self.intent is not None and self.intent.unseen:
            found["unseen_intents"] = dict(self.intent.unseen)
        return found

    def _figures(self, wanted: Sequence[Sequence[int]], predicted: Sequence[Sequence[int]]) -> dict[str, Any]:
        from .parts.tagfigures import span_figures, tag_figures

        right = sum(a == b for one, other in zip(wanted, predicted, strict=True) for a, b in zip(one, other, strict=True))
        figures: dict[str, Any] = {"accuracy": right / max(sum(map(len, wanted)), 1)}
        true, guessed = ([self.tags.names(row) for row in part] for part in (wanted, predicted))
        if self.tags.scheme == "plain":
            return figures | tag_figures(true, guessed)
        assert self.tags.scheme is not None
        return figures | span_figures(true, guessed, self.tags.scheme)

    def figures(self, outputs: Tensor, targets: dict[str, Tensor]) -> dict[str, Any]:
        raise NotImplementedError

    def decode(self, outputs: Tensor) -> list[dict[str, Any]]:
        raise NotImplementedError
