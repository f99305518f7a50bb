"""From a sequence to one vector: embedding, recurrent layers, pooling. The network of every N to 1 task.

Three parts that stream: `push(x, lengths, state)` takes the next piece, `result(state)` the vector so far. `forward` is
one push, so what a stream gives is what the whole gives.
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
    """An encoder of sequences."""

    bidirectional: bool = setting(True, description="read both ways; false lets a run stream")
    pooling: Literal["last", "mean", "max", "attention", "mean_max"] = open_setting(
        description="from all outputs to one vector"
    )
    ensemble_size: int = open_setting(ge=1, le=64, description="networks whose outputs are averaged")
    input_dropout: float = open_setting(
        ge=0, lt=1, description="dropout of the vectors, one mask for all steps", advanced=True
    )
    adversarial_epsilon: float = open_setting(
        ge=0, description="train also on vectors moved so far, to where the loss grows", advanced=True
    )


class EncoderState(NamedTuple):
    """Where a stream stands: the recurrent layers' state and what is pooled so far."""

    recurrent: State | None
    pooled: PoolState


class SequenceEncoder(nn.Module):
    """`input_layer` turns input into (B, T, I); tokens are embedded, numbers pass a linear map or nothing."""

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

    def push(self, x: Tensor, lengths: Tensor | None = None, state: EncoderState | None = None) -> EncoderState:
        """The next piece of each row: (B, T) tokens or (B, T, I) numbers, with `lengths (B,)` live steps."""
        recurrent, pooled = (None, None) if state is None else state
        y, after = self.recurrent(
            self.input_dropout(self.perturbable_input(self.input_layer(x))), recurrent, lengths=lengths
        )
        return EncoderState(after, self.pooling.push(y, lengths, pooled))

    def result(self, state: EncoderState) -> Tensor:
        """(B, output_size)"""
        vector: Tensor = self.dropout(self.pooling.result(state.pooled))
        return vector

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.result(self.push(x, lengths))


class SequenceToVector(nn.Module):
    """Encoder and one linear layer: (B, T) or (B, T, I) -> (B, C). `push` and `result` take it in pieces."""

    def __init__(self, encoder: SequenceEncoder, outputs: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.output_size, outputs)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.result(self.push(x, lengths))

    def push(self, x: Tensor, lengths: Tensor | None = None, state: Any = None) -> Any:
        return self.encoder.push(x, lengths, state)

    def result(self, state: Any) -> Tensor:
        output: Tensor = self.head(self.encoder.result(state))
        return output


class Ensemble(nn.Module):
    """Networks that see the same batches, each with its own first weights and dropout; in use their mean counts.

    Deep ensembles: Lakshminarayanan et al. 2017, arXiv:1612.01474. `merge` turns their outputs, (M, B, C), into (B, C).
    """

    def __init__(self, members: Sequence[SequenceToVector], merge: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.merge = merge

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, C), merged; in training (M, B, C), for each member is to meet the targets alone."""
        state = self.push(x, lengths)
        return self.alone(state) if self.training else self.merge(self.alone(state))

    def push(self, x: Tensor, lengths: Tensor | None = None, state: Sequence[Any] | None = None) -> list[Any]:
        states = [None] * len(self.members) if state is None else state
        return [member.push(x, lengths, one) for member, one in zip(self._all(), states, strict=True)]

    def result(self, state: Sequence[Any]) -> Tensor:
        return self.merge(self.alone(state))

    def _all(self) -> list[SequenceToVector]:
        return cast("list[SequenceToVector]", list(self.members))

    def alone(self, state: Sequence[Any]) -> Tensor:
        """Each member's result, (M, B, C)."""
        return torch.stack([member.result(one) for member, one in zip(self._all(), state, strict=True)])


class CastInput(nn.Module):
    """Numbers (B, T, I) as they are, in the arithmetic of the network."""

    like: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("like", torch.zeros(()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x.to(self.like.dtype)


class TokenEmbedding(nn.Module):
    """Embedding of token numbers (B, T) -> (B, T, E); in training some tokens are made unknown.

    Unknown tokens would otherwise keep the vector they were born with: dropping tokens is what trains it. With
    `spelling` the input is (B, T, 1 + pieces): to a token's vector is added the sum of those of its pieces, over the
    root of their number; a token that is dropped keeps them. With `frozen` the vectors that `frozen_rows` (V,) marks stay as
    they are.
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
        if self.ngram_embedding is None:
            return self._of(self.drop(x))
        ids, pieces = x[..., 0], x[..., 1:]
        spelt = self.ngram_embedding(pieces.flatten(0, 1)).unflatten(0, ids.shape)
        count = (pieces != 0).sum(-1, keepdim=True).clamp(min=1)
        return self._of(self.drop(ids)) + spelt * count.to(spelt.dtype).rsqrt()  # type: ignore[no-any-return]

    def _of(self, ids: Tensor) -> Tensor:
        vectors: Tensor = self.embedding(ids)
        return torch.where(self.frozen_rows[ids][..., None], vectors.detach(), vectors) if self.frozen else vectors
