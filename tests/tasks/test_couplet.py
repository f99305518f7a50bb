"""couplet: answers of equal length, constraints, pairs from files, invalid input, and the components of the task."""

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
    """A question of characters of LOW and an answer of the same characters of HIGH; some contain a comma."""
    draw = random.Random(n)
    positions = draw.sample(range(8), draw.randint(2, 6))
    if n % 5 == 0:
        positions.append(positions[0])
    question, answer = ("".join(side[i] for i in positions) for side in (LOW, HIGH))
    cut = draw.randint(1, len(positions) - 1) if n % 3 == 0 else 0
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
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that has learnt the mapping of characters."""
    folder = tmp_path_factory.mktemp("trained")
    settings = {"hidden_size": 32, "embedding_size": 32, "steps": 160, "batch_size": 32, "ema_decay": 0.9}
    return train(folder, [pair(n) for n in range(1200)], **settings, dropout=0.0, input_dropout=0.0, learning_rate=1e-2)


UNSEEN = ["天山", "春风，花红", "囧", "龘天囧，山囧？", "a b", "～山", "，", "天" * 40, "山云" * 30 + "。", ""]


def test_it_learns_the_mapping(trained: Run) -> None:
    assert trained.metrics["valid/exact_match"] > 0.95
    assert 1 <= trained.metrics["valid/perplexity"] < 1.2
    assert trained.metrics["valid/equal_length"] == 1.0
    assert trained.settings.model.constraints == "couplet"  # type: ignore[attr-defined]
    questions = ["天山云风", "春风，花红", "一天，一山"]
    run = recurra.load(trained.path)
    assert [one["text"] for one in run.predict(questions)] == [mapped(question) for question in questions]
    assert run.streams[0] is False


@pytest.mark.parametrize("constraints", ["none", "punctuation", "couplet"])
@pytest.mark.parametrize("beam_size", [1, 8])
def test_answers_have_the_length_of_the_question(trained: Run, constraints: str, beam_size: int) -> None:
    """Also for unknown characters and punctuation, very long questions, and an empty question."""
    run = recurra.load(trained.path)
    run.change(constraints=constraints, beam_size=beam_size)
    for question, one in zip(UNSEEN, run.predict(UNSEEN), strict=True):
        assert len(one["text"]) == len(question)
        if constraints != "none":
            for character, answer in zip(question, one["text"], strict=True):
                assert (character == answer) if is_punctuation(character) else not is_punctuation(answer)
        assert np.isfinite(one["score"])


def test_a_beam_of_size_one_is_greedy(trained: Run) -> None:
    """At each step it is the most probable character of those that are allowed."""
    run = recurra.load(trained.path)
    run.change(beam_size=1, constraints="punctuation")
    net, characters = run.network, run.task.dataset.vocabulary.tokens
    words = torch.tensor([n > 2 and not is_punctuation(token) for n, token in enumerate(characters)])
    questions = [pair(n)[0] for n in range(5000, 5010)]
    for question, one in zip(questions, run.predict(questions), strict=True):
        x = torch.from_numpy(run.task.dataset.vocabulary.encode(question)).long()[None]
        token, written = torch.tensor([2]), ""
        with torch.no_grad():
            state = net.start(net.encode(x, torch.tensor([len(question)]), first_occurrences(x)))
            for character in question:
                scores, state, _ = net.step(token, state)
                best = int(scores[0].masked_fill(~words, -torch.inf).argmax())
                chosen = character if is_punctuation(character) else characters[best]
                token, written = torch.tensor([characters.index(chosen)]), written + chosen
        assert one["text"] == written


@pytest.mark.parametrize("beam_size", [1, 4])
def test_an_answer_does_not_depend_on_the_batch(trained: Run, beam_size: int) -> None:
    run = recurra.load(trained.path)
    run.change(beam_size=beam_size)
    questions = [*(pair(n)[0] for n in range(5000, 5020)), *UNSEEN]
    alone = [run.predict([question])[0] for question in questions]
    for seed in range(2):
        order = random.Random(seed).sample(range(len(questions)), len(questions))
        for one, at in zip(run.predict([questions[i] for i in order]), order, strict=True):
            assert one["text"] == alone[at]["text"]
            assert one["score"] == pytest.approx(alone[at]["score"], abs=1e-5)


def test_alternatives(trained: Run) -> None:
    run = recurra.load(trained.path)
    run.change(num_return_sequences=3, beam_size=4)
    one = run.predict(["天山，云"])[0]
    assert len(one["alternatives"]) == 3 and one["alternatives"][0] == {"text": one["text"], "score": one["score"]}
    assert len({other["text"] for other in one["alternatives"]}) == 3
    scores = [other["score"] for other in one["alternatives"]]
    assert scores == sorted(scores, reverse=True)


def test_metrics_by_hand(trained: Run, tmp_path: Path) -> None:
    """The loss of `evaluate FILE` is the mean over all characters of the answers, including punctuation and unknown ones."""
    pairs = [("天山", "地水"), ("春，风", "秋，囧"), ("云云", "雨雪")]
    metrics = trained.evaluate(write_pairs(tmp_path / "a.csv", pairs))
    vocabulary, nats, count = trained.task.dataset.vocabulary, 0.0, 0
    for question, answer in pairs:
        x, y = (torch.from_numpy(vocabulary.encode(text)).long()[None] for text in (question, answer))
        with torch.no_grad():
            scores = trained.network(x, torch.tensor([len(question)]), first_occurrences(x), y).scores
        nats -= scores.log_softmax(-1).gather(1, y[0][:, None]).double().sum().item()
        count += len(answer)
    assert int(vocabulary.encode("囧")[0]) == vocabulary.unknown
    assert metrics["loss"] == pytest.approx(nats / count, rel=1e-5)
    assert metrics["perplexity"] == pytest.approx(np.exp(nats / count), rel=1e-4)
    assert metrics["equal_length"] == 1.0
    predicted = [one["text"] for one in trained.predict([question for question, _ in pairs])]
    assert metrics["exact_match"] == pytest.approx(
        np.mean([a == b for a, (_, b) in zip(predicted, pairs, strict=True)])
    )


@pytest.mark.parametrize(
    "settings", [{}, {"attention": "none", "cell": "gru"}, {"attention": "dot", "reverse_pairs": False}]
)
def test_every_configuration_trains_and_a_loaded_run_equals_the_saved_one(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    run = train(tmp_path, num_layers=1 + len(settings) % 2, encoder_layers=2, **settings)
    again = recurra.load(run.path)
    assert again.predict(UNSEEN) == run.predict(UNSEEN)
    assert again.evaluate(tmp_path / "run.csv") == run.evaluate(tmp_path / "run.csv")


def test_reversed_pairs_are_trained_on(tmp_path: Path) -> None:
    """There are twice as many rows; in half of them question and answer are swapped, and a flag marks them."""
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


def test_the_constraints_are_those_that_most_pairs_satisfy(tmp_path: Path) -> None:
    def constraints_of(pairs: Sequence[tuple[str, str]], name: str) -> str:
        return str(train(tmp_path, pairs, name, steps=1).settings.model.constraints)  # type: ignore[attr-defined]

    copied = [(f"a{n}b-c", f"b{n}a-d") for n in range(100, 140)]
    assert constraints_of(copied, "copied") == "punctuation"
    assert constraints_of([(a, b.replace("-", "x")) for a, b in copied], "moved") == "none"
    mixed = [*copied[:5], *PAIRS[:40]]
    assert constraints_of(mixed, "mixed") == "couplet"


@pytest.mark.parametrize(("settings", "expected"), [({}, 6), ({"hidden_size": 5}, 2), ({"encoder_hidden_size": 9}, 9)])
def test_the_hidden_size_of_the_encoder(tmp_path: Path, settings: dict[str, Any], expected: int) -> None:
    """By default half of that of the decoder. The run folder records it, and a run opens with it."""
    run = train(tmp_path, PAIRS[:60], **(settings | {"steps": 1}))
    assert run.config["model"]["encoder_hidden_size"] == expected
    assert recurra.load(run.path).network.encoder.recurrent.hidden_size == expected


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_pairs_from_tables(tmp_path: Path, suffix: str) -> None:
    data = write_pairs(tmp_path / f"pairs{suffix}", PAIRS[:60], ("one", "two"))
    run = recurra.train("couplet", data, out=tmp_path / "run", source="one", target="two", **SMALL)
    assert run.predict([{"one": "天山"}]) == run.predict(["天山"])
    assert run.evaluate(data)["loss"] > 0


class RecordedProgress:
    """Records the messages of a training."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, line: str) -> None:
        self.lines.append(line)

    def bar(self, label: str, total: float | None = None) -> Any:
        from recurra.progress import Silent

        return Silent().bar(label, total)


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_table_without_a_header_loses_no_pair(tmp_path: Path, suffix: str) -> None:
    data, progress = write_pairs(tmp_path / f"bare{suffix}", PAIRS[:60], None), RecordedProgress()
    run = recurra.train("couplet", data, out=tmp_path / "run", progress=progress, **SMALL)
    dataset = run.config["resolved"]["dataset"]
    assert dataset["rows"] + dataset["valid_rows"] == 60
    assert any("the first line is a pair" in line for line in progress.lines)
    named = write_pairs(tmp_path / f"named{suffix}", PAIRS[:60])
    assert run.evaluate(data) == run.evaluate(named)  # here a header names the columns
    assert cli.run(["predict", str(run.path), str(data), "--out", str(tmp_path / "out.jsonl")]) == 0
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [len(json.loads(line)["text"]) for line in lines] == [len(question) for question, _ in PAIRS[:60]]
    with_header = recurra.train("couplet", data, out=tmp_path / "other", header=True, **SMALL)
    dataset = with_header.config["resolved"]["dataset"]
    assert dataset["rows"] + dataset["valid_rows"] == 59


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_pairs(tmp_path / "pairs.tsv", PAIRS)
    options = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    run = tmp_path / "run"
    assert cli.run(["train", "couplet", str(data), "--out", str(run), *options]) == 0
    output = capsys.readouterr()
    assert "of the pairs satisfy the constraints punctuation" in output.out + output.err
    questions = tmp_path / "questions.txt"
    questions.write_text("天山\n春风，花红\n", encoding="utf-8")
    assert (
        cli.run(
            ["predict", str(run), str(questions), "--set", "num_return_sequences=2", "--set", "constraints=punctuation"]
        )
        == 0
    )
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [len(line["text"]) for line in lines] == [2, 5] and lines[0].keys() == {"text", "score", "alternatives"}
    assert cli.run(["evaluate", str(run), str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["equal_length"] == 1.0
    assert cli.run(["predict", str(run), str(questions), "--set", "hidden_size=3"]) == 2
    assert "at inference: beam_size, constraints, tones, num_return_sequences" in capsys.readouterr().err


# invalid input ------------------------------------------------------------------------------------------------------------
def rejected(folder: Path, start: Callable[[], Any], *parts: str) -> None:
    """Training stops with one or two lines that contain all `parts` of a message, and leaves no files behind."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(UserError) as raised:
        start()
    for part in parts:
        assert part in str(raised.value)
    assert len(str(raised.value).splitlines()) <= 2
    assert sorted(folder.rglob("*")) == before


def test_pairs_of_unequal_length_raise_or_are_skipped(tmp_path: Path) -> None:
    pairs = [*PAIRS[:30], ("天山", "地水雨"), *PAIRS[30:60], ("天", "地水"), ("天山云", "地")]
    data = write_pairs(tmp_path / "a.csv", pairs)
    start = lambda **options: recurra.train("couplet", data, out=tmp_path / "run", **SMALL, **options)  # noqa: E731
    rejected(
        tmp_path,
        start,
        "a.csv, row 31, field '下联': has 3 characters, and the question has 2 (line 32)",
        "2 more rows cannot be used (row 62, 63)",
        "on_error=skip",
    )
    dataset = start(on_error="skip").config["resolved"]["dataset"]
    assert dataset["rows"] + dataset["valid_rows"] == 60


def test_other_invalid_rows_and_settings(tmp_path: Path) -> None:
    out = {"out": tmp_path / "run", **SMALL}
    empty = write_pairs(tmp_path / "a.csv", [*PAIRS[:19], ("", ""), PAIRS[19]])
    rejected(tmp_path, lambda: recurra.train("couplet", empty, **out), "row 20", "is empty")
    good = write_pairs(tmp_path / "b.csv", PAIRS[:20])
    rejected(tmp_path, lambda: recurra.train("couplet", good, source="上", **out), "unknown column '上'")
    rejected(
        tmp_path,
        lambda: recurra.train("couplet", good, source="上联", target="上联", **out),
        "is used twice, as source and target",
    )
    rejected(
        tmp_path,
        lambda: recurra.train("couplet", good, max_length=1, **out),
        "every pair has a source or target with more characters",
    )
    rejected(
        tmp_path, lambda: recurra.train("couplet", good, constraints="strict", **out), "model.constraints = 'strict'"
    )
    lines = write_pairs(tmp_path / "c.jsonl", PAIRS[:20])
    rejected(tmp_path, lambda: recurra.train("couplet", lines, header=False, **out), "header is no", "not a CSV or TSV")


def test_invalid_inputs_of_predict_and_evaluate(trained: Run, tmp_path: Path) -> None:
    with pytest.raises(CallError, match="example 2: source is 7, not text"):
        trained.predict(["天山", 7])
    with pytest.raises(CallError, match="example 1: an input object requires '上联' or 'source'; this one has 'text'"):
        trained.predict([{"text": "天山"}])
    assert trained.predict([]) == []
    with pytest.raises(DataError, match=r"row 1.*has 1 character, and the question has 2"):
        trained.evaluate(write_pairs(tmp_path / "a.csv", [("天山", "地")]))
