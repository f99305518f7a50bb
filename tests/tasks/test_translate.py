"""translate: the decoder at once and step by step, the search, what tokens are, pairs from files, copying, bad input."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import recurra
from recurra import cells
from recurra.cli import main as cli
from recurra.decoding.beam_search import Found, search
from recurra.errors import CallError, DataError, SettingError, UserError
from recurra.fields.paired_text import alike, levels
from recurra.metrics.text import scores_of, scores_of_any
from recurra.models.decoder import FEEDS, Decoder, DecoderState
from recurra.models.scheduled_sampling import forcing_share, mixed
from recurra.models.seq2seq import Encoder, SequenceToSequence
from recurra.nn import State
from recurra.nn.attention import RULES, attention
from recurra.run import Run
from recurra.tasks.translate.task import Translate

B, T, S, E, H, V = 4, 6, 5, 7, 6, 11
LENGTHS, STEPS = torch.tensor([6, 1, 4, 3]), torch.tensor([2, 5, 1, 4])
SMALL: dict[str, Any] = {"hidden_size": 12, "embedding_size": 8, "steps": 6, "batch_size": 16, "evaluations": 2}
# float64, some hundred sums and products of numbers near 1 in another order
EXACT = {"rtol": 1e-10, "atol": 1e-12}


# the network ----------------------------------------------------------------------------------------------------------
def network(
    feed: str = "between", rule: str | None = "additive", cell: str = "lstm", **options: Any
) -> SequenceToSequence:
    torch.manual_seed(0)
    source, target = nn.Embedding(V, E), nn.Embedding(V, E)
    encoder = Encoder(source, E, cells.get(cell), hidden_size=H // 2, **options)
    attend = None if rule is None else attention(rule, H, encoder.output_size, T)
    decoder = Decoder(
        target,
        E,
        cells.get(cell),
        memory_size=encoder.output_size,
        hidden_size=H,
        output_size=E,
        attend=attend,
        feed=feed,
    )
    return SequenceToSequence(encoder, decoder, V, target).double().eval()


def batch() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randint(3, V, (B, T)), torch.randint(3, V, (B, S))


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("rule", [*RULES, None])
@pytest.mark.parametrize("cell", ["lstm", "gru", "mgu"])
def test_all_steps_at_once_are_one_by_one(feed: str, rule: str | None, cell: str) -> None:
    """Values, the state after, weights, and that a step knows nothing of later ones."""
    net, (x, tokens) = network(feed, rule, cell), batch()
    whole, after, weights = net.decoder(tokens, net.start(x, LENGTHS))
    state, steps, looked = net.start(x, LENGTHS), [], []
    for t in range(S):
        vector, state, weight = net.decoder(tokens[:, t : t + 1], state)
        steps.append(vector)
        looked.append(weight)
    torch.testing.assert_close(torch.cat(steps, 1), whole, **EXACT)
    torch.testing.assert_close(state.context, after.context, **EXACT)
    for one, two in zip(state.layers, after.layers, strict=True):
        torch.testing.assert_close(one.tensors(), two.tensors(), **EXACT)
    assert (weights is None) == (rule is None)
    if weights is not None:
        torch.testing.assert_close(torch.cat(looked, 1), weights, **EXACT)


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("rule", [*RULES, None])
def test_padded_is_alone(feed: str, rule: str | None) -> None:
    net, (x, tokens) = network(feed, rule, self_attention=feed == "between"), batch()
    answer = net(x, LENGTHS, tokens, STEPS)
    at = 0
    for b, (n, m) in enumerate(zip(LENGTHS.tolist(), STEPS.tolist(), strict=True)):
        alone = net(x[b : b + 1, :n], torch.tensor([n]), tokens[b : b + 1, :m], torch.tensor([m]))
        torch.testing.assert_close(answer.scores[at : at + m], alone.scores, **EXACT)
        at += m


@pytest.mark.parametrize("feed", FEEDS)
def test_the_context_is_used_at_each_step(feed: str) -> None:
    """Another source changes every step's vector, also where the first state is the same."""
    net, (x, tokens) = network(feed), batch()
    start = net.start(x, LENGTHS)
    other = start._replace(memory=net.start(x.flip(0), LENGTHS.flip(0)).memory)
    one, two = (net.decoder(tokens, state)[0] for state in (start, other))
    assert ((one - two).abs().amax(-1) > 1e-6).all()


def test_gradients_reach_every_parameter() -> None:
    for feed, rule in product(FEEDS, (*RULES, None)):
        net, (x, tokens) = network(feed, rule), batch()
        net(x, LENGTHS, tokens, STEPS).scores.square().sum().backward()
        for name, parameter in net.named_parameters():
            grad = parameter.grad
            assert grad is not None and grad.isfinite().all() and grad.abs().max() > 0, (feed, rule, name)


def test_one_layer_cannot_have_the_context_between() -> None:
    with pytest.raises(SettingError, match="wants a layer below and one above, and num_layers is 1"):
        Decoder(nn.Embedding(V, E), E, cells.get("gru"), memory_size=H, hidden_size=H, output_size=E, num_layers=1)


# the search -----------------------------------------------------------------------------------------------------------
END = 0


class Table:
    """A state whose next token hangs on the row and the token before: log-probabilities (rows, V, V)."""

    def __init__(self, table: Tensor, of: Tensor | None = None) -> None:
        self.table, self.of = table, torch.arange(len(table)) if of is None else of

    def rows(self, index: Tensor) -> Table:
        return Table(self.table, self.of[index])


def table_step(tokens: Tensor, state: Table) -> tuple[Tensor, Table, Tensor | None]:
    return state.table[state.of, tokens], state, None


def tables(rows: int, size: int = 4) -> Tensor:
    torch.manual_seed(5)
    return (1.5 * torch.randn(rows, size, size)).log_softmax(-1)


def by_hand(table: Tensor, limit: int, alpha: float) -> list[tuple[list[int], float]]:
    """Every answer to one row, best first: those that end, and those cut at the limit."""
    answers = []
    for length in range(limit + 1):
        for tokens in product(range(1, len(table)), repeat=length):
            path = [END, *tokens, END] if length < limit else [END, *tokens]
            p = sum(float(table[a, b].double()) for a, b in pairwise(path))
            answers.append((list(tokens), p / (len(path) - 1) ** alpha))
    return sorted(answers, key=lambda answer: -answer[1])


@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0])
def test_a_beam_as_wide_as_all_finds_the_best(alpha: float) -> None:
    table, limit = tables(3), 3
    found = search(table_step, Table(table), [limit] * 3, start=END, end=END, beam=64, alpha=alpha)
    for row, answers in zip(table, found, strict=True):
        wanted = by_hand(row, limit, alpha)
        assert [answer.tokens for answer in answers[:5]] == [tokens for tokens, _ in wanted[:5]]
        for answer, (_, score) in zip(answers[:5], wanted[:5], strict=True):
            assert answer.score == pytest.approx(score, rel=1e-9)


def test_greedy_is_the_likeliest_at_each_step() -> None:
    table, limits = tables(20), [7] * 20
    for row, answers in enumerate(search(table_step, Table(table), limits, start=END, end=END)):
        token, tokens = END, list[int]()
        while len(tokens) < 7 and (token := int(table[row, token].argmax())) != END:
            tokens.append(token)
        assert [answers[0].tokens] == [tokens] and len(answers) == 1
        assert answers[0].ended == (len(tokens) < 7)


@pytest.mark.parametrize("beam", [1, 3])
def test_an_answer_does_not_hang_on_the_batch(beam: int) -> None:
    table, limits = tables(12, 6), [1 + row % 5 for row in range(12)]
    options: dict[str, Any] = {"start": END, "end": END, "beam": beam}
    together = search(table_step, Table(table), limits, **options)
    for row in range(12):
        alone = search(table_step, Table(table[row : row + 1]), limits[row : row + 1], **options)
        assert alone == together[row : row + 1]
    order = torch.randperm(12)
    shuffled = search(table_step, Table(table[order]), [limits[i] for i in order], **options)
    assert shuffled == [together[i] for i in order]


def test_what_may_never_stand_in_an_answer_does_not() -> None:
    found = search(table_step, Table(tables(20)), [5] * 20, start=END, end=END, beam=2, never=[2])
    assert not any(2 in answer.tokens for answers in found for answer in answers)
    assert search(table_step, Table(tables(0)), [], start=END, end=END) == []


@pytest.mark.parametrize("feed", FEEDS)
def test_the_network_searched_alone_and_in_a_batch(feed: str) -> None:
    """Weights, too: each belongs to its own answer."""
    net, (x, _) = network(feed), batch()
    net.output.weight.data *= 20  # far apart, so that no two answers are equal but for rounding
    options: dict[str, Any] = {"start": 2, "end": 2, "beam": 3, "never": [0, 1], "keep_weights": True}

    def found(rows: list[int]) -> list[list[Found]]:
        with torch.no_grad():
            longest = int(LENGTHS[rows].max())
            return search(net.step, net.start(x[rows, :longest], LENGTHS[rows]), [6] * len(rows), **options)

    whole = found([0, 1, 2, 3])
    for row in range(B):
        for one, two in zip(found([row])[0], whole[row], strict=True):
            assert one.tokens == two.tokens
            assert one.score == pytest.approx(two.score, abs=1e-5)
            assert one.weights is not None and two.weights is not None
            assert len(two.weights) == len(two.tokens) + two.ended
            n = int(LENGTHS[row])
            torch.testing.assert_close(one.weights, two.weights[:, :n], rtol=1e-5, atol=1e-6)  # float32
            # walked again along its tokens, attention looks where the search says it did
            state: DecoderState = net.start(x[row : row + 1, :n], LENGTHS[row : row + 1])
            again = net.decoder(torch.tensor([[2, *two.tokens]]), state)[2][0, : len(two.weights)]
            torch.testing.assert_close(again.float(), one.weights, rtol=1e-5, atol=1e-6)


# teacher forcing ------------------------------------------------------------------------------------------------------
def test_the_share_of_true_tokens() -> None:
    assert forcing_share("constant", 0.3, 0.0) == 0.3
    assert [forcing_share("linear", 0.5, p) for p in (0, 0.5, 1)] == [1, 0.75, 0.5]
    assert forcing_share("sigmoid", 0.0, 0.5) == 0.5
    assert forcing_share("sigmoid", 0.0, 0.0) == pytest.approx(1, abs=0.01)
    assert all(forcing_share(schedule, 1.0, 0.7) == 1 for schedule in ("constant", "linear", "sigmoid"))


def test_mixed_tokens_are_true_or_drawn_at_their_step() -> None:
    tokens, live = torch.randint(3, V, (B, S)), torch.arange(S) < STEPS[:, None]
    sure = torch.full((B, S, V), -1e9)
    drawn = (tokens + 1) % V  # what the network is sure of, at every step
    scores = sure.scatter(2, drawn[..., None], 0.0)[live]
    assert torch.equal(mixed(tokens, scores, live, 1.0), tokens)
    given = mixed(tokens, scores, live, 0.0)
    assert torch.equal(given[:, 0], tokens[:, 0])
    wanted = torch.where(live[:, 1:], drawn[:, :-1], tokens[:, 1:])
    assert torch.equal(given[:, 1:], wanted)
    torch.manual_seed(0)
    many = mixed(torch.full((1, 4000), 3), torch.eye(V)[4].mul(1e9).expand(4000, V), torch.ones(1, 4000).bool(), 0.7)
    kept = (many == 3).double().mean().item()
    assert abs(kept - 0.7) < 5 * math.sqrt(0.7 * 0.3 / 4000)


# what a token is ------------------------------------------------------------------------------------------------------
def test_levels_are_chosen_from_the_data() -> None:
    sentences = [f"A man number {n} is walking in the park, slowly." for n in range(50)]
    german = [f"Ein Mann mit der Nummer {n} geht langsam im Park." for n in range(50)]
    sounds = ["HH AH L OW", "W ER L D", "K AE T"] * 60
    assert levels(sentences, german) == ("subwords", "subwords")
    assert levels(["hello", "world", "cat"] * 60, sounds) == ("characters", "words")
    assert levels(["1 May 1970", "May 2, 71"], ["1970-05-01", "1971-05-02"]) == ("characters", "characters")
    assert levels(sentences, ["一个人在公园里慢慢地走"] * 50) == ("subwords", "characters")
    assert levels([("a passage of text", "a question")] * 3, german) == ("subwords", "subwords")
    assert alike(sentences, german) and not alike(sentences, ["一个人在公园里慢慢地走"])


def test_figures_of_texts() -> None:
    figures = scores_of(["a b c", "d  e"], ["a x c", "d e"], letters=False)
    assert figures["token_error_rate"] == pytest.approx(1 / 5) and figures["exact_match"] == 0.5
    assert scores_of(["abd", ""], ["abc", "d"], letters=True)["token_error_rate"] == pytest.approx(2 / 4)
    text = ["The quick brown fox jumps over it."]
    assert scores_of(text, text, letters=False)["bleu"] == pytest.approx(100)
    assert scores_of(["the quick brown fox jumps over it."], text, letters=False)["bleu"] < 99  # case counts
    chinese = scores_of(["一个人在公园里走"], ["一个人在公园里坐"], letters=True)
    assert chinese["bleu"] > 50  # cut into characters; as one word it would be 0


def test_figures_of_texts_that_may_be_any_of_several() -> None:
    """An answer is right that is one of them; each piece of it may stand in any; errors are those against the nearest."""
    wanted = [["the cat sat on a mat today", "a dog"], ["a bird flew over the sea", "birds fly", "one bird"]]
    right = scores_of_any(["a dog", "one  bird"], wanted, letters=False)
    assert right["exact_match"] == 1 and right["sequence_error_rate"] == right["token_error_rate"] == 0
    half = scores_of_any(["a dog", "one bird more"], wanted, letters=False)
    assert half["exact_match"] == 0.5 and half["token_error_rate"] == pytest.approx(1 / 4)
    # "x y" is 2 errors from "z" and 3 from the other, yet nearer to that: 3 of 4 tokens, and not 2 of 1
    assert scores_of_any(["x y"], [["z", "x a b c"]], letters=False)["token_error_rate"] == pytest.approx(3 / 4)
    assert scores_of_any(["abd"], [["xyz", "abc"]], letters=True)["token_error_rate"] == pytest.approx(1 / 3)
    answers = ["the cat sat on a mat", "a bird flew over a sea"]
    either = [["the cat sat on the mat", "there sat on a mat the cat"], ["a bird flew over the sea"]]
    several = scores_of_any(answers, either, letters=False)
    lone = [scores_of(answers, [texts[at % len(texts)] for texts in either], letters=False) for at in (0, 1)]
    # by hand, of both answers: words 6 + 5 (the second has one "a" too many), pairs 5 + 3, threes 4 + 2, fours 2 + 1
    shares = [11 / 12, 8 / 10, 6 / 8, 3 / 6]
    assert several["bleu"] == pytest.approx(100 * math.prod(shares) ** 0.25)
    assert several["bleu"] > max(one["bleu"] for one in lone)
    assert several["chrf"] == pytest.approx(max(one["chrf"] for one in lone))


# runs -----------------------------------------------------------------------------------------------------------------
def spell(n: int) -> tuple[str, str]:
    """A word, and its letters turned round."""
    draw = random.Random(n)
    word = "".join(draw.choice("abcde") for _ in range(draw.randint(1, 4)))
    return word, word[::-1]


def write_pairs(path: Path, pairs: Sequence[tuple[str, ...]], header: tuple[str, ...] = ("source", "target")) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(dict(zip(header, pair, strict=True))) + "\n" for pair in pairs))
    else:
        mark = "\t" if path.suffix == ".tsv" else ","
        path.write_text("".join(mark.join(row) + "\n" for row in [header, *pairs]), encoding="utf-8")
    return path


def write_sides(folder: Path, pairs: Sequence[tuple[str, str]], name: str = "train") -> tuple[Path, Path]:
    files = folder / f"{name}.a", folder / f"{name}.b"
    for file, side in zip(files, zip(*pairs, strict=True), strict=True):
        file.write_text("\n".join(side) + "\n", encoding="utf-8")
    return files


WORDS = [spell(n) for n in range(200)]
SENTENCES = [
    (f"the {colour} {animal} sees number {n}", f"das {colour[::-1]} {animal[::-1]} sieht Nummer {n}")
    for n in range(20)
    for colour in ("red", "green")
    for animal in ("dog", "cat")
]


def train(folder: Path, pairs: Sequence[tuple[str, ...]], name: str = "run", **settings: Any) -> Run:
    data = write_pairs(folder / f"{name}.csv", pairs)
    return recurra.train("translate", data, out=folder / name, **(SMALL | settings))


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that has learnt to turn short words round."""
    folder = tmp_path_factory.mktemp("learnt")
    settings = {
        "hidden_size": 48,
        "embedding_size": 24,
        "steps": 260,
        "dropout": 0.0,
        "batch_size": 64,
        "averaging": 0.9,
    }
    return train(folder, [spell(n) for n in range(3000)], **settings, learning_rate=1e-2)


def test_it_learns_and_says_where_it_looked(learnt: Run) -> None:
    assert learnt.metrics["valid/exact_match"] > 0.95
    assert learnt.metrics["valid/token_error_rate"] < 0.02
    loaded = recurra.load(learnt.path)
    assert [answer["text"] for answer in loaded.predict(["abcd", "eda", "", "b"])] == ["dcba", "ade", "", "b"]
    loaded.change(weights=True, beam=1)
    picture = loaded.predict(["abc"])[0]["attention"]
    assert (picture["source"], picture["target"]) == (["a", "b", "c"], ["c", "b", "a", "<end>"])
    assert all(sum(row) == pytest.approx(1, abs=2e-4) for row in picture["weights"])
    assert loaded.streams[0] is False


@pytest.mark.parametrize("beam", [1, 4])
def test_the_same_answer_whatever_else_is_in_the_batch(learnt: Run, beam: int) -> None:
    run = recurra.load(learnt.path)
    run.change(beam=beam)
    words = [spell(n)[0] for n in range(5000, 5040)] + ["", "abcdeabcdeabcde", "xyz"]
    alone = [run.predict([word])[0] for word in words]
    for seed in range(3):
        order = random.Random(seed).sample(range(len(words)), len(words))
        for answer, at in zip(run.predict([words[i] for i in order]), order, strict=True):
            assert answer["text"] == alone[at]["text"]
            assert answer["score"] == pytest.approx(alone[at]["score"], abs=1e-5)


def test_a_wider_beam_finds_no_less_likely_answers(learnt: Run) -> None:
    run = recurra.load(learnt.path)
    words = [spell(n)[0] for n in range(6000, 6100)]
    greedy, wide = [], []
    for beam, scores in ((1, greedy), (6, wide)):
        run.change(beam=beam)
        scores += [answer["score"] for answer in run.predict(words)]
    assert sum(wide) >= sum(greedy)


def test_the_same_seed_is_the_same_run_also_with_a_schedule(tmp_path: Path) -> None:
    one, two, other = (
        train(tmp_path, WORDS, name, teacher_forcing=share, forcing_schedule="sigmoid")
        for name, share in (("a", 0.2), ("b", 0.2), ("c", 1.0))
    )
    first, second, third = (dict(run.network.state_dict()) for run in (one, two, other))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], third[name]) for name in first)


@pytest.mark.parametrize(
    "settings",
    [
        {"attention": "concat", "cell": "gru"},
        {"attention": "dot", "feed": "input", "num_layers": 1, "bidirectional": False},
        {"attention": "none", "feed": "output", "cell": "rnn", "tied": False},
        {"attention": "additive", "self_attention": True, "encoder_layers": 2, "level": "characters", "shared": True},
    ],
)
def test_every_kind_trains_saves_and_answers(tmp_path: Path, settings: dict[str, Any]) -> None:
    run = train(tmp_path, WORDS, **settings)
    assert math.isfinite(run.metrics["valid/loss"])
    again = recurra.load(run.path).predict(["abc", "d"])
    assert again == run.predict(["abc", "d"])
    figures = run.evaluate(tmp_path / "run.csv")
    assert {"bleu", "chrf", "exact_match", "token_error_rate", "sequence_error_rate", "loss"} <= figures.keys()
    assert figures["sequence_error_rate"] == 1 - figures["exact_match"]


def test_figures_while_training_are_of_pairs_evenly_picked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    valid = write_pairs(tmp_path / "valid.csv", WORDS[:40])
    monkeypatch.setattr(Translate, "searched", 4)
    data = write_pairs(tmp_path / "a.csv", WORDS)
    run = recurra.train("translate", data, valid=valid, out=tmp_path / "run", **(SMALL | {"averaging": 0.0}))
    picked = write_pairs(tmp_path / "picked.csv", [WORDS[0], WORDS[13], WORDS[26], WORDS[39]])
    run.change(beam=1)
    figures = run.evaluate(picked)
    assert run.metrics["valid/loss"] == pytest.approx(figures["loss"], rel=1e-5)
    assert run.metrics["valid/chrf"] == pytest.approx(figures["chrf"])


def test_tied_and_shared_weights_are_one(tmp_path: Path) -> None:
    net = train(tmp_path, SENTENCES, level="subwords", vocabulary_size=300).network
    assert net.output.weight is net.decoder.embed.embedding.weight is net.encoder.embed.embedding.weight
    apart = train(tmp_path, SENTENCES, "apart", level="subwords", vocabulary_size=300, shared=False, tied=False).network
    assert apart.output.weight is not apart.decoder.embed.embedding.weight
    assert apart.encoder.embed is not apart.decoder.embed
    alone = train(tmp_path, SENTENCES, "alone", level="subwords", vocabulary_size=300, shared=False).network
    assert alone.output.weight is alone.decoder.embed.embedding.weight is not alone.encoder.embed.embedding.weight


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_pairs_from_tables(tmp_path: Path, suffix: str) -> None:
    data = write_pairs(tmp_path / f"pairs{suffix}", WORDS, ("en", "de"))
    run = recurra.train("translate", data, out=tmp_path / "run", source="en", target="de", **SMALL)
    assert run.predict([{"en": "abc"}]) == run.predict(["abc"])
    assert run.evaluate(data)["loss"] > 0


def test_parallel_files_are_the_table(tmp_path: Path) -> None:
    a, b = write_sides(tmp_path, WORDS)
    va, vb = write_sides(tmp_path, WORDS[:20], "valid")
    sides = recurra.train(
        "translate", a, target=str(b), valid=va, valid_target=str(vb), out=tmp_path / "sides", **SMALL
    )
    table = write_pairs(tmp_path / "pairs.csv", WORDS), write_pairs(tmp_path / "valid.csv", WORDS[:20])
    run = recurra.train("translate", table[0], valid=table[1], out=tmp_path / "table", **SMALL)
    ours, theirs = sides.network.state_dict(), run.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    figures = run.evaluate(table[1])
    with pytest.raises(DataError, match=r"one side of the pairs; name the file of the other.*with --set target=FILE"):
        sides.evaluate(va)
    sides.change(target=str(vb))
    assert sides.evaluate(va) == figures
    assert recurra.load(tmp_path / "sides").evaluate(table[1]) == figures  # a table's columns by their names


def test_several_source_columns_are_read_with_a_mark_between(tmp_path: Path) -> None:
    rows = [(word, other, word + other) for (word, _), (other, _) in pairwise(WORDS)]
    data = write_pairs(tmp_path / "rows.csv", rows, ("passage", "question", "answer"))
    run = recurra.train("translate", data, out=tmp_path / "run", source="passage, question", **SMALL)
    run.change(weights=True)
    answer = run.predict([{"passage": "ab", "question": "c"}])[0]
    assert answer["attention"]["source"] == ["a", "b", "|", "c"]
    assert answer == run.predict([["ab", "c"]])[0]
    assert answer["text"] is not None and run.evaluate(data)["loss"] > 0
    with pytest.raises(
        CallError, match="example 1: an input object wants 'passage' and 'question'; this one has 'passage'"
    ):
        run.predict([{"passage": "ab"}])
    with pytest.raises(CallError, match="the source is passage and question; give a JSON object"):
        run.predict(["ab"])
    assert cli.run(["predict", str(tmp_path / "run"), str(data), "--out", str(tmp_path / "out.jsonl")]) == 0
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == len(rows)


def test_unknown_words_are_copied_from_where_attention_looked(tmp_path: Path) -> None:
    run = train(tmp_path, SENTENCES, level="words", min_count=3, copy_unknown=True)
    vocabulary = run.task.target.vocabulary
    assert vocabulary.decode([vocabulary.unknown, vocabulary.unknown], ["a", "Zürich"]) == "a Zürich"
    weights = torch.tensor([[0.1, 0.9, 0.0], [0.8, 0.1, 0.1], [1.0, 0.0, 0.0]])
    known = vocabulary.encode("sieht").tolist()
    found = Found([vocabulary.unknown, *known], 0.0, 0.0, True, weights)
    assert run.task._text(found, "the Zebra sees") == "Zebra sieht"
    assert "�" not in run.predict(["the Zebra sees number 99"])[0]["text"]
    run.change(copy_unknown=False)
    assert run.task._text(found, "the Zebra sees") == "� sieht"
    letters = train(tmp_path, WORDS, "letters")
    letters.change(copy_unknown=True)
    with pytest.raises(SettingError, match="letters and subwords have no unknown words"):
        letters.predict(["abc"])


def test_a_source_longer_than_any_is_refused_by_concat_alone(tmp_path: Path) -> None:
    run = train(tmp_path, WORDS, attention="concat")
    assert run.predict(["abcd"])[0]["text"] is not None
    with pytest.raises(
        CallError, match=r"example 2: the source has 5 tokens.*knows 4, the longest source seen in training"
    ):
        run.predict(["abcd", "abcde"])
    longer = write_pairs(tmp_path / "longer.csv", [("ab", "ba"), ("abcde", "edcba")])
    with pytest.raises(DataError, match=r"longer.csv, row 2: the source has 5 tokens"):
        run.evaluate(longer)
    done = train(tmp_path, WORDS, "additive").predict(["abcdeabcde"])
    assert done[0]["text"] is not None


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = write_sides(tmp_path, WORDS)
    options = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    run = tmp_path / "run"
    assert cli.run(["train", "translate", str(a), "--target", str(b), "--out", str(run), *options]) == 0
    capsys.readouterr()
    assert cli.run(["predict", str(run), str(a), "--set", "weights=true", "--set", "beam=2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(WORDS) and json.loads(lines[0]).keys() == {"text", "score", "attention"}
    assert cli.run(["evaluate", str(run), str(a), "--set", f"target={b}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["loss"] > 0
    assert cli.run(["predict", str(run), str(a), "--set", "hidden_size=3"]) == 2
    assert "hidden_size was settled by the training; what can be changed in use: beam" in capsys.readouterr().err


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


def test_parallel_files_of_different_length(tmp_path: Path) -> None:
    a, b = write_sides(tmp_path, WORDS)
    b.write_text("".join(b.read_text().splitlines(keepends=True)[:150]))
    start = lambda **options: recurra.train("translate", a, target=str(b), out=tmp_path / "run", **SMALL, **options)  # noqa: E731
    refused(tmp_path, start, "train.b: there is no line 151", "150 lines", "train.a has more")
    refused(tmp_path, lambda: start(broken="skip"), "there is no line 151")
    a.write_text("".join(a.read_text().splitlines(keepends=True)[:100]))
    refused(tmp_path, start, "train.a: there is no line 101", "100 lines", "train.b has more")


def test_one_side_without_the_other(tmp_path: Path) -> None:
    a, b = write_sides(tmp_path, WORDS)
    out = {"out": tmp_path / "run", **SMALL}
    refused(tmp_path, lambda: recurra.train("translate", a, **out), "train.a: is one side", "--target FILE")
    refused(
        tmp_path, lambda: recurra.train("translate", a, target=str(tmp_path / "no"), **out), "no: there is no such file"
    )
    va, _ = write_sides(tmp_path, WORDS[:9], "valid")
    refused(
        tmp_path,
        lambda: recurra.train("translate", a, target=str(b), valid=va, **out),
        "valid.a",
        "--valid-target FILE",
    )


def test_an_empty_side_stops_or_is_skipped(tmp_path: Path) -> None:
    pairs = [*WORDS[:30], ("abc", ""), *WORDS[30:], ("", "x")]
    a, b = write_sides(tmp_path, pairs)
    start = lambda **options: recurra.train("translate", a, target=str(b), out=tmp_path / "run", **SMALL, **options)  # noqa: E731
    refused(
        tmp_path,
        start,
        f"{b}, row 31, field 'target': is empty (line 31)",
        "1 more row cannot be used (row 202)",
        "broken=skip",
    )
    assert start(broken="skip").config["resolved"]["reading"]["rows"] < 200


def test_rows_of_unequal_columns(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "a.tsv", WORDS)
    data.write_text(data.read_text() + "alone\n")
    refused(
        tmp_path,
        lambda: recurra.train("translate", data, out=tmp_path / "run", **SMALL),
        "row 201",
        "1 cell, but the header",
    )


def test_columns_that_cannot_be_told_apart(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "a.csv", [(*pair, "x") for pair in WORDS], ("one", "two", "three"))
    out = {"out": tmp_path / "run", **SMALL}
    refused(tmp_path, lambda: recurra.train("translate", data, **out), "which column is the source?", "one, two, three")
    refused(tmp_path, lambda: recurra.train("translate", data, source="one", **out), "which column is the target?")
    refused(
        tmp_path,
        lambda: recurra.train("translate", data, source="one", target="one", **out),
        "is asked for twice, as source and target",
    )
    refused(
        tmp_path, lambda: recurra.train("translate", data, source="one,four", target="two", **out), "no column 'four'"
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"num_layers": 1, "feed": "between"}, "num_layers is 1"),
        ({"attention": "adittive"}, "model.attention = 'adittive'"),
        ({"shared": True, "source_level": "words", "target_level": "characters"}, "set one level for both"),
        ({"copy_unknown": True, "attention": "none"}, "attention is none"),
        ({"max_length": 1, "level": "words", "min_count": 1, "source": "none"}, "no column 'none'"),
        ({"teacher_forcing": 1.5}, "training.teacher_forcing"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    data = write_pairs(tmp_path / "a.csv", WORDS)
    refused(tmp_path, lambda: recurra.train("translate", data, out=tmp_path / "run", **(SMALL | settings)), said)


def test_states_of_the_decoder_are_values() -> None:
    """Picking rows copies nothing into others: a beam may take one row many times."""
    net, (x, tokens) = network(), batch()
    state = net.start(x, LENGTHS)
    index = torch.tensor([2, 2, 0])
    picked = state.rows(index)
    assert all(isinstance(layer, State) for layer in picked.layers)
    one, _, _ = net.decoder(tokens[index], picked)
    torch.testing.assert_close(one, net.decoder(tokens, state)[0][index], **EXACT)
