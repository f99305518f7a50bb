"""The diagnosis: broken runs have their cause first, healthy ones none; what cannot be checked is said with its reason."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.tiny_runs import TINY, reviews

import recurra
from recurra import inspection
from recurra.errors import CallError, DataError, TrainingError
from recurra.inspection import Diagnosis
from recurra.nn.base import RecurrentBase
from recurra.run import Run

PLAIN = {"ensemble_size": 1, "adversarial_epsilon": 0, "ema_decay": 0, "bidirectional": False, "pooling": "last"}
SHORT = {"steps": 60, "hidden_size": 16, "embedding_size": 8, "num_evaluations": 10, "patience": 99}


def write_rows(path: Path, rows: int = 120, shuffled: bool = False, words: Callable[[int], str] = str) -> Path:
    """Texts of ten words that contain "good" or "bad", and the class."""
    draw, lines = random.Random(0), ["text,label"]
    for n in range(rows):
        label = draw.choice(("good", "bad"))
        fill = [draw.choice("abcdefghijklmnop") for _ in range(9)] + [words(n)]
        fill[draw.randint(5, 9)] = label
        lines.append(f"{' '.join(fill)},{draw.choice(('good', 'bad')) if shuffled else label}")
    path.write_text("\n".join(lines) + "\n")
    return path


def trained(folder: Path, *, shuffled: bool = False, words: Callable[[int], str] = str, **settings: object) -> Run:
    data = write_rows(folder / "rows.csv", shuffled=shuffled, words=words)
    given = {"text": "text", "label": "label", "tokenization": "words", "character_ngrams": False}
    return recurra.train("classify", data, out=folder / "run", **(given | PLAIN | SHORT | settings))


def first(diagnosis: Diagnosis) -> str:
    return diagnosis.findings[0].cause if diagnosis.findings else "none"


def scaled(run: Run, name: str, factor: float) -> Run:
    """Multiply the parameters of the recurrent layers whose names contain `name`."""
    with torch.no_grad():
        for part in run.network.modules():
            for key, weight in part.named_parameters(recurse=False) if isinstance(part, RecurrentBase) else ():
                if name in key:
                    weight.mul_(factor)
    return run


@pytest.mark.parametrize("task", TINY)
def test_healthy_tiny_runs_raise_no_alarm(task: str, tmp_path: Path) -> None:
    found = inspection.diagnose(TINY[task](tmp_path))
    assert found.findings == ()
    assert found.lines()[0].startswith("no problem found")
    assert all(one.reason for one in found.not_done)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_healthy_longer_run_raises_no_alarm(cell: str, tmp_path: Path) -> None:
    found = inspection.diagnose(trained(tmp_path, cell=cell, learning_rate=0.01, words=lambda n: "z"))
    assert [one.cause for one in found.findings if one.severity > 1] == []


def broken_rate_too_low(folder: Path) -> Run:
    return trained(folder, learning_rate=1e-6, words=lambda n: "z")


def broken_rate_too_high(folder: Path) -> Run:
    return trained(folder, learning_rate=30.0, clip_norm=None, cell="rnn", words=lambda n: "z")


def broken_vocabulary(folder: Path) -> Run:
    return trained(folder, steps=8, vocabulary_size=6)


def broken_vanishing(folder: Path) -> Run:
    return scaled(trained(folder, steps=8, cell="rnn", words=lambda n: "z"), "weight_hh", 0.02)


def broken_exploding(folder: Path) -> Run:
    run = trained(folder, steps=8, cell="rnn", cell_options={"nonlinearity": "relu"}, words=lambda n: "z")
    return scaled(run, "weight_hh", 4.0)


def broken_saturated(folder: Path) -> Run:
    return scaled(scaled(trained(folder, steps=8, cell="lstm", words=lambda n: "z"), "weight", 300.0), "bias", 300.0)


def broken_dead(folder: Path) -> Run:
    run = trained(folder, steps=8, cell="rnn", cell_options={"nonlinearity": "relu"}, words=lambda n: "z")
    with torch.no_grad():
        for name, weight in run.network.named_parameters():
            if "bias_ih_l0" in name:
                weight[: len(weight) // 2] = -100.0
    return run


def broken_shuffled(folder: Path) -> Run:
    return trained(folder, steps=200, shuffled=True, learning_rate=0.02, hidden_size=32, dropout=0.0, input_dropout=0.0)


BROKEN = {
    "learning rate too low": broken_rate_too_low,
    "learning rate too high": broken_rate_too_high,
    "vocabulary too small": broken_vocabulary,
    "vanishing gradients": broken_vanishing,
    "exploding gradients": broken_exploding,
    "saturated gates": broken_saturated,
    "dead units": broken_dead,
    "shuffled labels": broken_shuffled,
}


@pytest.mark.parametrize("cause", BROKEN)
def test_the_cause_of_a_broken_run_is_first(cause: str, tmp_path: Path) -> None:
    found = inspection.diagnose(BROKEN[cause](tmp_path))
    assert first(found) == cause, found.lines()


def test_a_loss_that_is_not_finite(tmp_path: Path) -> None:
    with pytest.raises(TrainingError):
        trained(tmp_path, learning_rate=1e38, clip_norm=None, optimizer="sgd", words=lambda n: "z")
    assert first(inspection.diagnose(recurra.load(tmp_path / "run"))) == "loss not finite"


def test_a_run_without_its_data_is_diagnosed_from_its_history(tmp_path: Path) -> None:
    run = reviews(tmp_path)
    (tmp_path / "reviews.csv").unlink()
    found = inspection.diagnose(run)
    assert "loss not finite" in found.done
    assert any("no such file" in one.reason or "cannot be read" in one.reason for one in found.not_done)


def test_wrong_arguments(tmp_path: Path) -> None:
    run = reviews(tmp_path)
    with pytest.raises(DataError, match="another vocabulary"):
        inspection.diagnose(run, write_rows(tmp_path / "other.csv"))
    with pytest.raises(CallError, match="needs a Run"):
        inspection.diagnose(torch.nn.LSTM(2, 3))  # type: ignore[arg-type]
