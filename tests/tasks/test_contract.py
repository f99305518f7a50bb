"""Custom tasks: each mistake is reported in one line that names the file, the line and the method."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from tiny_runs import reviews

import recurra
from recurra.errors import CallError, UserError
from recurra.plugins import load_task
from recurra.tasks.classify.task import Classify

GOOD = '''
from functools import cached_property

import numpy as np
import torch

from recurra.fields import Field, Label, Number, Series
from recurra.settings import ClassTraining, Settings
from recurra.tasks.base import Selection
from recurra.tasks.classify.classification import Classification
from recurra.tasks.regress.regression import Regression
from recurra.tasks.shared import EncoderModel, Head, RowData, RowDataset, SequenceTask, SeriesInput


class Mean(Head):
    """The mean of the window."""

    def __init__(self, target): self.target = target
    outputs = 1
    selection = Selection("mse")
    def combine(self, outputs): return outputs.mean(0)
    def losses(self, output, batch, training): return (output[:, 0] - batch.targets["stars"]) ** 2
    def metrics(self, outputs, targets): return {"mse": ((outputs[:, 0] - targets["stars"]) ** 2).mean()}
    def decode(self, outputs): return [{"stars": value} for value in outputs[:, 0]]


class Mine(SequenceTask[Settings[RowData, EncoderModel, ClassTraining]]):
    name = "mine"
    structure = "N to 1"
    summary = "a number for each window"
    settings_class = Settings[RowData, EncoderModel, ClassTraining]

    @classmethod
    def dataset_for(cls, settings):
        return RowDataset(settings, [Number("stars", "stars")], SeriesInput(Series("window", "window")))

    @cached_property
    def head(self):
        return Mean(self.dataset.target(Number))
'''
SMALL = {"steps": 2, "hidden_size": 4, "batch_size": 4}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    rows = [{"window": random.normal(size=n % 5 + 3).tolist(), "stars": float(n % 4)} for n in range(40)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def train(folder: Path, data: Path, code: str) -> recurra.Run:
    (folder / "mine.py").write_text(code)
    return recurra.train(load_task(f"{folder / 'mine.py'}:Mine"), data, out=folder / "run", **SMALL)


def line_of(code: str, text: str) -> int:
    return code[: code.index(text)].count("\n") + 1


def test_a_correct_task_trains_predicts_and_evaluates(tmp_path: Path, data: Path) -> None:
    """Scalars of torch in metrics and results are converted to Python numbers."""
    run = train(tmp_path, data, GOOD)
    assert type(run.metrics["valid/mse"]) is float
    (result,) = run.predict([[0.5, 1.0]])
    assert type(result["stars"]) is float
    assert set(run.evaluate(data)) == {"loss", "mse"}


MISTAKES = {
    "an exception in losses": (
        '(output[:, 0] - batch.targets["stars"]) ** 2',
        "output[:, 0] / undefined",
        "NameError at mine.py, line {line}, in losses: name 'undefined' is not defined",
    ),
    "one loss for all rows": (
        '(output[:, 0] - batch.targets["stars"]) ** 2',
        '((output[:, 0] - batch.targets["stars"]) ** 2).mean()',
        "mine.py, line {line}, in Mean.losses: returned a tensor (); expected a tensor of shape (4,), one loss per row",
    ),
    "no outputs": ("    outputs = 1\n", "    outputs = None\n", "Mean.outputs: is None; expected a positive int"),
    "metrics that are no dict": (
        'return {"mse": ((outputs[:, 0] - targets["stars"]) ** 2).mean()}',
        "return 3.0",
        "mine.py, line {line}, in Mean.metrics: returned a float; expected a dict from name to number",
    ),
    "a metric that does not exist": (
        'Selection("mse")',
        'Selection("mxe")',
        "Mean.metrics did not return a number for the metric 'mxe', which selects the best weights "
        "(Mean.selection); did you mean 'mse'?",
    ),
    "too few results": (
        '[{"stars": value} for value in outputs[:, 0]]',
        '[{"stars": 0.0}]',
        "mine.py, line {line}, in Mean.decode: returned 1 results for 4 rows; expected one per row, in order",
    ),
    "results that JSON cannot hold": (
        '{"stars": value} for value in outputs[:, 0]',
        '{"stars": outputs} for value in outputs',
        "in Mean.decode: 'stars' is a tensor (4, 1), which JSON cannot represent; use value.tolist()",
    ),
    "no name": ('    name = "mine"\n', "", "task Mine: name is None; set it to a string as a class attribute"),
    "no settings": (
        "    settings_class = Settings[RowData, EncoderModel, ClassTraining]\n",
        "",
        "task Mine: has no settings_class; add settings_class = Settings[RowData, EncoderModel, TrainingSettings]",
    ),
    "an __init__ without the base's": (
        "    @classmethod\n    def dataset_for",
        "    def __init__(self, settings, dataset, cell): self.other = 1\n    @classmethod\n    def dataset_for",
        "mine.py, line {line}, in Mine.__init__: does not call super().__init__(settings, dataset, cell)",
    ),
    "a target of variable length": (
        '[Number("stars", "stars")]',
        '[Series("stars", "window")]',
        "target 'stars' (Series) is a sequence; a target of an N-to-1 task has one value for each example",
    ),
    "an exception in dataset_for": (
        "return RowDataset(settings,",
        "return RowDataset(settings.missing,",
        "AttributeError at mine.py, line {line}, in dataset_for:",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_in_one_line(tmp_path: Path, data: Path, mistake: str) -> None:
    old, new, message = MISTAKES[mistake]
    code = GOOD.replace(old, new, 1)
    assert code != GOOD
    with pytest.raises(UserError) as raised:
        train(tmp_path, data, code)
    expected = message.format(line=line_of(code, new.splitlines()[0]) if new else 0)
    assert expected in str(raised.value) and "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


FIELD = """

class Halved(Number):
    def encode(self, values):
        return {body}
"""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("[float(value) / nothing for value in values]", "NameError at mine.py, line {line}, in "),
        (
            "[0.0]",
            "mine.py, line {defined}, in Halved.encode: returned 1 values for 40 rows; expected a list with one value per row",
        ),
        ("3", "Halved.encode: returned a int for 40 rows"),
    ],
)
def test_a_custom_field(tmp_path: Path, data: Path, body: str, message: str) -> None:
    field = FIELD.replace("{body}", body)
    code = GOOD.replace("\n\nclass Mine(", f"{field}\n\nclass Mine(", 1).replace("[Number(", "[Halved(")
    with pytest.raises(CallError) as raised:
        train(tmp_path, data, code)
    line = line_of(code, "return " + body)
    assert message.format(line=line, defined=line - 1) in str(raised.value)


TWO_TARGETS = '''

class Both(Field):
    """Two numbers for each row."""

    storage = "float32:2"
    def find(self, source, taken): return "stars"
    def fit(self, values): return None
    def encode(self, values): return [[float(value), -float(value)] for value in values]
    def save(self, folder): return None
    def load(self, folder): return None
'''


def test_a_target_of_a_fixed_number_of_values(tmp_path: Path, data: Path) -> None:
    """Each example is trained on its own target, in any order of the batches."""
    code = GOOD.replace("\n\nclass Mine(", f"{TWO_TARGETS}\n\nclass Mine(", 1).replace(
        'Number("stars", "stars")', 'Both("stars")'
    )
    code = code.replace("target(Number)", "target(Both)").replace(
        'batch.targets["stars"]) ** 2', 'batch.targets["stars"][:, 1]) ** 2'
    )
    code = code.replace('targets["stars"]) ** 2).mean()', 'targets["stars"][:, 1]) ** 2).mean()')
    run = train(tmp_path, data, code)
    dataset = run.task.dataset
    dataset.prepare(data, None, tmp_path / "cache", lambda _: None)
    targets = run.task.batch(np.array([3, 0, 2])).targets["stars"]
    stars = dataset.stores["train"].column("stars")
    assert targets.shape == (3, 2) and targets.tolist() == stars[[3, 0, 2]].tolist()


def test_a_correct_task_raises_no_warnings(tmp_path: Path, data: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(tmp_path, data, GOOD)


def test_a_file_that_has_changed_is_reported(tmp_path: Path, data: Path) -> None:
    """config.yaml has the digest of the file; opening the run warns about another digest."""
    run = train(tmp_path, data, GOOD)
    file = tmp_path / "mine.py"
    assert run.config["code"] == {"task": hashlib.sha256(GOOD.encode()).hexdigest()}
    file.write_text(GOOD + "# another line\n")
    done = subprocess.run(
        [sys.executable, "-m", "recurra", "predict", str(run.path), "--import", str(file)],
        input="[1, 2, 3]\n", capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0 and json.loads(done.stdout)["stars"] == pytest.approx(
        run.predict([[1, 2, 3]])[0]["stars"]
    )
    warning = (
        f"recurra: warning: {file} has changed since {run.path} was trained with its task Mine: predictions may differ"
    )
    assert warning in done.stderr.splitlines()


def test_a_custom_task_with_a_built_in_name_does_not_open_runs_of_the_built_in_task(tmp_path: Path, data: Path) -> None:
    """`classify` in config.yaml is the built-in task, whatever classes are passed."""
    reviews(tmp_path, "built_in")
    (tmp_path / "mine.py").write_text(GOOD.replace('name = "mine"', 'name = "classify"'))
    mine = load_task(f"{tmp_path / 'mine.py'}:Mine")
    assert type(recurra.load(tmp_path / "built_in", tasks=[mine]).task) is Classify
    run = recurra.train(mine, data, out=tmp_path / "run", **SMALL)
    assert run.config["task"].endswith(":Mine") and type(run.task) is mine
