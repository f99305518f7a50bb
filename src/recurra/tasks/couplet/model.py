"""A sequence for a sequence of the same length: at each step the decoder is given what the encoder says of that step.

    question (B, T) -> encoder, both ways -> (B, T, D)
    step t:  [vector of the answer's character at t - 1; encoder at t] -> recurrent layers -> h
             v = W [h; context; encoder at t] + b        context: of attention over the whole question, if there is one
             scores = v E' + c, E the embedding of both sides

No end is ever told: the answer is as long as the question. What stands in a place is often told by what stands elsewhere: the
same mark as in the question, the same character where the question repeats one, none that was there already. Vectors of
rare characters cannot say that, so four numbers u = U v + d are added to the scores of whole groups of characters:

    u1  the question's character at t          u2  those of the question
    u3  those that the answer has so far       u4  the answer's where the question had its character at t before
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...cells import Cell
from ...models.encoder import Tokens
from ...models.seq2seq import Answer, Encoder
from ...nn import Recurrent, State
from ...nn.attention import Attention, Join, Memory
from ...nn.dropout import LockedDropout, between_layers


class Question(NamedTuple):
    """What is known before the answer is begun, for R rows.

    tokens  (R, T), with `live (R, T)` false on padding
    first   (R, T): the first place of the row with the same character
    asked   (R, T): the tokens, each once, else 0
    values  (R, T, D): the encoder's outputs
    memory  what attention looks at, or None
    turn    (R, 1, E): what is added to the vectors of rows that are turned round, else zeros
    """

    tokens: Tensor
    live: Tensor
    first: Tensor
    asked: Tensor
    values: Tensor
    memory: Memory | None
    turn: Tensor

    def rows(self, index: Tensor) -> Question:
        tokens, live, first, asked, values, memory, turn = self
        return Question(
            tokens[index],
            live[index],
            first[index],
            asked[index],
            values[index],
            None if memory is None else memory.rows(index),
            turn[index],
        )


class AlignedState(NamedTuple):
    """Where an answer stands, for R rows: what was written before step `t` (R, T), and the same, each once; else zeros."""

    question: Question
    layers: State | None
    written: Tensor
    single: Tensor
    t: int

    def rows(self, index: Tensor) -> AlignedState:
        layers = None if self.layers is None else self.layers.rows(index)
        return AlignedState(self.question.rows(index), layers, self.written[index], self.single[index], self.t)

    def wrote(self, tokens: Tensor) -> AlignedState:
        """With the tokens (R,) of the step before this one."""
        if not self.t:
            return self
        written, single = self.written.clone(), self.single.clone()
        single[:, self.t - 1] = torch.where((written == tokens[:, None]).any(1), 0, tokens)
        written[:, self.t - 1] = tokens
        return self._replace(written=written, single=single)


def first_places(tokens: Tensor) -> Tensor:
    """For each place of (B, T) the first one of its row with the same number."""
    order = tokens.argsort(dim=1, stable=True)
    alike = tokens.gather(1, order)
    place = torch.arange(tokens.shape[1], device=tokens.device).expand_as(alike)
    begins = torch.cat([torch.ones_like(alike[:, :1], dtype=torch.bool), alike[:, 1:] != alike[:, :-1]], dim=1)
    begin = torch.where(begins, place, 0).cummax(1).values
    return torch.zeros_like(order).scatter(1, order, order.gather(1, begin))


def once(tokens: Tensor, first: Tensor) -> Tensor:
    """tokens (B, T) at their first places, 0 elsewhere."""
    return torch.where(first == torch.arange(tokens.shape[1], device=tokens.device), tokens, 0)


class Aligned(nn.Module):
    """See the module's docstring. `attend` is the attention, with queries of `hidden_size`, or None."""

    def __init__(
        self,
        embed: Tokens,
        encoder: Encoder,
        cell: Cell,
        *,
        hidden_size: int,
        num_layers: int = 1,
        attend: Attention | None = None,
        start: int,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        size, context = embed.embedding.embedding_dim, encoder.output_size
        self.embed, self.encoder, self.attend, self.start_token = embed, encoder, attend, start
        self.input_dropout, self.dropout = LockedDropout(input_dropout), LockedDropout(dropout)
        self.recurrent = Recurrent(
            cell,
            size + context,
            hidden_size,
            num_layers=num_layers,
            dropout=between_layers(dropout, num_layers),
            backend=backend,
        )
        self.join = Join(hidden_size, context * (1 if attend is None else 2), size, linear=True)
        self.output = nn.Linear(size, embed.embedding.num_embeddings)
        self.output.weight = embed.embedding.weight
        self.groups = nn.Linear(size, 4)
        self.turn = nn.Parameter(torch.zeros(size))
        with torch.no_grad():
            self.output.bias.zero_()

    def ask(self, x: Tensor, lengths: Tensor, first: Tensor, turned: Tensor | None = None) -> Question:
        """Questions (B, T), their lengths (B,), the first places of their characters (B, T), and which are turned (B,)."""
        turn = self.turn.expand(len(x), 1, -1) * (0.0 if turned is None else turned[:, None, None].to(self.turn))
        values, _ = self.encoder(self.embed(x) + turn, lengths)
        live = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        memory = None if self.attend is None else self.attend.remember(values, lengths)
        asked = torch.where(live, once(x, first_places(x)), 0)
        return Question(x, live, first, asked, values, memory, turn)

    def start(self, question: Question) -> AlignedState:
        """The state before the first step."""
        nothing = torch.zeros_like(question.tokens)
        return AlignedState(question, None, nothing, nothing, 0)

    def forward(
        self, x: Tensor, lengths: Tensor, first: Tensor, answer: Tensor, turned: Tensor | None = None
    ) -> Answer:
        """As `ask`, and the true answers (B, T): scores (M, V) of the live steps, row after row."""
        question = self.ask(x, lengths, first, turned)
        before = torch.cat([torch.full_like(answer[:, :1], self.start_token), answer[:, :-1]], dim=1)
        vectors, _, _ = self._vectors(before, question, slice(None), None, lengths)
        single = once(answer, first_places(answer))
        places, kinds = self._places(question, answer, single, torch.arange(x.shape[1], device=x.device))
        live = question.live
        return Answer(self._scores(vectors[live], places[live], kinds), live)

    def step(self, tokens: Tensor, state: AlignedState) -> tuple[Tensor, AlignedState, Tensor | None]:
        """tokens (R,), those of the step before -> scores (R, V) of step t, the state after, weights (R, T) or None."""
        state = state.wrote(tokens)
        question, t = state.question, state.t
        vectors, layers, weights = self._vectors(tokens[:, None], question, slice(t, t + 1), state.layers, None)
        step = torch.tensor([t], device=tokens.device)
        places, kinds = self._places(question, state.written, state.single, step)
        scores = self._scores(vectors[:, 0], places[:, 0], kinds)
        return scores, state._replace(layers=layers, t=t + 1), None if weights is None else weights[:, 0]

    def _vectors(
        self, before: Tensor, question: Question, steps: slice, state: State | None, lengths: Tensor | None
    ) -> tuple[Tensor, State, Tensor | None]:
        """The vectors (B, S, E) of these steps, from the tokens before each."""
        values = question.values[:, steps]
        x = torch.cat([self.input_dropout(self.embed(before) + question.turn), values], dim=-1)
        y, after = self.recurrent(x, state, lengths=lengths)
        query, weights = self.dropout(y), None
        if self.attend is not None and question.memory is not None:
            context, weights = self.attend(query, question.memory)
            values = torch.cat([context, values], dim=-1)
        return self.dropout(self.join(query, values)), after, weights

    @staticmethod
    def _places(question: Question, written: Tensor, single: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """The characters of the four groups at each of the steps (S,): (B, S, N), 0 for none, and the group of each of N.

        written (B, T): the answers, of which a step sees what stands before it; `single` the same, each character once.
        """
        tokens, first, T = question.tokens, question.first[:, steps], question.tokens.shape[1]
        at = torch.arange(T, device=tokens.device)
        asked = question.asked[:, None].expand(-1, len(steps), -1)
        had = torch.where(at < steps[:, None], single[:, None], 0)
        echo = torch.where(first < steps, written.gather(1, first), 0)
        groups = torch.cat([tokens[:, steps, None], asked, had, echo[..., None]], dim=-1)
        kinds = torch.tensor([0, *[1] * T, *[2] * T, 3], device=tokens.device)
        return groups, kinds

    def _scores(self, vectors: Tensor, places: Tensor, kinds: Tensor) -> Tensor:
        """vectors (M, E), characters of the groups (M, N) -> scores (M, V)."""
        more = self.groups(vectors)[:, kinds] * (places != 0)
        scores: Tensor = self.output(vectors)
        return scores.scatter_add(1, places, more.to(scores.dtype))
