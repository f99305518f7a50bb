"""Sequence-to-sequence networks: an encoder, a decoder with attention to its outputs, and an output layer over tokens."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..cells import Cell
from ..data.words.vocabulary import Vocabulary
from ..nn import Recurrent
from ..nn.attention import SelfAttention
from ..nn.dropout import LockedDropout, between_layers
from ..nn.pooling import LastPooling
from .decoder import Decoder, DecoderState


class Seq2SeqEncoder(nn.Module):
    """A recurrent encoder of tokens.

    embed           module that turns tokens (B, T) into embeddings (B, T, embedding_size)
    cell            the recurrence of its layers
    hidden_size     features of the hidden state, per direction
    self_attention  whether each time step attends to all time steps after the recurrent layers
    dropout         dropout probability between the layers and of the outputs
    input_dropout   dropout probability of the embeddings, with one mask for all time steps
    """

    def __init__(
        self,
        embed: nn.Module,
        embedding_size: int,
        cell: Cell,
        *,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = True,
        self_attention: bool = False,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        self.embed, self.input_dropout, self.dropout = embed, LockedDropout(input_dropout), nn.Dropout(dropout)
        self.recurrent = Recurrent(
            cell,
            embedding_size,
            hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=between_layers(dropout, num_layers),
            backend=backend,
        )
        self.last = LastPooling(hidden_size, 2 if bidirectional else 1)
        self.output_size = self.last.output_size
        self.self_attention = SelfAttention(self.output_size) if self_attention else None

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Tokens (B, T) and lengths (B,) -> outputs (B, T, D) and a summary (B, D), the last output of each direction.

        D is `output_size`, the number of directions times the hidden size.
        """
        y, _ = self.recurrent(self.input_dropout(self.embed(x)), lengths=lengths)
        summary = self.last(y, lengths)
        if self.self_attention is not None:
            y, _ = self.self_attention(y, lengths)
        return self.dropout(y), self.dropout(summary)


class TokenScores(NamedTuple):
    """The scores of the next token at the valid steps of a batch.

    scores  (M, V): one row per valid step, sequence after sequence
    valid   (B, S): the mask, False at padding
    """

    scores: Tensor
    valid: Tensor


class SequenceToSequence(nn.Module):
    """An encoder, a decoder and an output layer.

    encoder     module that turns a batch and its lengths into values (B, N, V) and their summary (B, V)
    tied        embedding whose weight the output layer uses, or None
    """

    def __init__(self, encoder: nn.Module, decoder: Decoder, vocabulary_size: int, tied: nn.Embedding | None) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.output = nn.Linear(decoder.output_size, vocabulary_size)
        if tied is not None:
            self.output.weight = tied.weight

    def start(self, x: Tensor, lengths: Tensor | None = None) -> DecoderState:
        """The state of the decoder before the first step, from sources (B, T) with lengths (B,)."""
        values, summary = self.encoder(x, lengths)
        return self.decoder.start(values, lengths, summary)

    def forward(self, x: Tensor, lengths: Tensor | None, tokens: Tensor, steps: Tensor) -> TokenScores:
        """The scores of a batch.

        x       sources, (B, T)
        tokens  decoder inputs, (B, S): the token before each step
        steps   number of valid decoder steps, (B,)
        """
        vectors, _, _ = self.decoder(tokens, self.start(x, lengths), steps)
        valid = torch.arange(tokens.shape[1], device=tokens.device) < steps[:, None]
        return TokenScores(self.output(vectors[valid]), valid)

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState, Tensor | None]:
        """One decoder step: tokens (R,) -> log-probabilities (R, V), the new state, and attention weights (R, N) or None."""
        vectors, state, weights = self.decoder(tokens[:, None], state)
        scores = self.output(vectors[:, 0]).float().log_softmax(-1)
        return scores, state, None if weights is None else weights[:, 0]


def shift_targets(targets: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Decoder inputs and expected outputs, both (B, S + 1), from target tokens (B, S) with lengths (B,).

    The inputs begin with the end token, which also marks the start; the expected outputs end with it.
    """
    before, after = (np.full((len(targets), targets.shape[1] + 1), Vocabulary.pad, np.int64) for _ in range(2))
    before[:, 0], before[:, 1:], after[:, :-1] = Vocabulary.end, targets, targets
    after[np.arange(len(targets)), lengths] = Vocabulary.end
    return before, after
