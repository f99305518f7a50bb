"""Inspection of runs: every task, what is recorded and where, the gradient of the loss, and errors."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_runs import TINY, inputs, reviews

import recurra
from recurra import inspection
from recurra.errors import CallError, DataError, UserError
from recurra.nn.patch import recurrent_of
from recurra.run import Run


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """A function that trains the run of `TINY` for a task, each once."""
    runs: dict[str, Run] = {}

    def train(task: str) -> Run:
        if task not in runs:
            runs[task] = TINY[task](tmp_path_factory.mktemp(task))
        return runs[task]

    return train


def searching_alone(run: Run) -> Run:
    """The run with a beam of one hypothesis where it searches."""
    if "model.beam_size" in run.task.inference_settings:
        run.change(beam_size=1)
    return run


@pytest.mark.parametrize("task", TINY)
def test_record_of_every_task(tiny: Callable[[str], Run], task: str) -> None:
    run = searching_alone(tiny(task))
    examples = inputs(run, 3)
    found = inspection.record(run, examples)
    layer = recurrent_of(run.network)[1]
    h = found.states[f"l0.forward.{layer.cells[0].states[0]}"]
    assert len(h) == len(found.lengths) == len(examples)
    assert h.shape[1] == found.lengths.max()
    assert [json.loads(text).keys() for text in found.predictions] == [one.keys() for one in run.predict(examples)]
    alone = inspection.record(run, examples[1:2])
    steps = alone.lengths[0]
    assert np.array_equal(alone.states["l0.forward.h"][0], found.states["l0.forward.h"][1, :steps])
    x = torch.from_numpy(alone.inputs)  # the layer on the recorded inputs gives the recorded states
    again = inspection.record(layer, x).states["l0.forward.h"]
    if task not in ("forecast", "caption"):  # whose layer starts from a state of its own
        assert np.abs(again - alone.states["l0.forward.h"]).max() < 1e-5
    assert not layer._forward_pre_hooks


@pytest.mark.parametrize("task", TINY)
def test_memory_of_every_task(tiny: Callable[[str], Run], task: str) -> None:
    run = tiny(task)
    flags = [module.training for module in run.network.modules()]
    before = run.predict(inputs(run, 2))
    found = inspection.memory(run)
    assert np.nanmax(found.norms) > 0
    assert found.norms.shape[0] == len(found.rows)
    assert np.array_equal(found.norms, inspection.memory(run, run.config["source"]["data"]).norms, equal_nan=True)
    assert [module.training for module in run.network.modules()] == flags
    assert "forward" not in vars(recurrent_of(run.network)[1])
    assert run.predict(inputs(run, 2)) == before


def test_rows_of_a_table_have_their_labels(tiny: Callable[[str], Run]) -> None:
    run = tiny("classify")
    found = inspection.record(run, run.config["source"]["data"])
    assert json.loads(found.rows[0])["label"] == "bad"
    assert len(found.rows) == 48


def test_an_ensemble_and_a_named_layer(tmp_path: Path) -> None:
    run = reviews(tmp_path, ensemble_size=2)
    one = inspection.record(run, ["a fine film"], module="members.1.encoder.recurrent")
    other = inspection.record(run, ["a fine film"])
    assert not np.array_equal(one.states["l0.forward.h"], other.states["l0.forward.h"])
    assert inspection.memory(run, module="members.1.encoder.recurrent").norms.shape == (2, found_steps(other))
    with pytest.raises(CallError, match="unknown module 'members'; "):
        inspection.record(run, ["a"], module="members")


def found_steps(recording: inspection.Recording) -> int:
    """The steps of the longest text of `write_reviews`."""
    return 19 if recording.lengths[0] else 0


def test_dynamics_of_a_run(tiny: Callable[[str], Run]) -> None:
    run = tiny("language")
    recording = inspection.record(run, ["the sea"])
    x = recording.inputs[0, 0]
    assert inspection.jacobian(run, None, x).matrix.shape == (16, 16)
    assert math.isfinite(inspection.lyapunov(run, k=1, x=x, steps=50).exponents[0])
    assert inspection.fixed_points(run, x, starts=8).points.shape[1] == 16


def test_errors(tiny: Callable[[str], Run], tmp_path: Path) -> None:
    run = tiny("classify")
    copied = tmp_path / "moved"
    shutil.copytree(run.path, copied)
    config = (copied / "config.yaml").read_text(encoding="utf-8")
    config = config.replace(str(run.config["source"]["data"]), str(tmp_path / "gone.csv"))
    (copied / "config.yaml").write_text(config, encoding="utf-8")
    other = tmp_path / "other.csv"
    other.write_text("text,label\n" + "one two,good\nthree four,bad\n" * 20, encoding="utf-8")
    numbers = Path(str(tiny("forecast").config["source"]["data"]))
    calls: list[tuple[Callable[[], Any], type[UserError], str]] = [
        (
            lambda: inspection.memory(recurra.load(copied)),
            DataError,
            "jacobian, lyapunov and fixed_points need no data",
        ),
        (lambda: inspection.memory(run, other), DataError, "gives another vocabulary than that of"),
        (lambda: inspection.memory(run, numbers), DataError, "cannot be read"),
        (lambda: inspection.memory(run, ["a text"]), CallError, "memory of a run needs the loss"),
        (lambda: inspection.record(run, tmp_path / "gone.csv"), DataError, "no such file"),
        (lambda: inspection.record(run, numbers), DataError, "text"),
        (lambda: inspection.record(run, []), CallError, "data has no examples"),
        (lambda: inspection.record(run, ["a text"], [2]), CallError, "remove the argument lengths"),
        (lambda: inspection.record(run, None), CallError, "data is None"),
    ]
    for call, kind, message in calls:
        with pytest.raises(kind) as raised:
            call()
        assert message in str(raised.value)
        assert "\n" not in str(raised.value)
