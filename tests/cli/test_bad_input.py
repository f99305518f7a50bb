"""Invalid input: the error reports the problem, the location and the remedy, and no data are lost."""

from __future__ import annotations

import errno
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_runs import SMALL, language, reviews, write_reviews

import recurra
from recurra import training
from recurra.errors import DataError, RunError, SettingError, TrainingError, UserError
from recurra.run import Run
from recurra.training.gradient import BatchGradient


def classify(data: Path, out: Path | None = None, **settings: Any) -> Run:
    return recurra.train("classify", data, out=out or data.parent / "run", **(SMALL | settings))


def refused(folder: Path, data: Path, *said: str, kind: type[UserError] = DataError, **settings: Any) -> None:
    """Training stops with an error of one or two lines that contains all of `said`, and leaves no files."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(kind) as raised:
        classify(data, folder / "run", **settings)
    for part in said:
        assert part in str(raised.value)
    assert len(str(raised.value).splitlines()) <= 2
    assert sorted(folder.rglob("*")) == before


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


GOOD = "text,label\n" + "".join(
    f"a {'fine' if n % 2 else 'dull'} film {n},{'y' if n % 2 else 'n'}\n" for n in range(20)
)


# files ----------------------------------------------------------------------------------------------------------------
def test_missing_file(tmp_path: Path) -> None:
    refused(tmp_path, tmp_path / "none.csv", "none.csv: there is no such file, folder or built-in dataset")


def test_empty_file(tmp_path: Path) -> None:
    refused(tmp_path, write(tmp_path / "a.csv", ""), "a.csv: the file is empty")
    refused(tmp_path, write(tmp_path / "b.csv", "text,label\n"), "b.csv: there are no rows of data")


def test_folder_without_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    refused(tmp_path, tmp_path / "data", str(tmp_path / "data"))


def test_wrong_encoding_names_the_row(tmp_path: Path) -> None:
    lines = GOOD.encode().splitlines(keepends=True)
    lines[7] = "caf\xe9 film,y\n".encode("latin-1")
    data = write(tmp_path / "a.csv", b"".join(lines))
    refused(tmp_path, data, "a.csv, row 7, field 'text': byte 0xe9 is not utf-8", "--set encoding=")
    assert classify(data, encoding="latin-1").settings.data.encoding == "latin-1"


def test_an_invalid_row_is_reported_or_skipped(tmp_path: Path) -> None:
    lines = GOOD.splitlines(keepends=True)
    lines[4] = "one,two,three\n"
    data = write(tmp_path / "a.csv", "".join(lines))
    refused(
        tmp_path,
        data,
        "a.csv, row 4: 3 cells, but the header has 2; is a cell with a separator in quotes? "
        "(separator: comma) (line 5)",
    )
    assert classify(data, on_error="skip").task.dataset.stores == {}  # a loaded run has no data
    config = yaml.safe_load((tmp_path / "run/config.yaml").read_text())
    assert config["resolved"]["dataset"]["rows"] + config["resolved"]["dataset"]["valid_rows"] == 19
    assert config["resolved"]["timings"]  # the table that selected the backend


def test_a_missing_column_lists_the_existing_ones(tmp_path: Path) -> None:
    data = write(tmp_path / "a.csv", GOOD)
    refused(tmp_path, data, "unknown column 'lable'; expected one of text, label; did you mean 'label'?", label="lable")


# rows -----------------------------------------------------------------------------------------------------------------
def test_one_class_only(tmp_path: Path) -> None:
    data = write(tmp_path / "a.csv", "text,label\n" + "".join(f"film number {n},good\n" for n in range(9)))
    refused(tmp_path, data, "a.csv: all rows have the class 'good'", "two or more", label="label")


class Lines:
    """Records the printed lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, line: str) -> None:
        self.lines.append(line)

    def bar(self, label: str, total: float | None = None) -> Any:
        return training.Silent().bar(label, total)


def test_a_class_with_one_row_causes_a_warning(tmp_path: Path) -> None:
    printed = Lines()
    run = classify(write(tmp_path / "a.csv", GOOD + "the only one,rare\n"), progress=printed, label="label")
    assert any("warning: class 'rare' has only one row" in line for line in printed.lines)
    assert run.evaluate(tmp_path / "a.csv")["confusion"]["classes"] == ["n", "rare", "y"]


def test_rows_with_empty_text(tmp_path: Path) -> None:
    lines = GOOD.splitlines(keepends=True)
    lines[3], lines[9] = "   ,y\n", ",n\n"
    data = write(tmp_path / "a.csv", "".join(lines))
    refused(
        tmp_path,
        data,
        "a.csv, row 3, field 'text': is empty (line 4); 1 more row cannot be used (row 9)",
        "on_error=skip",
    )
    printed = Lines()
    classify(data, on_error="skip", progress=printed)
    assert printed.lines[1] == "18 rows"
    assert printed.lines[2].startswith(
        f"2 invalid rows skipped, the first: {data}, row 3, field 'text': is empty (line 4)"
    )
    run = next((tmp_path / "runs").glob("*/skipped.jsonl"), None) or next(tmp_path.rglob("skipped.jsonl"))
    assert [json.loads(line)["row"] for line in run.read_text().splitlines()] == [3, 9]


def test_only_empty_rows(tmp_path: Path) -> None:
    data = write(tmp_path / "a.csv", "text,label\n" + " ,y\n ,n\n" * 4)
    for chosen in ("raise", "skip"):  # skipping would leave no rows, so it is not advised
        said = "7 more rows cannot be used (row 2, 3, ...). Correct the file; no row would remain if they were skipped"
        refused(
            tmp_path, data, "a.csv, row 1, field 'text': is empty", said, text="text", label="label", on_error=chosen
        )


def test_a_text_longer_than_a_hundred_thousand_words(tmp_path: Path) -> None:
    draw = random.Random(0)
    long = " ".join(draw.choice(["sea", "sky", "film"]) for _ in range(100_500))
    data = write(tmp_path / "a.csv", GOOD + f"{long},y\n")
    run = classify(data, tokenization="words", bidirectional=False)
    whole = run.predict([long])[0]
    with run.stream() as session:
        for at in range(0, len(long), 50_000):
            session.push(long[at : at + 50_000])
        assert session.result()["probability"] == pytest.approx(whole["probability"], abs=1e-4)


def test_nul_bytes(tmp_path: Path) -> None:
    lines = GOOD.splitlines(keepends=True)
    lines[5] = "a \0 film,y\n"
    refused(tmp_path, write(tmp_path / "a.csv", "".join(lines)), "a.csv, row 5, field 'text': a NUL byte", "utf-16")


def test_mixed_line_ends(tmp_path: Path) -> None:
    lines = GOOD.splitlines()
    mixed = "".join(line + ("\r\n", "\n", "\r")[n % 3] for n, line in enumerate(lines))
    one = classify(write(tmp_path / "a.csv", GOOD), tmp_path / "one")
    other = classify(write(tmp_path / "b.csv", mixed), tmp_path / "other")
    assert one.metrics == other.metrics


def test_one_line_for_a_language_model(tmp_path: Path) -> None:
    short = write(tmp_path / "short.txt", "one line")
    with pytest.raises(DataError, match=r"short.txt: 8 characters are too few to train a language model"):
        recurra.train("language", short, out=tmp_path / "run", **SMALL)
    assert not (tmp_path / "run").exists()
    long = write(tmp_path / "long.txt", "all in one line " * 60)
    assert recurra.train("language", long, out=tmp_path / "run", **SMALL).predict(["all in"])[0]["tokens"] == 6


def test_a_text_too_short_for_the_requested_windows(tmp_path: Path) -> None:
    before = language(tmp_path, "run").predict(["the"])
    with pytest.raises(DataError, match=r"tokens are too few for a batch of 64 windows of 128"):
        language(tmp_path, "run", batch_size=64, bptt_length=128, overwrite=True)
    assert recurra.load(tmp_path / "run").predict(["the"]) == before


# settings -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hiden_size": 8}, "unknown setting 'hiden_size'; did you mean 'hidden_size'"),
        ({"model.poling": "max"}, "unknown setting 'model.poling'; did you mean 'model.pooling'"),
        ({"hidden_size": "many"}, "setting model.hidden_size = 'many'"),
        ({"dropout": 1.0}, "setting model.dropout = 1.0"),
        ({"learning_rate": float("nan")}, "setting training.learning_rate = nan"),
        ({"momentum": 0.9}, "momentum is an option of sgd and rmsprop, not of adamw"),
        ({"device": "tpu"}, "device = 'tpu'; expected auto, cpu, cuda"),
        ({"devices": 2}, "devices = 2"),
        ({"backend": "cudnnn"}, "cudnnn"),
        ({"cell": "lsmt"}, "did you mean 'lstm'"),
        ({"cell_options": {"leak": 1}}, "has no option 'leak'"),
        ({"cell": "rnn", "cell_options": {"nonlinearity": 1}}, "option nonlinearity is 1; expected a str, as 'tanh'"),
        ({"text": "text", "vocabulary_size": 3}, "vocabulary_size"),
    ],
)
def test_invalid_settings(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    refused(tmp_path, write_reviews(tmp_path / "a.csv"), said, kind=UserError, **settings)


# run folders ----------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return reviews(tmp_path_factory.mktemp("made"), tokenization="words", pooling="mean", bidirectional=False)


@pytest.fixture
def run(made: Run, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(made.path, tmp_path / "run")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_existing_run_is_only_overwritten_on_request(run: Path, tmp_path: Path) -> None:
    data, before = write_reviews(tmp_path / "a.csv"), content(run)
    with pytest.raises(RunError, match=r"run: exists already; choose another --out, or write over it with --overwrite"):
        classify(data, run, label="label", text="text")
    assert content(run) == before
    with pytest.raises(DataError, match="is empty"):
        classify(write(tmp_path / "bad.csv", "text,label\n,y\nx,n\n"), run, overwrite=True, text="text", label="label")
    assert content(run) == before and sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "bad.csv", "run"]
    with pytest.raises(SettingError, match="momentum"):
        classify(data, run, overwrite=True, label="label", text="text", momentum=0.5)
    assert content(run) == before
    classify(data, run, overwrite=True, label="label", text="text")
    assert content(run).keys() == before.keys() and content(run) != before


def test_a_folder_that_is_not_a_run_is_never_overwritten(tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "a.csv")
    (tmp_path / "photos").mkdir()
    write(tmp_path / "photos/cat.jpg", "x")
    with pytest.raises(RunError, match="holds something else than a run"):
        classify(data, tmp_path / "photos", overwrite=True, text="text", label="label")
    with pytest.raises(RunError, match="is a file; give --out the name of a folder"):
        classify(data, data, overwrite=True, text="text", label="label")
    assert (tmp_path / "photos/cat.jpg").exists()


def test_names_of_runs_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_reviews(tmp_path / "a.csv")
    paths = [str(recurra.train("classify", "a.csv", label="label", text="text", **SMALL).path) for _ in range(2)]
    assert paths == ["runs/a", "runs/a-2"]


FILES = ("config.yaml", "model.safetensors", "vocabulary/text.json", "vocabulary/label.json")


@pytest.mark.parametrize("file", FILES)
def test_a_run_with_a_file_missing(run: Path, file: str) -> None:
    (run / file).unlink()
    with pytest.raises(RunError, match=file.rpartition("/")[2]):
        recurra.load(run)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.6, 0.95])
def test_a_run_with_a_truncated_file(run: Path, made: Run, file: str, fraction: float) -> None:
    """The run opens unchanged, or the error names the damaged file; predictions never change."""
    whole = (run / file).read_bytes()
    (run / file).write_bytes(whole[: int(len(whole) * fraction)])
    try:
        opened = recurra.load(run)
    except RunError as error:
        assert file.partition("/")[0] in str(error)
        assert len(str(error).splitlines()) <= 2
    else:
        assert file == "config.yaml" and fraction == 0.95  # only the record of the training is lost
        assert opened.predict(["a dull film"]) == made.predict(["a dull film"])


@pytest.mark.parametrize("file", FILES[2:])
@pytest.mark.parametrize("text", ["{}", "[]", "3", '{"classes": 1, "counts": 2}'])
def test_a_vocabulary_of_another_form(run: Path, file: str, text: str) -> None:
    (run / file).write_text(text)
    with pytest.raises(RunError, match=r"vocabulary.*damaged"):
        recurra.load(run)


def test_truncated_metrics(run: Path) -> None:
    (run / "metrics.json").write_text('{"valid/loss": 0.')
    opened = recurra.load(run)
    assert opened.predict(["a film"])
    with pytest.raises(RunError, match=r"metrics.json is damaged"):
        _ = opened.metrics
    (run / "metrics.json").unlink()
    with pytest.raises(RunError, match=r"metrics.json: cannot be read"):
        _ = opened.metrics


def changed(run: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    values = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    change(values)
    (run / "config.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 3}, "run format 3 is newer than this version of recurra reads (2); update recurra"),
        ({"format": "one"}, "the key 'format' is missing"),
        ({"task": "clasify"}, "did you mean 'classify'"),
        ({"task": None}, "unknown task 'None'"),
        (
            {"model": {"cell": "lstm", "hidden_size": 9}},
            "config.yaml is damaged: it lacks the settings model.num_layers, model.dropout, model.pooling",
        ),
        ({"model": {"hidden_sise": 9}}, "did you mean"),
        ({"model": [1]}, "config.yaml"),
    ],
)
def test_an_invalid_config(run: Path, change: dict[str, Any], said: str) -> None:
    changed(run, lambda values: values.update(change))
    with pytest.raises(RunError) as raised:
        recurra.load(run)
    assert said in str(raised.value)


def test_a_folder_that_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist; expected a run folder"):
        recurra.load(tmp_path / "none")
    with pytest.raises(RunError, match=r"is not a run folder: it contains no config.yaml"):
        recurra.load(tmp_path)


TRAP = "from pathlib import Path\nPath(__file__).with_name('sprung').write_text('')\n"


@pytest.mark.parametrize("spec", ["{}/trap.py:Trap", "trap:Trap"])
@pytest.mark.parametrize("what", ["task", "cell"])
def test_code_that_a_run_names_is_not_imported(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, spec: str
) -> None:
    write(tmp_path / "trap.py", TRAP)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    spec = spec.format(tmp_path)
    changed(run, lambda values: values.update(task=spec) if what == "task" else values["model"].update(cell=spec))
    for use in (recurra.load, training.resume):
        with pytest.raises(
            RunError, match=rf"the custom {what} .*:Trap\. If you trust this code, open the run with --import"
        ):
            use(run)
    assert not (tmp_path / "sprung").exists()


def test_an_object_in_yaml_is_not_created(run: Path, tmp_path: Path) -> None:
    text = (run / "config.yaml").read_text()
    trap = f"x: !!python/object/apply:os.mkdir ['{tmp_path / 'sprung'}']\n"
    (run / "config.yaml").write_text(text + trap)
    with pytest.raises(RunError, match=r"config.yaml is damaged"):
        recurra.load(run)
    assert not (tmp_path / "sprung").exists()


# inference ------------------------------------------------------------------------------------------------------------
def test_unknown_words_and_empty_texts(made: Run) -> None:
    known, *others = made.predict(["a dull film", "xyzzy plugh", "", "   ", "\0"])
    for one in others:
        assert one["label"] in ("good", "bad") and 0 < one["probability"] <= 1
        assert sum(one["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert others[1] == others[2] and known.keys() == others[0].keys()


def test_evaluation_on_invalid_data(made: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="class 'sad' was not in the training data; did you mean 'bad'"):
        made.evaluate(write(tmp_path / "a.csv", "text,label\nfilm,good\nfilm,sad\n"))
    with pytest.raises(DataError, match=r"b.csv, row 2, field 'text': is empty"):
        made.evaluate(write(tmp_path / "b.csv", "text,label\nfilm,good\n,bad\n"))
    with pytest.raises(DataError, match="no such file"):
        made.evaluate(tmp_path / "none.csv")


# the loss and the disk ------------------------------------------------------------------------------------------------
def test_a_loss_that_is_not_finite_before_the_first_evaluation(tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "a.csv")
    with pytest.raises(TrainingError) as raised:
        classify(data, label="label", text="text", learning_rate=1e30, clip_norm=None, steps=60, ema_decay=0.0)
    message = str(raised.value)
    assert "the loss became" in message and "at step" in message and "smaller learning_rate (it was 1e+30)" in message
    assert f"there was no evaluation before, so {tmp_path / 'run'} cannot be used" in message
    with pytest.raises(RunError, match="ended before its first evaluation"):
        recurra.load(tmp_path / "run")


def test_a_loss_that_is_not_finite_stops_training_and_keeps_the_last_good_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradient: Any = BatchGradient.__call__
    calls: list[int] = []

    def breaks_at_step_20(self: BatchGradient, *arguments: Any) -> Any:
        loss, state = gradient(self, *arguments)
        calls.append(len(calls))  # the first call is that of the dry run
        return (loss * float("nan") if len(calls) == 22 else loss), state

    monkeypatch.setattr(BatchGradient, "__call__", breaks_at_step_20)
    data = write_reviews(tmp_path / "a.csv")
    with pytest.raises(TrainingError) as raised:
        classify(data, label="label", text="text", steps=60, num_evaluations=20)
    message = str(raised.value)
    assert "the loss became nan at step 21; the last good weights, those of step" in message
    assert str(tmp_path / "run") in message
    run = recurra.load(tmp_path / "run")
    assert all(bool(p.isfinite().all()) for p in run.network.parameters())
    assert run.predict(["a film"])[0]["probability"] > 0


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_reviews(tmp_path / "a.csv")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(RunError, match=r"No space left on device"):
            classify(data, label="label", text="text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv"]


@pytest.mark.parametrize("method", ["write_bytes", "write_text"])
def test_a_full_disk_while_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """The disk is full at the third evaluation: training stops, saved files are complete, and training can be resumed."""
    whole = reviews(tmp_path, "whole", steps=12, num_evaluations=6)
    from recurra.training import loop

    evaluate, count = loop.Loop.evaluate, [0]

    def evaluate_on_a_full_disk(self: Any, *arguments: Any) -> None:
        count[0] += 1
        if count[0] == 3:
            with monkeypatch.context() as patch:
                patch.setattr(Path, method, full)
                evaluate(self, *arguments)
                self.save()
        else:
            evaluate(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Loop, "evaluate", evaluate_on_a_full_disk)
        with pytest.raises(RunError, match=r"cannot be written \(No space left on device\)"):
            reviews(tmp_path, "cut", steps=12, num_evaluations=6)
    assert not [path for path in (tmp_path / "cut").rglob("*") if path.name.endswith(".part")]
    assert recurra.load(tmp_path / "cut").predict(["a film"])
    resumed = training.resume(tmp_path / "cut")
    assert resumed.predict(["a film"]) == whole.predict(["a film"])
    assert json.loads((resumed.path / "metrics.json").read_text()) == json.loads(
        (whole.path / "metrics.json").read_text()
    )


def test_an_unknown_class_is_reported_with_its_row_after_skipped_rows(tmp_path: Path) -> None:
    run = classify(write(tmp_path / "good.csv", GOOD), on_error="skip")
    other = write(tmp_path / "other.csv", "text,label\na film,\na fine film,y\na film,strange\n")
    with pytest.raises(
        DataError, match=r"other.csv, row 3, field 'label': class 'strange' was not in the training data"
    ):
        run.evaluate(other)
