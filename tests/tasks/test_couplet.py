"""couplet: equal length always, constraints, pairs from files, bad input; and the components of the task."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import recurra
from recurra.cli import main as cli
from recurra.errors import CallError, DataError, UserError
from recurra.run import Run
from recurra.tasks.base import ignore_progress
from recurra.tasks.couplet.constraints import is_punctuation
from recurra.tasks.couplet.model import first_occurrences

SMALL: dict[str, Any] = {"hidden_size": 12, "embedding_size": 8, "steps": 6, "batch_size": 16, "num_evaluations": 2}


# runs -----------------------------------------------------------------------------------------------------------------
LOW, HIGH = "天山云风花春红一", "地水雨月鸟秋绿两"


def pair(n: int) -> tuple[str, str]:
    """A line of the first characters, each answered by its like among the others; some with a mark inside."""
    draw = random.Random(n)
    places = draw.sample(range(8), draw.randint(2, 6))
    if n % 5 == 0:
        places.append(places[0])
    question, answer = ("".join(side[i] for i in places) for side in (LOW, HIGH))
    cut = draw.randint(1, len(places) - 1) if n % 3 == 0 else 0
    return (question[:cut] + "，" + question[cut:], answer[:cut] + "，" + answer[cut:]) if cut else (question, answer)


def mapped(question: str) -> str:
    return question.translate(str.maketrans(LOW, HIGH))


def write_pairs(
    path: Path, pairs: Sequence[tuple[str, str]], header: tuple[str, str] | None = ("上联", "下联")
) -> Path:
    if path.suffix == ".jsonl":
        assert header is not None
        path.write_text("".join(json.dumps(dict(zip(header, row, strict=True))) + "\n" for row in pairs))
    else:
        mark = "\t" if path.suffix == ".tsv" else ","
        rows = [*([header] if header else []), *pairs]
        path.write_text("".join(mark.join(row) + "\n" for row in rows), encoding="utf-8")
    return path


PAIRS = [pair(n) for n in range(300)]


def train(folder: Path, pairs: Sequence[tuple[str, str]] = PAIRS, name: str = "run", **settings: Any) -> Run:
    data = write_pairs(folder / f"{name}.csv", pairs)
    return recurra.train("couplet", data, out=folder / name, **(SMALL | settings))


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that has learnt which character answers which."""
    folder = tmp_path_factory.mktemp("learnt")
    settings = {"hidden_size": 32, "embedding_size": 32, "steps": 160, "batch_size": 32, "ema_decay": 0.9}
    return train(folder, [pair(n) for n in range(1200)], **settings, dropout=0.0, input_dropout=0.0, learning_rate=1e-2)


UNSEEN = ["天山", "春风，花红", "囧", "龘天囧，山囧？", "a b", "～山", "，", "天" * 40, "山云" * 30 + "。", ""]


def test_it_learns_the_mapping(learnt: Run) -> None:
    assert learnt.metrics["valid/exact_match"] > 0.95
    assert 1 <= learnt.metrics["valid/perplexity"] < 1.2
    assert learnt.metrics["valid/equal_length"] == 1.0
    assert learnt.settings.model.constraints == "couplet"  # type: ignore[attr-defined]
    questions = ["天山云风", "春风，花红", "一天，一山"]
    run = recurra.load(learnt.path)
    assert [one["text"] for one in run.predict(questions)] == [mapped(question) for question in questions]
    assert run.streams[0] is False


@pytest.mark.parametrize("constraints", ["none", "punctuation", "couplet"])
@pytest.mark.parametrize("beam_size", [1, 8])
def test_equal_length_always(learnt: Run, rules: str, beam_size: int) -> None:
    """Unknown characters, marks that were never seen, lines far longer than any, nothing at all."""
    run = recurra.load(learnt.path)
    run.change(constraints=rules, beam_size=beam_size)
    for question, one in zip(UNSEEN, run.predict(UNSEEN), strict=True):
        assert len(one["text"]) == len(question)
        if rules != "none":
            for asked, said in zip(question, one["text"], strict=True):
                assert (asked == said) if is_punctuation(asked) else not is_punctuation(said)
        assert np.isfinite(one["score"])


def test_greedy_is_a_beam_of_one(learnt: Run) -> None:
    """The likeliest of what is allowed, step by step."""
    run = recurra.load(learnt.path)
    run.change(beam_size=1, constraints="punctuation")
    net, character_ngrams = run.network, run.task.dataset.vocabulary.tokens
    words = torch.tensor([n > 2 and not is_punctuation(token) for n, token in enumerate(character_ngrams)])
    questions = [pair(n)[0] for n in range(5000, 5010)]
    for question, one in zip(questions, run.predict(questions), strict=True):
        x = torch.from_numpy(run.task.dataset.vocabulary.encode(question)).long()[None]
        token, written = torch.tensor([2]), ""
        with torch.no_grad():
            state = net.start(net.encode(x, torch.tensor([len(question)]), first_occurrences(x)))
            for asked in question:
                scores, state, _ = net.step(token, state)
                best = int(scores[0].masked_fill(~words, -torch.inf).argmax())
                said = asked if is_punctuation(asked) else spelling[best]
                token, written = torch.tensor([spelling.index(said)]), written + said
        assert one["text"] == written


@pytest.mark.parametrize("beam_size", [1, 4])
def test_the_same_answer_whatever_else_is_in_the_batch(learnt: Run, beam_size: int) -> None:
    run = recurra.load(learnt.path)
    run.change(beam_size=beam_size)
    questions = [*(pair(n)[0] for n in range(5000, 5020)), *UNSEEN]
    alone = [run.predict([question])[0] for question in questions]
    for seed in range(2):
        order = random.Random(seed).sample(range(len(questions)), len(questions))
        for one, at in zip(run.predict([questions[i] for i in order]), order, strict=True):
            assert one["text"] == alone[at]["text"]
            assert one["score"] == pytest.approx(alone[at]["score"], abs=1e-5)


def test_other_answers_of_the_beam(learnt: Run) -> None:
    run = recurra.load(learnt.path)
    run.change(num_return_sequences=3, beam_size=4)
    one = run.predict(["天山，云"])[0]
    assert len(one["num_return_sequences"]) == 3 and one["num_return_sequences"][0] == {"text": one["text"], "score": one["score"]}
    assert len({other["text"] for other in one["num_return_sequences"]}) == 3
    scores = [other["score"] for other in one["num_return_sequences"]]
    assert scores == sorted(scores, reverse=True)


def test_figures_by_hand(learnt: Run, tmp_path: Path) -> None:
    """The loss of `evaluate FILE` is the mean over all characters of the answers, marks and unknown ones too."""
    pairs = [("天山", "地水"), ("春，风", "秋，囧"), ("云云", "雨雪")]
    figures = learnt.evaluate(write_pairs(tmp_path / "a.csv", pairs))
    vocabulary, nats, count = learnt.task.dataset.vocabulary, 0.0, 0
    for question, answer in pairs:
        x, y = (torch.from_numpy(vocabulary.encode(text)).long()[None] for text in (question, answer))
        with torch.no_grad():
            scores = learnt.network(x, torch.tensor([len(question)]), first_occurrences(x), y).scores
        nats -= scores.log_softmax(-1).gather(1, y[0][:, None]).double().sum().item()
        count += len(answer)
    assert int(vocabulary.encode("囧")[0]) == vocabulary.unknown
    assert figures["loss"] == pytest.approx(nats / count, rel=1e-5)
    assert figures["perplexity"] == pytest.approx(np.exp(nats / count), rel=1e-4)
    assert figures["equal_length"] == 1.0
    said = [one["text"] for one in learnt.predict([question for question, _ in pairs])]
    assert figures["exact_match"] == pytest.approx(np.mean([a == b for a, (_, b) in zip(said, pairs, strict=True)]))


@pytest.mark.parametrize(
    "settings", [{}, {"attention": "none", "cell": "gru"}, {"attention": "dot", "reverse_pairs": False}]
)
def test_every_kind_trains_and_saved_is_loaded(tmp_path: Path, settings: dict[str, Any]) -> None:
    run = train(tmp_path, num_layers=1 + len(settings) % 2, encoder_layers=2, **settings)
    again = recurra.load(run.path)
    assert again.predict(UNSEEN) == run.predict(UNSEEN)
    assert again.evaluate(tmp_path / "run.csv") == run.evaluate(tmp_path / "run.csv")


def test_pairs_turned_round_are_learnt_too(tmp_path: Path) -> None:
    """Twice the rows; in a turned one the sides change places, and the network is told."""
    task = train(tmp_path).task
    task.dataset.prepare(tmp_path / "run.csv", None, tmp_path / "cache", ignore_progress)
    n, keys = len(task.dataset.stores["train"]), task.sampler().epoch(0)
    assert sorted(np.concatenate(keys).tolist()) == list(range(2 * n))
    lengths = np.tile(task.dataset.stores["train"].lengths("source"), 2)
    assert task.sampler().time_steps(keys).tolist() == [2 * len(rows) * lengths[rows].max() for rows in keys]
    plain, swapped = (task.batch(np.array([3, 5]) + more) for more in (0, n))
    assert plain.inputs["swapped"].tolist() == [False, False] and swapped.inputs["swapped"].tolist() == [True, True]
    assert torch.equal(plain.inputs["x"], swapped.inputs["answer"])
    assert torch.equal(plain.inputs["answer"], swapped.inputs["x"])


def test_the_rules_are_those_that_most_pairs_keep(tmp_path: Path) -> None:
    def chosen(pairs: Sequence[tuple[str, str]], name: str) -> str:
        return str(train(tmp_path, pairs, name, steps=1).settings.model.constraints)  # type: ignore[attr-defined]

    copied = [(f"a{n}b-c", f"b{n}a-d") for n in range(100, 140)]
    assert chosen(copied, "copied") == "punctuation"
    assert chosen([(a, b.replace("-", "x")) for a, b in copied], "moved") == "none"
    mixed = [*copied[:5], *PAIRS[:40]]
    assert chosen(mixed, "mixed") == "couplet"


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_pairs_from_tables(tmp_path: Path, suffix: str) -> None:
    data = write_pairs(tmp_path / f"pairs{suffix}", PAIRS[:60], ("one", "two"))
    run = recurra.train("couplet", data, out=tmp_path / "run", source="one", target="two", **SMALL)
    assert run.predict([{"one": "天山"}]) == run.predict(["天山"])
    assert run.evaluate(data)["loss"] > 0


class Told:
    """Keeps what training says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def bar(self, label: str, total: float | None = None) -> Any:
        from recurra.progress import Silent

        return Silent().bar(label, total)


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_table_without_a_header_loses_no_pair(tmp_path: Path, suffix: str) -> None:
    data, told = write_pairs(tmp_path / f"bare{suffix}", PAIRS[:60], None), Told()
    run = recurra.train("couplet", data, out=tmp_path / "run", progress=told, **SMALL)
    reading = run.config["resolved"]["reading"]
    assert reading["rows"] + reading["valid_rows"] == 60
    assert any("the first line is a pair" in line for line in told.lines)
    named = write_pairs(tmp_path / f"named{suffix}", PAIRS[:60])
    assert run.evaluate(data) == run.evaluate(named)  # of these the columns have names
    assert cli.run(["predict", str(run.path), str(data), "--out", str(tmp_path / "out.jsonl")]) == 0
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [len(json.loads(line)["text"]) for line in lines] == [len(question) for question, _ in PAIRS[:60]]
    with_header = recurra.train("couplet", data, out=tmp_path / "other", header=True, **SMALL)
    reading = with_header.config["resolved"]["reading"]
    assert reading["rows"] + reading["valid_rows"] == 59


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_pairs(tmp_path / "pairs.tsv", PAIRS)
    options = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    run = tmp_path / "run"
    assert cli.run(["train", "couplet", str(data), "--out", str(run), *options]) == 0
    said = capsys.readouterr()
    assert "keep the rules of couplets" in said.out + said.err
    questions = tmp_path / "questions.txt"
    questions.write_text("天山\n春风，花红\n", encoding="utf-8")
    assert cli.run(["predict", str(run), str(questions), "--set", "num_return_sequences=2", "--set", "constraints=punctuation"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [len(line["text"]) for line in lines] == [2, 5] and lines[0].keys() == {"text", "score", "num_return_sequences"}
    assert cli.run(["evaluate", str(run), str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["equal_length"] == 1.0
    assert cli.run(["predict", str(run), str(questions), "--set", "hidden_size=3"]) == 2
    assert "settings that can be changed at inference: beam_size, rules, likely" in capsys.readouterr().err


# bad input ------------------------------------------------------------------------------------------------------------
def refused(folder: Path, start: Callable[[], Any], *said: str) -> None:
    """Training stops with one or two lines that say all of `said`, and leaves nothing behind."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(UserError) as raised:
        start()
    for part in said:
        assert part in str(raised.value)
    assert len(str(raised.value).splitlines()) <= 2
    assert sorted(folder.rglob("*")) == before


def test_sides_of_different_length_stop_or_are_skipped(tmp_path: Path) -> None:
    pairs = [*PAIRS[:30], ("天山", "地水雨"), *PAIRS[30:60], ("天", "地水"), ("天山云", "地")]
    data = write_pairs(tmp_path / "a.csv", pairs)
    start = lambda **options: recurra.train("couplet", data, out=tmp_path / "run", **SMALL, **options)  # noqa: E731
    refused(
        tmp_path,
        start,
        "a.csv, row 31, field '下联': has 3 characters, and the question has 2 (line 32)",
        "2 more rows cannot be used (row 62, 63)",
        "on_error=skip",
    )
    reading = start(on_error="skip").config["resolved"]["reading"]
    assert reading["rows"] + reading["valid_rows"] == 60


def test_other_bad_rows_and_settings(tmp_path: Path) -> None:
    out = {"out": tmp_path / "run", **SMALL}
    empty = write_pairs(tmp_path / "a.csv", [*PAIRS[:20], ("", "")])
    refused(tmp_path, lambda: recurra.train("couplet", empty, **out), "row 21", "is empty")
    good = write_pairs(tmp_path / "b.csv", PAIRS[:20])
    refused(tmp_path, lambda: recurra.train("couplet", good, source="上", **out), "there is no column '上'")
    refused(
        tmp_path,
        lambda: recurra.train("couplet", good, source="上联", target="上联", **out),
        "is asked for twice, as source and target",
    )
    refused(tmp_path, lambda: recurra.train("couplet", good, max_length=1, **out), "every pair has more characters")
    refused(tmp_path, lambda: recurra.train("couplet", good, constraints="strict", **out), "model.constraints = 'strict'")
    lines = write_pairs(tmp_path / "c.jsonl", PAIRS[:20])
    refused(tmp_path, lambda: recurra.train("couplet", lines, header=False, **out), "header is false", "no CSV or TSV")


def test_what_cannot_be_answered_or_evaluated(learnt: Run, tmp_path: Path) -> None:
    with pytest.raises(CallError, match="example 2: source is 7, not text"):
        learnt.predict(["天山", 7])
    with pytest.raises(CallError, match="example 1: an input object wants '上联' or 'source'; this one has 'text'"):
        learnt.predict([{"text": "天山"}])
    assert learnt.predict([]) == []
    with pytest.raises(DataError, match=r"row 1.*has 1 character, and the question has 2"):
        learnt.evaluate(write_pairs(tmp_path / "a.csv", [("天山", "地")]))
