"""What a step does, when training ends, and what a checkpoint survives."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tiny_runs import language, reviews, write_reviews
from torch.nn import functional as F

import recurra
from recurra.errors import RunError
from recurra.tasks.classify.task import Classify
from recurra.training import checkpoint
from recurra.training.loop import Loop


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]


def evaluated(folder: Path) -> list[int]:
    return [line["step"] for line in lines(folder) if "valid/loss" in line]


# when -----------------------------------------------------------------------------------------------------------------
def test_evaluations_are_as_many_as_asked_for_and_evenly_spread(tmp_path: Path) -> None:
    reviews(tmp_path, steps=20, num_evaluations=5, patience=50)
    assert evaluated(tmp_path / "run") == [4, 8, 12, 16, 20]


def test_more_evaluations_than_steps_are_one_a_step(tmp_path: Path) -> None:
    reviews(tmp_path, steps=3, num_evaluations=50, patience=50)
    assert evaluated(tmp_path / "run") == [1, 2, 3]


def test_the_learning_rate_of_each_step_is_on_record(tmp_path: Path) -> None:
    reviews(tmp_path, steps=10, num_evaluations=10, patience=50, learning_rate=0.01, warmup=0.2, schedule="linear")
    rates = [line["learning_rate"] for line in lines(tmp_path / "run")]
    expected = [0.01 * scale for scale in (1e-3, 0.5, *(1 - k / 8 for k in range(8)))]
    assert rates == pytest.approx(expected)


def test_training_stops_early_and_keeps_the_best(tmp_path: Path) -> None:
    run = reviews(tmp_path, steps=100, num_evaluations=100, patience=3, learning_rate=1e-12, ema_decay=0.0)
    history = lines(run.path)
    assert history[-1]["stopped"] == "no better accuracy in 3 evaluations"
    best = json.loads((run.path / "checkpoint/state.json").read_text())["best"]["step"]
    assert evaluated(run.path) == list(range(1, best + 4))
    assert run.metrics["valid/accuracy"] == history[best - 1]["valid/accuracy"]


def test_epochs_are_passes_over_the_data(tmp_path: Path) -> None:
    run = reviews(tmp_path, steps=None, epochs=2.0, batch_size=8, patience=50)
    config = yaml.safe_load((run.path / "config.yaml").read_text())
    rows = config["resolved"]["dataset"]["rows"]
    assert config["resolved"]["steps"] == 2 * math.ceil(rows / 8)


def test_max_minutes_fixes_the_steps_and_writes_them_down(tmp_path: Path) -> None:
    began = time.time()
    run = reviews(tmp_path, steps=None, epochs=1e6, max_minutes=0.05, patience=1000)
    resolved = yaml.safe_load((run.path / "config.yaml").read_text())["resolved"]
    plan = run.config["training"]["step_schedule"]
    assert plan[0][:2] == [0, 0.0] and len(plan) >= 2
    assert plan[-1][2] == resolved["steps"] < 1e6
    written = [line["steps"] for line in lines(run.path) if "steps" in line]
    assert written == [total for _, _, total in plan[1:]]
    assert resolved["seconds"] <= time.time() - began + 0.1


@pytest.mark.parametrize("minutes", [1e-6, 0.05])
def test_a_budget_that_pays_for_one_step(tmp_path: Path, minutes: float) -> None:
    """One batch, one pass; and a clock that has run out before the first step."""
    run = reviews(tmp_path, steps=None, epochs=1.0, batch_size=64, max_minutes=minutes)
    assert yaml.safe_load((run.path / "config.yaml").read_text())["resolved"]["steps"] >= 1
    assert evaluated(run.path)


def test_a_clock_that_ran_before_the_call_counts(tmp_path: Path) -> None:
    run = reviews(tmp_path, steps=None, epochs=1e6, max_minutes=1.0, started=time.time() - 58)
    assert lines(run.path)[0]["seconds"] >= 58
    assert yaml.safe_load((run.path / "config.yaml").read_text())["resolved"]["seconds"] < 90


# what -----------------------------------------------------------------------------------------------------------------
def gradients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> list[list[torch.Tensor]]:
    """The gradients that the optimizer sees, at each step."""
    seen: list[list[torch.Tensor]] = []
    update = torch.optim.SGD.step

    def step(self: torch.optim.SGD, *arguments: Any, **options: Any) -> Any:
        seen.append([p.grad.clone() for group in self.param_groups for p in group["params"] if p.grad is not None])
        return update(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.SGD, "step", step)
        reviews(
            tmp_path,
            str(len(list(tmp_path.iterdir()))),
            optimizer="sgd",
            steps=4,
            learning_rate=0.1,
            dropout=0.0,
            **settings,
        )
    return seen


def norm(tensors: list[torch.Tensor]) -> float:
    return float(torch.linalg.vector_norm(torch.cat([t.flatten() for t in tensors])))


def test_gradients_are_clipped_by_norm_and_by_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = gradients(tmp_path, monkeypatch, clip_norm=None)
    small = norm(free[0]) / 10
    by_norm = gradients(tmp_path, monkeypatch, clip_norm=small)
    assert [norm(step) for step in by_norm] == pytest.approx([small] * 4, rel=1e-4)
    for a, b in zip(free[0], by_norm[0], strict=True):  # the direction is kept
        torch.testing.assert_close(b, a / 10, rtol=1e-3, atol=1e-7)
    largest = max(float(t.abs().max()) for t in free[0]) / 2
    by_value = gradients(tmp_path, monkeypatch, clip_value=largest, clip_norm=None)
    for a, b in zip(free[0], by_value[0], strict=True):
        torch.testing.assert_close(b, a.clamp(-largest, largest))
    assert any(not torch.equal(a, b) for a, b in zip(free[0], by_value[0], strict=True))


def test_label_smoothing_is_the_formula(tmp_path: Path) -> None:
    """(1 - s) times the loss of the true class plus s times the mean loss of all classes."""
    run = reviews(tmp_path, tokenization="words", ensemble_size=1)
    task = run.task
    assert isinstance(task, Classify)
    x, lengths, label = torch.tensor([[3, 4, 5], [6, 7, 0]]), torch.tensor([3, 2]), torch.tensor([0, 1])
    from recurra.tasks.base import Batch

    batch = Batch({"x": x, "lengths": lengths}, {"label": label}, 5, 6)
    logs = F.log_softmax(run.network(x, lengths), 1)
    for s in (0.0, 0.1, 0.5):
        changed = Classify(task.settings.with_(training={"label_smoothing": s}), task.dataset, task.cell)
        loss, state = changed.loss(run.network, batch, None, 0.0)
        expected = -(1 - s) * logs[[0, 1], label].mean() - s * logs.mean()
        torch.testing.assert_close(loss, expected)
        assert state is None


def test_smoothing_is_of_training_not_of_the_figures(tmp_path: Path) -> None:
    """At the same weights the reported loss is the plain one."""
    plain = reviews(tmp_path, "plain", learning_rate=1e-12, ema_decay=0.0)
    smooth = reviews(tmp_path, "smooth", learning_rate=1e-12, ema_decay=0.0, label_smoothing=0.3)
    assert smooth.metrics["valid/loss"] == pytest.approx(plain.metrics["valid/loss"], rel=1e-5)


def test_language_smoothing_changes_what_is_learnt(tmp_path: Path) -> None:
    a, b = language(tmp_path, "a", label_smoothing=0.4), language(tmp_path, "b", label_smoothing=0.0)
    assert lines(a.path)[0]["train/loss"] != lines(b.path)[0]["train/loss"]


def test_training_learns(tmp_path: Path) -> None:
    run = reviews(tmp_path, steps=150, tokenization="words", learning_rate=0.02, hidden_size=16)
    assert run.metrics["valid/accuracy"] == 1.0
    text = language(tmp_path, "text", steps=200, learning_rate=0.02, hidden_size=16)
    assert text.metrics["valid/nats_per_character"] < 0.7 < 2.5 < math.log(20)


@pytest.mark.parametrize("precision", ["32", "64", "bf16"])
def test_precisions_train(tmp_path: Path, precision: str) -> None:
    run = reviews(tmp_path, precision=precision, ema_decay=0.9)
    expected = torch.float64 if precision == "64" else torch.float32
    assert {tensor.dtype for tensor in load_file(run.path / "model.safetensors").values()} == {expected}
    assert run.predict(["a film"]) == recurra.load(run.path).predict(["a film"])


def test_options_of_the_cell_are_kept(tmp_path: Path) -> None:
    from recurra.cells import RNN

    one = reviews(tmp_path, "one", cell=RNN("relu"))
    other = reviews(tmp_path, "other", cell="rnn", cell_options={"nonlinearity": "relu"})
    plain = reviews(tmp_path, "plain", cell="rnn")
    assert recurra.load(one.path).task.cell == RNN("relu")
    assert one.predict(["a film"]) == other.predict(["a film"]) == recurra.load(one.path).predict(["a film"])
    assert one.predict(["a film"]) != plain.predict(["a film"])


# checkpoints ----------------------------------------------------------------------------------------------------------
def test_a_run_holds_no_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take_step = Loop.take_step

    def stopped(self: Loop) -> float:
        if self.step == 5:
            raise KeyboardInterrupt
        return take_step(self)

    monkeypatch.setattr(Loop, "take_step", stopped)
    with pytest.raises(KeyboardInterrupt):
        language(tmp_path)
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".yaml", ".json", ".jsonl", ".safetensors", ".bin"}
    for path in files:
        begin = path.read_bytes()[:2]
        assert begin[:1] != b"\x80" and begin != b"PK", path  # a pickle, or torch.save's archive of them


@pytest.mark.parametrize("crash_at", [0, 1, 2, 3])
def test_a_crash_between_renames_leaves_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash_at: int
) -> None:
    """Every rename in turn is the last thing the machine does: the old or the new checkpoint can be loaded."""
    folder = tmp_path / "checkpoint"
    checkpoint.save(folder, {"x": torch.tensor([1.0])}, {"step": 1, "metrics": {}})
    replace, count = Path.replace, [0]

    class Crash(BaseException): ...

    def renaming(self: Path, target: Path) -> Path:
        if count[0] == crash_at:
            raise Crash
        count[0] += 1
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", renaming)
        with pytest.raises(Crash):
            checkpoint.save(folder, {"x": torch.tensor([2.0])}, {"step": 2, "metrics": {}})
    tensors, facts = checkpoint.load(folder)
    assert tensors["x"].item() == facts["step"] == 1
    checkpoint.save(folder, {"x": torch.tensor([3.0])}, {"step": 3, "metrics": {}})  # and the next one is saved as ever
    assert checkpoint.load(folder)[1]["step"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


@pytest.mark.parametrize("file", ["tensors.safetensors", "state.json"])
@pytest.mark.parametrize("share", [None, 0.0, 0.5])
def test_a_damaged_checkpoint_says_so(tmp_path: Path, file: str, share: float | None) -> None:
    folder = tmp_path / "checkpoint"
    checkpoint.save(folder, {"x": torch.zeros(50)}, {"step": 1})
    whole = (folder / file).read_bytes()
    if share is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(RunError, match=file):
        checkpoint.load(folder)


def test_no_checkpoint_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no checkpoint to resume from"):
        checkpoint.load(tmp_path / "checkpoint")


def test_nothing_is_left_of_reading_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_reviews(tmp_path / "reviews.csv")

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Classify, "resolve", interrupted)
    with pytest.raises(KeyboardInterrupt):
        reviews(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["reviews.csv"]
