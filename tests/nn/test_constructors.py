"""Every argument of every constructor with values of every wrong type: accepted as by torch.nn, or one clear line."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch

from recurra import nn
from recurra.errors import CallError
from recurra.nn.options import LayerOptions, RecurrentOptions

NAMES = ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell")
VALUES: list[Any] = [
    "relu", "tanh", b"tanh", "auto", 1.5, 2, 0, -1, True, False, None, [1], (2,), {}, {"h": "x"}, object(), int,
    torch.tensor(3), torch.ones(2), float("nan"), float("inf"), np.int64(3), np.float32(0.5), np.ones(2), torch.float32,
    torch.int64, torch.device("cpu"), "cpu", "meta", "cuda:99", torch.nn.Linear(50, 60), "x" * 1000,
]  # fmt: skip


def parameters_of(function: Any) -> list[str]:
    return [name for name, p in inspect.signature(function).parameters.items() if p.kind != p.VAR_KEYWORD]


def outcome(home: Any, name: str, arguments: dict[str, Any]) -> Any:
    """The module, or the error that the constructor raises."""
    try:
        return getattr(home, name)(**arguments)
    except Exception as error:
        return error


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_wrong_types(name: str) -> None:
    usual: dict[str, Any] = {"input_size": 3, "hidden_size": 4} | ({} if "Cell" in name else {"num_layers": 2})
    for argument in parameters_of(getattr(nn, name)):
        if argument != "backend":
            check(name, usual, argument)


def check(name: str, usual: dict[str, Any], argument: str) -> None:
    for value in VALUES:
        arguments, where = usual | {argument: value}, f"{argument}={value!r}"[:100]
        ours, theirs = (outcome(home, name, arguments) for home in (nn, torch.nn))
        if isinstance(ours, Exception):
            assert isinstance(ours, CallError), f"{where}: {ours!r}"
            assert argument in str(ours) and "expected" in str(ours) and "\n" not in str(ours), f"{where}: {ours}"
            assert len(str(ours)) < 300, where
            if isinstance(theirs, (TypeError, RuntimeError)):
                assert isinstance(ours, (type(theirs), TypeError)), f"{where}: {ours!r}, torch {theirs!r}"
        elif isinstance(theirs, Exception):
            assert isinstance(value, np.integer), f"{where}: torch raises {theirs!r}"
        else:
            assert list(ours.state_dict()) == list(theirs.state_dict()), where
            for key, tensor in ours.state_dict().items():
                other = theirs.state_dict()[key]
                assert (tensor.shape, tensor.dtype, tensor.device) == (other.shape, other.dtype, other.device), where
            assert getattr(ours, argument, None) == getattr(theirs, argument, None), where


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU", "Recurrent"])
def test_arguments_that_torch_does_not_have(name: str) -> None:
    usual: dict[str, Any] = {"input_size": 3, "hidden_size": 4, "num_layers": 2}
    usual |= {"cell": "gru"} if name == "Recurrent" else {}
    options = RecurrentOptions if name == "Recurrent" else LayerOptions
    arguments = [*options.__optional_keys__, *(parameters_of(nn.Recurrent) if name == "Recurrent" else ["backend"])]
    for argument in arguments:
        for value in VALUES:
            result = outcome(nn, name, usual | {argument: value})
            where = f"{argument}={value!r}"[:100]
            if isinstance(result, Exception):
                assert isinstance(result, CallError), f"{where}: {result!r}"
                assert argument in str(result) and "\n" not in str(result) and len(str(result)) < 300, (
                    f"{where}: {result}"
                )
