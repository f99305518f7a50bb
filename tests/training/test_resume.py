"""A run that is resumed, repeated with its seed or from its config.yaml equals the first run: bit-identical on a CPU."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from resume_helpers import history, same, signalled
from safetensors.torch import load_file
from tiny_runs import TINY, couplets, inputs, language, reviews

import recurra
from recurra import training
from recurra.errors import RunError
from recurra.ops import watch
from recurra.settings import GROUPS, fields, is_open
from recurra.tasks.classify.task import Classify
from recurra.tasks.language.task import Language
from recurra.training.loop import Loop

CLASSIFY: dict[str, Any] = {
    "steps": 30,
    "dropout": 0.3,
    "num_layers": 2,
    "token_dropout": 0.1,
    "input_dropout": 0.2,
    "ema_decay": 0.9,
    "num_evaluations": 6,
    "patience": 50,
    "batch_size": 8,
}
LANGUAGE: dict[str, Any] = {
    "steps": 30,
    "dropout": 0.3,
    "input_dropout": 0.2,
    "ema_decay": 0.9,
    "num_evaluations": 6,
    "patience": 50,
    "batch_size": 4,
    "bptt_length": 16,
}


@pytest.mark.parametrize("at", [0, 4, 5, 13, 29])
@pytest.mark.parametrize(("make", "settings"), [(reviews, CLASSIFY), (language, LANGUAGE), (couplets, CLASSIFY)])
def test_resumed_is_uninterrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, settings: dict[str, Any], at: int
) -> None:
    """`at`: in the first step, before and after an evaluation, within an epoch, and in the last step."""
    whole = make(tmp_path, "whole", **settings)
    with monkeypatch.context() as patch:
        signalled(patch, at)
        with pytest.raises(
            KeyboardInterrupt,
            match=f"interrupted at step {at + 1}, checkpoint saved; to continue: recurra train --resume",
        ):
            make(tmp_path, "cut", **settings)
    torch.manual_seed(99)  # random numbers that were drawn in between have no effect
    resumed = training.resume(tmp_path / "cut")
    assert same(resumed, whole)
    assert resumed.predict(["the sea"]) == whole.predict(["the sea"])
    facts = json.loads((resumed.path / "checkpoint/state.json").read_text())
    assert facts["epoch"] >= 1 or make is language  # the order of a second epoch was resumed as well


def test_a_run_with_penalties_constraints_and_dropped_words_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = LANGUAGE | {
        "steps": 8,
        "l1_input": 1e-3,
        "l2_recurrent": 1e-3,
        "activation_penalty": 0.1,
        "temporal_penalty": 0.1,
        "embedding_dropout": 0.2,
        "clip_adaptive": 0.1,
        "clip_layer_norm": 0.5,
        "recurrent_constraints": {"mask": 0.5, "spectral_radius": 0.9},
    }
    whole = language(tmp_path, "whole", **chosen)
    with monkeypatch.context() as patch:
        signalled(patch, 5)
        with pytest.raises(KeyboardInterrupt):
            language(tmp_path, "cut", **chosen)
    torch.manual_seed(99)
    resumed = training.resume(tmp_path / "cut")
    assert same(resumed, whole)
    assert resumed.predict(["the sea"]) == whole.predict(["the sea"])


@pytest.mark.parametrize("task", TINY)
def test_every_task_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str) -> None:
    """Interrupted in the second epoch where an epoch has few steps, between two evaluations."""
    settings = {"steps": 9, "num_evaluations": 2, "dropout": 0.2, "batch_size": 8, "ema_decay": 0.9}
    whole = TINY[task](tmp_path, "whole", **settings)
    with monkeypatch.context() as patch:
        signalled(patch, 6)
        with pytest.raises(KeyboardInterrupt, match="interrupted at step 7"):
            TINY[task](tmp_path, "interrupted", **settings)
    torch.manual_seed(99)
    resumed = training.resume(tmp_path / "interrupted")
    assert same(resumed, whole)
    assert resumed.predict(inputs(resumed)) == whole.predict(inputs(whole))


def test_the_state_between_windows_is_in_the_checkpoint(tmp_path: Path) -> None:
    sequential = language(tmp_path, "sequential", **LANGUAGE, batching="sequential")
    names = [
        name for name in load_file(sequential.path / "checkpoint/tensors.safetensors") if name.startswith("state/")
    ]
    assert sorted(names) == ["state/c_l0", "state/h_l0"]
    random = language(tmp_path, "random", **LANGUAGE, batching="random")
    assert not any(name.startswith("state/") for name in load_file(random.path / "checkpoint/tensors.safetensors"))


@pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop", "adagrad", "adadelta", "nadam"])
def test_every_optimiser_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    settings = CLASSIFY | {"steps": 8, "optimizer": name}
    whole = reviews(tmp_path, "whole", **settings)
    signalled(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        reviews(tmp_path, "cut", **settings)
    assert same(training.resume(tmp_path / "cut"), whole)


def test_a_terminated_run_is_saved_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signalled(monkeypatch, 3, signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt, match="interrupted at step 4"):
        reviews(tmp_path, "cut", **CLASSIFY)
    assert training.resume(tmp_path / "cut").metrics


def test_ctrl_c_in_the_evaluation_that_ends_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Early stopping had decided: resuming does not train on."""
    settings = CLASSIFY | {"learning_rate": 1e-12, "num_evaluations": 30, "patience": 2}
    whole = reviews(tmp_path, "whole", **settings)
    stopped = json.loads((whole.path / "checkpoint/state.json").read_text())["step"]
    assert stopped < 30
    signalled(monkeypatch, stopped - 1)
    with pytest.raises(KeyboardInterrupt):
        reviews(tmp_path, "cut", **settings)
    assert same(training.resume(tmp_path / "cut"), whole)


def test_ctrl_c_during_the_calibration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = LANGUAGE | {"steps": 12, "neural_cache_size": 20}
    whole = language(tmp_path, "whole", **settings)
    with monkeypatch.context() as patch:
        patch.setattr(Language, "calibrate", lambda self, network: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt, match=r"interrupted during the calibration .* --resume .*cut"):
            language(tmp_path, "cut", **settings)
    resumed = training.resume(tmp_path / "cut")
    assert same(resumed, whole)
    assert any("calibrated" in line for line in history(resumed)) == any(
        "calibrated" in line for line in history(whole)
    )


@pytest.mark.parametrize("checkpoint", [True, False])
def test_a_run_without_an_evaluation_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: bool
) -> None:
    """Ctrl-C before the first evaluation leaves a checkpoint; a killed process leaves the weights before the first step."""
    signalled(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        reviews(tmp_path, "cut", **CLASSIFY)
    if not checkpoint:
        shutil.rmtree(tmp_path / "cut" / "checkpoint")
    remedy = "recurra train --resume .*cut" if checkpoint else "train it again"
    with pytest.raises(RunError, match=f"before its first evaluation, so its weights are random; .*{remedy}"):
        recurra.load(tmp_path / "cut")


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take_step = Loop.take_step

    def step(self: Loop) -> float:
        if self.step == 2:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return take_step(self)

    monkeypatch.setattr(Loop, "take_step", step)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        reviews(tmp_path, "cut", **CLASSIFY)
    assert not (tmp_path / "cut" / "history.jsonl").exists()  # neither evaluated nor saved
    assert signal.getsignal(signal.SIGINT) is before


def test_a_finished_run_has_nothing_to_resume(tmp_path: Path) -> None:
    run = reviews(tmp_path)
    with pytest.raises(RunError, match=r"this run is finished .*nothing to resume"):
        training.resume(run.path)


@pytest.mark.parametrize("make", [reviews, language])
def test_same_seed_is_the_same_run_and_another_is_not(tmp_path: Path, make: Any) -> None:
    settings = (CLASSIFY if make is reviews else LANGUAGE) | {"steps": 12}
    one, other = make(tmp_path, "one", seed=3, **settings), make(tmp_path, "other", seed=3, **settings)
    assert same(one, other)
    third = make(tmp_path, "third", seed=4, **settings)
    weights, different = load_file(one.path / "model.safetensors"), load_file(third.path / "model.safetensors")
    assert not any(torch.equal(weights[name], different[name]) for name in weights if weights[name].ndim)


@pytest.mark.parametrize("make", [reviews, language])
def test_a_run_repeats_from_its_config(tmp_path: Path, make: Any) -> None:
    one = make(tmp_path, "one", **(CLASSIFY if make is reviews else LANGUAGE))
    config = one.path / "config.yaml"
    values = yaml.safe_load(config.read_text(encoding="utf-8"))
    again = training.train(values["task"], values["source"]["data"], config=config, out=tmp_path / "again")
    assert same(again, one)


def test_resolved_facts_are_in_the_config(tmp_path: Path) -> None:
    with watch() as ran:
        run = reviews(tmp_path, **CLASSIFY)
    config = yaml.safe_load((run.path / "config.yaml").read_text(encoding="utf-8"))
    assert config["format"] == 2 and config["task"] == "classify"
    resolved = config["resolved"]
    assert resolved["steps"] == 30 and config["training"]["step_schedule"] == [[0, 0.0, 30]]
    assert resolved["dataset"]["rows"] + resolved["dataset"]["valid_rows"] == 48
    assert resolved["device"] == "cpu" and set(resolved["backend"].split(", ")) <= set(ran)
    assert resolved["threads"] == torch.get_num_threads()
    assert resolved["parameters"] == sum(p.numel() for p in run.network.parameters())
    known = {key: field for key, (_, field) in fields(Classify.settings_class).items()}
    values = {f"{group}.{name}": value for group in GROUPS for name, value in config[group].items()}
    assert values.keys() == known.keys()
    never_none = [key for key, field in known.items() if field.default is not None and not is_open(field)]
    chosen = [
        key for key, field in known.items() if is_open(field) and field.json_schema_extra["only_for"] in (None, "text")
    ]
    assert "model.embedding_size" in chosen and "model.bidirectional" in (*never_none, *chosen)
    assert None not in [values[key] for key in (*never_none, *chosen)]
