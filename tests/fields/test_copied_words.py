"""Short answers from a passage: their tokenization, and the metric that selects the weights."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import recurra
from recurra.fields.copied_words import are_short, copies_words
from recurra.metrics.text import text_metrics

NAMES, PLACES = ("Ilse", "Bram", "Juno", "Tove"), ("the garden", "the attic", "the office", "the harbor")


def passages(count: int = 200) -> list[tuple[str, str]]:
    """Passages of two sentences with a question, and the answer, which is a name or a place of the passage."""
    draw, rows = random.Random(4), []
    for _ in range(count):
        (a, b), (x, y) = draw.sample(NAMES, 2), draw.sample(PLACES, 2)
        question, answer = draw.choice([(f"Where is {a}?", x), (f"Where is {b}?", y), (f"Who is in {x}?", a)])
        rows.append((f"{a} went to {x}. {b} went to {y}. {question}", answer))
    return rows


def test_answers_from_a_passage_are_words() -> None:
    sources, targets = zip(*passages(), strict=True)
    assert copies_words(sources, targets)
    assert copies_words([("a passage", source) for source in sources], targets)
    assert copies_words(sources, [target if n % 5 else "yes" for n, target in enumerate(targets)])


@pytest.mark.parametrize(
    ("sources", "targets"),
    [
        (["hello", "world"] * 30, ["hello", "world"] * 30),  # one word: spelling
        (["on the 1st of May 1970"] * 30, ["1970-05-01"] * 30),
        ([f"my name is K{n} and I am here" for n in range(60)], [f"K{n}" for n in range(60)]),  # names never recur
        (["A man walks in the park."] * 30, ["Ein Mann geht im Park."] * 30),
        (["A man walks in the park today."] * 30, ["A man walks in the park."] * 30),  # not short
        (["我 在 北京 大学 上学"] * 30, ["北京"] * 30),
        ([], []),
    ],
)
def test_other_targets_are_not_copied(sources: list[str], targets: list[str]) -> None:
    assert not copies_words(sources, targets)


def test_short_targets() -> None:
    assert are_short(["Oslo", "in May", "yes", "the old man went home"])
    assert not are_short(["she went home in May", "yes she did go home", "no"])
    assert not are_short(
        ["彼は家に帰った", "はい、そうです"]
    )  # words of scripts without blanks are counted as characters


def test_bleu_of_short_texts_has_the_effective_order() -> None:
    """Two texts with all words and pairs right: 100. One wrong word of three: the precisions are 2/3 and 0, smoothed."""
    right = ["Oslo", "in May"]
    assert text_metrics(right, right, by_character=False)["bleu"] == pytest.approx(100)
    assert 0 < text_metrics(["Oslo", "in June"], right, by_character=False)["bleu"] < 100
    assert text_metrics(["Rome", "at noon"], right, by_character=False)["bleu"] == 0


def test_the_defaults_for_short_answers(tmp_path: Path) -> None:
    path = tmp_path / "qa.tsv"
    path.write_text("source\ttarget\n" + "".join(f"{a}\t{b}\n" for a, b in passages()), encoding="utf-8")
    run = recurra.train("translate", path, out=tmp_path / "run", steps=2, hidden_size=8, embedding_size=8)
    data, training = run.settings.data, run.settings.training
    assert (data.source_tokenization, data.target_tokenization) == ("words", "words")
    assert training.selection_metric == "token_error_rate"
    other = recurra.train(
        "translate", path, out=tmp_path / "other", steps=2, hidden_size=8, embedding_size=8, tokenization="subwords"
    )
    assert other.settings.training.selection_metric == "token_error_rate"
    assert other.settings.data.target_tokenization == "subwords"
