"""Several labels per row: every form of the data, learning, metrics, thresholds, and use of the run."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import recurra
from recurra.errors import DataError
from recurra.fields.labels import Labels
from recurra.run import Run
from recurra.tasks.base import Batch
from recurra.tasks.classify.multi_label import MultiLabel, micro_f1

WORDS = {"fast": "quick", "red": "color", "loud": "sound"}  # a word of the text and its label
SMALL: dict[str, Any] = {"hidden_size": 16, "embedding_size": 16, "steps": 120, "learning_rate": 0.02, "dropout": 0.0,
                         "ensemble_size": 1, "adversarial_epsilon": 0.0}  # fmt: skip


def examples(count: int = 160) -> list[tuple[str, list[str]]]:
    """Texts that contain none to three of the words, and their labels."""
    draw, made = random.Random(5), []
    for n in range(count):
        chosen = [word for word in WORDS if draw.random() < 0.4]
        words = [*chosen, *draw.sample(["a", "car", "is", "in", "town", "now"], 4), str(n % 9)]
        draw.shuffle(words)
        made.append((" ".join(words), [WORDS[word] for word in chosen]))
    return made


def as_lists(path: Path) -> Path:
    rows = [{"text": text, "labels": labels} for text, labels in examples()]
    return write(path / "lists.jsonl", "\n".join(map(json.dumps, rows)))


def as_cells(path: Path) -> Path:
    return write(
        path / "cells.csv", "text,topics\n" + "".join(f"{text},{'|'.join(names)}\n" for text, names in examples())
    )


def as_columns(path: Path) -> Path:
    lines = ["id,comment_text,quick,color,sound"]
    for n, (text, names) in enumerate(examples()):
        lines.append(f"{n:05x},{text},{','.join(str(int(name in names)) for name in WORDS.values())}")
    return write(path / "columns.csv", "\n".join(lines) + "\n")


def as_fasttext(path: Path) -> Path:
    rows = [(text, names) for text, names in examples() if names]
    lines = (" ".join(f"__label__{name}" for name in names) + f" {text}\n" for text, names in rows)
    return write(path / "lines.txt", "".join(lines))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def train(data: Path, name: str = "run", **settings: Any) -> Run:
    return recurra.train("classify", data, out=data.parent / name, **(SMALL | settings))


@pytest.mark.parametrize("form", [as_lists, as_cells, as_columns, as_fasttext])
def test_every_form_is_detected_and_learnt(tmp_path: Path, form: Callable[[Path], Path]) -> None:
    data = form(tmp_path)
    run = train(data)
    assert run.settings.data.multi_label and sorted(run.task.head.labels.classes) == ["color", "quick", "sound"]
    assert run.metrics["valid/micro_f1"] > 0.95 and run.metrics["valid/macro_f1"] > 0.95
    found = run.predict(["a fast car", "the red loud car is fast", "in town now"])
    assert [sorted(one["labels"]) for one in found[:2]] == [["quick"], ["color", "quick", "sound"]]
    assert found[2]["labels"] == [] or form is as_fasttext  # whose lines have at least one label
    assert all(0 <= p <= 1 for one in found for p in one["probabilities"].values())
    measured = run.evaluate(data)
    assert measured["micro_f1"] > 0.95 and set(measured["labels"]) == {"color", "quick", "sound"}


def test_a_loaded_run_predicts_the_same(tmp_path: Path) -> None:
    run = train(as_lists(tmp_path), steps=20, ensemble_size=2)
    with torch.no_grad():
        run.network.thresholds.copy_(torch.tensor([-50.0, 50.0, 0.0]))
    recurra.weights.save_tensors(run.path / "model.safetensors", recurra.weights.named_weights(run.network))
    loaded = recurra.load(run.path)
    texts = [text for text, _ in examples(20)]
    assert loaded.predict(texts) == run.predict(texts) == [loaded.predict([text])[0] for text in texts]
    first, second, _ = run.task.head.labels.classes
    assert all(first in one["labels"] and second not in one["labels"] for one in loaded.predict(texts))


def test_a_stream_gives_the_result_of_the_whole(tmp_path: Path) -> None:
    run = train(as_lists(tmp_path), bidirectional=False, steps=30)
    text = "a fast red car is loud"
    with run.stream() as session:
        for piece in (text[:5], text[5:9], text[9:]):
            session.push(piece)
        result, whole = session.result(), run.predict([text])[0]
    assert result["labels"] == whole["labels"]
    assert result["probabilities"] == pytest.approx(whole["probabilities"], abs=2e-6)


def test_windows_of_numbers_with_several_labels(tmp_path: Path) -> None:
    draw, rows = random.Random(2), []
    for _ in range(120):
        up, far = draw.random() < 0.5, draw.random() < 0.5
        window = [round((1 if up else -1) * n / 6 + (5 if far else 0) + draw.gauss(0, 0.1), 3) for n in range(6)]
        rows.append({"window": window, "up": int(up), "far": int(far)})
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    run = train(path, steps=100, embedding_size=None, label="up,far")
    assert run.task.head.labels.classes == ["up", "far"] and run.metrics["valid/micro_f1"] > 0.9
    assert run.predict([[0, 0.2, 0.4, 0.6, 0.8, 1.0]])[0]["labels"] == ["up"]


def test_one_class_per_row_on_request(tmp_path: Path) -> None:
    run = train(as_cells(tmp_path), multi_label=False, label="topics", steps=2, on_error="skip")
    assert not run.settings.data.multi_label and "color|sound" in "".join(run.task.head.label.classes)
    with pytest.raises(DataError, match=r"is an empty list.*--multi-label"):
        train(as_lists(tmp_path), "other", multi_label=False, label="labels", steps=2)


def test_the_command_line_needs_no_option(tmp_path: Path) -> None:
    data = as_columns(tmp_path)
    settings = [f"--set={name}={value}" for name, value in (SMALL | {"steps": 5}).items()]
    command = [
        sys.executable,
        "-m",
        "recurra",
        "train",
        "classify",
        str(data),
        "--out",
        str(tmp_path / "run"),
        *settings,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "multi-label: 3 columns contain only 0 and 1" in done.stdout + done.stderr
    command = [sys.executable, "-m", "recurra", "predict", str(tmp_path / "run"), str(data)]
    predicted = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [sorted(json.loads(line)) for line in predicted.stdout.splitlines()] == [["labels", "probabilities"]] * 160


# the head -------------------------------------------------------------------------------------------------------------
def head(*thresholds: float) -> MultiLabel:
    labels = Labels("label")
    labels.classes = ["a", "b", "c"]
    return MultiLabel(labels, torch.tensor(thresholds) if thresholds else None)


def test_metrics_by_hand() -> None:
    """Two of three predictions are right, and two of four labels are found; c neither occurs nor is predicted."""
    true = torch.tensor([[1, 1, 0], [0, 1, 0], [1, 0, 0]], dtype=torch.uint8)
    outputs = torch.tensor([[2.0, -1.0, -9.0], [1.0, 3.0, -9.0], [-2.0, -3.0, -9.0]])
    found = head().metrics(outputs, {"label": true})
    assert found["micro_f1"] == pytest.approx(2 * 2 / (3 + 4)) and found["exact_match"] == 0
    assert found["macro_f1"] == pytest.approx((2 * 1 / (2 + 2) + 2 * 1 / (1 + 2)) / 2)
    assert found["labels"]["a"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "rows": 2, "threshold": 0.5}
    moved = head(-3.0, -1.5, 0.0).metrics(outputs, {"label": true})
    assert moved["labels"]["a"]["recall"] == 1 and moved["labels"]["b"]["precision"] == 1
    assert float(micro_f1(torch.zeros(2, 2).bool(), torch.zeros(2, 2).bool())) == 1


def test_the_loss_is_the_binary_cross_entropy() -> None:
    true = torch.tensor([[1, 0, 1]], dtype=torch.uint8)
    outputs = torch.tensor([[0.3, -0.2, 2.0]])
    p = torch.sigmoid(outputs[0]).tolist()
    expected = -sum(map(torch.log, map(torch.tensor, (p[0], 1 - p[1], p[2])))) / 3
    loss = head().losses(outputs, Batch({}, {"label": true}, 3, 3), None)
    assert loss.tolist() == pytest.approx([float(expected)], rel=1e-6)


def test_an_ensemble_averages_probabilities() -> None:
    outputs = torch.tensor([[[0.0, 40.0, -2.0]], [[2.0, -40.0, -90.0]]])
    mean = torch.sigmoid(outputs.double()).mean(0)
    assert torch.sigmoid(head().combine(outputs).double()).tolist()[0] == pytest.approx(mean.tolist()[0], rel=1e-6)


def test_labels_are_those_above_their_thresholds() -> None:
    (found,) = head(1.0, -2.0, 0.0).decode(torch.tensor([[0.5, -1.0, 3.0]]))
    assert found["labels"] == ["c", "b"] and list(found["probabilities"]) == ["c", "b", "a"]
