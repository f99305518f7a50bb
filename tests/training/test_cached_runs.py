"""Runs whose data come from the cache equal runs that encode them, also when they are interrupted and resumed."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import write_reviews

import recurra
from recurra import training
from recurra.cli.main import run as command
from recurra.progress import Silent
from recurra.training.loop import Loop

SETTINGS = {"text": "text", "label": "label", "steps": 6, "hidden_size": 8, "embedding_size": 8, "num_evaluations": 2}


class Messages(Silent):
    """Collects the messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, line: str) -> None:
        self.lines.append(line)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_a_run_with_cached_data_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECURRA_CACHE", str(tmp_path / "user"))
    data, shown = write_reviews(tmp_path / "reviews.csv"), [Messages() for _ in range(3)]
    recurra.train("classify", data, out=tmp_path / "made", progress=shown[0], **SETTINGS)
    recurra.train("classify", data, out=tmp_path / "taken", progress=shown[1], **SETTINGS)
    take_step = Loop.take_step

    def step(self: Loop) -> float:
        if self.step == 3:
            signal.raise_signal(signal.SIGINT)
        return take_step(self)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "take_step", step)
        with pytest.raises(KeyboardInterrupt):
            recurra.train("classify", data, out=tmp_path / "stopped", **SETTINGS)
    for path in (tmp_path / "user").iterdir():  # the run has the encoded data itself
        path.rename(path.with_name("away"))
    training.resume(tmp_path / "stopped")
    recurra.train("classify", data, out=tmp_path / "without", progress=shown[2], cache=False, **SETTINGS)
    for name in ("taken", "stopped", "without"):
        one, other = weights(tmp_path / "made"), weights(tmp_path / name)
        assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
        assert not (tmp_path / name / "cache").exists()
    about_cache = [[line for line in one.lines if line.startswith("encoded data: ")] for one in shown]
    assert [len(lines) for lines in about_cache] == [1, 1, 0]
    assert "kept for later runs in" in about_cache[0][0] and "read from the cache" in about_cache[1][0]
    others = [[line for line in one.lines if not line.startswith(("encoded data: ", "read and "))] for one in shown]
    assert others[0] == others[1] == others[2]


def test_no_cache_is_no_option_of_resume(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["train", "--resume", "run", "--no-cache"]) == 2
    assert "--no-cache cannot be changed" in capsys.readouterr().err
