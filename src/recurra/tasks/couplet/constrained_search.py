"""Beam search for answers as long as their questions, under constraints."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import final

import numpy as np
import torch

from ...data.words.vocabulary import SPECIAL_TOKENS, Vocabulary
from ...decoding.beam_search import Found, search
from ...fields.paired_text import code_points
from ..base import OnProgress, device_of, ignore_progress
from ..shared.collate import padded
from ..shared.generation import search_in_batches
from .constraints import ConstrainedState, Constraints
from .model import AlignedSeq2Seq, first_occurrences


@final
class ConstrainedSearch:
    """Finds the answers of a network that satisfy a rule, one of `constraints.RULES`."""

    def __init__(self, network: AlignedSeq2Seq, vocabulary: Vocabulary, rule: str) -> None:
        self.network, self.vocabulary = network, vocabulary
        self.constraints = Constraints(vocabulary.tokens, len(SPECIAL_TOKENS), rule)

    def __call__(
        self, questions: Sequence[str], *, beam_size: int, on_progress: OnProgress = ignore_progress
    ) -> list[list[Found]]:
        """The answers to each question, which has a character at least, best first."""
        device, constraints = device_of(self.network), self.constraints
        arrays, letters = self.vocabulary.encode_batch(questions), code_points(questions)
        lengths = np.array([len(array) for array in arrays], np.int64)

        def found(rows: np.ndarray) -> list[list[Found]]:
            x = padded([arrays[row] for row in rows]).long()
            first = first_occurrences(padded([letters[row] for row in rows]))
            question = self.network.encode(x.to(device), torch.from_numpy(lengths[rows]).to(device), first.to(device))
            fixed = constraints.fixed_tokens([questions[row] for row in rows], x).to(device)
            return search(
                partial(constraints.step, self.network),
                ConstrainedState(self.network.start(question), fixed),
                lengths[rows].tolist(),
                start=Vocabulary.end,
                end=Vocabulary.end,
                beam_size=beam_size,
            )

        return search_in_batches(lengths, beam_size, found, on_progress)


def answer_text(found: Found, question: str, vocabulary: Vocabulary) -> str:
    """The answer as text; a mark that no training text has is copied from the question."""
    return "".join(
        character if token == Vocabulary.unknown else vocabulary.tokens[token]
        for token, character in zip(found.tokens, question, strict=True)
    )
