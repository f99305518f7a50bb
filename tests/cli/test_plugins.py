"""Classes of the user's own: found, or one line that says what is wrong and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from recurra.errors import SettingError
from recurra.plugins import load_cell, load_module_classes, load_object, load_task

CELL = """
from __future__ import annotations
from dataclasses import dataclass
from recurra.cells import RNN, Cell
from helper_beside import leak

@dataclass(frozen=True)
class Leaky(RNN):
    leak: float = leak

class Half(Cell):
    pass

def leaky(): ...
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "helper_beside.py").write_text("leak = 0.25\n")
    file = tmp_path / "mine.py"
    file.write_text(CELL)
    return file


def test_a_file_may_import_its_neighbour(mine: Path) -> None:
    cell = load_cell(f"{mine}:Leaky")
    assert cell.__name__ == "Leaky" and cell().leak == 0.25  # type: ignore[attr-defined]
    assert load_object(f"{mine}:Leaky") is cell  # a second look is the same class


def test_a_module_of_the_current_folder(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = mine.parent
    (folder / "mine_as_module.py").write_text("from recurra.cells import RNN\nclass Other(RNN): ...\n")
    monkeypatch.chdir(folder)
    assert load_cell("mine_as_module:Other").__name__ == "Other"


def test_import_finds_what_the_file_defines_and_no_more(mine: Path) -> None:
    cells, tasks = load_module_classes(str(mine))
    assert [cell.__name__ for cell in cells] == ["Leaky"]  # not RNN, which it imports, nor Half, which is abstract
    assert tasks == []


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("{folder}/none.py:A", "none.py: there is no such file"),
        ("{folder}/mine.py:Leeky", "has no 'Leeky'; did you mean 'Leaky'"),
        ("{folder}/mine.py:leaky", "leaky is a function, not a class"),
        ("{folder}/mine.py:", "names no class; expected the form file.py:Class"),
        ("{folder}/mine.py", "names no class; expected the form {folder}/mine.py:Class"),
        ("no_such_package.part:A", "no module 'no_such_package.part'"),
        ("{folder}/broken.py:A", "broken.py:3\nZeroDivisionError: division by zero"),
        ("{folder}/syntax.py:A", "syntax.py:2\nSyntaxError"),
        ("{folder}/needs.py:A", "needs.py:1\nModuleNotFoundError: No module named 'no_such_library'"),
        ("{folder}/mine.py:Half", "Half does not define parameters, project, step"),
        ("collections:OrderedDict", "OrderedDict is not a Cell"),
    ],
)
def test_what_is_wrong_is_said(mine: Path, spec: str, said: str) -> None:
    folder = mine.parent
    (folder / "broken.py").write_text("x = 1\ny = 0\nx / y\n")
    (folder / "syntax.py").write_text("x = 1\ndef (:\n")
    (folder / "needs.py").write_text("import no_such_library\n")
    with pytest.raises(SettingError) as raised:
        load_cell(spec.format(folder=folder))
    assert said.format(folder=folder) in str(raised.value)
    assert len(str(raised.value).splitlines()) <= 2


def test_a_cell_is_no_task(mine: Path) -> None:
    with pytest.raises(SettingError, match="Leaky is not a Task"):
        load_task(f"{mine}:Leaky")


def test_a_file_without_cells_or_tasks(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("x = 1\n")
    with pytest.raises(SettingError, match="defines no Cell and no Task"):
        load_module_classes(str(tmp_path / "empty.py"))
