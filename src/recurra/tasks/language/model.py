"""The network of a language model: embedding -> recurrent layers -> linear layer -> logits, with an optional neural cache."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from ...cells import Cell
from ...models.sampled_softmax import sampled_softmax_loss
from ...nn import Recurrent, State
from ...nn.cache import NeuralCache, split_state
from ...nn.dropout import LockedDropout, between_layers
from ...nn.reset import Reset

CHUNK_STEPS = 256  # time steps per call of the network when a long text is read


@final
class LanguageNetwork(nn.Module):
    """Maps tokens (B, T) and a state to the logits of the next tokens (B, T, V) and the state after them.

    vocabulary_size     number of tokens V
    embedding_size      number of features of a token embedding
    cell                cell of the recurrent layers
    hidden_size         number of features H of the hidden state
    num_layers          number of recurrent layers
    dropout             dropout between the recurrent layers and before the output layer
    input_dropout       dropout of the embeddings, with one mask for all time steps
    weight_drop         dropout of the recurrent weights
    tie_weights         whether the output layer shares the weights of the embedding; where H differs from the embedding
                        size, a linear layer (`bridge`) maps between them
    backend             backend of the recurrent layers
    neural_cache_size   number of tokens in the neural cache; 0 for none
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
        neural_cache_size: int = 0,
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
        self.cache = NeuralCache(neural_cache_size) if neural_cache_size else None

    @property
    def uses_cache(self) -> bool:
        """Whether the neural cache contributes to the prediction: in evaluation mode, after it was fitted and helps."""
        return self.cache is not None and self.cache.active

    def features(self, ids: Tensor, state: State | None, reset: Reset = None) -> tuple[Tensor, Tensor, State]:
        """Return the input of the output layer (B, T, D), the outputs of the recurrent layers (B, T, H), and their state."""
        y, after = self.recurrent(self.input_dropout(self.embedding(ids)), state, reset=reset)
        return self.bridge(self.dropout(y)), y, after

    def without_cache(self, ids: Tensor, state: State | None, reset: Reset = None) -> tuple[Tensor, Tensor, State]:
        """Return the logits (B, T, V), the outputs of the recurrent layers (B, T, H), and their state."""
        features, y, after = self.features(ids, state, reset)
        return self.output(features), y, after

    def forward(
        self,
        ids: Tensor,
        state: State | None = None,
        targets: Tensor | None = None,
        num_sampled: int = 0,
        reset: Reset = None,
    ) -> tuple[Tensor, State]:
        """Return the logits (B, T, V) and the state after the tokens `ids` (B, T). `reset`: see `recurra.nn.Recurrent`.

        With `targets` (B, T), in training, the first value is instead the mean loss by sampled softmax with `num_sampled`
        classes. In evaluation mode a fitted cache is used, and the logits are log-probabilities.
        """
        if targets is not None:
            features, _, after = self.features(ids, state, reset)
            return sampled_softmax_loss(features.flatten(0, 1), self.output, targets.flatten(), num_sampled), after
        before, memory = split_state(state)
        logits, y, after = self.without_cache(ids, before, reset)
        if self.cache is None or not self.cache.active:
            return logits, after
        logits, new_memory = self.cache(logits, y, ids, memory)
        return logits, State({**after.tensors(), **new_memory.tensors()})


def language_network(network: nn.Module) -> LanguageNetwork:
    """Return the language model inside a network that training may have wrapped."""
    return next(module for module in network.modules() if isinstance(module, LanguageNetwork))
