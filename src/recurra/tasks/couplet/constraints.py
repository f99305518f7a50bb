"""Constraints on the answer to a question of the same length: three rules, each with the constraints of those before it.

none         any character anywhere
punctuation  the question's punctuation, in its places, and none elsewhere
couplet      where the question repeats a character the answer repeats its own of that place; nowhere else does it repeat
             one, and it holds no character of the question

A place in which a rule leaves nothing, as where an alphabet is used up, may hold any character but punctuation.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from .model import AlignedSeq2Seq, AlignedState

RULES = ("none", "punctuation", "couplet")
FREE = -1


def is_punctuation(character: str) -> bool:
    """Punctuation marks and blanks: the categories P, Z and C of Unicode."""
    return unicodedata.category(character)[0] in "PZC"


def strictest_rule(question: str, answer: str) -> str:
    """The strictest rule that a pair of equal length satisfies."""
    marks = [(a, b) for a, b in zip(question, answer, strict=True) if is_punctuation(a) or is_punctuation(b)]
    if any(a != b for a, b in marks):
        return "none"
    words = [(a, b) for a, b in zip(question, answer, strict=True) if not is_punctuation(a)]
    disjoint = not {a for a, _ in words} & {b for _, b in words}
    one_to_one = len(set(words)) == len({a for a, _ in words}) == len({b for _, b in words})
    return "couplet" if disjoint and one_to_one else "punctuation"


class ConstrainedState(NamedTuple):
    """The state of a search for R answers: the network's, and the tokens fixed beforehand (R, T), FREE elsewhere."""

    state: AlignedState
    fixed: Tensor

    def rows(self, index: Tensor) -> ConstrainedState:
        """The state of some of the answers."""
        return ConstrainedState(self.state.rows(index), self.fixed[index])


@final
class Constraints:
    """The constraints of a rule over a vocabulary. Its first `marks` tokens, such as padding, are in no answer."""

    def __init__(self, tokens: Sequence[str], marks: int, rule: str) -> None:
        self.rule = rule
        punctuation = torch.tensor([n < marks or is_punctuation(token) for n, token in enumerate(tokens)])
        self.any = torch.arange(len(tokens)) >= marks
        self.words = ~punctuation if bool((~punctuation).any()) else self.any

    def fixed_tokens(self, questions: Sequence[str], tokens: Tensor) -> Tensor:
        """The tokens (R, T) of answers that are fixed before the search, FREE elsewhere; `tokens (R, T)` of the questions."""
        fixed = torch.full_like(tokens, FREE)
        if self.rule != "none":
            for row, question in enumerate(questions):
                places = np.flatnonzero([is_punctuation(character) for character in question])
                fixed[row, places] = tokens[row, places]
        return fixed

    def allowed(self, state: AlignedState, fixed: Tensor) -> Tensor:
        """(R, V): the tokens that are allowed at the step that led to `state`; `fixed (R, T)`."""
        question, written, t = state.question, state.written, state.t - 1
        allowed = (self.any if self.rule == "none" else self.words).to(written.device).repeat(len(written), 1)
        required = fixed[:, t]
        if self.rule == "couplet":
            strict = allowed.scatter(1, question.tokens, False).scatter(1, written[:, :t], False)
            allowed = torch.where(strict.any(1, keepdim=True), strict, allowed)
            first = question.first[:, t]
            repeated = written.gather(1, first[:, None])[:, 0]
            required = torch.where((required == FREE) & (first < t), repeated, required)
        only = torch.zeros_like(allowed).scatter(1, required.clamp(min=0)[:, None], True)
        return torch.where((required != FREE)[:, None], only, allowed)

    def step(
        self, network: AlignedSeq2Seq, tokens: Tensor, state: ConstrainedState
    ) -> tuple[Tensor, ConstrainedState, Tensor | None]:
        """A step of a search: log-probabilities (R, V) among the allowed tokens, -inf elsewhere."""
        scores, inner, weights = network.step(tokens, state.state)
        allowed = self.allowed(inner, state.fixed)
        return (
            scores.float().masked_fill(~allowed, -torch.inf).log_softmax(-1),
            ConstrainedState(inner, state.fixed),
            weights,
        )
