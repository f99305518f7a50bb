"""Beam search under constraints, for answers that have the length of their questions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import final

import numpy as np
import torch

from ...data.words.vocabulary import SPECIAL_TOKENS, Vocabulary
from ...decoding.beam_search import Hypothesis, beam_search
from ...fields.paired_text import code_points
from ..base import OnProgress, device_of, ignore_progress
from ..shared.collate import padded
from ..shared.generation import search_in_batches
from .constraints import ConstrainedState, Constraints
from .model import AlignedSeq2Seq, first_occurrences


@final
class ConstrainedSearch:
    """Generates answers that satisfy a rule, one of `constraints.RULES`, with opposite tones at some positions."""

    def __init__(self, network: AlignedSeq2Seq, vocabulary: Vocabulary, rule: str, tones: str = "none") -> None:
        self.network, self.vocabulary = network, vocabulary
        self.constraints = Constraints(vocabulary.tokens, len(SPECIAL_TOKENS), rule, tones)

    def __call__(
        self, questions: Sequence[str], *, beam_size: int, on_progress: OnProgress = ignore_progress
    ) -> list[list[Hypothesis]]:
        """The hypotheses for each question, best first. A question has at least one character."""
        device, constraints = device_of(self.network), self.constraints
        arrays, code_point_arrays = self.vocabulary.encode_batch(questions), code_points(questions)
        lengths = np.array([len(array) for array in arrays], np.int64)

        def search(indices: np.ndarray) -> list[list[Hypothesis]]:
            x = padded([arrays[index] for index in indices]).long()
            first = first_occurrences(padded([code_point_arrays[index] for index in indices]))
            question = self.network.encode(
                x.to(device), torch.from_numpy(lengths[indices]).to(device), first.to(device)
            )
            texts = [questions[index] for index in indices]
            fixed = constraints.fixed_tokens(texts, x).to(device)
            tones = constraints.required_tones(texts, x.shape[1]).to(device)
            return beam_search(
                partial(constraints.step, self.network),
                ConstrainedState(self.network.start(question), fixed, tones),
                lengths[indices].tolist(),
                start=Vocabulary.end,
                end=Vocabulary.end,
                beam_size=beam_size,
            )

        return search_in_batches(lengths, beam_size, search, on_progress)


def answer_text(hypothesis: Hypothesis, question: str, vocabulary: Vocabulary) -> str:
    """The text of an answer. Punctuation that is not in the vocabulary is copied from the question."""
    return "".join(
        character if token == Vocabulary.unknown else vocabulary.tokens[token]
        for token, character in zip(hypothesis.tokens, question, strict=True)
    )
