"""tag: a tag for each token (N to N). Names, chunks, parts of speech, slots with the intent of the sentence, ...

words and their spelling -> recurrent layers -> linear -> conditional random field, or the best tag of each token
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field as Setting
from torch import Tensor, nn

from ..data import schemes
from ..data.batching import LengthBatches
from ..data.files import suffixes
from ..data.rows import Source
from ..data.sources import TABLES
from ..data.store import Store
from ..data.tagged import as_tokens, looks_like_columns, open_tagged
from ..data.words import cut, join
from ..errors import CallError
from ..settings import RARE, DataSettings, ModelSettings, Settings
from .base import Batch, Reading, Say, Session, device_of
from .parts.encoder import Tokens
from .parts.fields import Field
from .parts.pretrained import Pretrained, PretrainedModel
from .parts.rows import EVALUATION_STEPS, padded
from .parts.tagfigures import span_figures, tag_figures
from .parts.tagger import Beside, Tagger, Taggers, Transitions, best_tags, row_losses
from .parts.tagstream import TagSession
from .parts.tokens import PAD, UNKNOWN, RowLabel, Tags, TokenField, TokenRow, Words, find_row_label
from .parts.tokens import Beside as BesideField

FEATURES = 32  # of a value beside a word
FEW_STEPS = 4_000_000  # tokens that one network reads in a whole run


class TagData(DataSettings):
    """Rows of tokens with a tag each."""

    column: str | None = Setting(None, description="column of the tags, by name or number")
    words: str | None = Setting(None, description="column of the words; found by itself")
    features: str | None = Setting(None, description="columns to read beside the words: upos,feats")
    intent: str | None = Setting(None, description="column of the row's label, or none")
    scheme: schemes.Scheme | None = Setting(None, description="how tags spell spans")
    level: Literal["words", "characters"] | None = Setting(None, description="what a token is")
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


class Tag(Pretrained):
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
        counts = [
            len(as_tokens(value) or ()) for field, value in zip(self.fields, values, strict=True) if field.sequence
        ]
        for field, count in zip(self.fields[1:], counts[1:], strict=False):
            if count != counts[0]:
                return field, f"has {count} entries for {counts[0]} words"
        return None

    def choose(self, reading: Reading) -> Settings:
        """Defaults from the number of rows and tokens.

        Tagged data is small and soon learnt by heart: half of everything is dropped, a fifth of the words is unknown, and
        the mean of four networks counts where they cost little. `benchmarks/quality.py` has the data this was tried on.
        """
        batch = 32 if reading.rows >= 2_000 else 16
        epochs = min(max(20.0, 4_000 * batch / max(reading.rows, 1)), 60.0)
        steps = epochs * reading.steps_of_time
        model: dict[str, Any] = {
            "hidden_size": 200,
            "num_layers": 1,
            "dropout": 0.5,
            "embedding_size": 100,
            "input_dropout": 0.5,
            "token_dropout": 0.2,
            "adversarial": 0.0,
            "members": 4 if steps <= FEW_STEPS else 2 if steps <= 4 * FEW_STEPS else 1,
            "crf": self.tags.scheme != "plain",
        }
        training = {
            "batch_size": batch,
            "learning_rate": 2e-3,
            "epochs": epochs,
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
            buckets=len(self.words.pieces) if self.words.spelling else None,
            frozen=model.vectors_frozen,
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
        losses = [
            self.row_losses(one, batch).sum() / batch.live for one in (scores if isinstance(scores, list) else [scores])
        ]
        return torch.stack(losses).mean(), None

    def _run(self, network: nn.Module, batch: Batch) -> Any:
        others = [batch.inputs[field.name] for field in self.beside]
        return network(batch.inputs["x"], batch.inputs["lengths"], others)

    def row_losses(self, output: Any, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
        return row_losses(output, batch.targets["tags"], batch.inputs["lengths"], batch.targets.get("intent"))

    # figures -------------------------------------------------------------------------------------------------------
    def evaluate(self, network: nn.Module, data: str | Path | None, tick: Callable[[int], None]) -> dict[str, Any]:
        if data is not None:
            self.tags.forget()
            if self.intent is not None:
                self.intent.unseen.clear()
        return super().evaluate(network, data, tick)

    @property
    def _at_once(self) -> int:
        """Rows of a batch in use: choosing the best path takes K^2 numbers for each."""
        return max(1, min(256, 2**25 // len(self.tags.tags) ** 2))

    def _evaluate_store(self, network: nn.Module, store: Store, tick: Callable[[int], None]) -> dict[str, Any]:
        lengths = store.lengths(self.words.name)
        K = len(self.tags.tags)
        predicted: list[list[int]] = [[] for _ in range(len(store))]
        intents = np.full(len(store), -2)
        total = tokens = 0.0
        device = device_of(network)
        for rows in LengthBatches(lengths, self._at_once, seed=0, max_tokens=EVALUATION_STEPS).in_order():
            batch = self._gather(store, rows, cut=False).to(device)
            known = (batch.targets["tags"] < K).all(1)  # a tag that training did not have has no probability
            batch.targets["tags"] = batch.targets["tags"].clamp(max=K - 1)
            scores = self._run(network, batch)
            total += float(self.row_losses(scores, batch)[known].sum())
            tokens += float(batch.inputs["lengths"][known].sum())
            for row, path, length in zip(
                rows, best_tags(scores, batch.inputs["lengths"]).tolist(), lengths[rows], strict=True
            ):
                predicted[row] = path[:length]
            if scores.intent is not None:
                intents[rows] = scores.intent.argmax(1).cpu().numpy()
            tick(len(rows))
        flat, ends = store.flat(self.tags.name).tolist(), np.cumsum(lengths)
        wanted = [flat[end - length : end] for end, length in zip(ends, lengths, strict=True)]
        found = {"loss": total / max(tokens, 1.0), **self.figures(predicted, {self.tags.name: wanted})}
        if self.intent is not None:
            found["intent_accuracy"] = float((intents == store.column(self.intent.name)).mean())
        if self.tags.unseen:
            found["unseen_tags"] = dict(self.tags.unseen)
        if self.intent is not None and self.intent.unseen:
            found["unseen_intents"] = dict(self.intent.unseen)
        return found

    def figures(self, outputs: Any, targets: Any) -> dict[str, Any]:
        """Of the tags by number, a list a row: predicted, and wanted under the field's name."""
        wanted, predicted = targets[self.tags.name], outputs
        right = sum(
            a == b for one, other in zip(wanted, predicted, strict=True) for a, b in zip(one, other, strict=True)
        )
        figures: dict[str, Any] = {"accuracy": right / max(sum(map(len, wanted)), 1)}
        true, guessed = ([self.tags.names(row) for row in part] for part in (wanted, predicted))
        assert self.tags.scheme is not None
        if self.tags.scheme == "plain":
            return figures | tag_figures(true, guessed)
        return figures | span_figures(true, guessed, self.tags.scheme)

    # use -----------------------------------------------------------------------------------------------------------
    def inputs(self, file: str) -> Iterator[Any] | None:
        """The rows of a table, or of a file that looks like one of columns."""
        path, encoding = Path(file), self.settings.data.encoding
        table = TABLES.get(suffixes(path)[0])
        if table == "jsonl" or not path.is_file() or (table is None and not looks_like_columns(path, encoding)):
            return None
        source = open_tagged(file, encoding=encoding)
        columns = {field.name: self._column(field, source) for field in (self.words, *self.beside)}
        return ({name: as_tokens(row.values[at]) for name, at in columns.items()} for row in source.rows())

    def _column(self, field: TokenField, source: Source) -> str:
        known = self.columns.get(field.name)
        return known if known in source.columns else field.find(source, ())

    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        rows = [self.tokens_of(example, number) for number, example in enumerate(examples, 1)]
        found: list[dict[str, Any]] = [self.decode([(row, [], None)])[0] for row in rows]
        full = np.flatnonzero([len(row.tokens) for row in rows])
        words = self.words.encode([rows[at].tokens for at in full])
        others = [field.encode([rows[at].beside[k] for at in full]) for k, field in enumerate(self.beside)]
        lengths = np.array([len(array) for array in words], np.int64)
        for part in LengthBatches(lengths, self._at_once, seed=0, max_tokens=EVALUATION_STEPS).in_order():
            device = device_of(network)
            x, *beside = (padded([arrays[at] for at in part]).to(device) for arrays in (words, *others))
            live = torch.from_numpy(lengths[part]).to(device)
            scores = network(x, live, beside)
            paths = best_tags(scores, live).tolist()
            intents = [None] * len(part) if scores.intent is None else list(scores.intent.float().softmax(1).cpu())
            for at, path, intent in zip(full[part], paths, intents, strict=True):
                found[at] = self.decode([(rows[at], path[: len(rows[at].tokens)], intent)])[0]
        return found

    def decode(self, outputs: Any) -> list[dict[str, Any]]:
        """One JSON object for each (tokens, their tags by number, probabilities of the intents or None)."""
        return [self._decoded(*output) for output in outputs]

    def _decoded(self, row: TokenRow, path: Sequence[int], intent: Tensor | None) -> dict[str, Any]:
        tags = self.tags.names(path)
        found: dict[str, Any] = {"tokens": row.tokens, "tags": tags}
        if row.offsets is not None:
            found["offsets"] = [list(pair) for pair in row.offsets]
        assert self.tags.scheme is not None
        if self.tags.scheme != "plain":
            found["spans"] = [self._span(row, span) for span in schemes.spans(tags, self.tags.scheme)]
        if self.intent is not None:
            best = None if intent is None else int(intent.argmax())
            found["intent"] = None if best is None else self.intent.classes[best]
            found["intent_probability"] = None if best is None or intent is None else round(float(intent[best]), 6)
        return found

    def _span(self, row: TokenRow, span: schemes.Span) -> dict[str, Any]:
        """Its type, its text, its tokens from `begin` to before `end`, and in raw text the characters likewise."""
        tokens = row.tokens[span.begin : span.end]
        found: dict[str, Any] = {"type": span.type, "begin": span.begin, "end": span.end}
        if row.offsets is None or row.text is None:
            return {**found, "text": "".join(tokens) if self.words.level == "characters" else join(tokens)}
        first, last = row.offsets[span.begin][0], row.offsets[span.end - 1][1]
        return {**found, "text": row.text[first:last], "characters": [first, last]}

    def tokens_of(self, example: Any, number: int = 1) -> TokenRow:
        """An example as tokens: raw text, which is cut; a list of tokens; or an object with either, and what is beside."""
        value = self._input_value(example)
        where = f"example {number}: {self.words.name} "
        if isinstance(value, str):
            if self.beside:
                raise CallError(
                    f"{where}are raw text, but this run also reads {self._beside_names()} beside each word: give lists"
                )
            assert self.words.level is not None
            tokens, offsets = cut(value, self.words.level)
            return TokenRow(tokens, offsets, value, [])
        if not isinstance(value, list):
            raise CallError(f"{where}is {value!r:.40}; wanted text or a list of tokens")
        if value and (said := self.words.check(value)):
            raise CallError(f"{where}{said}")
        beside = []
        for field in self.beside:
            given = (
                next((example[name] for name in self._names(field) if name in example), None)
                if isinstance(example, dict)
                else None
            )
            if given is None:
                raise CallError(
                    f"example {number}: this run also reads {self._beside_names()} beside each word; give an object with them"
                )
            if len(as_tokens(given) or ()) != len(value):
                raise CallError(
                    f"example {number}: {field.asked} has {len(as_tokens(given) or ())} entries for {len(value)} words"
                )
            beside.append(given)
        return TokenRow([str(token) for token in value], None, None, beside)

    def _names(self, field: Field) -> list[str]:
        return [name for name in (self.columns.get(field.name), field.asked, field.name) if name]

    def _beside_names(self) -> str:
        return ", ".join(str(field.asked) for field in self.beside)

    def _input_value(self, example: Any) -> Any:
        if isinstance(example, dict) and not any(name in example for name in self._names(self.words)):
            for name in ("tokens", "text"):  # as predict itself writes them
                if name in example:
                    return example[name]
        return super()._input_value(example)

    def streams(self) -> tuple[bool, str]:
        if getattr(self.settings.model, "crf", False):
            both = "bidirectional=false --set crf=false" if self.settings.model.bidirectional else "crf=false"  # type: ignore[attr-defined]
            return False, f"a conditional random field chooses all tags together, at the end; --set {both} streams"
        return super().streams()

    def session(self, network: nn.Module) -> Session:
        if not self.streams()[0]:
            return super().session(network)
        return TagSession(network, self.words, self.beside, self.tokens_of, lambda *found: self.decode([found])[0])
