"""Runs that are killed, a full disk, a folder that is removed, a device that is missing. `make chaos` does more."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from chaos.compare import difference
from chaos.runs import train
from tiny_runs import reviews

from recurra import training
from recurra.errors import RunError, TrainingError
from recurra.training import devices
from recurra.training.history import History
from recurra.training.loop import Loop
from recurra.training.new_run import built_beside


def test_killed_at_any_operation_and_at_random_moments() -> None:
    """One process resumes from every state that a kill can leave in a run, and kills 20 child processes."""
    chaos = [sys.executable, "-m", "chaos", "--states", "language", "--kills", "20", "--steps", "4", "language"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        chaos, cwd=Path(__file__).parents[1], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 differ" in done.stdout and "20 kills" in done.stdout


def failing(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """From the operation `at` on the disk is full: a file cannot be flushed."""
    flush, count = os.fsync, 0

    def fsync(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count >= at:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("at", [12, 14, 15, 17, 20])
def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """In the history, the best weights, their metrics and the checkpoint. With space again, the run is the whole one."""
    whole = train("language", tmp_path, "whole", steps=4)
    with monkeypatch.context() as patch:
        failing(patch, at)
        with pytest.raises(RunError, match=r"cut/.*cannot be written \(No space left on device\)"):
            train("language", tmp_path, "cut", steps=4)
    assert difference(training.resume(tmp_path / "cut").path, whole.path) is None


def test_a_disk_that_is_full_before_the_first_step(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match=r"run: cannot be made \(No space left on device\)"),
        built_beside(tmp_path / "run"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def stepping(monkeypatch: pytest.MonkeyPatch, at: int, action: Any) -> None:
    """Do something before the step that follows `at` steps."""
    take_step = Loop.take_step

    def step(self: Loop, rate: float | None = None) -> float:
        if self.step == at:
            action(self)
        return take_step(self, rate)

    monkeypatch.setattr(Loop, "take_step", step)


def test_the_run_folder_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stepping(monkeypatch, 2, lambda loop: shutil.rmtree(loop.folder))
    with pytest.raises(RunError, match="run: the run folder was removed during training"):
        train("language", tmp_path, "run", steps=4)
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(loop: Loop) -> None:
        with torch.no_grad():
            next(loop.module.parameters()).fill_(torch.nan)

    stepping(monkeypatch, 3, spoil)
    with pytest.raises(TrainingError, match=r"the loss became nan at step 4; the last good weights, those of step 2"):
        reviews(tmp_path, steps=4, num_evaluations=2, batch_size=8, ensemble_size=1)


def test_a_checkpoint_of_a_gpu_on_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`device: auto` continues here and says so; a device that is named and missing is an error."""
    stepping(monkeypatch, 2, lambda loop: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train("language", tmp_path, "run", steps=4, num_evaluations=4)
    monkeypatch.undo()
    state = tmp_path / "run/checkpoint/state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"device": "cuda"}))
    said = list[str]()

    class Said(training.Silent):
        def message(self, line: str) -> None:
            said.append(line)

    config = tmp_path / "run/config.yaml"
    monkeypatch.setattr(devices.torch.cuda, "is_available", lambda: False)
    config.write_text(config.read_text().replace("device: auto", "device: cuda"))
    with pytest.raises(RunError, match=r"run cannot be resumed here: device = 'cuda': there is no such device here"):
        training.resume(tmp_path / "run")
    config.write_text(config.read_text().replace("device: cuda", "device: auto"))
    training.resume(tmp_path / "run", progress=Said())
    assert (
        f"{tmp_path / 'run'}: resumed at step 2 on cpu; it was on cuda, so results agree up to rounding errors" in said
    )


def test_a_history_that_lacks_lines_is_damaged(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    history.append({"step": 1})
    history.append({"step": 2})
    history.cut(1)
    assert history.path.read_text() == '{"step": 1}\n' and history.lines == 1
    with pytest.raises(RunError, match=r"history.jsonl is damaged: lines that the checkpoint knows are missing"):
        history.cut(2)
