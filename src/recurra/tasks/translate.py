"""translate: a sequence for each sequence (N to M). Translation, dates, letters to sounds, summaries, answers.

    source -> encoder -> attention <-> decoder -> target

Pairs come from two parallel files or from two columns of a table; several source columns are read as one, with an end mark
between them. The decoder is taught with the true target before each step (teacher forcing), as far as the schedule says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field as Setting
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.batching import LengthBatches
from ..data.files import suffixes
from ..data.parallel import Joined, Parallel
from ..data.report import DataReport
from ..data.sources import TABLES, Source, locate, open_source
from ..data.store import Store
from ..data.vocabulary import Level, Vocabulary
from ..errors import CallError, DataError, SettingError
from ..files import read_json, write_json
from ..nn.attention import attention
from ..settings import RARE, ClassTraining, DataSettings, ModelSettings, Settings, TrainingSettings
from .base import Batch, Reading, Say, device_of
from .parts.decoder import Decoder
from .parts.encoder import Tokens
from .parts.forcing import forcing_share, mixed
from .parts.pairs import Raw, Side, alike, levels
from .parts.rows import RowReader, padded
from .parts.search import Found, search
from .parts.seq2seq import Encoder, SequenceToSequence
from .parts.textscores import scores_of

SEARCHED = (
    1000  # rows of the held-back part that are translated at each evaluation of a training run; the loss is of all
)
SCORES = 1 << 25  # numbers that the output layer gives at once in evaluation
BEAMS = 256  # answers followed at once


class TranslateData(DataSettings):
    """Pairs of texts."""

    source: str | None = Setting(None, description="source column; several joined by commas")
    target: str | None = Setting(None, description="target column; of a plain text the other file")
    valid_target: str | None = Setting(None, description="other file of --valid")
    level: Level | None = Setting(None, description="what a token is")
    source_level: Level | None = Setting(None, description="the same, of the source alone", json_schema_extra=RARE)
    target_level: Level | None = Setting(None, description="the same, of the target alone", json_schema_extra=RARE)
    vocabulary_size: int | None = Setting(None, ge=10, description="most frequent tokens kept on a side")
    min_count: int | None = Setting(None, ge=1, description="rarer tokens are unknown", json_schema_extra=RARE)
    shared: bool | None = Setting(None, description="one vocabulary for both sides")
    max_length: int | None = Setting(
        None, ge=1, description="pairs with more tokens on a side are not trained on", json_schema_extra=RARE
    )


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


class Translate(RowReader):
    """See the module's docstring."""

    name: ClassVar[str] = "translate"
    structure: ClassVar[str] = "N to M"
    summary: ClassVar[str] = "a text for each text: translation, dates, letters to sounds, summaries, answers"
    Data: ClassVar[type[DataSettings]] = TranslateData
    Model: ClassVar[type[ModelSettings]] = TranslateModel
    Training: ClassVar[type[TrainingSettings]] = TranslateTraining
    in_use: ClassVar[tuple[str, ...]] = (
        *("model.beam", "model.length_penalty", "model.copy_unknown", "model.weights"),
        *("data.target", "data.broken", "data.encoding"),
    )

    def __init__(self, settings: Settings, **given: Any) -> None:
        super().__init__(settings, **given)
        data = self.data
        self.source = Side("source", data.source, data.min_count)
        self.target = Side("target", data.target, data.min_count)
        self.fields = [self.source, self.target, Raw("source_text"), Raw("target_text")]
        self.files: dict[str, str | None] = {}  # of a plain text the file of its other side, while training
        self.ratio, self.longest, self.positions = 1.0, 1, 1
        self.trained_on = ["", ""]  # the two files, where the run was trained on such

    @property
    def data(self) -> TranslateData:
        assert isinstance(self.settings.data, TranslateData)
        return self.settings.data

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

    @property
    def parts(self) -> list[str]:
        """The columns that are the source."""
        return [part.strip() for part in (self.data.source or "").split(",")]

    # reading -------------------------------------------------------------------------------------------------------
    def read(
        self, data: str | Path, valid: str | Path | None, cache: Path, say: Say, tick: Callable[[int], None]
    ) -> Reading:
        self.files = {str(data): self.data.target}
        if valid is not None:
            self.files[str(valid)] = self.data.valid_target
        reading = super().read(data, valid, cache, say, tick)
        if self.columns["source_text"] == "source" and (other := self.data.target) and self.target.asked is None:
            self.trained_on = [str(Path(file).resolve()) for file in (data, other)]
        train = self.stores["train"]
        if not len(train) or not len(self.stores["valid"]):
            raise DataError("too few pairs to train on and to check with", file=data)
        s, t = train.lengths("source"), train.lengths("target")
        self.ratio, self.longest = float(np.quantile((t + 1) / (s + 1), 0.999)), int(t.max())
        self.positions = max(int(store.lengths("source").max()) for store in self.stores.values())
        reading.facts |= {"targets": t}
        reading.lines.append(
            f"source {s.mean():.1f} {self.source.level} on average, target {t.mean():.1f} {self.target.level}"
        )
        return reading

    def _source(self, data: str | Path) -> Source:
        settings = self.data
        skip = settings.broken == "skip"
        if not str(data).startswith("hf:"):
            path, _ = locate(data)
            if path.is_file() and suffixes(path)[0] not in TABLES:
                return Parallel(path, self._other(data), encoding=settings.encoding, skip_broken=skip)
        source = open_source(data, encoding=settings.encoding, skip_broken=skip)
        return Joined(source, self.parts, settings.source or "") if len(self.parts) > 1 else source

    def _other(self, data: str | Path) -> Path:
        """The file of the other side of a plain text."""
        flag = "--target " if str(data) == next(iter(self.files), None) else "--valid-target "
        if not self.files:  # a trained run, whose setting is the file that it was trained with
            flag = "--set target="
        other = self.files.get(str(data)) if self.files else self.data.target
        sides = [str(Path(file).resolve()) for file in (data, other or "")]
        if other is None or (not self.files and sides[1] == self.trained_on[1] and sides[0] != self.trained_on[0]):
            raise DataError(
                f"is one side of the pairs; name the file of the other, line by line, with {flag}FILE",
                file=data,
            )
        return Path(other).expanduser()

    def _columns(self, source: Source) -> dict[str, str]:
        if isinstance(source, Parallel):
            found = {"source": "source", "target": "target"}
            self.target.asked = None
        else:
            named = self.data.target
            of_files = named is not None and named not in source.columns and Path(named).is_file()
            self.target.asked = None if of_files else named  # the run was trained on two files, and this is a table
            sides = self.fields
            self.fields = sides[:2]
            found = super()._columns(source)
            self.fields = sides
            if found["source"] == found["target"]:
                raise DataError(f"source and target are both {found['source']!r}; name them apart", file=source.path)
        return found | {"source_text": found["source"], "target_text": found["target"]}

    def _survey(
        self, source: Source, columns: dict[str, str], tick: Callable[[int], None]
    ) -> tuple[DataReport, np.ndarray]:
        """Decide what the sides are cut into, from the first rows and their number; then as every task over rows."""
        data, sample, count = self.data, list[list[Any]](), 0
        for row in self._rows(source, columns):
            if len(sample) < 1000:
                sample.append(row)
            count += 1
        sources, targets = [row[0] for row in sample], [row[1] for row in sample]
        of_source, of_target = levels(sources, targets)
        self.source.level = data.source_level or data.level or of_source
        self.target.level = data.target_level or data.level or of_target
        same = self.source.level == self.target.level
        if data.shared and not same:
            raise SettingError(
                f"shared is true, and the source is cut into {self.source.level}, the target into {self.target.level}; "
                "set one level for both, or leave shared out"
            )
        shared = data.shared
        if shared is None:
            shared = same and self.source.level == "subwords" and alike(sources, targets)
        size = 2_000 if count < 5_000 else 4_000 if count < 15_000 else 8_000 if count < 300_000 else 16_000
        for side in (self.source, self.target):
            side.size = data.vocabulary_size or (size if side.level == "subwords" else 30_000)
        if shared:
            self.source.also = lambda: (row[1] for row in self._rows(source, columns))
            self.target.same_as = self.source
        return super()._survey(source, columns, tick)

    def save_vocabulary(self, folder: Path) -> None:
        super().save_vocabulary(folder)
        facts = {"files": self.trained_on, "ratio": self.ratio, "longest": self.longest, "positions": self.positions}
        write_json(folder / "translate.json", facts)

    def load_vocabulary(self, folder: Path) -> None:
        super().load_vocabulary(folder)
        facts = read_json(folder / "translate.json")
        self.trained_on = [str(file) for file in facts["files"]]
        self.ratio, self.longest, self.positions = float(facts["ratio"]), int(facts["longest"]), int(facts["positions"])

    def choose(self, reading: Reading) -> Settings:
        """Defaults from the number of pairs, their lengths, and what a token is.

        Letters and sounds need less room than words and their meaning. A pair that is ten times seen is learnt by heart.
        """
        lengths = np.maximum(reading.facts["lengths"], reading.facts["targets"])
        longest = max(min(int(np.quantile(lengths, 0.999)), 400), 8)
        subwords = self.target.level == "subwords" or self.source.level == "subwords"
        shared = self.target.same_as is not None
        data = {
            "source_level": self.source.level,
            "target_level": self.target.level,
            "shared": shared,
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
                f"while training, figures other than the loss are of {SEARCHED:,} held-back pairs, without a beam"
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
        before, after = (np.full((len(rows), y.shape[1] + 1), Vocabulary.pad, np.int64) for _ in range(2))
        before[:, 0], before[:, 1:], after[:, :-1] = Vocabulary.end, y, y
        after[np.arange(len(rows)), ends] = Vocabulary.end
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
        import tempfile

        source = self._source(data)
        with tempfile.TemporaryDirectory(prefix="recurra-") as folder:
            self._encode(source, self._columns(source), lambda _: "data", Path(folder), lambda _: None, only=("data",))
            store = Store(Path(folder) / "data")
            if not len(store):
                raise DataError("has no pairs to evaluate on", file=source.path)
            lengths = store.lengths("source")
            if said := self._too_long(int(lengths.max())):
                raise DataError(said, file=source.path, row=int(lengths.argmax()) + 1)
            return self._evaluate_store(network, store, tick, beam=self.model.beam, most=len(store))

    def _evaluate_store(
        self, network: nn.Module, store: Store, tick: Callable[[int], None], *, beam: int, most: int
    ) -> dict[str, Any]:
        """The loss of all rows, a token; the other figures from the answers to `most` rows, evenly picked."""
        device = device_of(network)
        lengths = store.lengths("source") + store.lengths("target") + 1
        nats, tokens = 0.0, 0
        for rows in LengthBatches(lengths, 256, max_tokens=max(SCORES // len(self.target.vocabulary), 1)).in_order():
            batch = self._gather(store, rows).to(device)
            answer = network(*(batch.inputs[name] for name in ("x", "lengths", "tokens", "steps")))
            wanted = batch.targets["next"][answer.live]
            nats += F.cross_entropy(answer.scores.float(), wanted, reduction="sum").item()
            tokens += len(wanted)
            tick(len(rows) if most < len(store) else 0)
        picked = np.unique(np.linspace(0, len(store) - 1, min(most, len(store))).round().astype(np.int64))
        padded_sources, ends = store.ragged("source", picked)
        sources = [row[:end] for row, end in zip(padded_sources, ends, strict=True)]
        texts = [Raw.read(store, name, picked) for name in ("source_text", "target_text")]
        answers = self._answers(network, sources, beam=beam, tick=tick if most >= len(store) else lambda _: None)
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

    def _value(self, example: Any, number: int) -> Any:
        """The source that an example means: a text, or a mapping that names its columns."""
        parts = self.parts if len(self.parts) > 1 else []
        if isinstance(example, dict):
            names = parts or [name for name in (self.columns.get("source"), self.source.asked, "source") if name]
            found = [example[name] for name in names if name in example]
            if len(found) < max(len(parts), 1):
                wanted = (" and " if parts else " or ").join(map(repr, dict.fromkeys(names)))
                has = ", ".join(map(repr, example)) or "nothing"
                raise CallError(f"example {number}: an input object wants {wanted}; this one has {has}")
            example = tuple(found) if parts else found[0]
        elif parts and isinstance(example, (list, tuple)):
            example = tuple(example)
        if parts and (not isinstance(example, tuple) or len(example) != len(parts)):
            raise CallError(
                f"example {number}: the source is {' and '.join(parts)}; give a JSON object with each of them"
            )
        if said := self.source.unusable(example):
            raise CallError(f"example {number}: source {said}")
        return example

    def inputs_of(self, source: Source) -> Iterator[Any]:
        if len(self.parts) > 1:
            source = Joined(source, self.parts, self.data.source or "")
        known = self.columns.get("source")
        column = known if known in source.columns else self.source.find(source, ())
        return (row.values.get(column) for row in source.rows())

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
