"""A sequence for a sequence of the same length: at step t the decoder reads the encoder's output at t.

    question (B, T) -> bidirectional encoder -> (B, T, D)
    step t:  [embedding of the answer's character at t - 1; encoder at t] -> recurrent layers -> h
             v = W [h; context; encoder at t] + b        context: of attention over the whole question, if there is one
             scores = v E' + c, E the embedding of both sides

There is no end token: the answer is as long as the question. Which character is right often depends on the characters in other
places: the same mark as in the question, the same character where the question repeats one, none that was there already.
Embeddings of rare characters cannot express that, so four numbers u = U v + d are added to the scores of groups of characters:

    u1  the question's character at t          u2  those of the question
    u3  those that the answer has so far       u4  the answer's where the question had its character at t before
"""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from ...cells import Cell
from ...data.words.vocabulary import Vocabulary
from ...models.encoder import TokenEmbedding
from ...models.seq2seq import TokenScores, Seq2SeqEncoder
from ...nn import Recurrent, State
from ...nn.attention import Attention, Join, Memory, attention
from ...nn.dropout import LockedDropout, between_layers
from .settings import CoupletModel


class Question(NamedTuple):
    """Encoded questions, for R rows.

    tokens    (R, T), with `valid (R, T)` false on padding
    first     (R, T): the first place of the row with the same character
    distinct  (R, T): the tokens at their first places, else 0
    values    (R, T, D): the encoder's outputs
    memory    of attention, or None
    turn      (R, 1, E): added to the embeddings of rows whose sides are swapped, else zeros
    """

    tokens: Tensor
    valid: Tensor
    first: Tensor
    distinct: Tensor
    values: Tensor
    memory: Memory | None
    turn: Tensor

    def rows(self, index: Tensor) -> Question:
        """Some of the rows, in any order."""
        tokens, valid, first, distinct, values, memory, turn = self
        return Question(
            tokens[index],
            valid[index],
            first[index],
            distinct[index],
            values[index],
            None if memory is None else memory.rows(index),
            turn[index],
        )


class AlignedState(NamedTuple):
    """The state of the decoder before step `t`, for R rows.

    written   (R, T): the tokens of the steps before, then zeros
    distinct  (R, T): the same, each at its first place only
    """

    question: Question
    layers: State | None
    written: Tensor
    distinct: Tensor
    t: int

    def rows(self, index: Tensor) -> AlignedState:
        """Some of the rows, in any order."""
        layers = None if self.layers is None else self.layers.rows(index)
        return AlignedState(self.question.rows(index), layers, self.written[index], self.distinct[index], self.t)

    def with_previous(self, tokens: Tensor) -> AlignedState:
        """The state with the tokens (R,) of the step before this one written."""
        if not self.t:
            return self
        written, distinct = self.written.clone(), self.distinct.clone()
        distinct[:, self.t - 1] = torch.where((written == tokens[:, None]).any(1), 0, tokens)
        written[:, self.t - 1] = tokens
        return self._replace(written=written, distinct=distinct)


def first_occurrences(tokens: Tensor) -> Tensor:
    """For each place of (B, T) the first place of its row with the same number."""
    order = tokens.argsort(dim=1, stable=True)
    ordered = tokens.gather(1, order)
    place = torch.arange(tokens.shape[1], device=tokens.device).expand_as(ordered)
    begins = torch.cat([torch.ones_like(ordered[:, :1], dtype=torch.bool), ordered[:, 1:] != ordered[:, :-1]], dim=1)
    begin = torch.where(begins, place, 0).cummax(1).values
    return torch.zeros_like(order).scatter(1, order, order.gather(1, begin))


def without_repeats(tokens: Tensor, first: Tensor) -> Tensor:
    """tokens (B, T) at their first places, 0 elsewhere."""
    return torch.where(first == torch.arange(tokens.shape[1], device=tokens.device), tokens, 0)


@final
class AlignedSeq2Seq(nn.Module):
    """See the module's docstring. `attend` is the attention, with queries of `hidden_size`, or None."""

    def __init__(
        self,
        embed: TokenEmbedding,
        encoder: Seq2SeqEncoder,
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

    def encode(self, x: Tensor, lengths: Tensor, first: Tensor, swapped: Tensor | None = None) -> Question:
        """Questions (B, T), their lengths (B,), the first places of their characters (B, T), and which are swapped (B,)."""
        turn = self.turn.expand(len(x), 1, -1) * (0.0 if swapped is None else swapped[:, None, None].to(self.turn))
        values, _ = self.encoder(self.embed(x) + turn, lengths)
        valid = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        memory = None if self.attend is None else self.attend.make_memory(values, lengths)
        distinct = torch.where(valid, without_repeats(x, first_occurrences(x)), 0)
        return Question(x, valid, first, distinct, values, memory, turn)

    def start(self, question: Question) -> AlignedState:
        """The state before the first step."""
        nothing = torch.zeros_like(question.tokens)
        return AlignedState(question, None, nothing, nothing, 0)

    def forward(
        self, x: Tensor, lengths: Tensor, first: Tensor, answer: Tensor, swapped: Tensor | None = None
    ) -> TokenScores:
        """As `encode`, and the true answers (B, T): scores (M, V) of the valid steps, row after row."""
        question = self.encode(x, lengths, first, swapped)
        before = torch.cat([torch.full_like(answer[:, :1], self.start_token), answer[:, :-1]], dim=1)
        vectors, _, _ = self._vectors(before, question, slice(None), None, lengths)
        distinct = without_repeats(answer, first_occurrences(answer))
        members, group = self._group_tokens(question, answer, distinct, torch.arange(x.shape[1], device=x.device))
        valid = question.valid
        return TokenScores(self._scores(vectors[valid], members[valid], group), valid)

    def step(self, tokens: Tensor, state: AlignedState) -> tuple[Tensor, AlignedState, Tensor | None]:
        """tokens (R,), those of the step before -> scores (R, V) of step t, the state after, weights (R, T) or None."""
        state = state.with_previous(tokens)
        question, t = state.question, state.t
        vectors, layers, weights = self._vectors(tokens[:, None], question, slice(t, t + 1), state.layers, None)
        step = torch.tensor([t], device=tokens.device)
        members, group = self._group_tokens(question, state.written, state.distinct, step)
        scores = self._scores(vectors[:, 0], members[:, 0], group)
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
    def _group_tokens(question: Question, written: Tensor, distinct: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens of the four groups at the steps (S,): (B, S, N), 0 for none, and the group of each of the N places.

        written (B, T): the answers, of which a step sees the steps before; `distinct` the same, each at its first place only.
        """
        tokens, first, T = question.tokens, question.first[:, steps], question.tokens.shape[1]
        at = torch.arange(T, device=tokens.device)
        of_question = question.distinct[:, None].expand(-1, len(steps), -1)
        of_answer = torch.where(at < steps[:, None], distinct[:, None], 0)
        repeated = torch.where(first < steps, written.gather(1, first), 0)
        members = torch.cat([tokens[:, steps, None], of_question, of_answer, repeated[..., None]], dim=-1)
        group = torch.tensor([0, *[1] * T, *[2] * T, 3], device=tokens.device)
        return members, group

    def _scores(self, vectors: Tensor, members: Tensor, group: Tensor) -> Tensor:
        """vectors (M, E), tokens of the groups (M, N) -> scores (M, V)."""
        added = self.groups(vectors)[:, group] * (members != 0)
        scores: Tensor = self.output(vectors)
        return scores.scatter_add(1, members, added.to(scores.dtype))


def build_network(model: CoupletModel, cell: Cell, *, vocabulary_size: int) -> AlignedSeq2Seq:
    """A new network, as the settings have it."""
    size, pad, unknown = model.embedding_size, Vocabulary.pad, Vocabulary.unknown
    embed = TokenEmbedding(vocabulary_size, size, model.token_dropout, pad=pad, unknown=unknown)
    encoder = Seq2SeqEncoder(
        nn.Identity(),
        size,
        cell,
        hidden_size=max(model.hidden_size // 2, 1),
        num_layers=model.encoder_layers,
        dropout=model.dropout,
        input_dropout=model.input_dropout,
        backend=model.backend,
    )
    return AlignedSeq2Seq(
        embed,
        encoder,
        cell,
        hidden_size=model.hidden_size,
        num_layers=model.num_layers,
        attend=None
        if model.attention == "none"
        else attention(model.attention, model.hidden_size, encoder.output_size),
        start=Vocabulary.end,
        dropout=model.dropout,
        input_dropout=model.input_dropout,
        backend=model.backend,
    )
