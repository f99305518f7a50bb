"""Fields: what they refuse and in which words, and that what they save is what they load."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recurra.data.sources.sources import open_source
from recurra.errors import DataError
from recurra.fields import Label, Number, Series
from recurra.fields.sentence_label import SentenceLabel

BEYOND = 10**400  # no float is as large; JSON has no bound


def test_an_integer_beyond_every_float_is_refused_in_words() -> None:
    assert Number("n", None).check(BEYOND) == f"is '1{'0' * 39}', which is too large; expected numbers up to 1e+100"
    for value in ([1, BEYOND], [[BEYOND]], f"[{BEYOND}]"):
        assert str(Series("s", None, 1).check(value)).endswith(", not a list of numbers")


def test_vectors_without_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"s": [[], []]}) + "\n" for _ in range(3)))
    series = Series("s", None)
    series.find(open_source(path), ())
    assert series.check([[], []]) == "has the shape (2, 0), expected (steps, 1)"


@pytest.mark.parametrize(("field_class", "option"), [(Label, "--label"), (SentenceLabel, "--sentence-label")])
def test_too_many_classes_name_the_option_that_there_is(
    field_class: type[Label] | type[SentenceLabel], option: str
) -> None:
    with pytest.raises(DataError, match=f"more than 10,000 classes; use {option} if this is the wrong column"):
        field_class("intent", None).fit(map(str, range(10_001)))


def test_labels_that_training_did_not_have_are_known_to_a_run_that_is_resumed(tmp_path: Path) -> None:
    label, again = SentenceLabel("intent", None), SentenceLabel("intent", None)
    label.fit(["look", "travel", "look"])
    assert label.encode(["dance", "travel", "dance"]) == [-1, 1, -1]
    label.save(tmp_path)
    again.load(tmp_path)
    assert (again.classes, again.label.counts, again.unseen) == (label.classes, label.label.counts, {"dance": 2})
    assert again.describe() == label.describe()
    saved = json.loads((tmp_path / "intent.json").read_text())
    del saved["unseen"]  # as runs had it before
    (tmp_path / "intent.json").write_text(json.dumps(saved))
    again.load(tmp_path)
    assert not again.unseen
