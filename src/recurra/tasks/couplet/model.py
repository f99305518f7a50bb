"""The network of `couplet`: it maps a sequence to a sequence of the same length. Step t of the decoder reads encoder output t.

    question (B, T) -> bidirectional encoder -> (B, T, D)
    step t:  [embedding of the previous answer character; encoder output t] -> recurrent layers -> h
             v = W [h; context; encoder output t] + b        context: of attention to the question, if there is attention
             scores = v E' + c                               E: the embedding matrix of questions and answers

There is no end token, because the answer has the length of the question. The right character often depends on other
positions: it is the punctuation mark of the question, the same character where the question repeats one, or a character that
does not occur yet. Embeddings of rare characters cannot express this. Therefore four numbers u = U v + d are added to the
scores of four groups of characters:

    u1  the character of the question at t      u2  all characters of the question
    u3  the characters of the answer before t   u4  the answer character at the first occurrence of the question character at t
"""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from ...cells import Cell
from ...data.words.vocabulary import Vocabulary
from ...models.encoder import TokenEmbedding
from ...models.seq2seq import Seq2SeqEncoder, TokenScores
from ...nn import Recurrent, State
from ...nn.attention import Attention, Join, Memory, attention
from ...nn.dropout import LockedDropout, between_layers
from .settings import CoupletModel


class Question(NamedTuple):
    """R encoded questions.

    tokens     (R, T): the characters
    valid      (R, T): the mask, False at padding
    first      (R, T): the first position in the question of the same character
    distinct   (R, T): the tokens at their first positions, 0 elsewhere
    values     (R, T, D): the encoder outputs
    memory     the memory of the attention, or None
    swap_bias  (R, 1, E): a vector that is added to the embeddings of pairs whose question and answer are swapped; else zeros
    """

    tokens: Tensor
    valid: Tensor
    first: Tensor
    distinct: Tensor
    values: Tensor
    memory: Memory | None
    swap_bias: Tensor

    def select(self, index: Tensor) -> Question:
        """The questions at `index`, integers."""
        tokens, valid, first, distinct, values, memory, swap_bias = self
        return Question(
            tokens[index],
            valid[index],
            first[index],
            distinct[index],
            values[index],
            None if memory is None else memory.select(index),
            swap_bias[index],
        )


class AlignedState(NamedTuple):
    """The state of the decoder before step `t`, for R answers.

    written   (R, T): the tokens of the previous steps, 0 from there on
    distinct  (R, T): the same, each token at its first position only
    """

    question: Question
    layers: State | None
    written: Tensor
    distinct: Tensor
    t: int

    def select(self, index: Tensor) -> AlignedState:
        """The state of the answers at `index`, integers. An answer may occur more than once."""
        layers = None if self.layers is None else self.layers.rows(index)
        return AlignedState(self.question.select(index), layers, self.written[index], self.distinct[index], self.t)

    def with_previous(self, tokens: Tensor) -> AlignedState:
        """The state after the tokens (R,) of the previous step have been recorded."""
        if not self.t:
            return self
        written, distinct = self.written.clone(), self.distinct.clone()
        distinct[:, self.t - 1] = torch.where((written == tokens[:, None]).any(1), 0, tokens)
        written[:, self.t - 1] = tokens
        return self._replace(written=written, distinct=distinct)


def first_occurrences(tokens: Tensor) -> Tensor:
    """For each position of tokens (B, T), the first position in the same sequence with the same token."""
    order = tokens.argsort(dim=1, stable=True)
    ordered = tokens.gather(1, order)
    position = torch.arange(tokens.shape[1], device=tokens.device).expand_as(ordered)
    begins = torch.cat([torch.ones_like(ordered[:, :1], dtype=torch.bool), ordered[:, 1:] != ordered[:, :-1]], dim=1)
    begin = torch.where(begins, position, 0).cummax(1).values
    return torch.zeros_like(order).scatter(1, order, order.gather(1, begin))


def without_repeats(tokens: Tensor, first: Tensor) -> Tensor:
    """Tokens (B, T) at their first positions, 0 elsewhere. `first`: the result of `first_occurrences`."""
    return torch.where(first == torch.arange(tokens.shape[1], device=tokens.device), tokens, 0)


@final
class AlignedSeq2Seq(nn.Module):
    """An encoder and a decoder of the same number of steps. See the docstring of the module.

    embed    embedding of the characters of questions and answers
    attend   attention with queries of `hidden_size` features, or None for no attention
    start    token before the first character of an answer
    """

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
        self.swap_bias = nn.Parameter(torch.zeros(size))
        with torch.no_grad():
            self.output.bias.zero_()

    def encode(self, x: Tensor, lengths: Tensor, first: Tensor, swapped: Tensor | None = None) -> Question:
        """Encode questions (B, T) with lengths (B,), first occurrences (B, T) and flags (B,) of swapped pairs."""
        scale = 0.0 if swapped is None else swapped[:, None, None].to(self.swap_bias)
        swap_bias = self.swap_bias.expand(len(x), 1, -1) * scale
        values, _ = self.encoder(self.embed(x) + swap_bias, lengths)
        valid = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        memory = None if self.attend is None else self.attend.make_memory(values, lengths)
        distinct = torch.where(valid, without_repeats(x, first_occurrences(x)), 0)
        return Question(x, valid, first, distinct, values, memory, swap_bias)

    def start(self, question: Question) -> AlignedState:
        """The state before the first step."""
        empty = torch.zeros_like(question.tokens)
        return AlignedState(question, None, empty, empty, 0)

    def forward(
        self, x: Tensor, lengths: Tensor, first: Tensor, answer: Tensor, swapped: Tensor | None = None
    ) -> TokenScores:
        """The scores of the valid steps, from the arguments of `encode` and the true answers (B, T)."""
        question = self.encode(x, lengths, first, swapped)
        before = torch.cat([torch.full_like(answer[:, :1], self.start_token), answer[:, :-1]], dim=1)
        vectors, _, _ = self._vectors(before, question, slice(None), None, lengths)
        distinct = without_repeats(answer, first_occurrences(answer))
        members, group = self._group_tokens(question, answer, distinct, torch.arange(x.shape[1], device=x.device))
        valid = question.valid
        return TokenScores(self._scores(vectors[valid], members[valid], group), valid)

    def step(self, tokens: Tensor, state: AlignedState) -> tuple[Tensor, AlignedState, Tensor | None]:
        """Previous tokens (R,) -> scores (R, V) of step t, the new state, and attention weights (R, T) or None."""
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
        """The vectors v (B, S, E) of these steps, from the token before each."""
        values = question.values[:, steps]
        x = torch.cat([self.input_dropout(self.embed(before) + question.swap_bias), values], dim=-1)
        y, after = self.recurrent(x, state, lengths=lengths)
        query, weights = self.dropout(y), None
        if self.attend is not None and question.memory is not None:
            context, weights = self.attend(query, question.memory)
            values = torch.cat([context, values], dim=-1)
        return self.dropout(self.join(query, values)), after, weights

    @staticmethod
    def _group_tokens(question: Question, written: Tensor, distinct: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens of the four groups at the steps (S,), (B, S, N), 0 for none, and the group of each of the N entries.

        written   (B, T): the answers. A step uses only the tokens before it
        distinct  (B, T): the same, each token at its first position only
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
        """The scores (M, V), from vectors v (M, E) and the tokens of the groups (M, N)."""
        added = self.groups(vectors)[:, group] * (members != 0)
        scores: Tensor = self.output(vectors)
        return scores.scatter_add(1, members, added.to(scores.dtype))


def build_network(model: CoupletModel, cell: Cell, *, vocabulary_size: int) -> AlignedSeq2Seq:
    """A new network with the sizes of the settings."""
    size, pad, unknown = model.embedding_size, Vocabulary.pad, Vocabulary.unknown
    embed = TokenEmbedding(vocabulary_size, size, model.token_dropout, pad=pad, unknown=unknown)
    encoder = Seq2SeqEncoder(
        nn.Identity(),
        size,
        cell,
        hidden_size=model.encoder_hidden_size,
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
