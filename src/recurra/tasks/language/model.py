"""The network of a language model: embedding -> recurrent layers -> linear -> scores of the next token, and its cache."""

from __future__ import annotations

from torch import Tensor, nn

from ...cells import Cell
from ...models.sampled_softmax import sampled_nats
from ...nn import Recurrent, State
from ...nn.cache import ContinuousCache, parted
from ...nn.dropout import LockedDropout, between_layers


class NextToken(nn.Module):
    """(B, T) tokens and a state -> (B, T, V) scores of the next ones and the state after."""

    def __init__(
        self,
        vocabulary_size: int,
        embedding_size: int,
        cell: Cell,
        *,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        input_dropout: float,
        weight_drop: float,
        tied: bool,
        backend: str,
        cache: int = 0,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.input_dropout = LockedDropout(input_dropout)
        self.recurrent = Recurrent(
            cell,
            embedding_size,
            hidden_size,
            num_layers=num_layers,
            dropout=between_layers(dropout, num_layers),
            weight_drop=weight_drop,
            backend=backend,
        )
        self.dropout = nn.Dropout(dropout)
        self.bridge = (
            nn.Linear(hidden_size, embedding_size) if tied and hidden_size != embedding_size else nn.Identity()
        )
        self.output = nn.Linear(embedding_size if tied else hidden_size, vocabulary_size)
        if tied:
            self.output.weight = self.embedding.weight
        self.cache = ContinuousCache(cache) if cache else None

    def vectors(self, ids: Tensor, state: State | None) -> tuple[Tensor, Tensor, State]:
        """What the output layer is given, (B, T, D), the outputs (B, T, H) it is made of, the layers' state after."""
        y, after = self.recurrent(self.input_dropout(self.embedding(ids)), state)
        return self.bridge(self.dropout(y)), y, after

    def read(self, ids: Tensor, state: State | None) -> tuple[Tensor, Tensor, State]:
        """Without the cache: scores (B, T, V), the outputs (B, T, H) they are made of, the layers' state after."""
        vectors, y, after = self.vectors(ids, state)
        return self.output(vectors), y, after

    def forward(
        self, ids: Tensor, state: State | None = None, wanted: Tensor | None = None, sampled: int = 0
    ) -> tuple[Tensor, State]:
        """With `wanted` (B, T), in training: instead of scores their mean nats by a sample of the vocabulary."""
        if wanted is not None:
            vectors, _, after = self.vectors(ids, state)
            return sampled_nats(vectors.flatten(0, 1), self.output, wanted.flatten(), sampled), after
        before, memory = parted(state)
        scores, y, after = self.read(ids, before)
        if self.cache is None or not self.cache.active:
            return scores, after
        scores, remembered = self.cache(scores, y, ids, memory)
        return scores, State({**after.tensors(), **remembered.tensors()})
