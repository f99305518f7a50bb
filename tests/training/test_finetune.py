"""A fine-tuned run begins with the weights, the vocabulary and the settings of another run, and records it."""

from __future__ import annotations

import hashlib
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tiny_runs import TINY, inputs, language, reviews, write_text

import recurra
from recurra import training
from recurra.errors import DataError, RunError, SettingError
from recurra.run import Run
from recurra.tasks.language.dataset import TextDataset
from recurra.training.loop import Loop

STILL: dict[str, Any] = {"steps": 1, "learning_rate": 1e-12, "ema_decay": 0.0}  # a step that changes no weight


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.path / "model.safetensors")


@pytest.mark.parametrize("task", TINY)
def test_every_task_begins_with_the_run(tmp_path: Path, task: str) -> None:
    """On its own data: the same vocabulary, the same weights but for what calibration fits, and the same settings."""
    run = TINY[task](tmp_path, "run", dropout=0.25, steps=1)
    before = (run.path / "config.yaml").read_bytes()
    tuned = recurra.finetune(run, run.config["source"]["data"], out=tmp_path / "tuned", **STILL)
    assert (run.path / "config.yaml").read_bytes() == before
    new, old, parameters = weights(tuned), weights(run), dict(run.network.named_parameters())
    assert new.keys() == old.keys()
    for name in parameters.keys() & new.keys():
        torch.testing.assert_close(new[name], old[name], rtol=0, atol=1e-9)
    for file in (run.path / "vocabulary").iterdir():
        assert (tuned.path / "vocabulary" / file.name).read_bytes() == file.read_bytes()
    assert tuned.settings.model == run.settings.model
    parent = tuned.config["parent"]
    assert parent["run"] == str(run.path.resolve()) and parent["source"] == run.config["source"]
    assert parent["weights"] == hashlib.sha256((run.path / "model.safetensors").read_bytes()).hexdigest()
    assert tuned.predict(inputs(tuned)[:1])


def test_new_text_is_encoded_with_the_vocabulary_of_the_run(tmp_path: Path) -> None:
    """The letters that the run does not know are unknown, and the message says how many."""
    run = language(tmp_path)
    (tmp_path / "new.txt").write_text("the sea QQQQ\n" * 40)
    said = list[str]()

    class Said(recurra.training.Silent):
        def message(self, line: str) -> None:
            said.append(line)

    tuned = recurra.finetune(run.path, tmp_path / "new.txt", out=tmp_path / "tuned", steps=2, progress=Said())
    assert tuned.task.dataset.vocabulary.tokens == run.task.dataset.vocabulary.tokens
    assert any("that of the run, in which 30.8% of these tokens are unknown" in line for line in said)
    rate = run.settings.training.learning_rate
    assert tuned.settings.training.learning_rate == pytest.approx(0.3 * rate)
    assert any(f"0.3 times that of {run.path}" in line for line in said)
    again = recurra.finetune(tuned, tmp_path / "new.txt", out=tmp_path / "again", steps=1, dropout=0.1)
    assert again.config["parent"]["parent"]["run"] == str(run.path.resolve())
    assert again.settings.model.dropout == 0.1


def test_it_learns_the_new_data(tmp_path: Path) -> None:
    run = language(tmp_path, steps=30, neural_cache_size=0)
    (tmp_path / "new.txt").write_text("the sky, the sky, the sky\n" * 60)
    tuned = recurra.finetune(run, tmp_path / "new.txt", out=tmp_path / "tuned", steps=60, learning_rate=0.01)
    assert tuned.evaluate(tmp_path / "new.txt")["loss"] < 0.7 * run.evaluate(tmp_path / "new.txt")["loss"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"hidden_size": 16},
            r"hidden_size = 16: finetune keeps the network of .*run, where it is 8; .* and .*dropout",
        ),
        ({"cell": "gru"}, "cell = 'gru': finetune keeps the network"),
        ({"tokenization": "words"}, "tokenization = 'words': finetune keeps the encoding of the data"),
        ({"hidden_sizes": 16}, "unknown setting 'hidden_sizes'; did you mean 'hidden_size'"),
    ],
)
def test_what_the_run_has_fixed_is_kept(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    run = language(tmp_path, steps=1)
    with pytest.raises(SettingError, match=message):
        recurra.finetune(run, tmp_path / "text.txt", out=tmp_path / "tuned", **settings)
    assert not (tmp_path / "tuned").exists()


def test_data_that_do_not_fit(tmp_path: Path) -> None:
    run = reviews(tmp_path, steps=1)
    (tmp_path / "classes.csv").write_text("text,label\n" + "a fine film,great\na dull film,bad\n" * 8)
    with pytest.raises(DataError, match=r"classes.csv, row 1.*class 'great' was not in the training data"):
        recurra.finetune(run, tmp_path / "classes.csv", out=tmp_path / "tuned")
    with pytest.raises(DataError, match=r"text\.txt"):
        recurra.finetune(run, write_text(tmp_path / "text.txt"), out=tmp_path / "tuned")
    tagger = TINY["tag"](tmp_path, "tagger", steps=1)
    (tmp_path / "tags.jsonl").write_text('{"tokens": ["Ada", "left"], "tags": ["B-ORG", "O"]}\n' * 8 +
                                         '{"tokens": ["Ada", "saw"], "tags": ["B-PER", "O"]}\n' * 8)  # fmt: skip
    with pytest.raises(
        DataError, match=r"tags.jsonl: tag 'B-ORG' was not in the training data of the run; did you mean"
    ):
        recurra.finetune(tagger, tmp_path / "tags.jsonl", out=tmp_path / "tuned")
    assert not (tmp_path / "tuned").exists()


def test_a_dataset_that_cannot_keep_a_vocabulary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = language(tmp_path, steps=1)
    monkeypatch.setattr(TextDataset, "keeps_vocabulary", False)
    with pytest.raises(RunError, match="runs of language cannot be fine-tuned"):
        recurra.finetune(run, tmp_path / "text.txt")


def test_a_fine_tuned_run_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = reviews(tmp_path, steps=2)
    whole = recurra.finetune(run, tmp_path / "reviews.csv", out=tmp_path / "whole", steps=4)
    take_step = Loop.take_step

    def step(self: Loop, rate: float | None = None) -> float:
        if self.step == 2:
            signal.raise_signal(signal.SIGINT)
        return take_step(self, rate)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "take_step", step)
        with pytest.raises(KeyboardInterrupt):
            recurra.finetune(run, tmp_path / "reviews.csv", out=tmp_path / "cut", steps=4)
    resumed = training.resume(tmp_path / "cut")
    a, b = weights(resumed), weights(whole)
    assert all(torch.equal(a[name], b[name]) for name in b)
    config = yaml.safe_load((resumed.path / "config.yaml").read_text())
    assert config["parent"] == whole.config["parent"]
