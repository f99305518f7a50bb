"""What the network predicts: metrics, confusion, calibration, coverage, the worst examples, a sample of text."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import UserError
from ....tasks.base import HasGeneration
from ...evidence import Evidence
from ...examples import examples_of
from ..blocks import Block, Note, PageTexts, Table, short

EXAMPLES, SHOWN, BINS = 300, 8, 5
CLASSES = 24  # of a confusion matrix that is shown


def predictions(evidence: Evidence, say: PageTexts) -> list[Block]:
    """Return the tables about the predictions."""
    run, metrics = evidence.run, evidence.run.metrics
    plain = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
    blocks: list[Block] = [
        Table(
            [say("predictions.metric"), say("predictions.value")],
            [(name.partition("/")[2], f"{value:.5g}") for name, value in plain.items()],
            say("predictions.metrics"),
        )
    ]
    if "valid/confusion" in metrics:
        blocks.append(_confusion(metrics["valid/confusion"], say))
    covered = {name: value for name, value in plain.items() if "coverage_" in name}
    if covered:
        rows = [(f"{name.rpartition('_')[2]} %", f"{value:.1%}") for name, value in covered.items()]
        blocks.append(
            Table([say("predictions.interval"), say("predictions.inside")], rows, say("predictions.coverage"))
        )
    if isinstance(run.task, HasGeneration):
        blocks.append(Note(say("predictions.sample"), run.generate("", 300, seed=0)))
        return blocks
    try:
        return [*blocks, *_examples(evidence, say)]
    except UserError as error:
        return [*blocks, Note(say("report.missing", reason=str(error)))]


def _confusion(confusion: dict[str, Any], say: PageTexts) -> Table:
    """Return the confusion matrix, or its largest entries where there are many classes."""
    names, table = confusion["classes"], np.array(confusion["table"])
    if len(names) > CLASSES:
        wrong = table.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(-wrong, axis=None, kind="stable")[:SHOWN]
        rows = [
            (short(names[i], 40), short(names[j], 40), f"{wrong[i, j]:,}")
            for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True)
        ]
        return Table(
            [say("predictions.true"), say("predictions.predicted"), say("predictions.count")],
            rows,
            say("predictions.confused"),
        )
    totals = table.sum(1, keepdims=True)
    shades = table / np.maximum(totals, 1)
    cells = [[short(name, 24), *(f"{n:,}" for n in row)] for name, row in zip(names, table, strict=True)]
    return Table(
        [say("predictions.true_predicted"), *(short(name, 24) for name in names)],
        cells,
        say("predictions.confusion"),
        [[0.0, *row] for row in shades.tolist()],
    )


def _examples(evidence: Evidence, say: PageTexts) -> list[Block]:
    """Return calibration and worst examples where the answers are known, otherwise the first predictions."""
    run = evidence.run
    file, of = evidence.file, "predictions.of_training"
    valid = (run.config.get("source") or {}).get("valid")
    if valid and Path(valid).exists():
        file, of = Path(valid), "predictions.of_validation"
    examples, texts = examples_of(run, file)
    pairs = list(islice(zip(examples, texts, strict=True), EXAMPLES))
    found = run.predict([example for example, _ in pairs])
    one_class = {"label", "probability"} <= found[0].keys()
    one_number = isinstance(found[0].get("prediction"), int | float)
    role = "label" if one_class else "target" if one_number else ""
    answers = _answers(evidence, file, role, [row for _, row in pairs])
    where = say(of, count=len(pairs))
    if answers is None:
        rows = [
            (short(row or example), short(json.dumps(one, ensure_ascii=False)))
            for (example, row), one in zip(pairs[:SHOWN], found, strict=False)
        ]
        return [
            Table(
                [say("predictions.example"), say("predictions.prediction")], rows, f"{say('predictions.first')} {where}"
            )
        ]
    column, true = answers
    if one_class:
        right = np.array([str(one["label"]) == answer for one, answer in zip(found, true, strict=True)])
        sure = np.array([one["probability"] for one in found])
        worst = [n for n in np.argsort(-sure, kind="stable") if not right[n]][:SHOWN]
        shown = [(short(_without(pairs[n][1], column)), true[n], f"{found[n]['label']} ({sure[n]:.0%})") for n in worst]
        blocks: list[Block] = [_calibration(sure, right, f"{say('predictions.calibration')} {where}", say)]
        caption = say("predictions.worst") if worst else say("predictions.all_right")
    else:
        errors = np.array(
            [abs(float(one["prediction"]) - float(answer)) for one, answer in zip(found, true, strict=True)]
        )
        shown = [
            (short(_without(pairs[n][1], column)), true[n], f"{found[n]['prediction']:.4g}")
            for n in np.argsort(-errors, kind="stable")[:SHOWN]
        ]
        blocks, caption = [], say("predictions.worst")
    head = [say("predictions.example"), say("predictions.true"), say("predictions.predicted")]
    return [*blocks, Table(head, shown, f"{caption} {where}")]


def _answers(evidence: Evidence, file: Path, wanted: str, rows: list[str]) -> tuple[str, list[str]] | None:
    """Return the column with the role `wanted`, and its values; None where there is no such column."""
    task = evidence.run.task
    fresh = type(task).dataset_for(task.settings)  # describing may change what a dataset reads
    roles = {role.role: role.column for role in fresh.describe(file).roles}
    column = roles.get(wanted)
    if column is None or not all(rows):
        return None
    values = [json.loads(row) for row in rows]
    if not all(isinstance(row, dict) and column in row for row in values):
        return None
    return column, [str(row[column]) for row in values]


def _without(row: str, column: str) -> str:
    """Return the other columns of a row as text."""
    return ", ".join(str(value) for name, value in json.loads(row).items() if name != column)


def _calibration(sure: Any, right: Any, caption: str, say: PageTexts) -> Table:
    """Return a table of the stated probabilities and of the fractions that are right."""
    rows = []
    for chosen in np.array_split(np.argsort(sure, kind="stable"), min(BINS, len(sure))):
        rows.append((f"{sure[chosen].mean():.0%}", f"{right[chosen].mean():.0%}", f"{len(chosen):,}"))
    return Table([say("predictions.stated"), say("predictions.right"), say("predictions.count")], rows, caption)
