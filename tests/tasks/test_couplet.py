"""couplet: equal length always, the aligned decoder at once and step by step, the rules, pairs from files, bad input."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recurra.tasks.couplet.constraints import Rules, Writing, is_punctuation, kept
from recurra.tasks.couplet.model import Aligned, first_places
from torch import Tensor, nn

import recurra
from recurra import cells
from recurra.cli import main as cli
from recurra.decoding.beam_search import Found, search
from recurra.errors import CallError, DataError, UserError
from recurra.models.encoder import Tokens
from recurra.models.seq2seq import Encoder
from recurra.nn.attention import attention
from recurra.run import Run

B, T, E, H, V = 4, 6, 5, 6, 12
LENGTHS = torch.tensor([6, 1, 4, 3])
TURNED = torch.tensor([False, True, False, True])
SMALL: dict[str, Any] = {"hidden_size": 12, "embedding_size": 8, "steps": 6, "batch_size": 16, "evaluations": 2}
# float64, some hundred sums and products of numbers near 1 in another order
EXACT = {"rtol": 1e-10, "atol": 1e-12}
SPELT = ["<pad>", "<unknown>", "<end>", *"abcdefg，。"]  # V tokens


# the network ----------------------------------------------------------------------------------------------------------
def network(rule: str | None = "additive", cell: str = "lstm") -> Aligned:
    torch.manual_seed(0)
    embed = Tokens(V, E, 0.0, pad=0, unknown=1)
    encoder = Encoder(nn.Identity(), E, cells.get(cell), hidden_size=H // 2)
    attend = None if rule is None else attention(rule, H, encoder.output_size)
    net = Aligned(embed, encoder, cells.get(cell), hidden_size=H, attend=attend, start=2)
    nn.init.normal_(net.turn)
    nn.init.normal_(net.groups.weight)
    return net.double().eval()


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Questions in which characters recur, their first places, and answers; zeros past the lengths."""
    torch.manual_seed(1)
    live = torch.arange(T) < LENGTHS[:, None]
    x, answer = (torch.randint(3, V, (B, T)) * live for _ in range(2))
    x[0, 4], x[2, 3] = x[0, 1], x[2, 0]
    return x, first_places(x), answer


@pytest.mark.parametrize(("rule", "cell"), [("additive", "lstm"), ("dot", "gru"), (None, "mgu")])
def test_all_steps_at_once_are_one_by_one(rule: str | None, cell: str) -> None:
    """And a step knows nothing of the answer from there on."""
    net, (x, first, answer) = network(rule, cell), batch()
    whole = net(x, LENGTHS, first, answer, TURNED)
    state, tokens, steps = net.start(net.ask(x, LENGTHS, first, TURNED)), torch.full((B,), 2), []
    for t in range(T):
        scores, state, weights = net.step(tokens, state)
        assert (weights is None) == (rule is None)
        steps.append(scores)
        tokens = answer[:, t]
    torch.testing.assert_close(torch.stack(steps, 1)[whole.live], whole.scores, **EXACT)


@pytest.mark.parametrize("rule", ["additive", "dot", None])
def test_padded_is_alone(rule: str | None) -> None:
    net, (x, first, answer) = network(rule), batch()
    together, at = net(x, LENGTHS, first, answer, TURNED), 0
    for b, n in enumerate(LENGTHS.tolist()):
        row = slice(b, b + 1)
        alone = net(x[row, :n], LENGTHS[row], first[row, :n], answer[row, :n], TURNED[row])
        torch.testing.assert_close(together.scores[at : at + n], alone.scores, **EXACT)
        at += n


def test_the_four_groups_by_hand() -> None:
    """Question 5 7 5, answer 8 8 so far: what is added to the scores at the third place."""
    net = network(None)
    x, answer = torch.tensor([[5, 7, 5]]), torch.tensor([[8, 8, 9]])
    n = torch.tensor([3])
    with torch.no_grad():
        net.groups.weight.zero_()
        net.groups.bias.zero_()
        plain = net(x, n, first_places(x), answer).scores
        net.groups.bias.copy_(torch.tensor([1.0, 10.0, 100.0, 1000.0]))
        added = net(x, n, first_places(x), answer).scores - plain
    wanted = torch.zeros(3, V, dtype=torch.float64)
    wanted[:, [5, 7]] = 10  # of the question, once each
    wanted[0, 5] += 1
    wanted[1, 7] += 1
    wanted[2, 5] += 1
    wanted[1:, 8] += 100  # written already, once
    wanted[2, 8] += 1000  # where the question had its 5 before
    torch.testing.assert_close(added, wanted, rtol=0, atol=1e-9)


def test_gradients_reach_every_parameter() -> None:
    for rule in ("additive", "dot", None):
        net, (x, first, answer) = network(rule), batch()
        net(x, LENGTHS, first, answer, TURNED).scores.square().sum().backward()
        for name, parameter in net.named_parameters():
            grad = parameter.grad
            assert grad is not None and grad.isfinite().all() and grad.abs().max() > 0, (rule, name)


def test_the_output_layer_is_the_embedding() -> None:
    net = network()
    assert net.output.weight is net.embed.embedding.weight


def test_first_places() -> None:
    rows = torch.tensor([[4, 5, 4, 5, 6], [7, 7, 7, 0, 0], [3, 2, 1, 3, 3]])
    assert first_places(rows).tolist() == [[0, 1, 0, 1, 4], [0, 0, 0, 3, 3], [0, 1, 2, 0, 0]]
    assert first_places(rows[:, :0]).shape == (3, 0)


# the rules ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("question", "answer", "rule"),
    [
        ("天连碧水", "地接青山", "couplet"),
        ("山，山高", "水，水远", "couplet"),
        ("山，山高", "水，云远", "punctuation"),  # the repetition is not answered
        ("山高水长", "云云水远", "punctuation"),
        ("山高，水长", "云淡，高远", "punctuation"),  # a character of the question
        ("山高水长", "云，水远", "none"),
        ("山，高", "云。淡", "none"),
    ],
)
def test_which_rules_a_pair_keeps(question: str, answer: str, rule: str) -> None:
    assert kept(question, answer) == rule


def test_what_is_punctuation() -> None:
    assert all(map(is_punctuation, "，。！？；：、“”《》·…—-/,. \u3000\t"))
    assert not any(map(is_punctuation, "天a1一々〇é□"))


def answers(net: Aligned, texts: Sequence[str], rule: str, beam: int = 3) -> list[list[Found]]:
    """Search as the task does it, over the alphabet SPELT."""
    ids = {character: n for n, character in enumerate(SPELT)}
    longest = max(map(len, texts))
    x = torch.tensor([[ids.get(c, 1) for c in text] + [0] * (longest - len(text)) for text in texts])
    letters = torch.tensor([[ord(c) for c in text] + [0] * (longest - len(text)) for text in texts])
    rules, n = Rules(SPELT, 3, rule), torch.tensor([len(text) for text in texts])
    with torch.no_grad():
        question = net.ask(x, n, first_places(letters))
        state = Writing(net.start(question), rules.settle(texts, x))
        return search(partial(rules.step, net), state, n.tolist(), start=2, end=2, beam=beam)


def spelt(found: Found) -> str:
    return "".join(SPELT[token] if token != 1 else "*" for token in found.tokens)


TEXTS = ["ab，a。", "a", "xyxy!", "abcdefg", "cc。cc", "！?", "gfedcbagfedcba"]


@pytest.mark.parametrize("beam", [1, 3])
def test_every_answer_of_the_beam_keeps_the_rules(beam: int) -> None:
    """Also for characters and marks that nobody knows (x, y, !), and where the alphabet is used up."""
    net = network()
    for rule in ("none", "punctuation", "couplet"):
        for text, found in zip(TEXTS, answers(net, TEXTS, rule, beam), strict=True):
            assert 1 <= len(found) <= beam and np.isfinite([one.score for one in found]).all()
            for one in found:
                assert len(one.tokens) == len(text) and 0 not in one.tokens and 2 not in one.tokens
                answer = spelt(one)
                if rule == "none":
                    assert "*" not in answer
                    continue
                for asked, said in zip(text, answer, strict=True):
                    assert (said == (asked if asked in SPELT else "*")) if is_punctuation(asked) else said in "abcdefg"
                if rule == "couplet" and text in TEXTS[:3]:
                    assert kept(text, answer.replace("*", "!")) == "couplet"
    for one in answers(net, ["abcdefg"], "couplet")[0]:  # nothing is left: only no punctuation is asked
        assert set(spelt(one)) <= set("abcdefg")


def by_hand(net: Aligned, text: str, rule: str) -> list[tuple[float, str]]:
    """Every answer that keeps the rule and its score, best first, each walked by itself."""
    ids = {character: n for n, character in enumerate(SPELT)}
    x = torch.tensor([[ids[c] for c in text]])
    n, found = torch.tensor([len(text)]), []
    options = [c for c in SPELT[3:] if rule == "none" or not is_punctuation(c)]
    choices = [[c] if rule != "none" and is_punctuation(c) else options for c in text]

    def keeps(answer: str) -> bool:
        return rule != "couplet" or kept(text, answer) == "couplet"

    every = ["".join(answer) for answer in product(*choices)]
    every = [answer for answer in every if keeps(answer)]
    for answer in every:
        y = torch.tensor([[ids[c] for c in answer]])
        scores = net(x, n, first_places(x), y).scores.float()
        total = 0.0
        for t in range(len(text)):
            free = {other[t] for other in every if other[:t] == answer[:t]}  # what may stand here
            allowed = torch.tensor([ids[c] for c in sorted(free)])
            total += float(scores[t, ids[answer[t]]].double() - scores[t, allowed].double().logsumexp(0))
        found.append((total / len(text), answer))
    return sorted(found, reverse=True)


@pytest.mark.parametrize(("text", "rule"), [("aa", "none"), ("a，b", "punctuation"), ("ab，a", "couplet")])
def test_a_beam_as_wide_as_all_finds_the_best(text: str, rule: str) -> None:
    net = network()
    with torch.no_grad():
        wanted = by_hand(net, text, rule)
    found = answers(net, [text], rule, beam=100)[0]
    assert [spelt(one) for one in found[:5]] == [answer for _, answer in wanted[:5]]
    for one, (score, _) in zip(found[:5], wanted[:5], strict=True):
        assert one.score == pytest.approx(score, abs=1e-5)


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
    settings = {"hidden_size": 32, "embedding_size": 32, "steps": 160, "batch_size": 32, "averaging": 0.9}
    return train(folder, [pair(n) for n in range(1200)], **settings, dropout=0.0, input_dropout=0.0, learning_rate=1e-2)


UNSEEN = ["天山", "春风，花红", "囧", "龘天囧，山囧？", "a b", "～山", "，", "天" * 40, "山云" * 30 + "。", ""]


def test_it_learns_the_mapping(learnt: Run) -> None:
    assert learnt.metrics["valid/exact_match"] > 0.95
    assert 1 <= learnt.metrics["valid/perplexity"] < 1.2
    assert learnt.metrics["valid/equal_length"] == 1.0
    assert learnt.settings.model.rules == "couplet"  # type: ignore[attr-defined]
    questions = ["天山云风", "春风，花红", "一天，一山"]
    run = recurra.load(learnt.path)
    assert [one["text"] for one in run.predict(questions)] == [mapped(question) for question in questions]
    assert run.streams[0] is False


@pytest.mark.parametrize("rules", ["none", "punctuation", "couplet"])
@pytest.mark.parametrize("beam", [1, 8])
def test_equal_length_always(learnt: Run, rules: str, beam: int) -> None:
    """Unknown characters, marks that were never seen, lines far longer than any, nothing at all."""
    run = recurra.load(learnt.path)
    run.change(rules=rules, beam=beam)
    for question, one in zip(UNSEEN, run.predict(UNSEEN), strict=True):
        assert len(one["text"]) == len(question)
        if rules != "none":
            for asked, said in zip(question, one["text"], strict=True):
                assert (asked == said) if is_punctuation(asked) else not is_punctuation(said)
        assert np.isfinite(one["score"])


def test_greedy_is_a_beam_of_one(learnt: Run) -> None:
    """The likeliest of what is allowed, step by step."""
    run = recurra.load(learnt.path)
    run.change(beam=1, rules="punctuation")
    net, spelling = run.network, run.task.vocabulary.tokens
    words = torch.tensor([n > 2 and not is_punctuation(token) for n, token in enumerate(spelling)])
    questions = [pair(n)[0] for n in range(5000, 5010)]
    for question, one in zip(questions, run.predict(questions), strict=True):
        x = torch.from_numpy(run.task.vocabulary.encode(question)).long()[None]
        token, written = torch.tensor([2]), ""
        with torch.no_grad():
            state = net.start(net.ask(x, torch.tensor([len(question)]), first_places(x)))
            for asked in question:
                scores, state, _ = net.step(token, state)
                best = int(scores[0].masked_fill(~words, -torch.inf).argmax())
                said = asked if is_punctuation(asked) else spelling[best]
                token, written = torch.tensor([spelling.index(said)]), written + said
        assert one["text"] == written


@pytest.mark.parametrize("beam", [1, 4])
def test_the_same_answer_whatever_else_is_in_the_batch(learnt: Run, beam: int) -> None:
    run = recurra.load(learnt.path)
    run.change(beam=beam)
    questions = [*(pair(n)[0] for n in range(5000, 5020)), *UNSEEN]
    alone = [run.predict([question])[0] for question in questions]
    for seed in range(2):
        order = random.Random(seed).sample(range(len(questions)), len(questions))
        for one, at in zip(run.predict([questions[i] for i in order]), order, strict=True):
            assert one["text"] == alone[at]["text"]
            assert one["score"] == pytest.approx(alone[at]["score"], abs=1e-5)


def test_other_answers_of_the_beam(learnt: Run) -> None:
    run = recurra.load(learnt.path)
    run.change(likely=3, beam=4)
    one = run.predict(["天山，云"])[0]
    assert len(one["likely"]) == 3 and one["likely"][0] == {"text": one["text"], "score": one["score"]}
    assert len({other["text"] for other in one["likely"]}) == 3
    scores = [other["score"] for other in one["likely"]]
    assert scores == sorted(scores, reverse=True)


def test_figures_by_hand(learnt: Run, tmp_path: Path) -> None:
    """The loss of `evaluate FILE` is the mean over all characters of the answers, marks and unknown ones too."""
    pairs = [("天山", "地水"), ("春，风", "秋，囧"), ("云云", "雨雪")]
    figures = learnt.evaluate(write_pairs(tmp_path / "a.csv", pairs))
    vocabulary, nats, count = learnt.task.vocabulary, 0.0, 0
    for question, answer in pairs:
        x, y = (torch.from_numpy(vocabulary.encode(text)).long()[None] for text in (question, answer))
        with torch.no_grad():
            scores = learnt.network(x, torch.tensor([len(question)]), first_places(x), y).scores
        nats -= scores.log_softmax(-1).gather(1, y[0][:, None]).double().sum().item()
        count += len(answer)
    assert int(vocabulary.encode("囧")[0]) == vocabulary.unknown
    assert figures["loss"] == pytest.approx(nats / count, rel=1e-5)
    assert figures["perplexity"] == pytest.approx(np.exp(nats / count), rel=1e-4)
    assert figures["equal_length"] == 1.0
    said = [one["text"] for one in learnt.predict([question for question, _ in pairs])]
    assert figures["exact_match"] == pytest.approx(np.mean([a == b for a, (_, b) in zip(said, pairs, strict=True)]))


@pytest.mark.parametrize(
    "settings", [{}, {"attention": "none", "cell": "gru"}, {"attention": "dot", "both_ways": False}]
)
def test_every_kind_trains_and_saved_is_loaded(tmp_path: Path, settings: dict[str, Any]) -> None:
    run = train(tmp_path, num_layers=1 + len(settings) % 2, encoder_layers=2, **settings)
    again = recurra.load(run.path)
    assert again.predict(UNSEEN) == run.predict(UNSEEN)
    assert again.evaluate(tmp_path / "run.csv") == run.evaluate(tmp_path / "run.csv")


def test_pairs_turned_round_are_learnt_too(tmp_path: Path) -> None:
    """Twice the rows; in a turned one the sides change places, and the network is told."""
    task = train(tmp_path).task
    task.read(tmp_path / "run.csv", None, tmp_path / "cache", lambda _: None, lambda _: None)
    n = len(task.stores["train"])
    assert sorted(np.concatenate(task.train_batches(0)).tolist()) == list(range(2 * n))
    plain, turned = (task.batch(np.array([3, 5]) + more) for more in (0, n))
    assert plain.inputs["turned"].tolist() == [False, False] and turned.inputs["turned"].tolist() == [True, True]
    assert torch.equal(plain.inputs["x"], turned.inputs["answer"])
    assert torch.equal(plain.inputs["answer"], turned.inputs["x"])


def test_the_rules_are_those_that_most_pairs_keep(tmp_path: Path) -> None:
    def chosen(pairs: Sequence[tuple[str, str]], name: str) -> str:
        return str(train(tmp_path, pairs, name, steps=1).settings.model.rules)  # type: ignore[attr-defined]

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
        from recurra.training import Silent

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
    assert cli.run(["predict", str(run), str(questions), "--set", "likely=2", "--set", "rules=punctuation"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [len(line["text"]) for line in lines] == [2, 5] and lines[0].keys() == {"text", "score", "likely"}
    assert cli.run(["evaluate", str(run), str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["equal_length"] == 1.0
    assert cli.run(["predict", str(run), str(questions), "--set", "hidden_size=3"]) == 2
    assert "what can be changed in use: beam, rules, likely" in capsys.readouterr().err


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
        "broken=skip",
    )
    reading = start(broken="skip").config["resolved"]["reading"]
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
    refused(tmp_path, lambda: recurra.train("couplet", good, rules="strict", **out), "model.rules = 'strict'")
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
