"""The network of a tagger: embeddings, recurrent layers, a linear layer, and transitions between tags.

`forward` computes the scores of complete sequences, `push` those of the next chunk of each sequence. The two agree if the
network is unidirectional and has no transitions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, cast, final

import torch
from torch import Tensor, nn

from ...cells import Cell
from ...models.adversarial import PerturbableInput
from ...models.delay import with_empty_steps, without_first_steps
from ...nn import Recurrent, State
from ...nn.crf import TransitionScores
from ...nn.dropout import LockedDropout, between_layers
from ...nn.pooling import POOLINGS, PoolState
from .scores import Scores, mean_scores


@final
class FeatureEmbedding(nn.Module):
    """The concatenated embeddings of words and of token features.

    Args:
        words: The embedding of words, (B, T) or (B, T, 1 + n-grams) -> (B, T, E).
        sizes: The number of ids of each feature.
        embedding_size: The size of the embedding of each feature.
    """

    def __init__(self, words: nn.Module, sizes: Sequence[int], embedding_size: int) -> None:
        super().__init__()
        self.words = words
        self.features = nn.ModuleList(nn.Embedding(size, embedding_size, padding_idx=0) for size in sizes)

    def forward(self, x: Tensor, features: Sequence[Tensor]) -> Tensor:
        """The embeddings (B, T, E + F embedding_size) of words `x` and F features (B, T) each."""
        embedded = [embedding(ids) for embedding, ids in zip(self.features, features, strict=True)]
        return torch.cat([self.words(x), *embedded], -1) if embedded else self.words(x)


@final
class Transitions(nn.Module):
    """Learnable transition scores over K tags.

    Args:
        allowed: Which tag may follow which (K, K), begin a sequence (K,), and end one (K,).
    """

    def __init__(self, allowed: tuple[Sequence[Sequence[bool]], Sequence[bool], Sequence[bool]]) -> None:
        super().__init__()
        for name, mask in zip(TransitionScores._fields, allowed, strict=True):
            self.register_buffer(f"forbidden_{name}", ~torch.tensor(mask), persistent=False)
            self.register_parameter(name, nn.Parameter(torch.zeros(torch.tensor(mask).shape)))

    def forward(self) -> TransitionScores:
        """The scores, -inf for forbidden transitions."""
        return TransitionScores(
            *(
                getattr(self, name).masked_fill(getattr(self, f"forbidden_{name}"), -torch.inf)
                for name in TransitionScores._fields
            )
        )


class TaggerState(NamedTuple):
    """The state of a stream: of the recurrent layers and, with sentence labels, of the pooling."""

    recurrent: State | None
    pooled: PoolState | None


States = tuple[TaggerState, ...]  # of each member


class TaggerNetwork(nn.Module, ABC):
    """A network that computes scores of tags from x (B, T) or (B, T, 1 + n-grams) and features (B, T) each."""

    @abstractmethod
    def push(
        self, x: Tensor, lengths: Tensor | None, features: Sequence[Tensor], states: States | None = None
    ) -> tuple[Scores, States]:
        """The scores of the next chunk of each sequence, and the new states.

        The scores of the sentence label refer to all chunks so far. With a delay, the scores are those of earlier tokens.
        """


@final
class Tagger(TaggerNetwork):
    """A single tagger.

    Args:
        input_layer: The embedding of the inputs.
        input_size: The size of the embedding.
        cell: The recurrent cell.
        tags: The number of tags.
        transitions: The transitions of a conditional random field; None: each tag is predicted independently.
        sentence_labels: The number of sentence labels; 0: none.
        hidden_size, num_layers, bidirectional, pooling, dropout, input_dropout, backend: The settings of the same names.
        delay: The number of tokens after which the scores of a token are given.
    """

    def __init__(
        self,
        input_layer: FeatureEmbedding,
        input_size: int,
        cell: Cell,
        *,
        tags: int,
        transitions: Transitions | None,
        sentence_labels: int,
        hidden_size: int,
        num_layers: int,
        bidirectional: bool,
        pooling: str,
        dropout: float,
        input_dropout: float,
        backend: str,
        delay: int = 0,
    ) -> None:
        super().__init__()
        self.delay = delay
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
        self.pooling = POOLINGS[pooling](hidden_size, directions) if sentence_labels else None
        self.label_dropout = nn.Dropout(dropout)
        self.label_head = nn.Linear(self.pooling.output_size, sentence_labels) if self.pooling is not None else None

    def forward(self, x: Tensor, lengths: Tensor | None = None, features: Sequence[Tensor] = ()) -> Scores:
        """The scores of complete sequences."""
        if not self.delay:
            return self.push(x, lengths, features)[0]
        lengths = None if lengths is None else lengths + self.delay
        extended = [with_empty_steps(value, self.delay) for value in (x, *features)]
        scores = self.push(extended[0], lengths, extended[1:])[0]
        return scores._replace(emissions=without_first_steps(scores.emissions, self.delay))

    def inputs(self, x: Tensor, features: Sequence[Tensor]) -> Tensor:
        """The input of the recurrent layers, (B, T, I)."""
        embedded: Tensor = self.input_dropout(self.perturbable_input(self.input_layer(x, features)))
        return embedded

    def push(
        self, x: Tensor, lengths: Tensor | None, features: Sequence[Tensor], states: States | None = None
    ) -> tuple[Scores, States]:
        """See `TaggerNetwork.push`."""
        recurrent, pooled = TaggerState(None, None) if states is None else states[0]
        y, recurrent = self.recurrent(self.inputs(x, features), recurrent, lengths=lengths)
        sentence_label = None
        if self.pooling is not None and self.label_head is not None:
            pooled = self.pooling.push(y, lengths, pooled)
            sentence_label = self.label_head(self.label_dropout(self.pooling.result(pooled)))
        emissions = self.head(self.dropout(y))
        scores = Scores(emissions, None if self.transitions is None else self.transitions(), sentence_label)
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
        """The mean scores; in training mode the scores of each member, because each has its own loss."""
        scores = [member(x, lengths, features) for member in self.members]
        return scores if self.training else mean_scores(scores)

    def push(
        self, x: Tensor, lengths: Tensor | None, features: Sequence[Tensor], states: States | None = None
    ) -> tuple[Scores, States]:
        """See `TaggerNetwork.push`."""
        members = cast("list[Tagger]", list(self.members))
        member_states: Sequence[States | None] = (
            [None] * len(members) if states is None else [(state,) for state in states]
        )
        outputs = [
            member.push(x, lengths, features, state) for member, state in zip(members, member_states, strict=True)
        ]
        return mean_scores([scores for scores, _ in outputs]), tuple(state for _, (state,) in outputs)


def member_scores(network: nn.Module, x: Tensor, lengths: Tensor, features: Sequence[Tensor]) -> list[Scores]:
    """In training mode, the scores of each member (a single tagger has one); in evaluation mode, a list of their mean."""
    output: Scores | list[Scores] = network(x, lengths, features)
    return output if isinstance(output, list) else [output]
