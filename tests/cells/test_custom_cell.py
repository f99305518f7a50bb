"""docs/custom-cell.md does what it says: its cell is written to a file, checked, trained, used and streamed."""

from __future__ import annotations

import ast
import json
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent
from typing import Any, NamedTuple

import pytest
import torch
from tiny_runs import write_reviews

from recurra import cells
from recurra.cli import main as cli
from recurra.errors import CallError, SettingError
from recurra.nn import Recurrent
from recurra.plugins import load_cell
from recurra.testing import check_cell

PAGE = (Path(__file__).parents[2] / "docs" / "custom-cell.md").read_text(encoding="utf-8")
CELL, TEST, STREAM, LAYER, TWO_COMPONENTS, RESERVOIR, START = re.findall(r"```python\n(.*?)```", PAGE, re.S)
(COMMANDS,) = re.findall(r"```sh\n(.*?)```", PAGE, re.S)
SMALL = [f"--set={setting}" for setting in ("hidden_size=8", "tokenization=words", "steps=40", "learning_rate=0.03")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's file and a table, in the current folder."""
    (tmp_path / "minimal.py").write_text(CELL, encoding="utf-8")
    write_reviews(tmp_path / "reviews.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "minimal", raising=False)
    return tmp_path


def test_the_file_is_short_and_complete(folder: Path) -> None:
    assert len(CELL.splitlines()) <= 40
    cell = load_cell("minimal.py:Minimal")
    check_cell(cell)
    check_cell(cell(sharpness=2.0))  # type: ignore[call-arg]


def test_the_line_that_tests_it(folder: Path) -> None:
    exec(TEST, {})


def test_the_commands_and_the_stream(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = COMMANDS.splitlines()
    assert len(lines) == 4
    told = []
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "recurra"
        assert cli.run([*arguments, *(SMALL if arguments[0] == "train" else [])]) == 0, capsys.readouterr().err
        told.append(capsys.readouterr().out)
    assert "streaming: yes" in told[1] and "streaming: yes" not in told[0]
    answers = [json.loads(line) for line in told[2].splitlines()]
    assert len(answers) == 48 and {answer["label"] for answer in answers} == {"good", "bad"}
    accuracy = re.search(r"^accuracy +(\d\.\d+)$", told[3], re.M)
    assert accuracy and float(accuracy[1]) > 0.9, "it learns: a word of each row tells its class"
    config = (folder / "runs" / "minimal" / "config.yaml").read_text()
    assert "cell: minimal.py:Minimal" in config and "sharpness: 2" in config
    assert cli.run(["predict", "runs/minimal", "reviews.csv"]) == 2, "nobody's code is imported unasked"
    assert "--import minimal.py" in capsys.readouterr().err

    made: dict[str, object] = {}
    exec(STREAM, made)
    streamed = ast.literal_eval(capsys.readouterr().out)
    (whole,) = made["run"].predict(["a dull film"])  # type: ignore[attr-defined]
    assert streamed["label"] == whole["label"]
    assert streamed["probability"] == pytest.approx(whole["probability"], abs=1e-5)


def test_the_layer(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made: dict[str, object] = {}
    exec(LAYER, made)
    assert capsys.readouterr().out.startswith("minimal: backend 'reference' runs")
    layer, x, y = made["layer"], made["x"], made["y"]
    assert isinstance(layer, Recurrent) and isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor)
    assert y.shape == (3, 50, 256)
    alone, _ = layer(x[2:, :7])
    assert (alone - y[2:, :7]).abs().max() <= 16 * torch.finfo(torch.float32).eps
    assert y[2:, 7:].eq(0).all()


def test_it_is_the_registered_cell(folder: Path) -> None:
    """The page's equation and that of `mgu` agree, with one bias for two."""
    ours, theirs = (Recurrent(cell, 3, 5, dtype=torch.float64) for cell in (load_cell("minimal.py:Minimal"), "mgu"))
    w, u, b = (p.detach() for p in ours.parameters())
    theirs.load_state_dict({"weight_ih_l0": w, "weight_hh_l0": u, "bias_ih_l0": b, "bias_hh_l0": torch.zeros_like(b)})
    x = torch.randn(2, 6, 3, dtype=torch.float64)
    assert (ours(x)[0] - theirs(x)[0]).abs().max() <= 32 * torch.finfo(torch.float64).eps


def test_the_fragments_are_methods_of_a_cell() -> None:
    """Two components of the state, fixed parameters and a learned initial state, each in a class as the page has it."""
    names: dict[str, object] = {"NamedTuple": NamedTuple, "Tensor": torch.Tensor, "dataclass": dataclass, **vars(cells)}
    exec(TWO_COMPONENTS, names)
    assert names["Mine"].states == ("h", "c")  # type: ignore[attr-defined]

    names = {"torch": torch, **vars(cells)}
    step = "    def step(self, projected, state, params):\n"
    step += "        return Hidden(torch.tanh(projected + state.h @ params['U'].T))\n"
    project = "    def project(self, x, params):\n        return x @ params['W'].T\n"
    exec(
        f"class Reservoir(Cell):\n    spectral_radius = 0.9\n{indent(dedent(RESERVOIR), '    ')}\n{project}\n{step}",
        names,
    )
    reservoir: Any = names["Reservoir"]
    check_cell(reservoir)
    assert list(Recurrent(reservoir, 3, 5).parameters()) == []

    parameters = "    def parameters(self, *sizes):\n        start = Parameter((sizes[1],), uniform(sizes[1]))\n"
    parameters += "        return super().parameters(*sizes) | {'start': start}\n"
    exec(f"class Start(Reservoir):\n{parameters}\n{indent(dedent(START), '    ')}", names)
    start: Any = names["Start"]
    check_cell(start)
    assert [name for name, _ in Recurrent(start, 3, 5).named_parameters()] == ["start_l0"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("@dataclass(frozen=True)", "@dataclass", "TypeError: cannot inherit non-frozen dataclass from a frozen one"),
        ("    def step(", "    def stop(", "Minimal does not define step"),
        ('gates = ("f", "n")', 'state_type = list', "CallError: cell Minimal: state_type is <class 'list'>; expected a Na"),
    ],
)  # fmt: skip
def test_an_error_in_the_file_is_reported_in_two_lines(folder: Path, old: str, new: str, says: str) -> None:
    assert old in CELL
    (folder / "minimal.py").write_text(CELL.replace(old, new), encoding="utf-8")
    with pytest.raises(SettingError) as raised:
        load_cell("minimal.py:Minimal")
    assert says in str(raised.value)
    assert len(str(raised.value).splitlines()) <= 2


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("@dataclass(frozen=True)\n", "", "cell Minimal has the option sharpness but is not a dataclass"),
        ("def gates_of(", "def gates_off(", "cell Minimal names the gates f, n and does not define gates_of"),
    ],
)
def test_an_error_is_reported_before_training(
    folder: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, says: str
) -> None:
    assert old in CELL
    (folder / "minimal.py").write_text(CELL.replace(old, new), encoding="utf-8")
    assert cli.run(["train", "classify", "reviews.csv", "--cell", "minimal.py:Minimal", *SMALL]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert len(told.splitlines()) <= 2
    assert not (folder / "runs").exists()


BROKEN = """
from dataclasses import dataclass
from typing import NamedTuple
from recurra.cells import RNN

@dataclass(frozen=True)
class Crash(RNN):
    def step(self, projected, state, params):
        return 1 / 0

@dataclass(frozen=True)
class Sizes(RNN):
    def state_sizes(self, hidden_size):
        return (hidden_size,)

@dataclass(frozen=True)
class Asks(RNN):
    def parameters(self, input_size, hidden_size, bias):
        return {}["weights"]
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Crash", "ZeroDivisionError at broken.py, line 9, in step: division by zero"),
        ("Sizes", "state_sizes returned a tuple; expected a dict from h, in this order, to an int"),
        ("Asks", "KeyError at broken.py, line 19, in parameters: 'weights'"),
    ],
)
def test_an_error_in_a_cell_of_the_user_is_reported_with_its_place(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    cell = load_cell(f"{tmp_path / 'broken.py'}:{name}")
    with pytest.raises(CallError) as raised:
        Recurrent(cell, 3, 4)(torch.randn(2, 5, 3))
    assert said in str(raised.value) and "\n" not in str(raised.value)
