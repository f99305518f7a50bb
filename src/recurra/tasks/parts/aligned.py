"""A sequence for a sequence of the same length: at each step the decoder is given what the encoder says of that step.

    question (B, T) -> encoder, both ways -> (B, T, D)
    step t:  [vector of the answer's character at t - 1; encoder at t] -> recurrent layers -> h
             v = tanh(W [h; context; encoder at t] + b)        context: of attention over the whole question, if there is one
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
from ...nn import Recurrent, State
from ...nn.attention import Attention, Join, Memory
from ...nn.dropout import LockedDropout
from .encoder import Tokens
from .seq2seq import Answer, Encoder


class Question(NamedTuple):
    """What is known before the answer is begun, for R rows.

    tokens  (R, T), with `live (R, T)` false on padding
    first   (R, T): the first place of the row with the same character
    values  (R, T, D): the encoder's outputs
    memory  what attention looks at, or None
    turn    (R, 1, E): what is added to the vectors of rows that are turned round, else zeros
    """

    tokens: Tensor
    live: Tensor
    first: Tensor
    values: Tensor
    memory: Memory | None
    turn: Tensor

    def rows(self, index: Tensor) -> Question:
        tokens, live, first, values, memory, turn = self
        return Question(
            *(part[index] for part in (tokens, live, first, values)),
            None if memory is None else memory.rows(index),
            turn[index],
        )


class AlignedState(NamedTuple):
    """Where an answer stands, for R rows: what was written before step `t` (R, T), zeros from there on."""

    question: Question
    layers: State | None
    written: Tensor
    t: int

    def rows(self, index: Tensor) -> AlignedState:
        layers = None if self.layers is None else self.layers.rows(index)
        return AlignedState(self.question.rows(index), layers, self.written[index], self.t)


def first_places(tokens: Tensor) -> Tensor:
    """For each place of (B, T) the first one of its row with the same number."""
    return (tokens[:, :, None] == tokens[:, None, :]).to(torch.uint8).argmax(-1)


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
            dropout=dropout if num_layers > 1 else 0.0,
            backend=backend,
        )
        self.join = Join(hidden_size, context * (1 if attend is None else 2), size)
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
        return Question(x, live, first, values, memory, turn)

    def start(self, question: Question) -> AlignedState:
        """The state before the first step."""
        return AlignedState(question, None, torch.zeros_like(question.tokens), 0)

    def forward(
        self, x: Tensor, lengths: Tensor, first: Tensor, answer: Tensor, turned: Tensor | None = None
    ) -> Answer:
        """As `ask`, and the true answers (B, T): scores (M, V) of the live steps, row after row."""
        question = self.ask(x, lengths, first, turned)
        before = torch.cat([torch.full_like(answer[:, :1], self.start_token), answer[:, :-1]], dim=1)
        vectors, _, _ = self._vectors(before, question, slice(None), None, lengths)
        places, kinds = self._places(question, answer, torch.arange(x.shape[1], device=x.device))
        live = question.live
        return Answer(self._scores(vectors[live], places[live], kinds), live)

    def step(self, tokens: Tensor, state: AlignedState) -> tuple[Tensor, AlignedState, Tensor | None]:
        """tokens (R,), those of the step before -> scores (R, V) of step t, the state after, weights (R, T) or None."""
        question, t = state.question, state.t
        written = state.written
        if t:
            written = written.clone()
            written[:, t - 1] = tokens
        vectors, layers, weights = self._vectors(tokens[:, None], question, slice(t, t + 1), state.layers, None)
        places, kinds = self._places(question, written, torch.tensor([t], device=tokens.device))
        scores = self._scores(vectors[:, 0], places[:, 0], kinds)
        return scores, AlignedState(question, layers, written, t + 1), None if weights is None else weights[:, 0]

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
    def _places(question: Question, written: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """The characters of the four groups at each of the steps (S,): (B, S, N), 0 for none, and the group of each of N.

        written (B, T): the answers, of which a step sees what stands before it.
        """
        tokens, live, first, *_ = question
        T = tokens.shape[1]
        at = torch.arange(T, device=tokens.device)
        asked = torch.where(live & (first_places(tokens) == at), tokens, 0)[:, None].expand(-1, len(steps), -1)
        once = torch.where(first_places(written) == at, written, 0)
        had = torch.where(at < steps[:, None], once[:, None], 0)
        echo = torch.where(first[:, steps] < steps, written.gather(1, first[:, steps]), 0)
        groups = torch.cat([tokens[:, steps, None], asked, had, echo[..., None]], dim=-1)
        kinds = torch.tensor([0, *[1] * T, *[2] * T, 3], device=tokens.device)
        return groups, kinds

    def _scores(self, vectors: Tensor, places: Tensor, kinds: Tensor) -> Tensor:
        """vectors (M, E), characters of the groups (M, N) -> scores (M, V)."""
        more = self.groups(vectors)[:, kinds] * (places != 0)
        scores: Tensor = self.output(vectors)
        return scores.scatter_add(1, places, more.to(scores.dtype))
