"""The network of a language model: embedding -> recurrent layers -> linear -> logits of the next token; and its cache."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from ...cells import Cell
from ...models.sampled_softmax import sampled_softmax_loss
from ...nn import Recurrent, State
from ...nn.cache import ContinuousCache, parted
from ...nn.dropout import LockedDropout, between_layers

CHUNK_STEPS = 256  # time steps that are computed at once where a long text is read


@final
class LanguageNetwork(nn.Module):
    """(B, T) tokens and a state -> (B, T, V) logits of the next tokens and the state after them.

    With `tied` the output layer uses the embedding's weights. `cache`: the size of a `ContinuousCache`; 0 for none.
    """

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
        tie_weights: bool,
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
            nn.Linear(hidden_size, embedding_size) if tie_weights and hidden_size != embedding_size else nn.Identity()
        )
        self.output = nn.Linear(embedding_size if tie_weights else hidden_size, vocabulary_size)
        if tie_weights:
            self.output.weight = self.embedding.weight
        self.cache = ContinuousCache(cache) if cache else None

    @property
    def uses_cache(self) -> bool:
        """Whether the cache contributes to the logits: in evaluation mode, once it was fitted and found useful."""
        return self.cache is not None and self.cache.active

    def features(self, ids: Tensor, state: State | None) -> tuple[Tensor, Tensor, State]:
        """The input of the output layer (B, T, D), the outputs of the recurrent layers (B, T, H), and their state."""
        y, after = self.recurrent(self.input_dropout(self.embedding(ids)), state)
        return self.bridge(self.dropout(y)), y, after

    def without_cache(self, ids: Tensor, state: State | None) -> tuple[Tensor, Tensor, State]:
        """Logits (B, T, V), the outputs of the recurrent layers (B, T, H), and their state."""
        features, y, after = self.features(ids, state)
        return self.output(features), y, after

    def forward(
        self, ids: Tensor, state: State | None = None, targets: Tensor | None = None, num_sampled: int = 0
    ) -> tuple[Tensor, State]:
        """With `targets` (B, T), in training: instead of logits the mean loss by sampled softmax."""
        if targets is not None:
            features, _, after = self.features(ids, state)
            return sampled_softmax_loss(features.flatten(0, 1), self.output, targets.flatten(), num_sampled), after
        before, memory = parted(state)
        logits, y, after = self.without_cache(ids, before)
        if self.cache is None or not self.cache.active:
            return logits, after
        logits, remembered = self.cache(logits, y, ids, memory)
        return logits, State({**after.tensors(), **remembered.tensors()})


def language_network(network: nn.Module) -> LanguageNetwork:
    """The language model in a network, which training may have wrapped."""
    return next(module for module in network.modules() if isinstance(module, LanguageNetwork))
