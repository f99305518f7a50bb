"""`recurra explain` and `recurra cite`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cells_registry import USERS
from tiny_runs import TINY

from recurra import cells, nn, tasks
from recurra.cli.citations import METHODS, methods_of, references_of
from recurra.cli.explain import explanation
from recurra.cli.main import run
from recurra.settings import fields


@pytest.mark.parametrize("cell", [*map(cells.get, cells.names()), *USERS], ids=str)
def test_explain_of_every_cell(cell: cells.Cell) -> None:
    text = "\n".join(explanation(cell, 3, 5))
    layer = nn.Recurrent(cell, 3, 5)
    count = sum(p.numel() for p in layer.parameters())
    assert f"{count:,} numbers that are trained" in text
    for name, tensor in [*layer.named_parameters(), *layer.named_buffers()]:
        assert re.search(rf"^  {name.removesuffix('_l0')} +{re.escape(str(tuple(tensor.shape)))}", text, re.MULTILINE)
    assert "h' = " in text
    assert cell.source in text
    assert "backends on this machine: " in text


@pytest.mark.parametrize("cell", cells.names())
def test_every_source_of_a_cell_becomes_complete_bibtex(cell: str) -> None:
    for reference in references_of(cells.get(cell).source):
        assert re.fullmatch(r"\d{4}", reference.year) and reference.title and reference.venue
        entry = reference.bibtex()
        assert entry.count("{") == entry.count("}")
        assert re.match(r"@(article|misc)\{\w+,\n  author = \{", entry)


def test_bibtex_of_the_lstm() -> None:
    first, second = references_of(cells.LSTM().source)
    assert first.bibtex() == (
        "@article{hochreiter1997long,\n  author = {Hochreiter and Schmidhuber},\n  year = {1997},\n"
        "  title = {{Long short-term memory}},\n  journal = {Neural Computation 9(8):1735-1780},\n}"
    )
    assert second.authors == "Gers, Schmidhuber and Cummins"
    assert "author = {Gers and Schmidhuber and Cummins}" in second.bibtex()


def test_every_method_names_a_task_or_setting_that_exists() -> None:
    known = {name for task in tasks.names() for name in fields(tasks.get(task).settings_class)}
    methods = json.loads(METHODS.read_text(encoding="utf-8"))
    for method in methods:
        assert method.get("task") in tasks.names() or method.get("setting") in known, method
        assert {"authors", "year", "title", "venue"} <= method.keys()


def test_methods_depend_on_the_settings() -> None:
    found = methods_of("tag", "", {"model": {"crf": True, "ensemble_size": 1}, "training": {"optimizer": "adam"}})
    assert [reference.authors for reference in found] == ["Lafferty, McCallum and Pereira", "Kingma and Ba"]
    found = methods_of("tag", "", {"model": {"crf": False, "ensemble_size": 5}, "training": {"optimizer": "sgd"}})
    assert [reference.year for reference in found] == ["2017"]


def test_cite_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = TINY["translate"](tmp_path).path
    assert run(["cite", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "{cho2014learning," in printed and "{sutskever2014sequence," in printed
    assert run(["cite", str(tmp_path / "none")]) == 2


def test_explain_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "gru", "--input-size", "3", "--hidden-size", "5"]) == 0
    assert "h' = (1 - z) * n + z * h" in capsys.readouterr().out
    own = Path(__file__).parents[1] / "cells" / "indrnn.py"
    assert run(["explain", f"{own}:IndRNN"]) == 0
    assert run(["explain", "gur"]) == 2
    assert "did you mean" in capsys.readouterr().err
