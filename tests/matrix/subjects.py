"""The layers and cells of the matrix, and how each is made, called, and computed by a plain loop.

A subject is one layer or cell. Each is wrapped in a module that takes tensors and returns tensors, so that every mode of the
matrix calls all of them in the same way: `flat(x, *state, lengths)` returns y and the components of the final state, with x
and y batch first. `torch.nn`'s module of the same name is wrapped in the same way, with a PackedSequence for the lengths.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from recurra import cells, nn, ops

B, I, H, P = 4, 3, 5, 2  # sequences, input features, hidden features, features of a projection


@dataclass(frozen=True)
class Subject:
    """A layer or cell.

    name     name of the subject
    cls      name of the class in recurra.nn
    torch    name of the class in torch.nn that does the same; None if there is none
    column   the column of the table in docs/layers.md
    options  arguments of the class beside the sizes; for `Recurrent`, `cell` is the name of the cell
    """

    name: str
    cls: str
    torch: str | None
    column: str
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def is_cell(self) -> bool:
        """Whether this is a single step, such as LSTMCell."""
        return self.cls.endswith("Cell")

    @property
    def torch_options(self) -> dict[str, Any]:
        """The options of the class of torch.nn."""
        return {name: value for name, value in self.options.items() if name != "cell"}


def _recurrent(cell: str) -> Subject:
    counterpart = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}.get(cell)
    column = "Recurrent: rnn, lstm, gru" if counterpart else "Recurrent: other cells"
    return Subject(f"Recurrent {cell}", "Recurrent", counterpart, column, {"cell": cell})


SUBJECTS: dict[str, Subject] = {
    subject.name: subject
    for subject in (
        Subject("RNN tanh", "RNN", "RNN", "RNN", {"nonlinearity": "tanh"}),
        Subject("RNN relu", "RNN", "RNN", "RNN", {"nonlinearity": "relu"}),
        Subject("LSTM", "LSTM", "LSTM", "LSTM"),
        Subject("LSTM proj", "LSTM", "LSTM", "LSTM with proj_size", {"proj_size": P}),
        Subject("GRU", "GRU", "GRU", "GRU"),
        *(_recurrent(cell) for cell in cells.names()),
        Subject("RNNCell tanh", "RNNCell", "RNNCell", "RNNCell", {"nonlinearity": "tanh"}),
        Subject("RNNCell relu", "RNNCell", "RNNCell", "RNNCell", {"nonlinearity": "relu"}),
        Subject("LSTMCell", "LSTMCell", "LSTMCell", "LSTMCell"),
        Subject("GRUCell", "GRUCell", "GRUCell", "GRUCell"),
    )
}


class Layer(torch.nn.Module):
    """A drop-in layer, or with `packed` the layer of torch.nn. Its own layout is time-major if it has one layer."""

    def __init__(self, layer: Any, with_lengths: bool, packed: bool = False) -> None:
        super().__init__()
        self.layer, self.with_lengths, self.packed = layer, with_lengths, packed

    def forward(self, x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        lengths, state = (rest[-1], rest[:-1]) if self.with_lengths else (None, rest)
        hx: Any = None if not state else state if len(state) > 1 else state[0]
        time_major = not self.layer.batch_first
        given: Any = x.transpose(0, 1) if time_major else x
        if lengths is not None and self.packed:
            given = pack_padded_sequence(given, lengths, batch_first=not time_major, enforce_sorted=False)
            y, final = self.layer(given, hx)
            y, _ = pad_packed_sequence(y, batch_first=not time_major, total_length=x.shape[1])
        elif lengths is not None:
            y, final = self.layer(given, hx, lengths=lengths)
        else:
            y, final = self.layer(given, hx)
        return (y.transpose(0, 1) if time_major else y, *(final if isinstance(final, tuple) else (final,)))


class RecurrentLayer(torch.nn.Module):
    """A `Recurrent`, whose state is passed as its components."""

    def __init__(self, layer: nn.Recurrent, with_lengths: bool) -> None:
        super().__init__()
        self.layer, self.with_lengths = layer, with_lengths
        self.names = list(layer.initial_state(1).tensors())

    def forward(self, x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        lengths, state = (rest[-1], rest[:-1]) if self.with_lengths else (None, rest)
        initial = nn.State(dict(zip(self.names, state, strict=True))) if state else None
        y, final = self.layer(x, initial, lengths=lengths)
        return (y, *(final[name] for name in self.names))


class Steps(torch.nn.Module):
    """A cell module in a Python loop over the time steps."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self.layer = cell

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        hx: Any = None if not state else state if len(state) > 1 else state[0]
        ys = []
        for t in range(x.shape[1]):
            hx = self.layer(x[:, t], hx)
            ys.append(hx[0] if isinstance(hx, tuple) else hx)
        return (torch.stack(ys, dim=1), *(hx if isinstance(hx, tuple) else (hx,)))


class Loop(torch.nn.Module):
    """The plain loop over the time steps with the parameters of a layer: what a layer must equal in every mode.

    It calls the reference backend itself, so that it contains no operator and no choice of a backend.
    """

    def __init__(self, layer: Any, with_lengths: bool) -> None:
        super().__init__()
        self.layer, self.with_lengths = layer, with_lengths
        self.stacked = not isinstance(layer, nn.Recurrent)  # the layout of the state: (L*D, B, size), or by name

    def forward(self, x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        lengths, state = (rest[-1], rest[:-1]) if self.with_lengths else (None, rest)
        layer, D = self.layer, 2 if self.layer.bidirectional else 1
        per_layer = len(layer.cell.states) * D
        if state and self.stacked:  # from one tensor per component to layer, direction, component
            state = tuple(part[k] for k in range(layer.num_layers * D) for part in state)
        final: list[Tensor] = []
        for k, (cell, size) in enumerate(zip(layer.cells, layer.hidden_sizes, strict=True)):
            ends = [f"_l{k}", f"_l{k}_reverse"][:D]
            names = cell.parameters(x.shape[-1], size, layer.bias)
            weights = [getattr(layer, name + end) for end in ends for name in names]
            initial = state[k * per_layer : (k + 1) * per_layer]
            x, *last = ops.BACKENDS[-1].run(ops.Call(cell, x, lengths, initial, weights, size, layer.bias, D == 2))
            final += last
        if self.stacked:
            n = len(layer.cell.states)
            final = [torch.stack(final[part::n]) for part in range(n)]
        return (x, *final)


def made(subject: Subject, deep: bool, home: Any) -> Any:
    """Return the layer from `home`, which is recurra.nn or torch.nn. `deep` is two layers and two directions."""
    torch.manual_seed(7)
    name, options = (subject.cls, subject.options) if home is nn else (subject.torch, subject.torch_options)
    options = dict(options)
    if subject.is_cell:
        return getattr(home, str(name))(I, H, **options)
    options |= {"num_layers": 2, "bidirectional": True} if deep else {}
    if name == "Recurrent":
        return nn.Recurrent(options.pop("cell"), I, H, **options)
    return getattr(home, str(name))(I, H, batch_first=deep, **options)


def flat_ours(subject: Subject, deep: bool, with_lengths: bool) -> torch.nn.Module:
    """Return our layer in the form that all modes call."""
    layer = made(subject, deep, nn)
    if subject.is_cell:
        return Steps(layer)
    return RecurrentLayer(layer, with_lengths) if subject.cls == "Recurrent" else Layer(layer, with_lengths)


def flat_torch(subject: Subject, deep: bool, with_lengths: bool) -> torch.nn.Module:
    """Return the layer of torch.nn in the same form."""
    layer = made(subject, deep, torch.nn)
    return Steps(layer) if subject.is_cell else Layer(layer, with_lengths, packed=True)


def flat_loop(subject: Subject, deep: bool, with_lengths: bool) -> torch.nn.Module:
    """Return the plain loop in the same form; for a cell module, the cell of torch.nn."""
    if subject.is_cell:
        return flat_torch(subject, deep, with_lengths)
    return Loop(made(subject, deep, nn), with_lengths)


def state_shapes(subject: Subject, deep: bool) -> list[tuple[int, ...]]:
    """Return the shapes of the components of the initial state that the flat form takes."""
    if subject.is_cell:
        return [(B, H)] * (2 if subject.cls == "LSTMCell" else 1)
    layer = made(subject, deep, nn)
    if isinstance(layer, nn.Recurrent):
        return [tuple(part.shape) for part in layer.initial_state(B).tensors().values()]
    rows = layer.num_layers * (2 if layer.bidirectional else 1)
    return [(rows, B, size) for size in layer.cell.state_sizes(H).values()]
