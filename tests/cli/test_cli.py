"""The command line: exit statuses and messages, help, flags of a task, and the main job on small files."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest
import typer

from recurra import tasks
from recurra.cli import main as cli
from recurra.errors import DataError, TrainingError

ROOT = Path(__file__).parents[2]
COMMANDS = ("train", "predict", "evaluate", "generate", "data", "demo")
TASKS = tasks.names()


class Done(NamedTuple):
    status: int
    out: str
    err: str


class Shell:
    """`recurra ...` inside this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys, self.monkeypatch = capsys, monkeypatch

    def __call__(self, *arguments: object, stdin: str | bytes | None = None) -> Done:
        if stdin is not None:
            data = stdin if isinstance(stdin, bytes) else stdin.encode()
            self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        self.capsys.readouterr()
        status = cli.run([str(argument) for argument in arguments])
        captured = self.capsys.readouterr()
        return Done(status, captured.out, captured.err)


@pytest.fixture
def recurra(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "40")
    return Shell(capsys, monkeypatch)


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    return write_reviews(tmp_path / "reviews.csv")


def write_reviews(path: Path, rows: int = 60) -> Path:
    good, bad = ("fine", "bright", "warm"), ("dull", "long", "empty")
    lines = ["review,sentiment"]
    for n in range(rows):
        word, label = (good[n // 2 % 3], "positive") if n % 2 else (bad[n // 2 % 3], "negative")
        lines.append(f"a {word} film number {n},{label}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def wrong(done: Done, *said: str) -> None:
    """The input was wrong: status 2, one or two lines on stderr, no traceback, nothing on stdout."""
    assert done.status == 2, done
    assert done.out == ""
    assert 1 <= len(done.err.splitlines()) <= 2, done.err
    assert "Traceback" not in done.err
    for part in said:
        assert part in done.err


# what is asked for wrongly ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("pridect runs/x", "Did you mean 'predict'"),
        ("predict", "Missing argument 'RUN'"),
        ("predict runs/x --ouut y", "No such option: --ouut (Possible options: --out"),
        ("predict {tmp}/none", "none"),
        ("evaluate {tmp}/none {csv}", "none"),
        ("train", "train requires TASK and DATA"),
        ("train classify", "train requires DATA"),
        ("train clasify {csv}", "did you mean 'classify'?"),
        ("train classify {tmp}/none.csv", "none.csv"),
        ("train classify {csv} --lable sentiment", "--label"),
        ("train classify {csv} --hidden-size 8", "write --set hidden_size=VALUE"),
        ("train classify {csv} --wombat 8", "No such option: --wombat"),
        ("train classify {csv} --set hiden_size=8", "did you mean 'hidden_size'"),
        ("train classify {csv} --set hidden_size", "write it as key=value"),
        ("train classify {csv} --set hidden_size=many", "hidden_size = 'many'"),
        ("train classify {csv} --pooling lasst", "pooling = 'lasst'"),
        ("train classify {csv} --tokenization wurds", "tokenization = 'wurds'"),
        ("train classify {csv} --cell lsmt", "did you mean 'lstm'"),
        ("train classify {csv} --cell {tmp}/none.py:Cell", "none.py: there is no such file"),
        ("train classify {csv} --config {tmp}/none.yaml", "none.yaml"),
        ("train classify {csv} --seed one", "--seed"),
        ("train classify {csv} --max-minutes 0", "max_minutes"),
        ("train classify {csv} --precision 8", "precision"),
        ("train classify {csv} --import x.py", "--import is an option of --resume"),
        ("train {tmp}/none.py:Mine {csv}", "none.py: there is no such file"),
        ("train --resume {tmp}/none", "none"),
        ("train --resume {tmp}/none --seed 3", "--seed cannot be changed: start a new run"),
        ("train classify {csv} --resume {tmp}/none", "TASK 'classify' cannot be changed: start a new run"),
        ("data nmaes", "did you mean 'names'"),
        ("generate {tmp}/none", "none"),
    ],
)
def test_a_wrong_line_is_told_in_a_line(recurra: Shell, tmp_path: Path, reviews: Path, line: str, said: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    wrong(recurra(*shlex.split(line.format(tmp=tmp_path, csv=reviews))), said)
    assert sorted(tmp_path.rglob("*")) == before  # and leaves nothing behind


@pytest.mark.parametrize("name", cli.LATER)
def test_commands_to_come_say_so(recurra: Shell, name: str) -> None:
    wrong(recurra(name, "runs/x"), f"{name} is not available in version")
    assert not re.search(rf"\b{name}\b", recurra("--help").out)


# exceptions to statuses ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (DataError("has no rows", file="x.csv"), 2, "recurra: x.csv: has no rows\n"),
        (TrainingError("the loss is not a number at step 7"), 1, "recurra: the loss is not a number at step 7\n"),
        (KeyboardInterrupt(), 130, "recurra: interrupted\n"),
        (OSError(28, "No space left on device", "runs/x"), 2, "recurra: runs/x: No space left on device\n"),
        (MemoryError(), 2, "recurra: out of memory: use a smaller --set batch_size=N or hidden_size=N\n"),
    ],
)
def test_an_exception_becomes_a_status(
    recurra: Shell, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, said: str
) -> None:
    def fails() -> None:
        raise error

    monkeypatch.setattr("recurra.data.sets.known", fails)
    assert recurra("data") == Done(status, "", said)


def test_a_fault_of_ours_shows_the_traceback(recurra: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recurra.data.sets.known", lambda: 1 / 0)
    done = recurra("data")
    assert done.status == 1
    assert "ZeroDivisionError" in done.err
    assert done.err.splitlines()[-1].startswith("recurra: internal error in recurra")


def test_a_reader_that_leaves_is_no_fault() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "recurra", "data"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


# help ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "line", ["", *COMMANDS, *(f"train {task}" for task in TASKS)], ids=lambda line: line.replace(" ", "-") or "front"
)
def test_help_fits_a_screen(recurra: Shell, line: str) -> None:
    done = recurra(*line.split(), "--help")
    assert done.status == 0
    lines = done.out.strip("\n").splitlines()
    assert 5 < len(lines) <= 40
    assert max(map(len, lines)) <= 100


def test_help_names_the_contract(recurra: Shell) -> None:
    options = ("--valid", "--out", "--cell", "--config", "--set", "--seed", "--max-minutes", "--device", "--precision",
               "--devices", "--overwrite", "--resume")  # fmt: skip
    text = recurra("train", "--help").out
    assert [option for option in options if option not in text] == []
    text = recurra("generate", "--help").out
    assert [o for o in ("--prompt", "--length", "--temperature", "--top-p", "--seed") if o not in text] == []
    assert "--json" in recurra("evaluate", "--help").out
    text = recurra("train", "classify", "--help").out
    assert [
        o for o in ("--text", "--label", "--tokenization", "--bidirectional", "--no-bidirectional") if o not in text
    ] == []
    assert recurra("--help").out.strip() == recurra().out.strip()


def lines_of_the_docs() -> list[str]:
    found = []
    for file in (ROOT / "README.md", ROOT / "README.zh.md", *sorted((ROOT / "docs").glob("*.md"))):
        for block in re.findall(r"^```sh\n(.*?)^```", file.read_text(encoding="utf-8"), re.M | re.S):
            for line in block.splitlines():
                found += re.findall(r"(?:^|[|=\d]\s)\s*(recurra .*)", line)
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("line", lines_of_the_docs())
def test_commands_in_the_docs_are_understood(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option and argument is taken; nothing is run."""
    monkeypatch.chdir(ROOT)
    command = typer.main.get_command(cli.app)
    _, name, *rest = shlex.split(line.split(" | ")[0].split(" > ")[0], comments=True)
    command.commands[name].make_context(name, rest)  # type: ignore[attr-defined]


# the main job -------------------------------------------------------------------------------------------------------
SMALL = ("--set", "steps=12", "--set", "hidden_size=8", "--set", "embedding_size=8", "--set", "batch_size=16")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small classifier, made by the command."""
    folder = tmp_path_factory.mktemp("job")
    csv = write_reviews(folder / "reviews.csv")
    line = ["train", "classify", csv, "--out", folder / "run", "--text", "review", "--label", "sentiment"]
    assert cli.run([str(word) for word in (*line, "--no-bidirectional", "--tokenization", "words", *SMALL)]) == 0
    return folder / "run"


def test_train_writes_a_run_and_says_what_next(recurra: Shell, reviews: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = recurra("train", "classify", reviews, "--out", out, "--no-bidirectional", "--precision", "32", *SMALL)
    assert done.status == 0, done.err
    assert f"run folder: {out}" in done.out
    assert f"recurra predict {out}" in done.out and f"recurra evaluate {out}" in done.out
    for name in ("config.yaml", "model.safetensors", "vocabulary", "history.jsonl", "metrics.json"):
        assert (out / name).exists()
    assert "\x1b" not in done.out + done.err and "\r" not in done.err  # no bars where nobody sees them
    import yaml

    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config["format"] == 2
    before = (out / "config.yaml").read_bytes()
    wrong(recurra("train", "classify", reviews, "--out", out, *SMALL), str(out), "--overwrite")
    assert (out / "config.yaml").read_bytes() == before


def test_numbers_are_text_where_text_is_wanted() -> None:
    """YAML reads 32 and 1 as numbers, in --set and in files; a precision and a column's name are words."""
    from recurra.config import parse_pairs
    from recurra.settings import as_given, settings_from
    from recurra.tasks import get

    settings = settings_from(
        as_given(get("classify").settings_class), parse_pairs(["precision=32", "label=1", "hidden_size=8"])
    )
    assert settings.training.precision == "32"
    assert settings.data.label == "1"  # type: ignore[attr-defined]
    assert settings.model.hidden_size == 8


def test_predict_answers_every_line(recurra: Shell, run: Path) -> None:
    lines = ["a dull film", "", "a warm film", "zzz qqq", '{"text": "a bright film"}', "两部电影"]
    done = recurra("predict", run, "-", stdin="\n".join(lines))
    assert done.status == 0, done.err
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert len(answers) == len(lines)
    assert {answer["label"] for answer in answers} <= {"positive", "negative"}
    alone = [json.loads(recurra("predict", run, stdin=line + "\r\n").out) for line in lines]
    for one, many in zip(alone, answers, strict=True):
        assert one["label"] == many["label"]
        assert one["probability"] == pytest.approx(many["probability"], abs=2e-6)  # rounded to six places


def test_a_line_that_is_no_text_leaves_its_neighbours(recurra: Shell, run: Path, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_bytes(b"a dull film\na \xff film\na \0 film\na warm film\n")
    done = recurra("predict", run, tmp_path / "lines.txt")
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert [sorted(answer)[0] for answer in answers] == ["label", "error", "error", "label"]
    assert done.status == 2 and "lines.txt, row 2: byte 0xff is not utf-8" in done.err and "2 of 4 have" in done.err


def test_a_broken_line_leaves_its_neighbours(recurra: Shell, run: Path) -> None:
    done = recurra("predict", run, "-", stdin='a dull film\n{"text": "a warm\n{a warm} film\n')
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert [sorted(answer)[0] for answer in answers] == ["label", "error", "label"]
    assert done.status == 2 and "standard input, row 2: begins like a JSON object but is not valid JSON" in done.err


def test_predict_reads_a_file_of_lines_and_a_table(recurra: Shell, run: Path, tmp_path: Path) -> None:
    texts = ["a dull film", "a warm film", "an empty film"]
    (tmp_path / "lines.txt").write_text("\n".join(texts) + "\n")
    (tmp_path / "table.csv").write_text("review\n" + "\n".join(texts) + "\n")
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps({"review": text}) for text in texts))
    expected = recurra("predict", run, tmp_path / "lines.txt").out
    assert len(expected.splitlines()) == 3
    assert recurra("predict", run, tmp_path / "table.csv").out == expected
    assert recurra("predict", run, tmp_path / "rows.jsonl").out == expected


def test_predict_writes_a_file_whole_or_not_at_all(recurra: Shell, run: Path, tmp_path: Path) -> None:
    out, lines = tmp_path / "answers.jsonl", tmp_path / "lines.txt"
    lines.write_text("a dull film\na warm film\n")
    assert recurra("predict", run, lines, "--out", out).status == 0
    first = out.read_bytes()
    assert len(first.splitlines()) == 2
    wrong(recurra("predict", run, lines, "--out", out), "exists already", "--overwrite")
    assert recurra("predict", run, lines, "--out", out, "--overwrite").status == 0
    cut = tmp_path / "lines.txt.gz"
    cut.write_bytes(gzip.compress(lines.read_bytes())[:-9])
    wrong(recurra("predict", run, cut, "--out", out, "--overwrite"), "lines.txt.gz: cannot be read")
    assert out.read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.jsonl", "lines.txt", "lines.txt.gz"]


CELL = """
from dataclasses import dataclass
from recurra.cells import RNN

@dataclass(frozen=True)
class Mine(RNN):
    pass
"""


def test_a_cell_of_ones_own_opens_only_with_import(recurra: Shell, reviews: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CELL)
    out, cell = tmp_path / "run", f"{tmp_path / 'mine.py'}:Mine"
    done = recurra("train", "classify", reviews, "--out", out, "--cell", cell, *SMALL)
    assert done.status == 0, done.err
    assert cell in (out / "config.yaml").read_text()
    wrong(recurra("predict", out, stdin="a dull film"), "--import")
    wrong(recurra("evaluate", out, reviews), "--import")
    wrong(
        recurra("predict", out, "--import", tmp_path / "none.py", stdin="a dull film"), "none.py: there is no such file"
    )
    done = recurra("predict", out, "--import", tmp_path / "mine.py", stdin="a dull film")
    assert done.status == 0 and json.loads(done.out)["label"], done.err


def test_predict_of_nothing(recurra: Shell, run: Path, tmp_path: Path) -> None:
    done = recurra("predict", run, stdin="")
    assert (done.status, done.out) == (0, "") and "nothing to predict" in done.err
    wrong(recurra("predict", run, tmp_path / "none.txt"), "none.txt: there is no such file")
    wrong(recurra("predict", run, tmp_path), "in this folder")


def test_predict_answers_a_slow_pipe_at_once(run: Path) -> None:
    """The answer to a line comes before the next line is written."""
    command = [sys.executable, "-m", "recurra", "predict", str(run)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        for text in ("a dull film", "a warm film"):
            process.stdin.write(text + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["label"]
        process.stdin.close()
        assert process.stdout.read() == ""
        assert process.wait(30) == 0


def test_evaluate_prints_the_figures(recurra: Shell, run: Path, reviews: Path) -> None:
    table = recurra("evaluate", run, reviews)
    assert table.status == 0, table.err
    assert re.search(r"^accuracy +\d\.\d{4}$", table.out, re.M)
    assert "rows: true class, columns: predicted class" in table.out
    figures = json.loads(recurra("evaluate", run, reviews, "--json").out)
    assert f"{figures['accuracy']:.4f}" in table.out
    assert sum(map(sum, figures["confusion"]["table"])) == 60
    assert "was trained on" not in table.err


def test_evaluate_says_that_it_knows_the_data(recurra: Shell, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.parent)
    told = recurra("evaluate", run, "reviews.csv", "--json")
    assert "reviews.csv is the training data of this run" in told.err and "metrics.json" in told.err
    assert json.loads(told.out)["accuracy"] >= 0  # stdout holds the figures alone


def test_generate_goes_on_from_the_prompt(recurra: Shell, run: Path, tmp_path: Path) -> None:
    text = tmp_path / "poem.txt"
    text.write_text("the sea and the sky and the sea again\n" * 60)
    out = tmp_path / "model"
    done = recurra("train", "language", text, "--out", out, "--bptt-length", "16", *SMALL)
    assert done.status == 0, done.err
    assert f"recurra generate {out}" in done.out
    first = recurra("generate", out, "--prompt", "the s", "--length", "20", "--seed", "1")
    assert first.status == 0 and first.out.startswith("the s")
    assert first == recurra("generate", out, "--prompt", "the s", "--length", "20", "--seed", "1")
    wrong(recurra("generate", out, "--top-p", "2"), "top_p")
    wrong(recurra("generate", run), "does not generate text")
    done = recurra(
        "train", "language", text, "--out", tmp_path / "words", "--tokenization", "words", "--bptt-length", "8", *SMALL
    )
    assert done.status == 0, done.err
    said = recurra("generate", tmp_path / "words", "--prompt", "the sea", "--length", "5", "--seed", "1")
    assert re.match(r"the sea (the|sea|and|sky|again)\b", said.out) or said.out.startswith("the sea\n")


def test_data_lists_and_makes(recurra: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    listed = recurra("data")
    assert listed.status == 0 and re.search(r"^names +classify: ", listed.out, re.M)
    made = recurra("data", "names")
    assert made.status == 0, made.err
    path = Path(made.out.splitlines()[1])
    assert path.is_relative_to(tmp_path) and path.exists()
    assert "text,label" in made.out and "recurra train classify names" in made.out
    assert "recurra train forecast series" in recurra("data", "series").out


def test_demo_is_the_main_job(recurra: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recurra.cli import demo

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "MINUTES", 0.12)
    done = recurra("demo")
    assert done.status == 0, done.err
    assert "Names that were not in the data" in done.out
    folder = re.search(r"recurra predict (runs/\S+)", done.out)
    assert folder and (tmp_path / folder[1] / "model.safetensors").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of Unix")
def test_ctrl_c_saves_the_run_and_says_how_to_go_on(recurra: Shell, reviews: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "recurra", "train", "classify", str(reviews), "--out", str(out)]
    command += [
        "--set",
        "steps=10000000",
        "--set",
        "hidden_size=8",
        "--set",
        "batch_size=16",
        "--set",
        "num_evaluations=500000",
        "--set",
        "patience=500000",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        history = out / "history.jsonl"
        while process.poll() is None and not (history.exists() and history.read_text().count("\n") >= 2):
            time.sleep(0.05)  # without a limit: only the run decides when it has been evaluated
        assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGINT)
        said, err = process.communicate()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert f"recurra train --resume {out}" in said + err
    assert (out / "checkpoint").is_dir()
