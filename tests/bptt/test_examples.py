"""The examples of BPTT by hand learn and report invalid input in one line; the code of docs/bptt.md runs."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


def example(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


char_rnn, sine, norms = example("char_rnn_numpy"), example("sine_from_scratch"), example("gradient_norms")


def numbers(pattern: str, text: str) -> list[float]:
    return [float(number) for number in re.findall(pattern, text)]


# the character model


@pytest.fixture(scope="module")
def rhyme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "rhyme.txt"
    path.write_text("the cat sat on the mat, 猫坐在垫子上。\n" * 60, encoding="utf-8", newline="\n")
    return path


CHAR = ["--hidden", "24", "--batch-size", "4", "--bptt-length", "12", "--learning-rate", "0.05", "--every", "40"]


def test_the_character_model_learns(rhyme: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(rhyme), *CHAR, "--steps", "200", "--sample", "33"]
    assert char_rnn.main(arguments) == 0
    output = capsys.readouterr().out
    losses = numbers(r"loss ([\d.]+) nats", output)
    assert len(losses) == 5
    assert losses[-1] < 0.2 * losses[0], "a single repeated line is soon memorized"
    assert numbers(r"test: ([\d.]+) nats", output)[0] < 0.5
    assert "the cat" in output and "猫坐在" in output, "the samples show what was learned"
    assert char_rnn.main(arguments) == 0
    timeless = [re.sub(r", \d+ s$", "", line) for line in output.splitlines()]
    again = [re.sub(r", \d+ s$", "", line) for line in capsys.readouterr().out.splitlines()]
    assert timeless == again, "the same seed and the same number of steps give the same run"


def test_the_last_tenth_is_not_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "turn.txt"
    path.write_text("ab" * 450 + "cd" * 50, encoding="utf-8")
    assert char_rnn.main([str(path), *CHAR, "--steps", "80", "--sample", "0"]) == 0
    output = capsys.readouterr().out
    assert "900 characters for training, 100 for the test, 4 distinct" in output
    assert numbers(r"loss ([\d.]+) nats", output)[-1] < 0.2 and numbers(r"test: ([\d.]+) nats", output)[0] > 2


def test_evaluation_in_chunks_equals_the_loss_of_the_whole_text() -> None:
    """`evaluate` passes the state from chunk to chunk."""
    rng = np.random.default_rng(0)
    model = char_rnn.Model("abcde", 8, rng)
    codes = rng.integers(0, 5, 50)
    loss, _, _ = model.gradients(codes[None, :-1], codes[None, 1:], model.cell.zero_state(1, model.p))
    for chunk in (1, 7, 49, 1000):
        assert model.evaluate(codes, chunk) == pytest.approx(loss, rel=1e-5)  # float32


def test_sequential_chunks_are_consecutive() -> None:
    chunks = char_rnn.chunks(np.arange(23), batch_size=2, length=3)
    first, second, third, again = (next(chunks) for _ in range(4))
    assert first[0].tolist() == [[0, 1, 2], [11, 12, 13]] and first[1].tolist() == [[1, 2, 3], [12, 13, 14]]
    assert second[0].tolist() == [[3, 4, 5], [14, 15, 16]] and third[0].tolist() == [[6, 7, 8], [17, 18, 19]]
    assert [chunk[2] for chunk in (first, second, third, again)] == [True, False, False, True]


# the sine wave


SINE = ["--steps", "60", "--hidden", "12"]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_sine_is_learned(cell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figure = tmp_path / "wave.svg"
    assert sine.main([*SINE, "--cell", cell, "--out", str(figure)]) == 0
    output = capsys.readouterr().out
    for sampling in ("random", "sequential"):
        losses = numbers(rf"{sampling}, step \d+: mean squared error ([\d.e+-]+)", output)
        assert len(losses) == 5
        assert losses[-1] < 0.3 * losses[0]
    root = ElementTree.parse(figure).getroot()
    drawn = "".join(root.itertext())
    for label in ("true wave", "one step ahead", "free-running", "random sampling", "sequential sampling", "error, %"):
        assert label in drawn
    assert len(root.findall("{*}polyline")) == 10, (
        "true wave, one step ahead, free-running, and two errors, for both ways of sampling"
    )


def test_free_running_predictions_stay_near_the_wave(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The result of docs/bptt.md with the defaults: below 5 % of the amplitude over 100 steps. Seeds 0 to 7: at
    most 2.6 %."""
    assert sine.main(["--out", str(tmp_path / "wave.svg")]) == 0
    free = numbers(r"([\d.]+) % free-running", capsys.readouterr().out)
    assert len(free) == 2 and max(free) < 5


def test_free_running_reads_its_own_predictions() -> None:
    rng = np.random.default_rng(0)
    model = sine.Model(sine.CELLS["gru"], 6, rng)
    read = rng.normal(size=9)
    answers, state = model.one_step_ahead(read)
    free = model.run_free(answers[-1], state, 5)
    whole, _ = model.one_step_ahead(np.concatenate([read, free]))
    assert np.abs(whole[8:-1] - free).max() <= 1e-14


def test_chunks_of_the_wave() -> None:
    wave, rng = np.arange(100.0), np.random.default_rng(0)
    chunks = sine.random_chunks(wave, 5, 8, rng)
    starts = set()
    for _ in range(200):
        inputs, targets, is_new = next(chunks)
        assert is_new and np.array_equal(targets, inputs + 1) and np.ptp(inputs, axis=1).tolist() == [7] * 5
        starts |= set(inputs[:, 0])
    assert starts == set(range(92)), "anywhere, and no target past the end"
    chunks, before = sine.sequential_chunks(wave, 3, 8, rng), None
    for _ in range(50):
        inputs, targets, is_new = next(chunks)
        assert np.array_equal(targets, inputs + 1)
        assert is_new == (before is None or not np.array_equal(inputs[:, 0], before + 1))
        before = inputs[:, -1]


# bad input


def bad_calls(rhyme: Path, folder: Path) -> list[tuple[str, list[str], str]]:
    latin, short = folder / "latin.txt", folder / "short.txt"
    latin.write_bytes(b"caf\xe9")
    short.write_text("too short", encoding="utf-8")
    return [
        ("char_rnn_numpy", [str(folder / "none.txt")], "none.txt: No such file or directory"),
        ("char_rnn_numpy", [str(folder)], "Is a directory"),
        ("char_rnn_numpy", [str(latin)], "is not UTF-8: byte 0xe9 at 3"),
        (
            "char_rnn_numpy",
            [str(short)],
            "has 9 characters, 9 for training; --batch-size 16 and --bptt-length 32 require 513",
        ),
        ("char_rnn_numpy", [str(rhyme), "--hidden", "0"], "argument --hidden: 0 is not a positive number"),
        ("char_rnn_numpy", [str(rhyme), "--hidden", "many"], "argument --hidden: invalid integer value: 'many'"),
        (
            "char_rnn_numpy",
            [str(rhyme), "--learning-rate", "nan"],
            "argument --learning-rate: nan is not a positive number",
        ),
        ("char_rnn_numpy", [str(rhyme), "--steps", "5", "--minutes", "1"], "not allowed with argument"),
        ("char_rnn_numpy", [str(rhyme), "--seed", "-1"], "--seed is -1; expected 0 or more"),
        ("sine_from_scratch", ["--sampling", "sideways"], "invalid choice: 'sideways'"),
        ("sine_from_scratch", ["--period", "2"], "--period is 2; expected more than 2"),
        ("sine_from_scratch", ["--bptt-length", "8"], "--bptt-length is 8; expected more than 8"),
        ("sine_from_scratch", ["--bptt-length", "500"], "require more than 1000 samples"),
        ("sine_from_scratch", ["--out", str(folder / "no" / "where.svg")], "no such folder"),
        ("sine_from_scratch", ["--out", str(folder)], "a folder"),
    ]


def test_invalid_input_is_reported_in_one_line(rhyme: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, arguments, message in bad_calls(rhyme, tmp_path):
        with pytest.raises(SystemExit) as stopped:
            {"char_rnn_numpy": char_rnn, "sine_from_scratch": sine, "gradient_norms": norms}[name].main(arguments)
        out, err = capsys.readouterr()
        assert stopped.value.code == 2, arguments
        assert message in err and err.count("\n") == 1 and out == "", err


def test_a_learning_rate_that_is_too_large_is_reported(rhyme: Path) -> None:
    with np.errstate(all="ignore"), pytest.raises(SystemExit, match="the loss is nan at step 2"):
        char_rnn.main([str(rhyme), *CHAR, "--steps", "9", "--learning-rate", "1e38"])


def test_as_a_command(rhyme: Path, tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )

    done = run("examples/char_rnn_numpy.py", str(rhyme), *CHAR, "--minutes", "0.01", "--sample", "0")
    assert (done.returncode, done.stderr) == (0, "") and "test: " in done.stdout
    done = run("examples/sine_from_scratch.py", "--out", str(tmp_path / "no" / "where.svg"))
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1


# the norm of the gradient


def test_the_gradient_vanishes_below_and_grows_above_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rotation times s: the norm is at most s^k, and for ReLU with the identity and active units it would be s^k."""
    assert norms.main(["--out", str(tmp_path / "norms.svg")]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "times" in line]
    last = {(row[0].strip(","), float(row[3])): float(row[-1]) for row in rows}
    for name in ("tanh", "relu"):
        assert last[name, 0.5] <= 0.5**20 * 1.05 < 1e-4 < last[name, 1.0] <= 1.0 and last[name, 2.0] > 1.0
    curves = ElementTree.parse(tmp_path / "norms.svg").iter("{http://www.w3.org/2000/svg}polyline")
    assert [len(str(curve.get("points")).split()) for curve in curves] == [21] * 6
    assert norms.main(["--out", str(tmp_path / "no" / "where.svg")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


# the documentation pages


PAGES = [ROOT / "docs" / name for name in ("bptt.md", "bptt.zh.md")]


def blocks(page: Path) -> list[tuple[str, str]]:
    """The blocks of Python, each with the text that it prints, empty if no text follows."""
    found = re.findall(r"```python\n(.*?)```\n(?:```text\n(.*?)```\n)?", page.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found


def test_the_page_runs_and_prints_its_output() -> None:
    names: dict[str, Any] = {}
    for code, printed in blocks(PAGES[0]):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(code, str(PAGES[0]), "exec"), names)
        assert out.getvalue() == printed, code


def test_the_pages_agree() -> None:
    english, chinese = (page.read_text(encoding="utf-8") for page in PAGES)

    def code(text: str) -> list[tuple[str, str]]:  # without the comments, which are in the language of the page
        return [
            (re.sub(r" +#.*", "", a), b) for a, b in re.findall(r"```(?:python|text|sh)\n(.*?)```()", text, re.DOTALL)
        ]

    assert code(english) == code(chinese)
    figures = r"\d[\d.,]*\d"
    assert sorted(re.findall(figures, english)) == sorted(re.findall(figures, chinese))
    assert english.count("\n## ") == chinese.count("\n## ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_the_page_exist(page: Path) -> None:
    commands = re.findall(r"^python examples/(\w+)\.py(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) >= 5
    for name, words in commands:
        {"char_rnn_numpy": char_rnn, "sine_from_scratch": sine, "gradient_norms": norms}[name].parse(
            shlex.split(words, comments=True)
        )
