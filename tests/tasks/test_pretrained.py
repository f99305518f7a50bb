"""Runs that are initialized from a language model: weights and vocabulary, error messages, and independence of that run."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import language, reviews, write_reviews

import recurra
from recurra.errors import DataError, RunError, SettingError
from recurra.models.encoder import TokenEmbedding
from recurra.progress import Silent
from recurra.run import Run
from recurra.training import resume
from recurra.training.loop import Loop

SIZES: dict[str, Any] = {"hidden_size": None, "embedding_size": None}


class Messages(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A language model of the words of `write_reviews`."""
    folder = tmp_path_factory.mktemp("model")
    rows = write_reviews(folder / "reviews.csv").read_text(encoding="utf-8").splitlines()[1:]
    (folder / "text.txt").write_text("".join(row.split(",")[0] + "\n" for row in rows), encoding="utf-8")
    return language(folder, tokenization="words", cell="gru", hidden_size=6, embedding_size=5, steps=4)


def initialized(folder: Path, model: Run, task: str = "classify", **settings: Any) -> tuple[Run, Messages]:
    """A run from `model` whose training changes nothing, so that its weights are the initial ones."""
    messages = Messages()
    run = reviews(folder, task=task, pretrained=str(model.path), steps=1, learning_rate=1e-12, ema_decay=0.0,
                  progress=messages, **SIZES | settings)  # fmt: skip
    return run, messages


@pytest.mark.parametrize("task", ["classify", "regress"])
def test_weights_and_vocabulary_are_those_of_the_language_model(tmp_path: Path, model: Run, task: str) -> None:
    run, messages = initialized(tmp_path, model, task)
    theirs, ours = load_file(model.path / "model.safetensors"), run.network.state_dict()
    for name in (name for name in theirs if name.startswith("recurrent.")):
        torch.testing.assert_close(ours[f"encoder.{name}"], theirs[name])
    assert not [name for name in ours if name.endswith("_reverse")]  # one direction, unless asked
    torch.testing.assert_close(ours["encoder.input_layer.embedding.weight"][1:], theirs["embedding.weight"][1:])
    assert not ours["encoder.input_layer.embedding.weight"][0].any()  # padding
    assert run.task.dataset.input.field.vocabulary.tokens == model.task.dataset.vocabulary.tokens
    settings = run.settings.model
    found = (settings.cell, settings.hidden_size, settings.embedding_size, settings.num_layers, settings.ensemble_size)
    assert found == ("gru", 6, 5, 1, 1) and run.streams[0]
    (line,) = (line for line in messages.lines if line.startswith("initialized from"))
    assert "; unidirectional" in line and str(model.path) in line
    assert "the language model covers 100 % of the words in the training data" in messages.lines


def test_the_backward_direction_has_random_weights(tmp_path: Path, model: Run) -> None:
    run, messages = initialized(tmp_path, model, bidirectional=True, ensemble_size=2)
    theirs, ours = load_file(model.path / "model.safetensors"), run.network.state_dict()
    for at in (0, 1):
        weight = ours[f"members.{at}.encoder.recurrent.weight_hh_l0"]
        torch.testing.assert_close(weight, theirs["recurrent.weight_hh_l0"])
        assert not torch.allclose(ours[f"members.{at}.encoder.recurrent.weight_hh_l0_reverse"], weight)
    assert any("bidirectional, with a new backward direction" in line for line in messages.lines)


def test_embeddings_of_ngrams_are_initially_zero(tmp_path: Path, model: Run) -> None:
    run, _ = initialized(tmp_path, model, character_ngrams=True)
    (table,) = (module for module in run.network.modules() if isinstance(module, TokenEmbedding))
    assert table.ngram_embedding is not None and table.ngram_embedding.weight.abs().max() < 1e-6


def test_the_run_does_not_need_the_language_model(tmp_path: Path, model: Run) -> None:
    """Loaded, resumed and evaluated without the language model."""
    copy = tmp_path / "model"
    shutil.copytree(model.path, copy)
    whole = reviews(tmp_path, "whole", pretrained=str(copy), **SIZES | {"steps": 6})
    stopped = tmp_path / "stopped"
    took = Loop.take_step

    def step(loop: Any) -> float:
        if loop.step == 3:
            shutil.rmtree(copy)
            signal.raise_signal(signal.SIGINT)
        return took(loop)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Loop, "take_step", step)
        reviews(tmp_path, "stopped", pretrained=str(copy), **SIZES | {"steps": 6})
    run = resume(stopped)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(run.network.state_dict()[name], value), name
    again = recurra.load(stopped)
    assert again.predict(["a dull film", ""]) == whole.predict(["a dull film", ""])
    assert again.evaluate(tmp_path / "reviews.csv")["loss"] > 0
    with again.stream() as stream:
        stream.push("a du")
        stream.push("ll film")
        assert stream.result()["label"] == whole.predict(["a dull film"])[0]["label"]


def test_the_vocabulary_of_a_tagger_includes_that_of_the_language_model(tmp_path: Path, model: Run) -> None:
    rows = [(["a", "warm", "Vienna"], ["O", "O", "B"]), (["Bonn", "is", "dull"], ["B", "O", "O"])]
    data = tmp_path / "tags.jsonl"
    lines = [{"tokens": [*words, str(n)], "tags": [*tags, "O"]} for n in range(10, 20) for words, tags in rows]
    data.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    run = recurra.train("tag", data, out=tmp_path / "run", pretrained=str(model.path), steps=1, learning_rate=1e-12,
                        ema_decay=0.0)  # fmt: skip
    theirs, ours = load_file(model.path / "model.safetensors"), run.network.state_dict()
    torch.testing.assert_close(ours["recurrent.weight_hh_l0"], theirs["recurrent.weight_hh_l0"])
    assert "recurrent.weight_hh_l0_reverse" in ours  # a tagger reads both ways
    ids, known = run.task.dataset.words.ids, model.task.dataset.vocabulary.tokens
    table = ours["input_layer.words.embedding.weight"]
    for word in ("dull", "empty"):  # of the rows, and of the model alone
        torch.testing.assert_close(table[ids[word]], theirs["embedding.weight"][known.index(word)])
    torch.testing.assert_close(table[ids["vienna"]], theirs["embedding.weight"][1])  # the model does not know it
    assert run.predict(["an empty Vienna"]) == recurra.load(run.path).predict(["an empty Vienna"])


def test_settings_that_disagree(tmp_path: Path, model: Run) -> None:
    pretrain = str(model.path)
    for settings, problem in (
        ({"hidden_size": 8}, "hidden_size = 8, but the weights of .* have 6; remove hidden_size"),
        ({"embedding_size": 8}, "embedding_size = 8, but the weights of .* have 5"),
        ({"num_layers": 2}, "num_layers = 2, but the weights of .* have 1"),
        ({"cell": "lstm"}, "cell = lstm, but the weights of .* have gru"),
        (
            {"tokenization": "characters"},
            "tokenization is characters, but with --pretrained the vocabulary is .* words; remove tokenization",
        ),
        ({"min_count": 3}, "remove min_count"),
        ({"vocabulary_size": 12}, "vocabulary_size = 12, but --pretrained uses the vocabulary of"),
    ):
        with pytest.raises(SettingError, match=problem):
            reviews(tmp_path, pretrained=pretrain, **SIZES | settings)
    assert not (tmp_path / "run").exists()


def test_a_language_model_of_another_language(tmp_path: Path, model: Run) -> None:
    data = tmp_path / "a.csv"
    data.write_text(
        "text,label\n" + "".join(f"жук {chr(0x430 + n % 30)}{n},{'ab'[n % 2]}\n" for n in range(40)), encoding="utf-8"
    )
    with pytest.raises(
        DataError,
        match="has none of the words of the training data: use a language model trained on similar text, or remove",
    ):
        recurra.train("classify", data, out=tmp_path / "run", pretrained=str(model.path), epochs=1)


def test_several_layers_are_unidirectional(tmp_path: Path, model: Run) -> None:
    deep = language(
        model.path.parent, "deep", tokenization="words", hidden_size=4, embedding_size=4, num_layers=2, steps=1
    )
    assert not reviews(tmp_path, pretrained=str(deep.path), **SIZES | {"steps": 1}).settings.model.bidirectional
    with pytest.raises(SettingError, match=r"has 2 layers, .* --set bidirectional=false"):
        reviews(tmp_path, "both", pretrained=str(deep.path), bidirectional=True, **SIZES)


def test_runs_that_are_not_language_models(tmp_path: Path, model: Run) -> None:
    other = reviews(tmp_path, "other", steps=1)
    for path, problem in (
        (tmp_path / "none", "does not exist; pretrained expects"),
        (tmp_path, "is not a run folder"),
        (other.path, "is a run of classify; pretrained expects a run of language"),
    ):
        with pytest.raises(RunError, match=problem):
            reviews(tmp_path, pretrained=str(path), **SIZES)
    for damaged, problem in (
        ("model.safetensors", r"model\.safetensors is missing or damaged"),
        ("vocabulary/text.json", r"text\.json: the vocabulary is damaged"),
        ("config.yaml", "config.yaml is damaged"),
    ):
        copy = tmp_path / f"copy-{Path(damaged).stem}"
        shutil.copytree(model.path, copy)
        (copy / damaged).write_text("{")
        with pytest.raises(RunError, match=problem):
            reviews(tmp_path, pretrained=str(copy), **SIZES)
    assert not (tmp_path / "run").exists()


def test_weights_of_another_vocabulary(tmp_path: Path, model: Run) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(model.path, copy)
    record = json.loads((copy / "vocabulary" / "text.json").read_text(encoding="utf-8"))
    record["tokens"].pop()
    (copy / "vocabulary" / "text.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(RunError, match=r"expected an embedding of .* tokens and 5 features"):
        reviews(tmp_path, pretrained=str(copy), **SIZES)
