"""What the answer to a question of the same length may hold, while it is searched: three rules, each with those before it.

none         any character anywhere
punctuation  the question's punctuation, in its places, and none elsewhere
couplet      where the question repeats a character the answer repeats its own of that place; nowhere else does it repeat
             one, and it holds no character of the question

A place in which the rules leave nothing, as where an alphabet is used up, may hold any character but punctuation.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .model import Aligned, AlignedState

RULES = ("none", "punctuation", "couplet")
FREE = -1


def is_punctuation(character: str) -> bool:
    """Marks and blanks: the categories P, Z and C of Unicode."""
    return unicodedata.category(character)[0] in "PZC"


def kept(question: str, answer: str) -> str:
    """The strictest of the rules that a pair of equal length keeps."""
    marks = [(a, b) for a, b in zip(question, answer, strict=True) if is_punctuation(a) or is_punctuation(b)]
    if any(a != b for a, b in marks):
        return "none"
    words = [(a, b) for a, b in zip(question, answer, strict=True) if not is_punctuation(a)]
    apart = not {a for a, _ in words} & {b for _, b in words}
    mirrored = len(set(words)) == len({a for a, _ in words}) == len({b for _, b in words})
    return "couplet" if apart and mirrored else "punctuation"


class Writing(NamedTuple):
    """The state of a search for R answers: the network's, and what is settled (R, T), a token or FREE."""

    state: AlignedState
    settled: Tensor

    def rows(self, index: Tensor) -> Writing:
        return Writing(self.state.rows(index), self.settled[index])


class Rules:
    """The rules over a vocabulary. `marks` are the tokens that no answer holds, such as padding."""

    def __init__(self, tokens: Sequence[str], marks: int, rule: str) -> None:
        self.rule = rule
        punctuation = torch.tensor([n < marks or is_punctuation(token) for n, token in enumerate(tokens)])
        self.any = torch.arange(len(tokens)) >= marks
        self.words = ~punctuation if bool((~punctuation).any()) else self.any

    def settle(self, texts: Sequence[str], tokens: Tensor) -> Tensor:
        """What the rules settle before anything is written: tokens (R, T) of the questions, FREE elsewhere."""
        settled = torch.full_like(tokens, FREE)
        if self.rule != "none":
            for row, text in enumerate(texts):
                places = np.flatnonzero([is_punctuation(character) for character in text])
                settled[row, places] = tokens[row, places]
        return settled

    def allowed(self, state: AlignedState, settled: Tensor) -> Tensor:
        """(R, V): what may stand in the place of the step that led to `state`; settled (R, T)."""
        question, written, t = state.question, state.written, state.t - 1
        allowed = (self.any if self.rule == "none" else self.words).to(written.device).repeat(len(written), 1)
        fixed = settled[:, t]
        if self.rule == "couplet":
            strict = allowed.scatter(1, question.tokens, False).scatter(1, written[:, :t], False)
            allowed = torch.where(strict.any(1, keepdim=True), strict, allowed)
            before = question.first[:, t]
            echo = written.gather(1, before[:, None])[:, 0]
            fixed = torch.where((fixed == FREE) & (before < t), echo, fixed)
        only = torch.zeros_like(allowed).scatter(1, fixed.clamp(min=0)[:, None], True)
        return torch.where((fixed != FREE)[:, None], only, allowed)

    def step(self, network: Aligned, tokens: Tensor, writing: Writing) -> tuple[Tensor, Writing, Tensor | None]:
        """A step of a search: log-probabilities (R, V) among what is allowed, -inf elsewhere."""
        scores, state, weights = network.step(tokens, writing.state)
        allowed = self.allowed(state, writing.settled)
        return (
            scores.float().masked_fill(~allowed, -torch.inf).log_softmax(-1),
            Writing(state, writing.settled),
            weights,
        )
