"""Assembles sequences of a store into one padded batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ...data.store.store import Store
from ...fields.base import Field
from ..base import Batch

EVALUATION_STEPS = 65_536  # padded time steps of a batch when nothing is kept for the backward pass
PIECE_STEPS = 4_096  # padded time steps of a piece of a batch of long sequences


def padded(arrays: Iterable[np.ndarray]) -> Tensor:
    """Pad sequences (T,) or (T, I) with zeros to one batch (B, T) or (B, T, I)."""
    return nn.utils.rnn.pad_sequence([torch.from_numpy(array) for array in arrays], batch_first=True)


def collate(
    store: Store, rows: np.ndarray, input: Field, targets: Sequence[Field], *, max_length: int | None = None
) -> Batch:
    """Return the batch of some rows of a store: inputs `x` (B, T, ...) and `lengths` (B,), and the targets by field.

    Args:
        store: the encoded examples.
        rows: the row indices, (B,).
        input: the field of the input sequence.
        targets: the fields of the targets.
        max_length: longer sequences are truncated to their first and last `max_length / 2` time steps. None: no limit.
    """
    x, lengths = store.ragged(input.name, rows, max_length=max_length)
    if max_length is not None:
        half = max_length // 2
        for b in np.flatnonzero(lengths == max_length):
            sequence = store.ragged(input.name, rows[b : b + 1])[0][0]
            x[b, max_length - half :] = sequence[len(sequence) - half :]
    return Batch(
        {"x": torch.from_numpy(x), "lengths": torch.from_numpy(lengths)},
        {field.name: target_of(store, field, rows) for field in targets},
        int(lengths.sum()),
        int(x.shape[0] * x.shape[1]),
    )


def target_of(store: Store, field: Field, rows: np.ndarray | slice = slice(None)) -> Tensor:
    """Return the values of a target field for some rows, by default for all."""
    return torch.from_numpy(np.array(store.column(field.name)[rows]))


def outputs_of(network: nn.Module, x: Tensor, lengths: Tensor, *, in_pieces: bool) -> Tensor:
    """Return the outputs (B, C) of a network in evaluation mode for sequences x (B, T) or (B, T, I).

    Sequences of more than `PIECE_STEPS` time steps are read piece by piece if `in_pieces`, which needs one direction.
    """
    B, T = x.shape[:2]
    size = max(PIECE_STEPS // max(B, 1), 1)
    if not in_pieces or T <= PIECE_STEPS:
        output: Tensor = network(x, lengths)
        return output
    state = None
    for begin in range(0, T, size):
        piece = x[:, begin : begin + size]
        state = network.push(piece, (lengths - begin).clamp(0, piece.shape[1]), state)  # type: ignore[operator]
    result: Tensor = network.result(state)  # type: ignore[operator]
    return result
