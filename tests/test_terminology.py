"""Terminology: retired names stay out of options, help texts and documentation, and one name has one meaning."""

from __future__ import annotations

import ast
import collections
import re
from pathlib import Path

import pytest

import recurra
from recurra import tasks
from recurra.settings import fields

SOURCE = Path(recurra.__file__).parent
ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *(ROOT / "docs").glob("*.md"),
        *ROOT.glob("*.md"),
        *(ROOT / "native").glob("*.md"),
        *(ROOT / "benchmarks").glob("*.md"),
    ]
)
# The changelog lists renamed settings with their old names; results are records of earlier measurements.
PAGES = [page for page in PAGES if page.name not in ("CHANGELOG.md", "results.md")]

# Options that were renamed, and that are no ordinary words of this field.
RETIRED_OPTIONS = (
    *(
        "valid_share",
        "broken",
        "averaging",
        "evaluations",
        "plan",
        "members",
        "adversarial",
        "vectors",
        "vectors_frozen",
    ),
    *(
        "pretrain",
        "source_level",
        "target_level",
        "level",
        "spelling",
        "cutter",
        "cutter_language",
        "rate",
        "bands",
        "grey",
    ),
    *("shift", "intent", "beam", "feed", "tied", "weights", "teacher_forcing", "forcing_schedule", "copy_unknown"),
    *(
        "both_ways",
        "series_vectors",
        "rules",
        "likely",
        "condition",
        "sampled",
        "each",
        "windows",
        "known",
        "past",
        "static",
    ),
    *(
        "origins",
        "stride",
        "season",
        "segment",
        "shortcut",
        "mean_weight",
        "stack",
        "warp",
        "masks",
        "metric",
        "shared",
    ),
)
# Classes, functions and attributes that were renamed.
RETIRED_IDENTIFIERS = (
    *("USUAL_CELL", "may_lack", "with_open", "steps_of_time", "carries_state", "first_weights"),
    *("Answering", "ByLength", "TwoSided", "OneClass", "RowTask", "InputTask", "PairReader"),
    *("Movable", "Members", "Straight", "FewSteps", "LiveSteps", "CutSeries", "SplitPanel", "HeardState"),
    *("told_at_once", "in_batches", "nats_of_texts", "back_end_table", "freed_memory", "strangest", "copy_unknown"),
)
# The same recurrence on three levels: the cell, the layer, and the hand-written backward pass.
SAME_RECURRENCE = {"Cell", "RNN", "LSTM", "GRU"}


@pytest.mark.parametrize("task", tasks.names())
def test_no_task_has_a_retired_option(task: str) -> None:
    options = {name.partition(".")[2] for name in fields(tasks.get(task).settings_class)}
    assert not options & set(RETIRED_OPTIONS)


@pytest.mark.parametrize("task", tasks.names())
def test_help_texts_have_no_retired_names(task: str) -> None:
    for name, (_, field) in fields(tasks.get(task).settings_class).items():
        words = set(re.findall(r"[A-Za-z_]+", field.description or ""))
        retired = {option for option in RETIRED_OPTIONS if "_" in option}
        assert not words & (retired | set(RETIRED_IDENTIFIERS)), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_have_no_retired_names(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for option in RETIRED_OPTIONS:
        dashed = option.replace("_", "-")
        found = re.search(rf"--{dashed}(?![\w-])|--set {option}=|\b(?:data|model|training)\.{option}\b(?!\()", text)
        assert found is None, f"{page.name}: {found[0]}"
    for identifier in RETIRED_IDENTIFIERS:
        assert not re.search(rf"\b{identifier}\b", text), f"{page.name}: {identifier}"


def test_sources_have_no_retired_identifiers() -> None:
    for file in SOURCE.rglob("*.py"):
        names = {
            node.id for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)
        }
        assert not names & set(RETIRED_IDENTIFIERS), file


def test_an_option_has_one_meaning() -> None:
    """An option of several tasks has the same type of value in all of them."""
    types: dict[str, dict[str, list[str]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    for task in tasks.names():
        for name, (_, field) in fields(tasks.get(task).settings_class).items():
            kind = "text" if "str" in str(field.annotation) or "Literal" in str(field.annotation) else "number"
            types[name][kind].append(task)
    assert {name: dict(kinds) for name, kinds in types.items() if len(kinds) > 1} == {}


def test_no_two_public_classes_share_a_name() -> None:
    homes: dict[str, list[str]] = collections.defaultdict(list)
    for file in SOURCE.rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(str(file.relative_to(SOURCE)))
    assert {name: files for name, files in homes.items() if len(files) > 1 and name not in SAME_RECURRENCE} == {}
