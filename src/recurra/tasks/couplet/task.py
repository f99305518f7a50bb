"""couplet: an answer that is exactly as long as the question (N to N). The second line of a Chinese couplet.

    question -> encoder, both ways -> at each step the decoder is given what was said of that step -> answer

The answer ends where the question does, so no end is learnt and none can be missed. Rules of the form, such as punctuation in
the same places, bind the search and not the training: the loss is of the network alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field as Setting
from torch import Tensor, nn

from ...data.report import DataReport
from ...data.sources.sources import Source, is_table
from ...data.sources.tables import Delimited
from ...data.store.store import Store
from ...data.words.vocabulary import Vocabulary
from ...decoding.beam_search import Found
from ...fields.paired_text import Letters, Side, pairs_of
from ...files import read_json, write_json
from ...metrics.text import scores_of
from ...models.encoder import Tokens
from ...models.seq2seq import Encoder
from ...models.token_loss import loss_of, nats_a_token
from ...nn.attention import attention
from ...settings import RARE, ClassTraining, DataSettings, ModelSettings, Settings, TrainingSettings
from ..base import Batch, Reading, Say
from ..shared.generation import Answering, evenly, silent, told_at_once
from ..shared.paired_rows import TwoSided, longer_than
from .constrained_search import answers_under, spelt
from .constraints import kept
from .model import Aligned, first_places

KEPT = 0.8  # share of the pairs that must keep a rule for it to be the default


class CoupletData(DataSettings):
    """Pairs of texts of equal length."""

    source: str | None = Setting(None, description="column of the questions")
    target: str | None = Setting(None, description="column of the answers")
    header: bool | None = Setting(None, description="a table's first line names columns")
    min_count: int | None = Setting(None, ge=1, description="rarer characters are unknown", json_schema_extra=RARE)
    max_length: int | None = Setting(None, ge=1, description="longer pairs are not trained on", json_schema_extra=RARE)


class CoupletModel(ModelSettings):
    """Encoder and decoder, aligned."""

    hidden_size: int | None = Setting(None, ge=2, description="of the decoder; the encoder has half of it each way")
    num_layers: int | None = Setting(None, ge=1, le=64, description="recurrent layers of the decoder")
    encoder_layers: int = Setting(1, ge=1, le=64, description="those of the encoder", json_schema_extra=RARE)
    embedding_size: int | None = Setting(None, ge=1, description="features of a character's vector")
    attention: Literal["additive", "dot", "none"] = Setting("none", description="of each step over the question")
    input_dropout: float | None = Setting(
        None, ge=0, lt=1, description="dropout of the vectors of characters", json_schema_extra=RARE
    )
    token_dropout: float | None = Setting(
        None, ge=0, lt=1, description="share of characters made unknown in training", json_schema_extra=RARE
    )
    rules: Literal["none", "punctuation", "couplet"] | None = Setting(None, description="what an answer must keep")
    beam: int = Setting(8, ge=1, le=64, description="answers followed side by side")
    likely: int = Setting(0, ge=0, le=64, description="so many answers are shown")


class CoupletTraining(ClassTraining):
    """The training run."""

    both_ways: bool | None = Setting(None, description="learn the pairs turned round, too")


class Couplet(TwoSided, Answering):
    """See the module's docstring."""

    name: ClassVar[str] = "couplet"
    structure: ClassVar[str] = "N to N, equal length"
    summary: ClassVar[str] = "an answer as long as the question: the second line of a Chinese couplet"
    Data: ClassVar[type[DataSettings]] = CoupletData
    Model: ClassVar[type[ModelSettings]] = CoupletModel
    Training: ClassVar[type[TrainingSettings]] = CoupletTraining
    searched: ClassVar[int] = 200  # of the held-back rows; the loss is of all
    called: ClassVar[str] = "pairs"
    in_use: ClassVar[tuple[str, ...]] = (
        *("model.beam", "model.rules", "model.likely"),
        *("data.broken", "data.encoding", "data.header"),
    )

    def __init__(self, settings: Settings, **given: Any) -> None:
        super().__init__(settings, **given)
        data = self.data
        self.source = Side("source", data.source, data.min_count)
        self.target = Side("target", data.target, data.min_count)
        self.source.level = self.target.level = "characters"
        self.target.same_as = self.source
        self.fields = [self.source, self.target, Letters("source_text"), Letters("target_text")]
        self.headless: list[str] = []  # files whose first line is a pair, as far as they were read
        self.rule_of_most, self.said_of_rules = "none", ""

    @property
    def data(self) -> CoupletData:
        assert isinstance(self.settings.data, CoupletData)
        return self.settings.data

    @property
    def model(self) -> CoupletModel:
        assert isinstance(self.settings.model, CoupletModel)
        return self.settings.model

    @property
    def training(self) -> CoupletTraining:
        assert isinstance(self.settings.training, CoupletTraining)
        return self.settings.training

    @property
    def vocabulary(self) -> Vocabulary:
        """Of both sides."""
        return self.source.vocabulary

    # reading -------------------------------------------------------------------------------------------------------
    def read(
        self, data: str | Path, valid: str | Path | None, cache: Path, say: Say, tick: Callable[[int], None]
    ) -> Reading:
        reading = super().read(data, valid, cache, say, tick)
        lengths = reading.facts["lengths"]
        reading.facts["rules"] = self.rule_of_most
        reading.lines += [
            f"questions in column {self.columns['source']!r}, answers in {self.columns['target']!r}, "
            f"{lengths.mean():.1f} characters on average",
            self.said_of_rules,
        ]
        if self.headless:
            reading.lines.append(f"{', '.join(self.headless)}: the first line is a pair, it names no columns (header)")
        return reading

    def _source(self, data: str | Path) -> Source:
        settings = self.data
        asked = [column for column in (settings.source, settings.target) if column]
        skip = settings.broken == "skip"
        source = pairs_of(data, encoding=settings.encoding, skip_broken=skip, header=settings.header, asked=asked)
        if isinstance(source, Delimited) and not source.header:
            self.headless.append(str(source.path))
        return source

    def _wrong(self, values: Sequence[Any]) -> Any:
        if found := super()._wrong(values):
            return found
        question, answer = len(values[0]), len(values[1])
        if question != answer:
            return self.target, f"has {answer} character{'s' * (answer != 1)}, and the question has {question}"
        return None

    def _survey(
        self, source: Source, columns: dict[str, str], tick: Callable[[int], None]
    ) -> tuple[DataReport, np.ndarray]:
        """As every task over rows; the vocabulary is of both sides; and which rules the first rows keep."""
        self.source.also = lambda: (row[1] for row in self._rows(source, columns))
        surveyed = super()._survey(source, columns, tick)
        counts = Counter(kept(row[0], row[1]) for row in islice(self._rows(source, columns), 10_000))
        strict, marks = counts["couplet"] / counts.total(), 1 - counts["none"] / counts.total()
        self.rule_of_most = "couplet" if strict >= KEPT else "punctuation" if marks >= KEPT else "none"
        said = f"{marks:.1%} of the pairs agree in their punctuation, {strict:.1%} keep the rules of couplets"
        self.said_of_rules = said
        return surveyed

    def save_vocabulary(self, folder: Path) -> None:
        write_json(folder / "columns.json", self.columns)
        self.source.save(folder)

    def load_vocabulary(self, folder: Path) -> None:
        self.columns = dict(read_json(folder / "columns.json"))
        self.source.load(folder)
        self.target.vocabulary = self.source.vocabulary

    def choose(self, reading: Reading) -> Settings:
        """Defaults from the number of pairs; the rules are those that most pairs keep."""
        lengths = reading.facts["lengths"]
        small = reading.steps_of_time < 50_000
        data = {"max_length": max(min(int(np.quantile(lengths, 0.999)), 200), 8)}
        model = {
            "hidden_size": 128 if small else 384,
            "num_layers": 1,
            "embedding_size": 64 if small else 256,
            "dropout": 0.2,
            "input_dropout": 0.1,
            "token_dropout": 0.0,
            "rules": reading.facts["rules"],
        }
        training = {
            "batch_size": 64,
            "learning_rate": 2e-3,
            "epochs": 20.0,
            "averaging": 0.998,
            "patience": 6,
            "both_ways": True,
        }
        settings = self.settings.with_open(data=data, model=model, training=training)
        reading.lines += longer_than(settings.data.max_length, lengths, "characters")  # type: ignore[attr-defined]
        reading.lines += self._searched_of(len(self.stores["valid"]), "figures other than the loss")
        reading.lines.append(f"rules: {settings.model.rules}")  # type: ignore[attr-defined]
        return settings

    # network -------------------------------------------------------------------------------------------------------
    def network(self) -> nn.Module:
        model = self.model
        assert model.hidden_size and model.num_layers and model.embedding_size  # choose() has filled them
        size, hidden = model.embedding_size, model.hidden_size
        given: dict[str, Any] = {
            "dropout": model.dropout or 0.0,
            "input_dropout": model.input_dropout or 0.0,
            "backend": model.backend,
        }
        embed = Tokens(
            len(self.vocabulary),
            size,
            model.token_dropout or 0.0,
            pad=Vocabulary.pad,
            unknown=Vocabulary.unknown,
        )
        encoder = Encoder(
            nn.Identity(), size, self.cell, hidden_size=max(hidden // 2, 1), num_layers=model.encoder_layers, **given
        )
        attend = None if model.attention == "none" else attention(model.attention, hidden, encoder.output_size)
        return Aligned(
            embed,
            encoder,
            self.cell,
            hidden_size=hidden,
            num_layers=model.num_layers,
            attend=attend,
            start=Vocabulary.end,
            **given,
        )

    # training ------------------------------------------------------------------------------------------------------
    def _lengths(self) -> np.ndarray:
        """Of each row, and again of each turned round: number n + row, n the number of rows."""
        lengths = self.stores["train"].lengths("source")
        return np.concatenate([lengths, lengths])

    def _trained_on(self) -> np.ndarray:
        most = self.data.max_length
        numbers = np.flatnonzero(self.lengths <= (math.inf if most is None else most))
        return numbers if self.training.both_ways else numbers[: len(numbers) // 2]

    def cost(self, keys: Sequence[np.ndarray]) -> np.ndarray:
        return 2 * super().cost(keys)  # the encoder's steps and the decoder's

    def _gather(self, store: Store, key: np.ndarray) -> Batch:
        rows, turned = key % len(store), key >= len(store)
        (x, lengths), (y, _) = (store.ragged(name, rows) for name in ("source", "target"))
        letters, other = (store.ragged(name, rows)[0] for name in ("source_text", "target_text"))
        swap = turned[:, None]
        x, y, letters = np.where(swap, y, x), np.where(swap, x, y), np.where(swap, other, letters)
        inputs = {
            "x": torch.from_numpy(x).long(),
            "lengths": torch.from_numpy(lengths),
            "first": first_places(torch.from_numpy(letters)),
            "answer": torch.from_numpy(y).long(),
            "turned": torch.from_numpy(turned),
        }
        return Batch(inputs, {"next": inputs["answer"]}, 2 * int(lengths.sum()), 2 * x.size)

    def loss(self, network: nn.Module, batch: Batch, state: Any) -> tuple[Tensor, Any]:
        return loss_of(network(**batch.inputs), batch, self.training.label_smoothing), None

    # figures -------------------------------------------------------------------------------------------------------
    def _evaluate_store(
        self, network: nn.Module, store: Store, tick: Callable[[int], None], *, beam: int, most: int
    ) -> dict[str, Any]:
        """The loss of all rows, a character; the other figures from the answers to `most` rows, evenly picked."""
        some, parts = most < len(store), told_at_once(store.lengths("source"), len(self.vocabulary))
        told = self._told(network, store, parts, tick if some else silent)
        loss = nats_a_token(lambda batch: network(**batch.inputs), told)
        picked = evenly(len(store), most)
        questions, wanted = (Letters.read(store, name, picked) for name in ("source_text", "target_text"))
        answers = self._answers(network, questions, beam=beam, tick=silent if some else tick)
        written = [spelt(best[0], question, self.vocabulary) for best, question in zip(answers, questions, strict=True)]
        figures = scores_of(written, wanted, letters=True)
        alike = [len(question) == len(answer) for question, answer in zip(questions, written, strict=True)]
        return {
            "loss": loss,
            "perplexity": math.exp(min(loss, 700)),
            "equal_length": sum(alike) / len(alike),
            "bleu": figures["bleu"],
            "exact_match": figures["exact_match"],
        }

    # use -----------------------------------------------------------------------------------------------------------
    def _answers(self, network: nn.Module, questions: Sequence[str], **options: Any) -> list[list[Found]]:
        assert isinstance(network, Aligned)
        return answers_under(self.model.rules or "none", network, self.vocabulary, questions, **options)

    def predict(self, network: nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]:
        questions = [self._value(example, number) for number, example in enumerate(examples, 1)]
        results: list[dict[str, Any]] = [{"text": "", "score": 0.0} for _ in questions]  # the answer to nothing
        asked = [row for row, question in enumerate(questions) if question]
        answers = self._answers(network, [questions[row] for row in asked], beam=self.model.beam)
        for row, best in zip(asked, answers, strict=True):
            said = [{"text": spelt(one, questions[row], self.vocabulary), "score": round(one.score, 6)} for one in best]
            results[row] = dict(said[0])
            if self.model.likely:
                results[row]["likely"] = said[: self.model.likely]
        return results

    def inputs(self, file: str) -> Iterator[Any] | None:
        return self.inputs_of(self._source(file)) if is_table(file) else None

    def streams(self) -> tuple[bool, str]:
        return False, "an answer begins when the whole question was read"
