"""State as a value, and layers in graphs that other tools record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from cells_registry import Leaky, every_operator
from safetensors.torch import load_file, save_file
from torch.export import Dim

from recurra import cells, nn, ops
from recurra.errors import CallError


def made(bidirectional: bool = True) -> tuple[nn.Recurrent, nn.State]:
    layer = nn.Recurrent("lstm", 3, 5, num_layers=2, bidirectional=bidirectional)
    torch.manual_seed(0)
    return layer, layer(torch.randn(4, 6, 3))[1]


def test_components_have_names_and_shapes() -> None:
    _, state = made()
    assert list(state.tensors()) == [f"{p}_l{k}{r}" for k in (0, 1) for r in ("", "_reverse") for p in ("h", "c")]
    assert all(part.shape == (4, 5) for part in state.tensors().values())
    assert state.batch_size == 4
    assert "h_l0 (4, 5)" in repr(state)


def test_a_saved_state_equals_the_loaded_one(tmp_path: Path) -> None:
    layer, state = made()
    save_file(state.detach().tensors(), tmp_path / "state.safetensors")
    again = nn.State.from_tensors(load_file(tmp_path / "state.safetensors"))
    x = torch.randn(4, 2, 3)
    assert torch.equal(layer(x, state)[0], layer(x, again)[0]), "whatever the order of the parts in the file"


def test_rows_reset_detach_to() -> None:
    _, state = made()
    assert torch.equal(state.rows([2, 0])["c_l1"], state["c_l1"][[2, 0]])
    assert state.rows(slice(1, 3)).batch_size == 2
    before = state["h_l0"].clone()
    for rows in ([1, 3], torch.tensor([1, 3]), torch.tensor([False, True, False, True])):
        reset = state.reset(rows)
        assert reset["h_l0"][[1, 3]].eq(0).all()
        assert torch.equal(reset["h_l0"][[0, 2]], before[[0, 2]])
    assert torch.equal(state["h_l0"], before), "a state is never changed in place"
    assert state["h_l0"].requires_grad
    assert not state.detach()["h_l0"].requires_grad
    assert state.to(torch.float64)["c_l0"].dtype == torch.float64


def test_reset_hides_a_nan() -> None:
    state = nn.State({"h_l0": torch.full((2, 3), float("nan"))})
    assert state.reset([0])["h_l0"][0].eq(0).all()


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({}, "at least one component"),
        ({"h_l0": torch.zeros(2, 3), "c_l0": torch.zeros(3, 3)}, "with the same B"),
        ({"h_l0": torch.zeros(1, 2, 3)}, "with the same B"),
    ],
)
def test_invalid_components_are_reported(tensors: Any, says: str) -> None:
    with pytest.raises(CallError, match=says):
        nn.State.from_tensors(tensors)


def test_the_initial_state_receives_a_gradient() -> None:
    layer = nn.Recurrent(Leaky, 3, 5)
    first = layer.initial_state(2).map(lambda part: part.requires_grad_())
    layer(torch.randn(2, 4, 3), first)[0].sum().backward()
    grad = first["h_l0"].grad
    assert grad is not None
    assert grad.abs().sum() > 0


@every_operator
@pytest.mark.parametrize("bidirectional", [False, True])
def test_export_with_batch_and_time_free(cell: cells.Cell, bidirectional: bool) -> None:
    layer = nn.Recurrent(cell, 3, 5, num_layers=2, bidirectional=bidirectional)
    B, T = Dim("B"), Dim("T")
    x, lengths = torch.randn(3, 6, 3), torch.tensor([6, 2, 3])
    with torch.no_grad():
        program = torch.export.export(
            layer, (x,), {"lengths": lengths}, dynamic_shapes={"x": {0: B, 1: T}, "lengths": {0: B}}
        )
    nodes = [node for node in program.graph.nodes if str(node.target).startswith("recurra.")]
    assert len(nodes) == layer.num_layers, "one node a layer"
    for B_run, T_run in ((5, 11), (2, 1)):
        x, lengths = torch.randn(B_run, T_run, 3), torch.randint(0, T_run + 1, (B_run,))
        (y, last), (y_ours, last_ours) = program.module()(x, lengths=lengths), layer(x, lengths=lengths)
        assert torch.equal(y, y_ours)
        assert all(torch.equal(part, last_ours[name]) for name, part in last.tensors().items())
    with pytest.raises(CallError, match="lengths has 2 in row 1"):
        program.module()(torch.randn(2, 1, 3), lengths=torch.tensor([1, 2]))


def test_export_with_a_state() -> None:
    layer = nn.Recurrent("gru", 3, 5)
    B, T = Dim("B"), Dim("T")
    state = layer.initial_state(3)
    shapes = {"x": {0: B, 1: T}, "state": [{0: B}]}
    program = torch.export.export(layer, (torch.randn(3, 6, 3), state), dynamic_shapes=shapes)
    x = torch.randn(4, 2, 3)
    _, state = layer(x)
    assert torch.equal(program.module()(x, state)[0], layer(x, state)[0])


@every_operator
def test_compiled_equals_eager(cell: cells.Cell) -> None:
    """One graph, with a backward pass that goes through the second operator."""
    layer = nn.Recurrent(cell, 3, 5, bidirectional=True, dtype=torch.float64)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    x, lengths = torch.randn(3, 6, 3, dtype=torch.float64), torch.tensor([6, 2, 0])
    results = []
    for run in (layer, compiled):
        leaf = x.clone().requires_grad_()
        with ops.watch() as ran:
            y, last = run(leaf, lengths=lengths)
            loss = y.cos().sum() + sum(part.sin().sum() for part in last.tensors().values())
            grads = torch.autograd.grad(loss, [leaf, *layer.parameters()])
        assert ran == ["torch"] * (1 if run is layer else 2), "eager mode computes nothing twice"
        results.append([y, *last.tensors().values(), *grads])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=64 * torch.finfo(torch.float64).eps)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_no_gradient_modes(name: str) -> None:
    layer = nn.Recurrent(name, 3, 5)
    x = torch.randn(2, 4, 3)
    with torch.inference_mode():
        y, _ = layer(x, lengths=[4, 1])
    z, _ = layer(x, lengths=[4, 1])
    torch.testing.assert_close(y.clone(), z.detach(), rtol=0, atol=1e-6)
    assert not y.requires_grad
    z.sum().backward()  # nothing that inference made is left over in what training uses


def test_meta_device_computes_shapes() -> None:
    layer = nn.Recurrent("lstm", 3, 5, device="meta")
    y, last = layer(torch.randn(2, 4, 3, device="meta"))
    assert y.shape == (2, 4, 5)
    assert last["c_l0"].is_meta


def test_a_missing_component_is_reported() -> None:
    _, state = nn.Recurrent("lstm", 3, 4)(torch.randn(2, 5, 3))
    for wrong in ("h", 0):
        with pytest.raises(CallError, match=f"no component {wrong!r}; it has 'h_l0', 'c_l0'"):
            state[wrong]  # type: ignore[index]
