"""A recurrent decoder: it generates tokens from a memory of vectors, with any cell, with or without attention.

The context is the result of attention to the memory. It enters the decoder at each step, at the place `context_injection`:

    between  embedding -> lower layer -> attention -> upper layers, which read [lower output; context] -> output
             Wu et al. 2016, arXiv:1609.08144. The queries do not depend on earlier contexts, so that all steps of a layer
             run at once in training
    input    [embedding; context of the previous step] -> layers -> attention -> output
             Luong et al. 2015, arXiv:1508.04025 (input feeding). This requires a loop over the steps, also in training
    output   embedding -> layers -> attention -> output. The recurrent layers do not read the context

In each case the output of a step is tanh(W [top layer; context] + b). Without attention the context is the summary of the
encoder, the same at every step (Cho et al. 2014, arXiv:1406.1078).
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
    """The state of a decoder for R sequences.

    memory   what attention reads
    layers   the state of each recurrent layer or group of layers
    context  (R, V): the context of the last step; the summary where there is no attention
    """

    memory: Memory
    layers: tuple[State, ...]
    context: Tensor

    def select(self, index: Tensor) -> DecoderState:
        """The state of the sequences at `index`, integers (R,). A sequence may occur more than once."""
        return DecoderState(
            self.memory.select(index), tuple(layer.rows(index) for layer in self.layers), self.context[index]
        )


class Bridge(nn.Module):
    """The initial state of a recurrent layer, computed from a vector v (B, V): tanh(W v + b) for each component."""

    def __init__(self, size: int, recurrent: Recurrent) -> None:
        super().__init__()
        self.sizes = {name: value.shape[1] for name, value in recurrent.initial_state(1).tensors().items()}
        self.map = nn.Linear(size, sum(self.sizes.values()))

    def forward(self, vector: Tensor) -> State:
        """The state for vectors (B, V)."""
        components = torch.split(torch.tanh(self.map(vector)), list(self.sizes.values()), dim=-1)
        return State({name: value.contiguous() for name, value in zip(self.sizes, components, strict=True)})


class Decoder(nn.Module):
    """A recurrent decoder. See the docstring of the module.

    embed              module that turns tokens (B, S) into embeddings (B, S, embedding_size)
    memory_size        V, the features of a value of the memory
    output_size        features of the output of a step
    attend             attention with queries of `hidden_size` features, or None for no attention
    summary_at_steps   without attention: whether the summary is the context of every step. If not, the summary determines only
                       the initial state, and the context is zero
    context_injection  where the context enters: "between", "input" or "output"

    Raises SettingError if the context enters between layers and there is only one layer.
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
                f"context_injection is between, which requires a layer below and one above, and num_layers is {num_layers}; "
                "set num_layers=2 or context_injection=input"
            )
        self.embed, self.attend, self.context_injection, self.output_size = (
            embed,
            attend,
            context_injection,
            output_size,
        )
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
        """The state before the first step, from encoder outputs (B, N, V) with lengths (B,) and their summary (B, V)."""
        layers = tuple(bridge(summary) for bridge in self.bridges)
        if self.attend is None:
            context = summary if self.summary_at_steps else torch.zeros_like(summary)
            return DecoderState(Memory(values, values, None), layers, context)
        return DecoderState(self.attend.make_memory(values, lengths), layers, torch.zeros_like(summary))

    def forward(
        self, tokens: Tensor, state: DecoderState, lengths: Tensor | None = None
    ) -> tuple[Tensor, DecoderState, Tensor | None]:
        """Tokens (B, S) with lengths (B,) -> outputs (B, S, output_size), the new state, and weights (B, S, N) or None.

        Outputs at padding are undefined. So is the context of the new state, unless every sequence has length S.
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
        """The same as `forward` for embeddings (B, S, E), where each step reads the context of the step before it."""
        assert self.attend is not None
        vectors, all_weights = [], []
        layer, context = state.layers[0], state.context
        for t in range(x.shape[1]):
            y, layer = self.lower(torch.cat([x[:, t], context], dim=-1)[:, None], layer)
            query = self.dropout(y)
            new_context, weights = self.attend(query, state.memory)
            context = new_context[:, 0]
            vectors.append(self.join(query, new_context))
            all_weights.append(weights)
        after = DecoderState(state.memory, (layer,), context)
        return self.dropout(torch.cat(vectors, dim=1)), after, torch.cat(all_weights, dim=1)
