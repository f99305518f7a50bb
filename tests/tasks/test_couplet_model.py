"""The network and the search of couplet: all steps at once and one at a time, groups of characters, constraints."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recurra import cells
from recurra.decoding.beam_search import Hypothesis, beam_search
from recurra.models.encoder import TokenEmbedding
from recurra.models.seq2seq import Seq2SeqEncoder
from recurra.nn.attention import attention
from recurra.tasks.couplet.constraints import ConstrainedState, Constraints, is_punctuation, strictest_rule
from recurra.tasks.couplet.model import AlignedSeq2Seq, first_occurrences

B, T, E, H, V = 4, 6, 5, 6, 12
LENGTHS = torch.tensor([6, 1, 4, 3])
SWAPPED = torch.tensor([False, True, False, True])
# float64, some hundred sums and products of numbers near 1 in another order
EXACT = {"rtol": 1e-10, "atol": 1e-12}
TOKENS = ["<pad>", "<unknown>", "<end>", *"abcdefg，。"]  # V tokens


# the network ----------------------------------------------------------------------------------------------------------
def network(rule: str | None = "additive", cell: str = "lstm") -> AlignedSeq2Seq:
    torch.manual_seed(0)
    embed = TokenEmbedding(V, E, 0.0, pad=0, unknown=1)
    encoder = Seq2SeqEncoder(nn.Identity(), E, cells.get(cell), hidden_size=H // 2)
    attend = None if rule is None else attention(rule, H, encoder.output_size)
    net = AlignedSeq2Seq(embed, encoder, cells.get(cell), hidden_size=H, attend=attend, start=2)
    nn.init.normal_(net.swap_bias)
    nn.init.normal_(net.groups.weight)
    return net.double().eval()


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Questions with repeated characters, their first occurrences, and answers; zeros at padding."""
    torch.manual_seed(1)
    valid = torch.arange(T) < LENGTHS[:, None]
    x, answer = (torch.randint(3, V, (B, T)) * valid for _ in range(2))
    x[0, 4], x[2, 3] = x[0, 1], x[2, 0]
    return x, first_occurrences(x), answer


@pytest.mark.parametrize(("rule", "cell"), [("additive", "lstm"), ("dot", "gru"), (None, "mgu")])
def test_all_steps_at_once_equal_one_step_at_a_time(rule: str | None, cell: str) -> None:
    """A step does not depend on the answer from that step on."""
    net, (x, first, answer) = network(rule, cell), batch()
    whole = net(x, LENGTHS, first, answer, SWAPPED)
    state, tokens, steps = net.start(net.encode(x, LENGTHS, first, SWAPPED)), torch.full((B,), 2), []
    for t in range(T):
        scores, state, weights = net.step(tokens, state)
        assert (weights is None) == (rule is None)
        steps.append(scores)
        tokens = answer[:, t]
    torch.testing.assert_close(torch.stack(steps, 1)[whole.valid], whole.scores, **EXACT)


@pytest.mark.parametrize("rule", ["additive", "dot", None])
def test_padding_invariance(rule: str | None) -> None:
    net, (x, first, answer) = network(rule), batch()
    together, at = net(x, LENGTHS, first, answer, SWAPPED), 0
    for b, n in enumerate(LENGTHS.tolist()):
        row = slice(b, b + 1)
        alone = net(x[row, :n], LENGTHS[row], first[row, :n], answer[row, :n], SWAPPED[row])
        torch.testing.assert_close(together.scores[at : at + n], alone.scores, **EXACT)
        at += n


def test_the_four_groups_by_hand() -> None:
    """The numbers that are added to the scores for the question 5 7 5 and the answer 8 8 9."""
    net = network(None)
    x, answer = torch.tensor([[5, 7, 5]]), torch.tensor([[8, 8, 9]])
    n = torch.tensor([3])
    with torch.no_grad():
        net.groups.weight.zero_()
        net.groups.bias.zero_()
        plain = net(x, n, first_occurrences(x), answer).scores
        net.groups.bias.copy_(torch.tensor([1.0, 10.0, 100.0, 1000.0]))
        added = net(x, n, first_occurrences(x), answer).scores - plain
    expected = torch.zeros(3, V, dtype=torch.float64)
    expected[:, [5, 7]] = 10  # of the question, once each
    expected[0, 5] += 1
    expected[1, 7] += 1
    expected[2, 5] += 1
    expected[1:, 8] += 100  # written before, once
    expected[2, 8] += 1000  # where the question had its 5 before
    torch.testing.assert_close(added, expected, rtol=0, atol=1e-9)


def test_gradients_reach_every_parameter() -> None:
    for rule in ("additive", "dot", None):
        net, (x, first, answer) = network(rule), batch()
        net(x, LENGTHS, first, answer, SWAPPED).scores.square().sum().backward()
        for name, parameter in net.named_parameters():
            grad = parameter.grad
            assert grad is not None and grad.isfinite().all() and grad.abs().max() > 0, (rule, name)


def test_the_output_layer_is_the_embedding() -> None:
    net = network()
    assert net.output.weight is net.embed.embedding.weight


def test_first_occurrences() -> None:
    rows = torch.tensor([[4, 5, 4, 5, 6], [7, 7, 7, 0, 0], [3, 2, 1, 3, 3]])
    assert first_occurrences(rows).tolist() == [[0, 1, 0, 1, 4], [0, 0, 0, 3, 3], [0, 1, 2, 0, 0]]
    assert first_occurrences(rows[:, :0]).shape == (3, 0)


# constraints ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("question", "answer", "rule"),
    [
        ("天连碧水", "地接青山", "couplet"),
        ("山，山高", "水，水远", "couplet"),
        ("山，山高", "水，云远", "punctuation"),  # the answer does not repeat a character there
        ("山高水长", "云云水远", "punctuation"),
        ("山高，水长", "云淡，高远", "punctuation"),  # a character of the question
        ("山高水长", "云，水远", "none"),
        ("山，高", "云。淡", "none"),
    ],
)
def test_the_strictest_rule_of_a_pair(question: str, answer: str, rule: str) -> None:
    assert strictest_rule(question, answer) == rule


def test_punctuation() -> None:
    assert all(map(is_punctuation, "，。！？；：、“”《》·…—-/,. \u3000\t"))
    assert not any(map(is_punctuation, "天a1一々〇é□"))


def answers(net: AlignedSeq2Seq, texts: Sequence[str], rule: str, beam_size: int = 3) -> list[list[Hypothesis]]:
    """The search of the task, over the alphabet TOKENS."""
    ids = {character: n for n, character in enumerate(TOKENS)}
    longest = max(map(len, texts))
    x = torch.tensor([[ids.get(c, 1) for c in text] + [0] * (longest - len(text)) for text in texts])
    letters = torch.tensor([[ord(c) for c in text] + [0] * (longest - len(text)) for text in texts])
    constraints, n = Constraints(TOKENS, 3, rule), torch.tensor([len(text) for text in texts])
    with torch.no_grad():
        question = net.encode(x, n, first_occurrences(letters))
        required = constraints.required_tones(texts, x.shape[1])
        state = ConstrainedState(net.start(question), constraints.fixed_tokens(texts, x), required)
        return beam_search(partial(constraints.step, net), state, n.tolist(), start=2, end=2, beam_size=beam_size)


def text_of(hypothesis: Hypothesis) -> str:
    return "".join(TOKENS[token] if token != 1 else "*" for token in hypothesis.tokens)


TEXTS = ["ab，a。", "a", "xyxy!", "abcdefg", "cc。cc", "！?", "gfedcbagfedcba"]


@pytest.mark.parametrize("beam_size", [1, 3])
def test_every_hypothesis_satisfies_the_constraints(beam_size: int) -> None:
    """Also for unknown characters and punctuation (x, y, !), and where the alphabet is used up."""
    net = network()
    for rule in ("none", "punctuation", "couplet"):
        for text, found in zip(TEXTS, answers(net, TEXTS, rule, beam_size), strict=True):
            assert 1 <= len(found) <= beam_size and np.isfinite([one.score for one in found]).all()
            for one in found:
                assert len(one.tokens) == len(text) and 0 not in one.tokens and 2 not in one.tokens
                answer = text_of(one)
                if rule == "none":
                    assert "*" not in answer
                    continue
                for question_character, character in zip(text, answer, strict=True):
                    if is_punctuation(question_character):
                        assert character == (question_character if question_character in TOKENS else "*")
                    else:
                        assert character in "abcdefg"
                if rule == "couplet" and text in TEXTS[:3]:
                    assert strictest_rule(text, answer.replace("*", "!")) == "couplet"
    for one in answers(net, ["abcdefg"], "couplet")[
        0
    ]:  # every character is excluded, so any except punctuation is allowed
        assert set(text_of(one)) <= set("abcdefg")


def by_hand(net: AlignedSeq2Seq, text: str, rule: str) -> list[tuple[float, str]]:
    """Every answer that satisfies the rule, with its score, best first, each computed separately."""
    ids = {character: n for n, character in enumerate(TOKENS)}
    x = torch.tensor([[ids[c] for c in text]])
    n, found = torch.tensor([len(text)]), []
    options = [c for c in TOKENS[3:] if rule == "none" or not is_punctuation(c)]
    choices = [[c] if rule != "none" and is_punctuation(c) else options for c in text]

    def satisfies(answer: str) -> bool:
        return rule != "couplet" or strictest_rule(text, answer) == "couplet"

    every = ["".join(answer) for answer in product(*choices)]
    every = [answer for answer in every if satisfies(answer)]
    for answer in every:
        y = torch.tensor([[ids[c] for c in answer]])
        scores = net(x, n, first_occurrences(x), y).scores.float()
        total = 0.0
        for t in range(len(text)):
            free = {other[t] for other in every if other[:t] == answer[:t]}  # the characters that are allowed here
            allowed = torch.tensor([ids[c] for c in sorted(free)])
            total += float(scores[t, ids[answer[t]]].double() - scores[t, allowed].double().logsumexp(0))
        found.append((total / len(text), answer))
    return sorted(found, reverse=True)


@pytest.mark.parametrize(("text", "rule"), [("aa", "none"), ("a，b", "punctuation"), ("ab，a", "couplet")])
def test_an_exhaustive_beam_finds_the_best_answers(text: str, rule: str) -> None:
    net = network()
    with torch.no_grad():
        expected = by_hand(net, text, rule)
    found = answers(net, [text], rule, beam_size=100)[0]
    assert [text_of(one) for one in found[:5]] == [answer for _, answer in expected[:5]]
    for one, (score, _) in zip(found[:5], expected[:5], strict=True):
        assert one.score == pytest.approx(score, abs=1e-5)
