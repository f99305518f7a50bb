"""`recurra describe`, and predict on files and pipes: every row has one answer, whatever the file looks like."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from recurra.cli.main import run as command

ROWS = [(f"{'warm' if at % 2 else 'dull'} words für {at}", "good" if at % 2 else "bad") for at in range(40)]
TINY = ["--set", "steps=2", "--set", "hidden_size=4", "--set", "ensemble_size=1", "--set", "embedding_size=4"]


class Piped:
    """Standard input with bytes."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


def shell(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    capsys.readouterr()
    status = command([str(argument) for argument in arguments])
    done = capsys.readouterr()
    return status, done.out, done.err


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a table without a header, separated by tabs, in cp1252."""
    folder = tmp_path_factory.mktemp("described")
    (folder / "a.tsv").write_text("".join(f"{label}\t{text}\n" for text, label in ROWS), encoding="cp1252")
    assert command(["train", "classify", str(folder / "a.tsv"), "--out", str(folder / "run"), *TINY]) == 0
    return folder / "run"


def test_describe(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text(
        "review;topic\n" + "".join(f"{text};{label}\n" for text, label in ROWS) + "one;two;three\n", "cp1252"
    )
    status, out, _ = shell(capsys, "describe", path, "--task", "classify")
    assert status == 0
    for said in ("encoding   cp1252 (90% sure)", "separator  semicolon", "header     header (the first line has usual names)",
                 "rows       41", "warning: 1 of 42 sampled rows do not have 2 cells", "as classify would read it",
                 "text: column 'review' (its name is usual for the text)", "label: column 'topic'"):  # fmt: skip
        assert said in out
    status, out, _ = shell(capsys, "describe", path, "--task", "classify", "--json")
    described = json.loads(out)
    assert (status, described["separator"], described["columns"][1]["distinct"]) == (0, ";", 2)
    assert {role["role"]: role["column"] for role in described["roles"]} == {"text": "review", "label": "topic"}
    status, out, _ = shell(capsys, "describe", path, "--header", "no", "--separator", "none")
    assert status == 0 and "one column" in out and "no header (as requested)" in out


def test_describe_refuses(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\na b,x\n")
    for arguments, said in (
        ([tmp_path / "none.csv"], "there is no such file"),
        ([tmp_path / "a.csv", "--header", "maybe"], "setting data.header = 'maybe'"),
        ([tmp_path / "a.csv", "--separator", "::"], "separator is '::'; expected one character"),
        ([tmp_path / "a.csv", "--set", "label=x"], "unknown setting 'label'"),
    ):
        status, _, err = shell(capsys, "describe", *arguments)
        assert status == 2 and said in err and len(err.splitlines()) <= 2


def test_the_facts_are_stored(trained: Path) -> None:
    facts = yaml.safe_load((trained / "config.yaml").read_text())["resolved"]["file"]
    assert (facts["encoding"], facts["separator"], facts["header_lines"], facts["rows"]) == ("cp1252", "\t", 0, 40)
    assert facts["columns"] == [{"name": "column 1", "type": "text"}, {"name": "column 2", "type": "text"}]


NEW = {
    "as the training file": ("a.tsv", "good\twarm words 5\nbad\tdull für words 7\ngood\twords für 9\n"),
    "one row": ("a.tsv", "good\twarm words 5\n"),
    "another separator and a header": ("a.csv", "topic,review\ngood,warm words 5\nbad,dull words 7\n"),
    "lines of text": ("a.txt", "warm words für\ndull words für\n\nthree words für\n"),
    "a broken row": ("a.tsv", "good\twarm words 5\ngood\nbad\tdull words\t7\ngood\twords 9\n"),
}


@pytest.mark.parametrize("case", NEW)
def test_every_row_has_one_answer(capsys: pytest.CaptureFixture[str], trained: Path, tmp_path: Path, case: str) -> None:
    name, text = NEW[case]
    (tmp_path / name).write_text(text, encoding="cp1252")
    status, out, err = shell(capsys, "predict", trained, tmp_path / name)
    answers = [json.loads(line) for line in out.splitlines()]
    assert len(answers) == text.count("\n") - (case == "another separator and a header")
    errors = [at for at, answer in enumerate(answers) if "error" in answer]
    assert errors == ([1, 2] if case == "a broken row" else [])
    assert status == (2 if errors else 0)
    assert not errors or "row 2: 1 cell, but the first line has 2" in err


def test_the_encoding_of_a_pipe(
    capsys: pytest.CaptureFixture[str], trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "warm words für alle\nschöne Wörter für alle\n"
    results = []
    for encoding, options in (("utf-8", []), ("cp1252", []), ("utf-16", []), ("cp850", ["--encoding", "cp850"]),
                              ("cp850", ["--set", "encoding=cp850"])):  # fmt: skip
        monkeypatch.setattr(sys, "stdin", Piped(text.encode(encoding)))
        status, out, err = shell(capsys, "predict", trained, *options)
        assert status == 0, err
        results.append(out)
    assert len(set(results)) == 1, "the same text has the same answer in every encoding"


def test_evaluate_recommends_what_it_has(capsys: pytest.CaptureFixture[str], trained: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "words,a,b\n" + "warm words für,good,x\ndull words,bad,y\nmore words,bad,y\n" * 4, "utf-8"
    )
    status, _, err = shell(capsys, "evaluate", trained, tmp_path / "a.csv")
    assert status == 2 and "--set label=NAME" in err and "--label" not in err
    status, _, err = shell(capsys, "evaluate", trained, tmp_path / "a.csv", "--set", "label=a")
    assert status == 0, err
