"""What `train`, `describe` and `predict` say about a file agrees, however the input arrives."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.cli.lines import batches
from recurra.cli.main import run as command

TINY = ["--set", "steps=1", "--set", "hidden_size=4"]
SENTENCES = [("Ada 's cat left", "B-PER O O O"), ("the u.s. team met Bo", "O O O O B-PER")] * 20


def shell(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    capsys.readouterr()
    status = command([str(argument) for argument in arguments])
    done = capsys.readouterr()
    return status, done.out, done.err


class Slow:
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self.stream = io.BytesIO(data)

    def read1(self, size: int) -> bytes:
        return self.stream.read(min(size, 7))


@pytest.mark.parametrize("end", ["", "\n"])
def test_batches_of_a_file_do_not_depend_on_how_its_bytes_arrive(end: str) -> None:
    lines = [f"line {at}" for at in range(25)]
    data = ("\n".join(lines) + end).encode()
    found = [part for part, _ in batches(Slow(data), name="a", size=10, full=True)]
    assert found == [lines[:10], lines[10:20], lines[20:]]
    assert [line for part, _ in batches(Slow(data), name="a", size=10) for line in part] == lines


@pytest.fixture(scope="module", params=["texts", "lists"])
def tagger(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A tagger of a table whose cells are texts or lists of tokens."""
    folder = tmp_path_factory.mktemp(request.param)
    as_cell = str if request.param == "texts" else lambda text: str(text.split())
    with (folder / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("tokens", "tags"), *((as_cell(words), as_cell(tags)) for words, tags in SENTENCES)]
        )
    arguments = ["train", "tag", str(folder / "a.csv"), "--out", str(folder / "run"), *TINY, "--set", "ensemble_size=1"]
    assert command(arguments) == 0
    return request.param, folder / "run"


def test_a_sentence_has_the_same_tokens_in_a_table_and_in_a_pipe(
    capsys: pytest.CaptureFixture[str], tagger: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells, run = tagger
    text = "Bo 's u.s. team left."
    (tmp_path / "a.csv").write_text(f"tokens\n{text}\n")
    (tmp_path / "a.jsonl").write_text(json.dumps({"tokens": text}) + "\n")
    monkeypatch.setattr(sys, "stdin", type("Piped", (), {"buffer": io.BytesIO(text.encode() + b"\n")}))
    results = [shell(capsys, "predict", run, file)[1] for file in (tmp_path / "a.csv", tmp_path / "a.jsonl", "-")]
    assert len(set(results)) == 1
    expected = text.split() if cells == "texts" else ["Bo", "'", "s", "u", ".", "s", ".", "team", "left", "."]
    assert json.loads(results[0])["tokens"] == expected, "texts are split as those of the training data"


def test_a_broken_row_of_a_tagged_table_is_an_error_object(
    capsys: pytest.CaptureFixture[str], tagger: tuple[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("tokens,tags\nBo left,B-PER O\nAda\nBo met,B-PER O\n")
    status, out, err = shell(capsys, "predict", tagger[1], tmp_path / "a.csv")
    assert ["error" in json.loads(line) for line in out.splitlines()] == [False, True, False]
    assert status == 2 and "row 2" in err


SERIES = "day,shop,sold\n" + "".join(f"2024-01-{1 + at % 28:02},{'ab'[at // 28]},{at % 7}\n" for at in range(56))
IMAGES = "".join(json.dumps({"vector": [at, 1.0, 2.0], "caption": f"a scene {at}"}) + "\n" for at in range(20))
USES = {  # a file, and the role of each of its columns
    "forecast": ("a.csv", SERIES, {"time": "day", "series": "shop", "target": "sold"}),
    "caption": ("a.jsonl", IMAGES, {"features": "vector", "text": "caption"}),
    "transcribe": ("a.csv", "path,sentence\n" + "a.wav,one two\n" * 9, {"audio": "path", "text": "sentence"}),
    "tag": ("a.csv", "tokens,tags\n" + "Ada left,B-PER O\n" * 9, {"words": "tokens", "tags": "tags"}),
    "classify": ("a.csv", "text,label\n" + "a b,x\nc d,y\n" * 9, {"text": "text", "label": "label"}),
    "regress": ("a.csv", "text,target\n" + "a b,1\nc d,2\n" * 9, {"text": "text", "target": "target"}),
    "translate": ("a.csv", "source,target\n" + "a b,c d\n" * 9, {"source": "source", "target": "target"}),
    "couplet": ("a.csv", "source,target\n" + "a b,c d\n" * 9, {"source": "source", "target": "target"}),
}


@pytest.mark.parametrize("task", USES)
def test_describe_shows_the_use_of_the_columns(capsys: pytest.CaptureFixture[str], tmp_path: Path, task: str) -> None:
    name, text, roles = USES[task]
    (tmp_path / name).write_text(text)
    status, out, err = shell(capsys, "describe", tmp_path / name, "--task", task, "--json")
    assert status == 0, err
    used = json.loads(out)["roles"]
    assert {role["role"]: role["column"] for role in used} == roles
    assert all(role["reason"] != "as requested" for role in used), "nothing was requested"


def test_skipped_rows_of_every_task_are_listed_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    days = np.arange(np.datetime64("2024-01-01"), np.datetime64("2024-04-01"))
    table = "day,sold\n" + "".join(f"{day},{at % 7}\n" for at, day in enumerate(days))
    texts = "".join(json.dumps({"text": f"a line of text with the number {at}"}) + "\n" for at in range(60))
    for task, name, text, row in (
        ("forecast", "a.csv", table.replace("01-09,1\n", "01-09,much\n").replace("01-20,", "01-20,1,"), [9, 20]),
        ("language", "a.jsonl", texts.replace('the number 8"}', "the number"), [9]),
    ):
        (tmp_path / name).write_text(text)
        out = tmp_path / task
        status, _, err = shell(capsys, "train", task, tmp_path / name, "--out", out, "--set", "on_error=skip", *TINY)
        assert status == 0, err
        skipped = [json.loads(line) for line in (out / "skipped.jsonl").read_text().splitlines()]
        assert sorted(one["row"] for one in skipped) == row


HEADERS = {
    "dates (JHU)": ("Province/State,Country,Lat,Long,1/1/20,1/2/20,1/3/20", ",C{at},{at}.5,{at}.7,{at},3,5"),
    "years (World Bank)": ("Country,Code,2001,2002,2003,2004,2005", "Land {at},L{at},1.{at},2.5,,3.5,4.5"),
    "none": (None, "a,b{at},1,2,3,4,{at}"),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_names_that_are_dates_or_years_are_a_header(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, kind: str
) -> None:
    names, row = HEADERS[kind]
    lines = [*([names] if names else []), *(row.format(at=at) for at in range(1, 30))]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    facts = json.loads(shell(capsys, "describe", tmp_path / "a.csv", "--json")[1])
    assert (facts["header_lines"], facts["rows"]) == (int(names is not None), 29)


@pytest.mark.parametrize("task", ["translate", "language"])
def test_predict_reads_the_nested_columns_of_the_training_data(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, task: str
) -> None:
    rows = [{"pair": {"de": f"guten Tag {at}, liebe Leute", "en": f"good day {at}"}} for at in range(40)]
    data, out = tmp_path / "a.jsonl", tmp_path / "run"
    data.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"pair": {"de": "drei", "en": "three"}}]))
    columns = {"translate": ["--source", "pair.de", "--target", "pair.en"], "language": ["--text", "pair.de"]}[task]
    status, _, err = shell(capsys, "train", task, data, "--out", out, *columns, *TINY)
    assert status == 0, err
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [rows[0], {"pair": {"fr": "oui"}}]))
    (tmp_path / "b.txt").write_text(rows[0]["pair"]["de"] + "\n")
    answers = [json.loads(line) for line in shell(capsys, "predict", out, tmp_path / "b.jsonl")[1].splitlines()]
    assert answers[0] == json.loads(shell(capsys, "predict", out, tmp_path / "b.txt")[1])
    assert len(answers) == 2 and "pair.de" in answers[1]["error"]
