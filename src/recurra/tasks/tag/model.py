"""The network of a tagger: embeddings, recurrent layers, and a linear layer, with transitions between tags.

`forward` computes the scores of whole rows, `push` those of the next piece of each row; the two agree where the network is
unidirectional and has no transitions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, cast, final

import torch
from torch import Tensor, nn

from ...cells import Cell
from ...models.adversarial import PerturbableInput
from ...nn import Recurrent, State
from ...nn.crf import Chain
from ...nn.dropout import LockedDropout, between_layers
from ...nn.pooling import POOLINGS, PoolState
from .scores import Scores, mean_scores


@final
class FeatureEmbedding(nn.Module):
    """Embeddings of words and of token features, concatenated: (B, T) and (B, T) each -> (B, T, E + F)."""

    def __init__(self, words: nn.Module, sizes: Sequence[int], features: int) -> None:
        super().__init__()
        self.words = words
        self.others = nn.ModuleList(nn.Embedding(size, features, padding_idx=0) for size in sizes)

    def forward(self, x: Tensor, features: Sequence[Tensor]) -> Tensor:
        vectors = [embedding(ids) for embedding, ids in zip(self.others, features, strict=True)]
        return torch.cat([self.words(x), *vectors], -1) if vectors else self.words(x)


@final
class Transitions(nn.Module):
    """The parameters of a chain over K tags. `allowed`: which tag may follow which, begin a row, and end one."""

    def __init__(self, allowed: tuple[Sequence[Sequence[bool]], Sequence[bool], Sequence[bool]]) -> None:
        super().__init__()
        for name, mask in zip(Chain._fields, allowed, strict=True):
            self.register_buffer(f"no_{name}", ~torch.tensor(mask), persistent=False)
            self.register_parameter(name, nn.Parameter(torch.zeros(torch.tensor(mask).shape)))

    def forward(self) -> Chain:
        return Chain(
            *(getattr(self, name).masked_fill(getattr(self, f"no_{name}"), -torch.inf) for name in Chain._fields)
        )


class TaggerState(NamedTuple):
    """The state of a stream: of the recurrent layers, and of the pooling where rows have an intent."""

    recurrent: State | None
    pooled: PoolState | None


States = tuple[TaggerState, ...]  # of each member


class TaggerNetwork(nn.Module, ABC):
    """A network that gives scores of tags for x (B, T) or (B, T, 1 + n-grams) and features (B, T) each."""

    @abstractmethod
    def push(
        self, x: Tensor, lengths: Tensor | None, features: Sequence[Tensor], states: States | None = None
    ) -> tuple[Scores, States]:
        """The scores of the next piece of each row, and the states after it. The intent is that of all pieces so far."""


@final
class Tagger(TaggerNetwork):
    """A tagger; see the module's docstring."""

    def __init__(
        self,
        input_layer: FeatureEmbedding,
        input_size: int,
        cell: Cell,
        *,
        tags: int,
        transitions: Transitions | None,
        intents: int,
        hidden_size: int,
        num_layers: int,
        bidirectional: bool,
        pooling: str,
        dropout: float,
        input_dropout: float,
        backend: str,
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
        directions = 2 if bidirectional else 1
        self.dropout = LockedDropout(dropout)
        self.head = nn.Linear(hidden_size * directions, tags)
        self.transitions = transitions
        self.pooling = POOLINGS[pooling](hidden_size, directions) if intents else None
        self.intent_dropout = nn.Dropout(dropout)
        self.intent_head = nn.Linear(self.pooling.output_size, intents) if self.pooling is not None else None

    def forward(self, x: Tensor, lengths: Tensor | None = None, features: Sequence[Tensor] = ()) -> Scores:
        return self.push(x, lengths, features)[0]

    def push(
        self, x: Tensor, lengths: Tensor | None, features: Sequence[Tensor], states: States | None = None
    ) -> tuple[Scores, States]:
        recurrent, pooled = TaggerState(None, None) if states is None else states[0]
        vectors = self.input_dropout(self.perturbable_input(self.input_layer(x, features)))
        y, recurrent = self.recurrent(vectors, recurrent, lengths=lengths)
        intent = None
        if self.pooling is not None and self.intent_head is not None:
            pooled = self.pooling.push(y, lengths, pooled)
            intent = self.intent_head(self.intent_dropout(self.pooling.result(pooled)))
        emissions = self.head(self.dropout(y))
        scores = Scores(emissions, None if self.transitions is None else self.transitions(), intent)
        return scores, (TaggerState(recurrent, pooled),)


@final
class TaggerEnsemble(TaggerNetwork):
    """Taggers that are trained on the same batches, each with its own initial weights and dropout.

    In evaluation mode the output is the mean of their scores.
    """

    def __init__(self, members: Sequence[Tagger]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(
        self, x: Tensor, lengths: Tensor | None = None, features: Sequence[Tensor] = ()
    ) -> Scores | list[Scores]:
        """The mean; in training mode the scores of each member, because each has its own loss."""
        scores = [member(x, lengths, features) for member in self.members]
        return scores if self.training else mean_scores(scores)

    def push(
        self, x: Tensor, lengths: Tensor | None, features: Sequence[Tensor], states: States | None = None
    ) -> tuple[Scores, States]:
        members = cast("list[Tagger]", list(self.members))
        before: Sequence[States | None] = [None] * len(members) if states is None else [(one,) for one in states]
        pushed = [member.push(x, lengths, features, one) for member, one in zip(members, before, strict=True)]
        return mean_scores([scores for scores, _ in pushed]), tuple(state for _, (state,) in pushed)


def member_scores(network: nn.Module, x: Tensor, lengths: Tensor, features: Sequence[Tensor]) -> list[Scores]:
    """The scores of each member in training mode, of which a single tagger has one; in evaluation mode their mean."""
    output: Scores | list[Scores] = network(x, lengths, features)
    return output if isinstance(output, list) else [output]
