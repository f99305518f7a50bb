"""The network of N-to-1 tasks: embedding, recurrent layers and pooling map a sequence to one vector.

Networks stream: `push(x, lengths, state)` reads the next chunk and `result(state)` returns the output so far. `forward` is a
single push, so streaming gives the result of the whole sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn

from ..cells import Cell
from ..nn import Recurrent, State
from ..nn.dropout import LockedDropout, TokenDropout, between_layers
from ..nn.pooling import POOLINGS, PoolState
from ..settings import ModelSettings, open_setting, setting
from .adversarial import PerturbableInput


class EncoderModel(ModelSettings):
    """Settings of a sequence encoder."""

    bidirectional: bool = setting(True, description="Use a bidirectional encoder.")
    pooling: Literal["last", "mean", "max", "attention", "mean_max"] = open_setting(description="Pooling over time.")
    ensemble_size: int = open_setting(ge=1, le=64, description="Number of networks that are averaged.")
    input_dropout: float = open_setting(
        ge=0, lt=1, description="Dropout of the input embeddings, with one mask for all time steps.", advanced=True
    )
    adversarial_epsilon: float = open_setting(
        ge=0, description="Norm of the adversarial perturbation of the input embeddings; 0 disables it.", advanced=True
    )


class EncoderState(NamedTuple):
    """The state of a stream: the state of the recurrent layers and of the pooling."""

    recurrent: State | None
    pooled: PoolState


class SequenceEncoder(nn.Module):
    """Encodes sequences as vectors: input layer, recurrent layers, pooling.

    Args:
        input_layer: maps a batch of encoded input to (B, T, I), such as `TokenEmbedding` or `CastInput`.
        input_size: I, the number of features of the input layer.
        cell: the recurrent cell.
        hidden_size: H, the size of the hidden state of each direction.
        num_layers: number of recurrent layers.
        bidirectional: whether the layers are bidirectional.
        pooling: last, mean, max, attention or mean_max.
        dropout: dropout between the layers and after pooling.
        input_dropout: dropout of the embeddings, with one mask for all time steps.
        backend: what computes the cell over time: auto, native, torch or reference.
    """

    def __init__(
        self,
        input_layer: nn.Module,
        input_size: int,
        cell: Cell,
        *,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        pooling: str = "max",
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        self.input_layer = input_layer
        self.perturbable_input = PerturbableInput()
        self.input_dropout = LockedDropout(input_dropout)
        self.recurrent = Recurrent(
            cell,
            input_size,
            hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=between_layers(dropout, num_layers),
            backend=backend,
        )
        self.pooling = POOLINGS[pooling](hidden_size, 2 if bidirectional else 1)
        self.dropout = nn.Dropout(dropout)
        self.output_size = self.pooling.output_size

    def inputs(self, x: Tensor) -> Tensor:
        """Return the input of the recurrent layers (B, T, I) for tokens (B, T) or numbers (B, T, I)."""
        embedded: Tensor = self.input_dropout(self.perturbable_input(self.input_layer(x)))
        return embedded

    def push(self, x: Tensor, lengths: Tensor | None = None, state: EncoderState | None = None) -> EncoderState:
        """Read the next chunk of each sequence: tokens (B, T) or numbers (B, T, I), of which `lengths` (B,) steps are valid."""
        recurrent, pooled = (None, None) if state is None else state
        y, after = self.recurrent(self.inputs(x), recurrent, lengths=lengths)
        return EncoderState(after, self.pooling.push(y, lengths, pooled))

    def result(self, state: EncoderState) -> Tensor:
        """Return the pooled vector so far, (B, output_size)."""
        vector: Tensor = self.dropout(self.pooling.result(state.pooled))
        return vector

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the vectors of whole sequences, (B, output_size)."""
        return self.result(self.push(x, lengths))


class SequenceToVector(nn.Module):
    """An encoder and a linear layer: (B, T) or (B, T, I) -> (B, C).

    Args:
        encoder: the encoder.
        outputs: C, the number of outputs.
    """

    def __init__(self, encoder: SequenceEncoder, outputs: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.output_size, outputs)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the outputs for whole sequences, (B, C)."""
        return self.result(self.push(x, lengths))

    def push(self, x: Tensor, lengths: Tensor | None = None, state: Any = None) -> Any:
        """Read the next chunk; see `SequenceEncoder.push`."""
        return self.encoder.push(x, lengths, state)

    def result(self, state: Any) -> Tensor:
        """Return the outputs so far, (B, C)."""
        output: Tensor = self.head(self.encoder.result(state))
        return output


class Ensemble(nn.Module):
    """A deep ensemble: networks trained on the same batches with independent initial weights and dropout.

    Reference: Lakshminarayanan et al. 2017, arXiv:1612.01474.

    Args:
        members: the M networks.
        combine: maps the outputs of all members, (M, B, C), to one output, (B, C).
    """

    def __init__(self, members: Sequence[SequenceToVector], combine: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.combine = combine

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the combined output, (B, C); in training the outputs of all members, (M, B, C), each with its own loss."""
        state = self.push(x, lengths)
        return self.member_outputs(state) if self.training else self.combine(self.member_outputs(state))

    def push(self, x: Tensor, lengths: Tensor | None = None, state: Sequence[Any] | None = None) -> list[Any]:
        """Read the next chunk with every member."""
        states = [None] * len(self.members) if state is None else state
        return [
            member.push(x, lengths, member_state) for member, member_state in zip(self._members(), states, strict=True)
        ]

    def result(self, state: Sequence[Any]) -> Tensor:
        """Return the combined output so far, (B, C)."""
        return self.combine(self.member_outputs(state))

    def _members(self) -> list[SequenceToVector]:
        return cast("list[SequenceToVector]", list(self.members))

    def member_outputs(self, state: Sequence[Any]) -> Tensor:
        """Return the outputs of all members, (M, B, C)."""
        return torch.stack(
            [member.result(member_state) for member, member_state in zip(self._members(), state, strict=True)]
        )


class CastInput(nn.Module):
    """Input layer for numbers (B, T, I): converts them to the dtype of the network."""

    dtype_reference: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("dtype_reference", torch.zeros(()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return x in the dtype of the network."""
        return x.to(self.dtype_reference.dtype)


class TokenEmbedding(nn.Module):
    """Input layer for tokens: token IDs (B, T) -> embeddings (B, T, E), with token dropout in training.

    Token dropout replaces tokens by the unknown token, whose embedding would not be trained otherwise. With subword features
    the input is (B, T, 1 + P): the token ID and the IDs of its character n-grams, padded with 0. The embedding is then

        e = E[token] + sum_k N[ngram_k] / sqrt(number of n-grams)

    where E is `embedding` and N is `ngram_embedding`. Token dropout does not drop the n-grams.

    Args:
        vocabulary_size: V, the number of tokens.
        embedding_size: E, the size of an embedding.
        token_dropout: probability of replacing a token by the unknown token in training.
        pad: ID of the padding token.
        unknown: ID of the unknown token.
        buckets: number of hash buckets of character n-grams. None: no subword features.
        frozen: add the buffer `frozen_rows`, (V,) bool, which marks embeddings that are not trained.
    """

    frozen_rows: Tensor

    def __init__(
        self,
        vocabulary_size: int,
        embedding_size: int,
        token_dropout: float,
        *,
        pad: int,
        unknown: int,
        buckets: int | None = None,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        self.frozen = frozen
        if frozen:
            self.register_buffer("frozen_rows", torch.zeros(vocabulary_size, dtype=torch.bool))
        self.drop = TokenDropout(token_dropout, pad=pad, unknown=unknown)
        self.embedding = nn.Embedding(vocabulary_size, embedding_size, padding_idx=pad)
        self.ngram_embedding = (
            None if buckets is None else nn.EmbeddingBag(1 + buckets, embedding_size, mode="sum", padding_idx=0)
        )
        with torch.no_grad():
            for table in (self.embedding, self.ngram_embedding):
                if table is not None:
                    table.weight.normal_(std=0.1)
                    table.weight[0].zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Return the embeddings of token IDs, (B, T, E)."""
        if self.ngram_embedding is None:
            return self._embed(self.drop(x))
        ids, ngrams = x[..., 0], x[..., 1:]
        ngram_sum = self.ngram_embedding(ngrams.flatten(0, 1)).unflatten(0, ids.shape)
        count = (ngrams != 0).sum(-1, keepdim=True).clamp(min=1)
        return self._embed(self.drop(ids)) + ngram_sum * count.to(ngram_sum.dtype).rsqrt()  # type: ignore[no-any-return]

    def _embed(self, ids: Tensor) -> Tensor:
        embeddings: Tensor = self.embedding(ids)
        if not self.frozen:
            return embeddings
        return torch.where(self.frozen_rows[ids][..., None], embeddings.detach(), embeddings)
