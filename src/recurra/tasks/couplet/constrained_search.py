"""Answers as long as their questions, looked for under rules of the form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from ...data.words.vocabulary import MARKS, Vocabulary
from ...decoding.beam_search import Found, search
from ...fields.paired_text import Letters
from ..base import device_of
from ..shared.generation import in_batches, silent
from ..shared.sequence_task import padded
from .constraints import Rules, Writing
from .model import Aligned, first_places


def answers_under(
    rule: str,
    network: Aligned,
    vocabulary: Vocabulary,
    questions: Sequence[str],
    *,
    beam: int,
    tick: Callable[[int], None] = silent,
) -> list[list[Found]]:
    """The answers to each question, which has a character at least, best first. They keep `rule`, one of `rules.RULES`."""
    device, rules = device_of(network), Rules(vocabulary.tokens, len(MARKS), rule)
    arrays, letters = vocabulary.encode_batch(questions), Letters.codes(questions)
    lengths = np.array([len(array) for array in arrays], np.int64)

    def found(rows: np.ndarray) -> list[list[Found]]:
        x = padded([arrays[row] for row in rows]).long()
        first = first_places(padded([letters[row] for row in rows]))
        question = network.ask(x.to(device), torch.from_numpy(lengths[rows]).to(device), first.to(device))
        settled = rules.settle([questions[row] for row in rows], x).to(device)
        return search(
            partial(rules.step, network),
            Writing(network.start(question), settled),
            lengths[rows].tolist(),
            start=Vocabulary.end,
            end=Vocabulary.end,
            beam=beam,
        )

    return in_batches(lengths, beam, found, tick)


def spelt(found: Found, question: str, vocabulary: Vocabulary) -> str:
    """The answer as text; a mark that no training text has is the question's own."""
    return "".join(
        character if token == Vocabulary.unknown else vocabulary.tokens[token]
        for token, character in zip(found.tokens, question, strict=True)
    )
