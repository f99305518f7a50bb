"""Beam search: exhaustive search by hand, greedy search, batch invariance, and a search with a network."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import pytest
import torch
from tiny_seq2seq import LENGTHS, B, batch, network
from torch import Tensor

from recurra.decoding.beam_search import Hypothesis, beam_search
from recurra.models.decoder import CONTEXT_INJECTIONS, DecoderState

END = 0


class Table:
    """A state whose next token depends on the batch element and the previous token: log-probabilities (B, V, V)."""

    def __init__(self, table: Tensor, of: Tensor | None = None) -> None:
        self.table, self.of = table, torch.arange(len(table)) if of is None else of

    def select(self, index: Tensor) -> Table:
        return Table(self.table, self.of[index])


def table_step(tokens: Tensor, state: Table) -> tuple[Tensor, Table, Tensor | None]:
    return state.table[state.of, tokens], state, None


def tables(rows: int, size: int = 4) -> Tensor:
    torch.manual_seed(5)
    return (1.5 * torch.randn(rows, size, size)).log_softmax(-1)


def by_hand(table: Tensor, limit: int, length_penalty: float) -> list[tuple[list[int], float]]:
    """Every answer for one batch element, best first: those that end, and those of the maximum length."""
    answers = []
    for length in range(limit + 1):
        for tokens in product(range(1, len(table)), repeat=length):
            path = [END, *tokens, END] if length < limit else [END, *tokens]
            p = sum(float(table[a, b].double()) for a, b in pairwise(path))
            answers.append((list(tokens), p / (len(path) - 1) ** length_penalty))
    return sorted(answers, key=lambda answer: -answer[1])


@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.0])
def test_an_exhaustive_beam_finds_the_best_answers(length_penalty: float) -> None:
    table, limit = tables(3), 3
    found = beam_search(
        table_step, Table(table), [limit] * 3, start=END, end=END, beam_size=64, length_penalty=length_penalty
    )
    for row, answers in zip(table, found, strict=True):
        expected = by_hand(row, limit, length_penalty)
        assert [answer.tokens for answer in answers[:5]] == [tokens for tokens, _ in expected[:5]]
        for answer, (_, score) in zip(answers[:5], expected[:5], strict=True):
            assert answer.score == pytest.approx(score, rel=1e-9)


def test_greedy_search_takes_the_most_probable_token_at_each_step() -> None:
    table, max_lengths = tables(20), [7] * 20
    for row, answers in enumerate(beam_search(table_step, Table(table), max_lengths, start=END, end=END)):
        token, tokens = END, list[int]()
        while len(tokens) < 7 and (token := int(table[row, token].argmax())) != END:
            tokens.append(token)
        assert [answers[0].tokens] == [tokens] and len(answers) == 1
        assert answers[0].ended == (len(tokens) < 7)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_batch_invariance(beam_size: int) -> None:
    table, max_lengths = tables(12, 6), [1 + row % 5 for row in range(12)]
    options: dict[str, Any] = {"start": END, "end": END, "beam_size": beam_size}
    together = beam_search(table_step, Table(table), max_lengths, **options)
    for row in range(12):
        alone = beam_search(table_step, Table(table[row : row + 1]), max_lengths[row : row + 1], **options)
        assert alone == together[row : row + 1]
    order = torch.randperm(12)
    shuffled = beam_search(table_step, Table(table[order]), [max_lengths[i] for i in order], **options)
    assert shuffled == [together[i] for i in order]


def test_forbidden_tokens_and_an_empty_batch() -> None:
    found = beam_search(table_step, Table(tables(20)), [5] * 20, start=END, end=END, beam_size=2, forbidden_tokens=[2])
    assert not any(2 in answer.tokens for answers in found for answer in answers)
    assert beam_search(table_step, Table(tables(0)), [], start=END, end=END) == []


@pytest.mark.parametrize("context_injection", CONTEXT_INJECTIONS)
def test_search_with_a_network_alone_and_in_a_batch(context_injection: str) -> None:
    """Tokens, scores and attention weights are the same."""
    net, (x, _) = network(context_injection), batch()
    net.output.weight.data *= 20  # scores that differ by more than rounding errors
    options: dict[str, Any] = {
        "start": 2,
        "end": 2,
        "beam_size": 3,
        "forbidden_tokens": [0, 1],
        "return_attention": True,
    }

    def found(rows: list[int]) -> list[list[Hypothesis]]:
        with torch.no_grad():
            longest = int(LENGTHS[rows].max())
            return beam_search(net.step, net.start(x[rows, :longest], LENGTHS[rows]), [6] * len(rows), **options)

    whole = found([0, 1, 2, 3])
    for row in range(B):
        for one, two in zip(found([row])[0], whole[row], strict=True):
            assert one.tokens == two.tokens
            assert one.score == pytest.approx(two.score, abs=1e-5)
            assert one.weights is not None and two.weights is not None
            assert len(two.weights) == len(two.tokens) + two.ended
            n = int(LENGTHS[row])
            torch.testing.assert_close(one.weights, two.weights[:, :n], rtol=1e-5, atol=1e-6)  # float32
            # the decoder computes the same attention weights when it reads the tokens of the answer
            state: DecoderState = net.start(x[row : row + 1, :n], LENGTHS[row : row + 1])
            again = net.decoder(torch.tensor([[2, *two.tokens]]), state)[2][0, : len(two.weights)]
            torch.testing.assert_close(again.float(), one.weights, rtol=1e-5, atol=1e-6)
