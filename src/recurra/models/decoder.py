"""A decoder: from a memory of vectors to a sequence of tokens. Any cell, with attention or without.

The context, what attention finds in the memory, reaches the decoder at each step. Where it enters is `feed`:

    between  embedding -> lower layer -> (its output asks) context -> upper layers of [lower; context] -> output
             Wu et al. 2016, arXiv:1609.08144. What asks does not hang on earlier contexts, so that in training all steps
             of a layer run at once
    input    [embedding; context of the step before] -> layers -> (their output asks) context -> output
             Luong et al. 2015, arXiv:1508.04025, input feeding: a loop over the steps, also in training
    output   embedding -> layers -> (their output asks) context -> output: the layers never see it

In each, the vector of a step is tanh(W [top; context] + b). Without attention the context is the encoder's summary, the same
at every step (Cho et al. 2014, arXiv:1406.1078).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..cells import Cell
from ..errors import SettingError
from ..nn import Recurrent, State
from ..nn.attention import Attention, Join, Memory
from ..nn.dropout import LockedDropout, between_layers

CONTEXT_INJECTIONS = ("between", "input", "output")


class DecoderState(NamedTuple):
    """Where a decoder stands, for R rows; `rows` picks some of them, in any order."""

    memory: Memory
    layers: tuple[State, ...]
    context: Tensor  # (R, V): that of the last step; the summary where there is no attention

    def rows(self, index: Tensor) -> DecoderState:
        return DecoderState(
            self.memory.rows(index), tuple(layer.rows(index) for layer in self.layers), self.context[index]
        )


class Bridge(nn.Module):
    """The first state of a recurrent layer from a vector (B, V): tanh(W v + b), for every part of the state."""

    def __init__(self, size: int, recurrent: Recurrent) -> None:
        super().__init__()
        self.sizes = {name: part.shape[1] for name, part in recurrent.initial_state(1).tensors().items()}
        self.map = nn.Linear(size, sum(self.sizes.values()))

    def forward(self, vector: Tensor) -> State:
        parts = torch.split(torch.tanh(self.map(vector)), list(self.sizes.values()), dim=-1)
        return State({name: part.contiguous() for name, part in zip(self.sizes, parts, strict=True)})


class Decoder(nn.Module):
    """`embed` turns tokens (B, S) into (B, S, E); the decoder gives a vector (B, S, output_size) for each of them.

    memory_size  V, of the values of the memory
    attend       the attention, with queries of `hidden_size`; None: there is none
    summary_at_steps  whether the summary is the context of every step where there is no attention; else it makes the
                 first state alone, and the context is zero
    """

    def __init__(
        self,
        embed: nn.Module,
        embedding_size: int,
        cell: Cell,
        *,
        memory_size: int,
        hidden_size: int,
        output_size: int,
        num_layers: int = 2,
        attend: Attention | None = None,
        summary_at_steps: bool = True,
        context_injection: str = "between",
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        if context_injection == "between" and num_layers < 2:
            raise SettingError(
                f"feed is between, which wants a layer below and one above, and num_layers is {num_layers}; "
                "say num_layers=2, or context_injection=input"
            )
        self.embed, self.attend, self.context_injection, self.output_size = embed, attend, context_injection, output_size
        self.summary_at_steps = summary_at_steps
        self.input_dropout, self.dropout = LockedDropout(input_dropout), nn.Dropout(dropout)
        below = 1 if context_injection == "between" else num_layers

        def layers(size: int, count: int) -> Recurrent:
            return Recurrent(
                cell, size, hidden_size, num_layers=count, dropout=between_layers(dropout, count), backend=backend
            )

        self.lower = layers(embedding_size + (memory_size if context_injection == "input" else 0), below)
        self.upper = layers(hidden_size + memory_size, num_layers - 1) if context_injection == "between" else None
        self.bridges = nn.ModuleList(Bridge(memory_size, layer) for layer in self._layers)
        self.join = Join(hidden_size, memory_size, output_size)

    @property
    def _layers(self) -> list[Recurrent]:
        return [self.lower] if self.upper is None else [self.lower, self.upper]

    def start(self, values: Tensor, lengths: Tensor | None, summary: Tensor) -> DecoderState:
        """values (B, N, V) with `lengths (B,)`, and their summary (B, V) -> the state before the first step."""
        layers = tuple(bridge(summary) for bridge in self.bridges)
        if self.attend is None:
            context = summary if self.summary_at_steps else torch.zeros_like(summary)
            return DecoderState(Memory(values, values, None), layers, context)
        return DecoderState(self.attend.make_memory(values, lengths), layers, torch.zeros_like(summary))

    def forward(
        self, tokens: Tensor, state: DecoderState, lengths: Tensor | None = None
    ) -> tuple[Tensor, DecoderState, Tensor | None]:
        """tokens (B, S), of which `lengths (B,)` count -> vectors (B, S, output_size), the state after, weights (B, S, N).

        Vectors past a row's length mean nothing; nor does the context of the state, unless every row is S long.
        """
        x = self.input_dropout(self.embed(tokens))
        if self.context_injection == "input" and self.attend is not None:
            return self._step_by_step(x, state)
        S, memory, first = x.shape[1], state.memory, state.context
        if self.context_injection == "input":
            x = torch.cat([x, first[:, None].expand(-1, S, -1)], dim=-1)
        y, after = self.lower(x, state.layers[0], lengths=lengths)
        query = self.dropout(y)
        context, weights = first[:, None].expand(-1, S, -1), None
        if self.attend is not None:
            context, weights = self.attend(query, memory)
        states: tuple[State, ...] = (after,)
        if self.upper is not None:
            query, above = self.upper(torch.cat([query, context], dim=-1), state.layers[1], lengths=lengths)
            query, states = self.dropout(query), (after, above)
        vectors = self.dropout(self.join(query, context))
        last = first if self.attend is None or S == 0 else context[:, -1]
        return vectors, DecoderState(memory, states, last), weights

    def _step_by_step(self, x: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState, Tensor]:
        """x (B, S, E): each step is given the context of the one before."""
        assert self.attend is not None
        vectors, all_weights = [], []
        layer, context = state.layers[0], state.context
        for t in range(x.shape[1]):
            y, layer = self.lower(torch.cat([x[:, t], context], dim=-1)[:, None], layer)
            query = self.dropout(y)
            found, weights = self.attend(query, state.memory)
            context = found[:, 0]
            vectors.append(self.join(query, found))
            all_weights.append(weights)
        after = DecoderState(state.memory, (layer,), context)
        return self.dropout(torch.cat(vectors, dim=1)), after, torch.cat(all_weights, dim=1)
