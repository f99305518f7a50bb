"""Thirteen broken and twelve healthy runs for benchmarks/diagnosis.py, each in two variants: other data, seed and cell.

A run is a function(folder, variant) that trains it. Data come from RECURRA_DATA, from the built-in datasets, or are generated.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from common import data_folder
from make_csv import trec

import recurra
from recurra.cells.gru import GRU
from recurra.cells.lstm import LSTM
from recurra.cells.rnn import RNN
from recurra.data import sets
from recurra.data.sets import scenes, tones
from recurra.fields import Label, Series
from recurra.nn.patch import recurrent_of
from recurra.run import Run
from recurra.settings import ClassTraining, Settings
from recurra.tasks.classify.classification import Classification
from recurra.tasks.shared import EncoderModel, RowData, RowDataset, SequenceTask, SeriesInput

PLAIN = {"ensemble_size": 1, "adversarial_epsilon": 0.0, "bidirectional": False, "num_layers": 1}
WORDS = PLAIN | {
    "text": "text",
    "label": "label",
    "tokenization": "words",
    "character_ngrams": False,
    "embedding_size": 32,
}
PATIENT = {"patience": 99, "num_evaluations": 12}


# classes that break a run ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class ExplodingRNN(RNN):
    """A plain network whose recurrent weights are far too large."""

    def initialize(self, params: Any, input_size: int, hidden_size: int, bias: bool) -> None:
        """Draw weights with a gain of 3 (relu) or 1.6 per unit (tanh)."""
        super().initialize(params, input_size, hidden_size, bias)
        params["weight_hh"].normal_(std=3.0 / math.sqrt(hidden_size))


@dataclass(frozen=True)
class DeadRNN(RNN):
    """A relu network whose biases keep most units at 0."""

    def initialize(self, params: Any, input_size: int, hidden_size: int, bias: bool) -> None:
        """Set the biases of three quarters of the units to -3."""
        super().initialize(params, input_size, hidden_size, bias)
        params["bias_ih"][: 3 * hidden_size // 4] = -3.0


@dataclass(frozen=True)
class SaturatedLSTM(LSTM):
    """An LSTM whose weights are far too large."""

    def initialize(self, params: Any, input_size: int, hidden_size: int, bias: bool) -> None:
        """Multiply all weights by 200."""
        super().initialize(params, input_size, hidden_size, bias)
        for value in params.values():
            value.mul_(200.0)


@dataclass(frozen=True)
class SaturatedGRU(GRU):
    """A GRU whose gates are always near 0 or 1, by their biases."""

    def initialize(self, params: Any, input_size: int, hidden_size: int, bias: bool) -> None:
        """Draw biases of the gates with standard deviation 10."""
        super().initialize(params, input_size, hidden_size, bias)
        params["bias_ih"][: 2 * hidden_size].normal_(std=10.0)


class Leaking(SequenceTask[Settings[RowData, EncoderModel, ClassTraining]]):
    """A classifier of windows that centers its inputs over time, padding included."""

    name, structure, summary = "leaking", "N to 1", "a class for each window"
    settings_class = Settings[RowData, EncoderModel, ClassTraining]

    @classmethod
    def dataset_for(cls, settings: Any) -> RowDataset:
        """Read the columns window and label."""
        return RowDataset(settings, [Label("label")], SeriesInput(Series("window")))

    @cached_property
    def head(self) -> Classification:
        """Predict a class."""
        return Classification(self.dataset.target(Label))

    def network(self) -> torch.nn.Module:
        """Return the network with the defect."""
        network = super().network()
        recurrent_of(network)[1].register_forward_pre_hook(lambda _, args: (self._centered(args[0]), *args[1:]))
        return network

    @staticmethod
    def _centered(x: torch.Tensor) -> torch.Tensor:
        return x - x.mean(1, keepdim=True)


class LeakingMaximum(Leaking):
    """The same with the maximum over time."""

    name = "leaking_maximum"

    @staticmethod
    def _centered(x: torch.Tensor) -> torch.Tensor:
        return x - x.flip(1).cummax(1).values[:, -1:] + x[:, -1:]


CELLS = [ExplodingRNN, DeadRNN, SaturatedLSTM, SaturatedGRU]
TASKS = [Leaking, LeakingMaximum]


# data --------------------------------------------------------------------------------------------------------------------
def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    """Write a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def questions(
    folder: Path, variant: int, rows: int = 1200, *, shuffled: bool = False, name: str = "questions.csv"
) -> Path:
    """Questions in six classes."""
    found = list(trec(data_folder()))
    random.Random(5).shuffle(found)
    found = found[variant * rows : (variant + 1) * rows]
    if shuffled:
        labels = [label for _, label in found]
        random.Random(variant).shuffle(labels)
        found = [(text, label) for (text, _), label in zip(found, labels, strict=True)]
    return write_table(folder / name, ("text", "label"), found)


def recall(folder: Path, variant: int, steps: int, rows: int = 400) -> Path:
    """The class is the first word; the others are noise."""
    draw = random.Random(variant)
    found = []
    for _ in range(rows):
        label = draw.choice("pqrs")
        found.append((" ".join([label, *(draw.choice("abcdefgh") for _ in range(steps - 1))]), label))
    return write_table(folder / "recall.csv", ("text", "label"), found)


def keywords(folder: Path, variant: int, rows: int = 600) -> Path:
    """Texts of 6 to 16 letters with one of two words near the end, which gives the class."""
    draw = random.Random(variant)
    found = []
    for n in range(rows):
        label = draw.choice(("good", "bad"))
        words = [draw.choice("abcdefghijklmnop") for _ in range(draw.randint(6, 16))]
        words.insert(draw.randint(len(words) - 4, len(words)), label)
        found.append((" ".join(words) + f" {draw.choice('uvwxyz')}", label))
        assert n >= 0
    return write_table(folder / "keywords.csv", ("text", "label"), found)


def names(folder: Path, variant: int) -> Path:
    """Family names in four languages."""
    languages = (("Italian", "Japanese", "German", "Russian"), ("Czech", "English", "Spanish", "Arabic"))[variant]
    rows = []
    for language in languages:
        lines = (data_folder() / "names" / f"{language}.txt").read_text(encoding="utf-8").split("\n")
        rows += [(name.strip(), language) for name in lines if name.strip()][:400]
    random.Random(variant).shuffle(rows)
    return write_table(folder / "names.csv", ("text", "label"), rows)


def windows(folder: Path, variant: int, rows: int = 400, *, target: bool = False, shuffled: bool = False) -> Path:
    """Noisy waves of 6 to 30 steps that are slow or fast; the target of a regression is their amplitude."""
    draw = random.Random(10 + variant)
    found: list[tuple[str, Any]] = []
    for _ in range(rows):
        fast, size, phase = draw.random() < 0.5, draw.uniform(0.2, 2.0), draw.uniform(0, 6)
        steps = 16 if target else draw.randint(6, 30)
        values = [size * math.sin(phase + t * (1.2 if fast else 0.4)) + draw.gauss(0, 0.05) for t in range(steps)]
        found.append((" ".join(f"{v:.3f}" for v in values), f"{size:.4f}" if target else "fast" if fast else "slow"))
    if shuffled:
        targets = [one for _, one in found]
        draw.shuffle(targets)
        found = [(window, one) for (window, _), one in zip(found, targets, strict=True)]
    return write_table(folder / "windows.csv", ("window", "target" if target else "label"), found)


def shakespeare(folder: Path, variant: int, characters: int = 60_000) -> Path:
    """A part of the plays."""
    text = (data_folder() / "tinyshakespeare" / "input.txt").read_text(encoding="utf-8")
    path = folder / "plays.txt"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text[variant * characters : (variant + 1) * characters], encoding="utf-8")
    return path


def newspaper(folder: Path, variant: int, lines: int = 1500) -> Path:
    """Sentences of a newspaper, one text."""
    with gzip.open(data_folder() / "ptb" / "ptb.train.txt.gz", "rt", encoding="utf-8") as file:
        found = [line.strip() for line in file]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "newspaper.txt"
    path.write_text(" ".join(found[variant * lines : (variant + 1) * lines]), encoding="utf-8")
    return path


def poems(folder: Path, variant: int) -> Path:
    """Tang poems, with a blank line between them."""
    with gzip.open(
        data_folder() / "chinese_poetry" / f"poet.tang.{1000 * variant}.json.gz", "rt", encoding="utf-8"
    ) as file:
        found = json.load(file)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "poems.txt"
    texts = ["\n".join(one["paragraphs"]) for one in found if len(one["paragraphs"]) == 2]
    path.write_text("\n\n".join(texts[:500]), encoding="utf-8")
    return path


def tagged(folder: Path, variant: int, sentences: int = 500) -> Path:
    """English sentences with parts of speech."""
    with gzip.open(data_folder() / "ud_english_ewt" / "en_ewt-ud-train.conllu.gz", "rt", encoding="utf-8") as file:
        found = file.read().split("\n\n")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "sentences.conllu"
    path.write_text("\n\n".join(found[variant * sentences : (variant + 1) * sentences]) + "\n\n", encoding="utf-8")
    return path


def couplets(folder: Path, variant: int, rows: int = 3000) -> Path:
    """Pairs of lines of equal length."""
    lines = (data_folder() / "couplets" / "train.tsv").read_text(encoding="utf-8").split("\n")
    random.Random(5).shuffle(lines)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "couplets.tsv"
    path.write_text("\n".join(lines[variant * rows : (variant + 1) * rows]) + "\n", encoding="utf-8")
    return path


def reversed_words(folder: Path, variant: int, rows: int = 1500) -> Path:
    """A word of two to six letters, and the reversed word."""
    draw = random.Random(variant)
    words = {"".join(draw.choice("abcdefgh") for _ in range(draw.randint(2, 6))) for _ in range(rows)}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "words.tsv"
    path.write_text("source\ttarget\n" + "".join(f"{word}\t{word[::-1]}\n" for word in sorted(words)), encoding="utf-8")
    return path


# runs --------------------------------------------------------------------------------------------------------------------
def train(task: Any, data: Any, folder: Path, variant: int, **settings: Any) -> Run:
    """Train a run into `folder`/run."""
    return recurra.train(task, data, out=folder / "run", seed=variant, **settings)


def vanishing(folder: Path, variant: int) -> Run:
    data = recall(folder, variant, (60, 120)[variant])
    cell = ("rnn", "gru")[variant]
    return train(
        "classify", data, folder, variant, cell=cell, pooling="last", hidden_size=32, steps=200, **PATIENT, **WORDS
    )


def exploding(folder: Path, variant: int) -> Run:
    data = (recall(folder, variant, 50), windows(folder, variant))[variant]
    given = dict(WORDS) if variant == 0 else dict(PLAIN)
    task: Any = "classify" if variant == 0 else Windows
    options = {"nonlinearity": ("relu", "tanh")[variant]}
    return train(
        task, data, folder, variant, cell=ExplodingRNN(**options), pooling="last", hidden_size=32, steps=150, clip_norm=None,
        learning_rate=1e-3, **PATIENT, **given,
    )  # fmt: skip


def saturated(folder: Path, variant: int) -> Run:
    data = (keywords, recall)[variant](folder, variant, *(() if variant == 0 else (14,)))
    cell = (SaturatedLSTM, SaturatedGRU)[variant]
    return train("classify", data, folder, variant, cell=cell, hidden_size=32, steps=150, **PATIENT, **WORDS)


def dead_relu(folder: Path, variant: int) -> Run:
    data = (keywords(folder, variant), recall(folder, variant, 14))[variant]
    cell = DeadRNN(nonlinearity="relu")
    return train(
        "classify", data, folder, variant, cell=cell, hidden_size=(32, 64)[variant], steps=150, **PATIENT, **WORDS
    )


def rate_too_high(folder: Path, variant: int) -> Run:
    if variant:
        return train("language", shakespeare(folder, variant), folder, variant, cell="gru", hidden_size=64,
                     learning_rate=1.0, steps=150, **PATIENT)  # fmt: skip
    data = names(folder, variant)
    return train("classify", data, folder, variant, cell="lstm", hidden_size=32, learning_rate=0.5, steps=200, **PATIENT,
                 **(WORDS | {"tokenization": "characters"}))  # fmt: skip


def rate_too_low(folder: Path, variant: int) -> Run:
    if variant:
        return train(
            "forecast", sets.make("sine"), folder, variant, hidden_size=32, learning_rate=2e-6, steps=150, **PATIENT
        )
    return train("classify", names(folder, variant), folder, variant, hidden_size=32, learning_rate=1e-6, steps=200, **PATIENT,
                 **(WORDS | {"tokenization": "characters"}))  # fmt: skip


def state_never_carried(folder: Path, variant: int) -> Run:
    data = (shakespeare, newspaper)[variant](folder, variant)
    return train("language", data, folder, variant, cell=("lstm", "gru")[variant], hidden_size=64, batching="random",
                 bptt_length=(16, 32)[variant], steps=200, neural_cache_size=0)  # fmt: skip


def leak(folder: Path, variant: int) -> Run:
    data = windows(folder, variant)
    return train(
        TASKS[variant], data, folder, variant, cell=("lstm", "gru")[variant], hidden_size=32, steps=150, **PLAIN
    )


def vocabulary(folder: Path, variant: int) -> Run:
    if variant:
        return train("language", newspaper(folder, variant), folder, variant, tokenization="words", vocabulary_size=150,
                     hidden_size=64, steps=200, neural_cache_size=0)  # fmt: skip
    data = questions(folder, variant)
    return train("classify", data, folder, variant, vocabulary_size=60, hidden_size=32, steps=150, **WORDS)


def shuffled(folder: Path, variant: int) -> Run:
    if variant:
        data = windows(folder, variant, target=True, shuffled=True)
        return train(
            "regress", data, folder, variant, measurements="window", target="target", hidden_size=32, steps=300, **PLAIN
        )
    data = questions(folder, variant, shuffled=True)
    return train("classify", data, folder, variant, hidden_size=64, steps=300, patience=6, **WORDS)


def duplicates(folder: Path, variant: int) -> Run:
    if variant:
        data, valid = tagged(folder, 1), folder / "valid.conllu"
        valid.write_text("\n\n".join(data.read_text(encoding="utf-8").split("\n\n")[:100]) + "\n\n", encoding="utf-8")
        return train("tag", data, folder, variant, valid=valid, hidden_size=48, steps=150)
    data, valid = questions(folder, variant), questions(folder, variant, 240, name="valid.csv")
    return train("classify", data, folder, variant, valid=valid, hidden_size=48, steps=200, **WORDS)


def overfitting(folder: Path, variant: int) -> Run:
    free = {"dropout": 0.0, "input_dropout": 0.0, "weight_decay": 0.0} | PATIENT
    if variant:
        return train("language", shakespeare(folder, variant, 8_000), folder, variant, hidden_size=160, steps=500,
                     ema_decay=0.0, schedule="constant", learning_rate=0.01, neural_cache_size=0, **free)  # fmt: skip
    data = questions(folder, variant, 250)
    return train("classify", data, folder, variant, hidden_size=96, steps=400, **free, **WORDS)


def too_short(folder: Path, variant: int) -> Run:
    if variant:
        return train("classify", sets.make("digits"), folder, variant, steps=60, hidden_size=48, ensemble_size=1,
                     schedule="constant")  # fmt: skip
    return train("classify", names(folder, variant), folder, variant, hidden_size=48, steps=60, schedule="constant",
                 **(WORDS | {"tokenization": "characters"}))  # fmt: skip


class Windows(Leaking):
    """The classifier of windows without the defect."""

    name = "windows"

    @staticmethod
    def _centered(x: torch.Tensor) -> torch.Tensor:
        return x


TASKS.append(Windows)


def tone_folder(folder: Path, variant: int) -> Path:
    (folder / "tones").mkdir(parents=True, exist_ok=True)
    tones.write_folder(folder / "tones", 160 + 20 * variant)
    return folder / "tones" / "manifest.csv"


def scene_file(folder: Path, variant: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    assert variant in (0, 1)
    scenes.write_file(folder / "scenes.npz")
    return folder / "scenes.npz"


BROKEN: dict[str, Callable[[Path, int], Run]] = {
    "vanishing gradients": vanishing,
    "exploding gradients": exploding,
    "saturated gates": saturated,
    "dead units": dead_relu,
    "learning rate too high": rate_too_high,
    "learning rate too low": rate_too_low,
    "state never carried": state_never_carried,
    "leak through padding": leak,
    "vocabulary too small": vocabulary,
    "labels do not follow from the inputs": shuffled,
    "duplicates across the split": duplicates,
    "overfitting": overfitting,
    "too few epochs": too_short,
}
HEALTHY: dict[str, Callable[[Path, int], Run]] = {
    "classify names": lambda f, v: train("classify", names(f, v), f, v, cell=("lstm", "gru")[v], steps=300, hidden_size=48,
                                         **(WORDS | {"tokenization": "characters"})),
    "classify questions": lambda f, v: train("classify", questions(f, v, 2000), f, v, steps=250, hidden_size=64, **WORDS),
    "classify digits": lambda f, v: train("classify", sets.make("digits"), f, v, cell=("rnn", "lstm")[v], steps=300,
                                          hidden_size=48, ensemble_size=1),
    "regress windows": lambda f, v: train("regress", windows(f, v, target=True), f, v, measurements="window", target="target",
                                          steps=250, hidden_size=32, ensemble_size=1),
    "language plays": lambda f, v: train("language", shakespeare(f, v), f, v, cell=("lstm", "gru")[v], steps=400,
                                         hidden_size=96, neural_cache_size=0),
    "language poems": lambda f, v: train("language", poems(f, v), f, v, steps=250, hidden_size=64),
    "tag words": lambda f, v: train("tag", tagged(f, v, 700), f, v, steps=250, hidden_size=64),
    "couplet": lambda f, v: train("couplet", couplets(f, v), f, v, steps=250, hidden_size=64),
    "translate reversed": lambda f, v: train("translate", reversed_words(f, v), f, v, steps=350, hidden_size=64),
    "forecast sine": lambda f, v: train("forecast", sets.make(("sine", "series")[v]), f, v, steps=200, hidden_size=32),
    "transcribe tones": lambda f, v: train("transcribe", tone_folder(f, v), f, v, steps=200, hidden_size=48, sample_rate=8000),
    "caption scenes": lambda f, v: train("caption", scene_file(f, v), f, v, steps=150, hidden_size=48),
}  # fmt: skip
