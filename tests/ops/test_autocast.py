"""The dtypes of results under torch.autocast are those of torch.nn, and lengths do not change them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cells_registry import CELLS
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence
from transform_cases import components

from recurra import cells, nn
from recurra.errors import BackendError

DTYPES = (torch.bfloat16, torch.float16)
LENGTHS = {5: [5, 2, 1, 5], 40: [40, 11, 3, 2]}  # the second are computed in segments of time


def dtypes(y: Any, state: Any) -> list[torch.dtype]:
    tensors: list[Tensor] = [y.data if isinstance(y, PackedSequence) else y, *components(state)]
    return [tensor.dtype for tensor in tensors]


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_as_torch(kind: str, dtype: torch.dtype, bidirectional: bool) -> None:
    for options in ({}, {"num_layers": 2}, *([{"proj_size": 2}] if kind == "LSTM" else [])):
        arguments: dict[str, Any] = {"bidirectional": bidirectional, "batch_first": True, **options}
        torch.manual_seed(0)
        ours, theirs = (getattr(home, kind)(3, 4, **arguments) for home in (nn, torch.nn))
        D = 2 if bidirectional else 1
        for T, lengths in LENGTHS.items():
            x = torch.randn(4, T, 3)
            packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
            hidden = torch.randn(arguments.get("num_layers", 1) * D, 4, arguments.get("proj_size", 4))
            first = (hidden, torch.randn(*hidden.shape[:2], 4)) if kind == "LSTM" else hidden
            for hx in (None, first):
                for given, keywords in ((x, {}), (packed, {"lengths": lengths})):
                    where = f"{options}, T={T}, {'no ' if hx is None else ''}state, {list(keywords)}"
                    with torch.autocast("cpu", dtype=dtype):
                        try:
                            expected = dtypes(*theirs(given, hx))
                        except RuntimeError:
                            continue  # torch has no kernel
                        assert dtypes(*ours(x, hx, **keywords)) == expected, where
                        assert dtypes(*ours(given, hx)) == expected, f"{where}, packed"


@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("backend", ["torch", "reference"])
def test_lengths_do_not_change_dtypes(cell: cells.Cell, dtype: torch.dtype, backend: str) -> None:
    torch.manual_seed(0)
    for options in ({}, {"num_layers": 2, "bidirectional": True}):
        layer = nn.Recurrent(cell, 3, 4, backend=backend, **options)
        for T, lengths in LENGTHS.items():
            x = torch.randn(4, T, 3)
            with torch.autocast("cpu", dtype=dtype):
                try:
                    expected = dtypes(*layer(x))
                except BackendError as error:
                    pytest.skip(str(error))
                assert dtypes(*layer(x, lengths=lengths)) == expected, (options, T)
                assert dtypes(*layer(x, lengths=[T, 0, 0, 0])) == expected, (options, T)
