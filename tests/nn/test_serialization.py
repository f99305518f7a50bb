"""Saving, loading and copying layers, cells, states and steppers."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from cells_registry import CELLS, Leaky, worst
from torch import Tensor

from recurra import cells, nn
from recurra.nn.quantize import quantize
from recurra.ops.native import loader

BUILT_IN = [cell for cell in CELLS if type(cell).__module__.startswith("recurra.cells")]
MODULES: dict[str, Callable[[], Any]] = {
    **{str(cell): lambda cell=cell: nn.Recurrent(cell, 3, 4, num_layers=2, bidirectional=True) for cell in BUILT_IN},
    "RNN": lambda: nn.RNN(3, 4, nonlinearity="relu"),
    "LSTM": lambda: nn.LSTM(3, 4, batch_first=True),
    "LSTM with projection": lambda: nn.LSTM(3, 4, proj_size=2, num_layers=2, dropout=0.5),
    "LSTM with options": lambda: nn.LSTM(3, 4, zoneout={"h": 0.1, "c": 0.2}, learned_state=True, forget_bias=1.0),
    "GRU": lambda: nn.GRU(3, 4, bidirectional=True, merge="sum"),
    "RNNCell": lambda: nn.RNNCell(3, 4, nonlinearity="relu"),
    "LSTMCell": lambda: nn.LSTMCell(3, 4, bias=False),
    "GRUCell": lambda: nn.GRUCell(3, 4),
}
every_module = pytest.mark.parametrize("name", MODULES)


def saved_and_loaded(value: Any, **options: Any) -> Any:
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, **options)


def same(a: Any, b: Any, x: Tensor) -> bool:
    pairs = zip(*(torch.utils._pytree.tree_leaves(module(x)) for module in (a, b)), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


@every_module
def test_a_saved_module_needs_its_own_class_and_no_other(name: str) -> None:
    torch.manual_seed(0)
    module = MODULES[name]().eval()
    x = torch.randn(*([2, 5, 3] if "Cell" not in name else [2, 3]))
    with pytest.raises(pickle.UnpicklingError, match=f"recurra.nn.*{type(module).__name__} was not an allowed global"):
        saved_and_loaded(module)
    with torch.serialization.safe_globals([type(module)]):
        loaded = saved_and_loaded(module)
    assert same(module, loaded, x)
    assert repr(loaded) == repr(module)
    assert {k: type(v) for k, v in vars(loaded).items()}.keys() == vars(module).keys()


@every_module
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])  # noqa: S301
def test_a_copied_module_is_independent(name: str, duplicate: Callable[[Any], Any]) -> None:
    torch.manual_seed(0)
    module = MODULES[name]().eval()
    x = torch.randn(*([2, 5, 3] if "Cell" not in name else [2, 3]))
    other = duplicate(module)
    assert same(module, other, x)
    assert repr(other) == repr(module)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    assert not same(module, other, x)


@every_module
def test_a_state_dict_is_loaded_with_weights_only(name: str) -> None:
    module, other = MODULES[name](), MODULES[name]()
    other.load_state_dict(saved_and_loaded(module.state_dict(), weights_only=True))
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), other.parameters(), strict=True))


def test_a_cell_of_a_user_remains_an_object() -> None:
    layer = nn.Recurrent(Leaky(0.25), 3, 4)
    assert same(layer, copy.deepcopy(layer), torch.randn(2, 5, 3))
    with torch.serialization.safe_globals([nn.Recurrent, Leaky]):
        loaded = saved_and_loaded(layer)
    assert loaded.cell == Leaky(0.25)

    class MyLSTM(cells.LSTM):
        name = "lstm"

    assert type(copy.deepcopy(nn.Recurrent(MyLSTM(), 3, 4)).cell) is MyLSTM


# State ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_state_is_loaded_with_weights_only(cell: str) -> None:
    state = nn.Recurrent(cell, 3, 4, num_layers=2)(torch.randn(2, 5, 3))[1].detach()
    loaded = saved_and_loaded({"state": state, "step": 3}, weights_only=True)["state"]
    assert isinstance(loaded, nn.State)
    assert loaded == state and list(loaded) == list(state)
    for other in (copy.copy(state), copy.deepcopy(state), pickle.loads(pickle.dumps(state))):  # noqa: S301
        assert other == state


def test_a_deep_copy_of_a_state_has_its_own_memory() -> None:
    state = nn.Recurrent("gru", 3, 4).initial_state(2)
    other = copy.deepcopy(state)
    other["h_l0"].fill_(1)
    assert state["h_l0"].eq(0).all()


# Stepper -------------------------------------------------------------------------------------------------------------
@pytest.mark.skipif(loader.load()[0] is None, reason=loader.load()[1])
@pytest.mark.parametrize("int8", [False, True, "quantized"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s)), saved_and_loaded]  # noqa: S301
)  # fmt: skip
def test_a_copied_stepper_continues_on_its_own(duplicate: Callable[[Any], Any], cell: str, int8: Any) -> None:
    torch.manual_seed(0)
    layer = nn.Recurrent(cell, 3, 5, num_layers=2, learned_state=True)
    layer = quantize(layer) if int8 == "quantized" else layer
    stepper = nn.Stepper(layer, streams=2, int8=int8 is True)
    stepper.x = torch.randn(2, 3)
    stepper()
    with torch.no_grad():
        for tensor in (*layer.parameters(), *layer.buffers()):
            tensor.zero_()  # the weights of a stepper are those of its construction
    with torch.serialization.safe_globals([nn.Stepper]):
        other = duplicate(stepper)
    assert other.x.data_ptr() != stepper.x.data_ptr()
    assert torch.equal(other.x, stepper.x) and torch.equal(other.y, stepper.y) and other.state == stepper.state
    stepper()
    other()
    assert torch.equal(other.y, stepper.y) and other.state == stepper.state
    before = stepper.state
    other.x = torch.randn(2, 3)
    other()
    assert stepper.state == before and worst(other.y, stepper.y) > 1e-3
    other.reset()
    stepper.reset()
    assert other.state == stepper.state
