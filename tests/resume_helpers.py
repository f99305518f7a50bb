"""Interrupting a run and comparing it with an uninterrupted one."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from recurra.run import Run
from recurra.training.loop import Loop


def signalled(monkeypatch: pytest.MonkeyPatch, at: int, sign: int = signal.SIGINT) -> None:
    """Send a signal during the step that follows `at` steps."""
    take_step = Loop.take_step

    def step(self: Loop) -> float:
        if self.step == at:
            signal.raise_signal(sign)
        return take_step(self)

    monkeypatch.setattr(Loop, "take_step", step)


def history(run: Run | Path) -> list[dict[str, Any]]:
    path = run if isinstance(run, Path) else run.path
    lines = [json.loads(line) for line in (path / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def same(one: Run, other: Run) -> bool:
    """Whether two runs have bit-identical weights, checkpoints (optimizer and random state included), metrics and history."""
    for file in ("model.safetensors", "checkpoint/tensors.safetensors"):
        a, b = load_file(one.path / file), load_file(other.path / file)
        if a.keys() != b.keys() or not all(torch.equal(a[name], b[name]) for name in a):
            return False
    return one.metrics == other.metrics and history(one) == history(other)
