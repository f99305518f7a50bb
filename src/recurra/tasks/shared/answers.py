"""Training and generation for tasks with a sequence-to-sequence network: teacher forcing and beam search.

`batch.inputs` are the arguments of `SequenceToSequence`: x, lengths (left out where all inputs have one length), tokens, steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import final

import numpy as np
import torch

from ...data.words.vocabulary import Vocabulary
from ...decoding.beam_search import Hypothesis, beam_search
from ...errors import SettingError
from ...models.scheduled_sampling import score_batch
from ...models.seq2seq import SequenceToSequence
from ...models.token_loss import mean_loss
from ..base import Batch, OnProgress, Selection, device_of, ignore_progress
from .collate import padded
from .generation import search_in_batches


def selection_by(metric: str) -> Selection:
    """Checkpoint selection by a metric of generated texts, or by the loss."""
    return Selection(metric, higher_is_better=metric in ("bleu", "chrf", "exact_match"))


def loss_of_batches(network: SequenceToSequence, batches: Iterable[Batch]) -> float:
    """The mean loss of the tokens of all batches, in nats per token, with true tokens as decoder inputs."""
    return mean_loss((score_batch(network, batch.inputs), batch.targets["next"]) for batch in batches)


@final
class AnswerSearch:
    """Generates answers with a network by beam search.

    max_length        returns the largest number of tokens of an answer, from the length of the input
    length_penalty    exponent of the length in the score
    forbidden_tokens  tokens that no answer contains
    pass_lengths      whether the encoder takes lengths. It does not where all inputs have one length
    """

    def __init__(
        self,
        network: SequenceToSequence,
        *,
        max_length: Callable[[int], int],
        length_penalty: float,
        forbidden_tokens: Sequence[int] = (Vocabulary.pad, Vocabulary.unknown),
        pass_lengths: bool = True,
    ) -> None:
        self.network, self.max_length, self.length_penalty = network, max_length, length_penalty
        self.forbidden_tokens, self.pass_lengths = list(forbidden_tokens), pass_lengths

    def __call__(
        self,
        examples: Sequence[np.ndarray],
        *,
        beam_size: int,
        on_progress: OnProgress = ignore_progress,
        return_attention: bool = False,
    ) -> list[list[Hypothesis]]:
        """The hypotheses for each encoded example, best first, with attention weights if `return_attention` is set."""
        device, lengths = device_of(self.network), np.array([len(example) for example in examples], np.int64)

        def search(indices: np.ndarray) -> list[list[Hypothesis]]:
            x = padded([examples[index] for index in indices]).to(device)
            return beam_search(
                self.network.step,
                self.network.start(x, torch.from_numpy(lengths[indices]).to(device) if self.pass_lengths else None),
                [self.max_length(int(length)) for length in lengths[indices]],
                start=Vocabulary.end,
                end=Vocabulary.end,
                beam_size=beam_size,
                length_penalty=self.length_penalty,
                forbidden_tokens=self.forbidden_tokens,
                return_attention=return_attention,
            )

        return search_in_batches(lengths, beam_size, search, on_progress)


def answer_attention(
    hypothesis: Hypothesis, vocabulary: Vocabulary, positions: int
) -> tuple[list[str], list[list[float]]]:
    """The tokens of an answer, including the end token, and for each the attention weights of the first `positions` positions.

    Raises SettingError if the network has no attention.
    """
    if hypothesis.weights is None:
        raise SettingError("return_attention requires attention, and this run has none (attention=none)")
    weights = [[round(weight, 4) for weight in step[:positions]] for step in hypothesis.weights.tolist()]
    tokens = [vocabulary.decode([token]) for token in hypothesis.tokens]
    return [*tokens, "<end>"][: len(weights)], weights
