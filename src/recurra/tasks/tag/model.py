"""A score for every tag of every token: embedding, recurrent layers, linear layer, and what a tag says of the next.

`forward` gives the whole row, `push` the next piece of it, with the state: they agree where the network is causal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...cells import Cell
from ...models.adversarial import Movable
from ...nn import Recurrent, State
from ...nn.crf import Chain, best_path, log_partition, path_score
from ...nn.dropout import LockedDropout, between_layers
from ...nn.pooling import POOLINGS


class Scores(NamedTuple):
    """emissions (B, T, K); chain where the output is a conditional random field; intent (B, C) where there is one."""

    emissions: Tensor
    chain: Chain | None
    intent: Tensor | None


class Beside(nn.Module):
    """Vectors of the words with those of other columns joined to them: (B, T, E) and (B, T) each -> (B, T, E + F)."""

    def __init__(self, words: nn.Module, sizes: Sequence[int], features: int) -> None:
        super().__init__()
        self.words = words
        self.others = nn.ModuleList(nn.Embedding(size, features, padding_idx=0) for size in sizes)

    def forward(self, x: Tensor, others: Sequence[Tensor]) -> Tensor:
        vectors = [one(ids) for one, ids in zip(self.others, others, strict=True)]
        return torch.cat([self.words(x), *vectors], -1) if vectors else self.words(x)


class Transitions(nn.Module):
    """The parameters of a chain over K tags; `allowed` says what may follow what, begin a row and end one."""

    def __init__(self, allowed: tuple[Sequence[Sequence[bool]], Sequence[bool], Sequence[bool]]) -> None:
        super().__init__()
        for name, mask in zip(Chain._fields, allowed, strict=True):
            self.register_buffer(f"no_{name}", ~torch.tensor(mask), persistent=False)
            self.register_parameter(name, nn.Parameter(torch.zeros(torch.tensor(mask).shape)))

    def forward(self) -> Chain:
        return Chain(
            *(getattr(self, name).masked_fill(getattr(self, f"no_{name}"), -torch.inf) for name in Chain._fields)
        )


class Tagger(nn.Module):
    """The network of `tag`; the parts are named in the module's docstring."""

    def __init__(
        self,
        front: Beside,
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
        self.front = front
        self.movable = Movable()
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

    def forward(self, x: Tensor, lengths: Tensor | None = None, others: Sequence[Tensor] = ()) -> Scores:
        return self.push(x, lengths, others)[0]

    def push(
        self, x: Tensor, lengths: Tensor | None, others: Sequence[Tensor], state: Any = None
    ) -> tuple[Scores, Any]:
        """The next piece of each row, and the state after it. The intent is that of all so far."""
        recurrent: State | None
        recurrent, pooled = (None, None) if state is None else state
        y, recurrent = self.recurrent(
            self.input_dropout(self.movable(self.front(x, others))), recurrent, lengths=lengths
        )
        intent = None
        if self.pooling is not None and self.intent_head is not None:
            pooled = self.pooling.push(y, lengths, pooled)
            intent = self.intent_head(self.intent_dropout(self.pooling.result(pooled)))
        emissions = self.head(self.dropout(y))
        return Scores(emissions, None if self.transitions is None else self.transitions(), intent), (recurrent, pooled)


class Taggers(nn.Module):
    """Several that see the same batches, each with its own first weights and dropout; in use their mean scores count.

    The mean of the scores is the chain whose probabilities are the geometric mean of theirs (a product of experts:
    Hinton 2002).
    """

    def __init__(self, members: Sequence[Tagger]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor, lengths: Tensor | None = None, others: Sequence[Tensor] = ()) -> Scores | list[Scores]:
        """Merged; in training each member's, for each is to meet the targets alone."""
        scores = [member(x, lengths, others) for member in self.members]
        return scores if self.training else merged(scores)

    def push(
        self, x: Tensor, lengths: Tensor | None, others: Sequence[Tensor], state: Any = None
    ) -> tuple[Scores, Any]:
        states = [None] * len(self.members) if state is None else state
        found = [member.push(x, lengths, others, one) for member, one in zip(self.members, states, strict=True)]  # type: ignore[operator]
        return merged([scores for scores, _ in found]), [after for _, after in found]


def merged(scores: Sequence[Scores]) -> Scores:
    def mean(parts: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(parts)).mean(0)

    chains = [one.chain for one in scores if one.chain is not None]
    intents = [one.intent.log_softmax(-1) for one in scores if one.intent is not None]
    return Scores(
        mean([one.emissions for one in scores]),
        Chain(*(mean(parts) for parts in zip(*chains, strict=True))) if chains else None,
        mean(intents) if intents else None,
    )


def row_losses(scores: Scores, tags: Tensor, lengths: Tensor, intent: Tensor | None) -> Tensor:
    """Nats of each row's tags and intent together, (B,). An intent of -1 is unknown and costs nothing."""
    if scores.chain is not None:
        losses = log_partition(scores.emissions, scores.chain, lengths) - path_score(
            scores.emissions, tags, scores.chain, lengths
        )
    else:
        live = torch.arange(tags.shape[1], device=tags.device) < lengths[:, None]
        wanted = torch.where(live, tags, -1)
        losses = F.cross_entropy(scores.emissions.transpose(1, 2), wanted, reduction="none", ignore_index=-1).sum(1)
    if scores.intent is not None and intent is not None:
        losses = losses + F.cross_entropy(scores.intent, intent, reduction="none", ignore_index=-1)
    return losses


def best_tags(scores: Scores, lengths: Tensor | None = None) -> Tensor:
    """The tags of each row, (B, T): the best path, or the best tag of each token."""
    if scores.chain is not None:
        return best_path(scores.emissions, scores.chain, lengths)
    return scores.emissions.argmax(-1)
