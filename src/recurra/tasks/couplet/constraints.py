"""Constraints on the answer to a question of the same length. There are three rules, each stricter than the one before.

none         any character at any position
punctuation  the punctuation of the question, at the same positions, and no other punctuation
couplet      in addition, the answer repeats a character exactly where the question does, and contains no character of the
             question

At a position where a rule excludes every character, for example because a small alphabet is used up, any character except
punctuation is allowed.

In addition, the tones of an answer may be opposite to those of the question: level (tones 1 and 2 of modern Mandarin) where the
question is oblique (3 and 4), and vice versa. `TONES` names the positions, which are counted from the last punctuation mark.

none   no position
even   every second character and the last one before punctuation or the end: 一三五不论，二四六分明
all    every character

A repetition that the rule `couplet` requires takes precedence, and a tone that no allowed character has is not required.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from ...data.words.prosody import tone_class
from .model import AlignedSeq2Seq, AlignedState

RULES = ("none", "punctuation", "couplet")
TONES = ("none", "even", "all")
OPPOSITE = {0: 0, 1: 2, 2: 1}
FREE = -1  # a position whose token is not fixed


def is_punctuation(character: str) -> bool:
    """Whether a character is punctuation, white space or a control character: the Unicode categories P, Z and C."""
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


def _tone(character: str) -> int:
    """1 for a level tone, 2 for an oblique one, 0 for a character without a tone."""
    return {"level": 1, "oblique": 2, None: 0}[tone_class(character)]


class ConstrainedState(NamedTuple):
    """The state of a search for R hypotheses: that of the network, the fixed tokens (R, T), FREE elsewhere, and the required
    tones (R, T): 1 level, 2 oblique, 0 any."""

    state: AlignedState
    fixed: Tensor
    tones: Tensor

    def select(self, index: Tensor) -> ConstrainedState:
        """The state of the hypotheses at `index`, integers."""
        return ConstrainedState(self.state.select(index), self.fixed[index], self.tones[index])


@final
class Constraints:
    """The constraints of a rule over a vocabulary. No answer contains its first `num_special` tokens, such as padding."""

    def __init__(self, tokens: Sequence[str], num_special: int, rule: str, tones: str = "none") -> None:
        self.rule, self.tones = rule, tones
        classes = [0 if n < num_special or tones == "none" else _tone(token) for n, token in enumerate(tokens)]
        self.token_tones = torch.tensor(classes)
        punctuation = torch.tensor([n < num_special or is_punctuation(token) for n, token in enumerate(tokens)])
        self.any = torch.arange(len(tokens)) >= num_special
        self.words = ~punctuation if bool((~punctuation).any()) else self.any

    def fixed_tokens(self, questions: Sequence[str], tokens: Tensor) -> Tensor:
        """The answer tokens that are fixed before the search, (R, T), FREE elsewhere. `tokens` (R, T): the questions."""
        fixed = torch.full_like(tokens, FREE)
        if self.rule != "none":
            for row, question in enumerate(questions):
                positions = np.flatnonzero([is_punctuation(character) for character in question])
                fixed[row, positions] = tokens[row, positions]
        return fixed

    def required_tones(self, questions: Sequence[str], steps: int) -> Tensor:
        """The tones of the answers, (R, T): 1 level, 2 oblique, 0 any."""
        required = torch.zeros(len(questions), steps, dtype=torch.int64)
        for row, question in enumerate(questions if self.tones != "none" else ()):
            since = 0
            for n, character in enumerate(question):
                since = 0 if is_punctuation(character) else since + 1
                last = n + 1 == len(question) or is_punctuation(question[n + 1])
                if since and (self.tones == "all" or since % 2 == 0 or last):
                    required[row, n] = OPPOSITE[_tone(character)]
        return required

    def allowed(self, state: AlignedState, fixed: Tensor, tones: Tensor | None = None) -> Tensor:
        """The mask (R, V) of the tokens that are allowed at the step that led to `state`. `fixed`, `tones`: (R, T)."""
        question, written, t = state.question, state.written, state.t - 1
        allowed = (self.any if self.rule == "none" else self.words).to(written.device).repeat(len(written), 1)
        required = fixed[:, t]
        if self.rule == "couplet":
            strict = allowed.scatter(1, question.tokens, False).scatter(1, written[:, :t], False)
            allowed = torch.where(strict.any(1, keepdim=True), strict, allowed)
            first = question.first[:, t]
            repeated = written.gather(1, first[:, None])[:, 0]
            required = torch.where((required == FREE) & (first < t), repeated, required)
        if tones is not None and self.tones != "none":
            wanted = tones[:, t, None]
            suitable = allowed & ((wanted == 0) | (self.token_tones.to(wanted.device) == wanted))
            allowed = torch.where(suitable.any(1, keepdim=True), suitable, allowed)
        only = torch.zeros_like(allowed).scatter(1, required.clamp(min=0)[:, None], True)
        return torch.where((required != FREE)[:, None], only, allowed)

    def step(
        self, network: AlignedSeq2Seq, tokens: Tensor, state: ConstrainedState
    ) -> tuple[Tensor, ConstrainedState, Tensor | None]:
        """A search step: log-probabilities (R, V), normalized over the allowed tokens and -inf elsewhere, state, attention."""
        scores, inner, weights = network.step(tokens, state.state)
        allowed = self.allowed(inner, state.fixed, state.tones)
        return (
            scores.float().masked_fill(~allowed, -torch.inf).log_softmax(-1),
            ConstrainedState(inner, state.fixed, state.tones),
            weights,
        )
