"""An independent oracle: the RNN, LSTM and GRU nodes of ONNX Runtime with our weights give our values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import torch
from cells_registry import random_call, worst
from torch import Tensor

from recurra import cells, ops
from recurra.cells.convert import turn_update_gate

onnx = pytest.importorskip("onnx", reason="ONNX is not installed: pip install 'recurra[export]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed: pip install 'recurra[export]'")

Gates = dict[str, Tensor]
FLOAT = onnx.TensorProto.FLOAT


class Node(NamedTuple):
    """How a cell is said in ONNX: the operator, the gates it wants, in its order, and its attributes."""

    op: str
    gates: Callable[[Gates], list[Tensor]]
    attributes: Mapping[str, Any] = MappingProxyType({})


def coupled(g: Gates) -> list[Tensor]:
    """ONNX has i = 1 - f where we have f, and for its own f a place that has no part in anything."""
    return [-g["f"], g["o"], torch.full_like(g["f"], 7.0), g["g"]]


NODES: list[tuple[cells.Cell, Node]] = [
    (cells.RNN("tanh"), Node("RNN", lambda g: [g["n"]], {"activations": ["Tanh"]})),
    (cells.RNN("relu"), Node("RNN", lambda g: [g["n"]], {"activations": ["Relu"]})),
    (cells.LSTM(), Node("LSTM", lambda g: [g["i"], g["o"], g["f"], g["g"]])),
    (cells.PeepholeLSTM(), Node("LSTM", lambda g: [g["i"], g["o"], g["f"], g["g"]])),
    (cells.CoupledLSTM(), Node("LSTM", coupled, {"input_forget": 1})),
    (cells.GRU(), Node("GRU", lambda g: [g["z"], g["r"], g["n"]], {"linear_before_reset": 1})),
    (cells.GRUBefore(), Node("GRU", lambda g: [g["z"], g["r"], g["n"]], {"linear_before_reset": 0})),
    (cells.GRUTextbook(), Node("GRU", lambda g: [g["z"], g["r"], g["n"]], {"linear_before_reset": 0})),
    (cells.MGU(), Node("GRU", lambda g: [-g["f"], g["f"], g["n"]], {"linear_before_reset": 0})),
]
every_node = pytest.mark.parametrize(("cell", "node"), NODES, ids=[str(cell) for cell, _ in NODES])


def run(node: Node, call: ops.Call, params: list[dict[str, Tensor]]) -> list[Tensor]:
    """The call by ONNX Runtime, in float32: y (B, T, D*H) and the last state, laid out as a backend gives them."""
    cell, (B, T, I), H, D = call.cell, call.x.shape, call.hidden_size, call.directions

    def rows(name: str) -> Tensor:
        """(D, G*H, ...) in the gate order of ONNX."""
        cut = [dict(zip(cell.gates, p[name].chunk(len(cell.gates)), strict=True)) for p in params]
        return torch.stack([torch.cat(node.gates(gates)) for gates in cut])

    tensors = {"W": rows("weight_ih"), "R": rows("weight_hh"), "B": torch.cat([rows("bias_ih"), rows("bias_hh")], 1)}
    if "peephole" in params[0]:  # ours are i, f, o
        tensors["P"] = torch.stack([torch.cat([p["peephole"].chunk(3)[k] for k in (0, 2, 1)]) for p in params])
    feeds = {"X": call.x.transpose(0, 1).float().numpy()}
    names = ["X", "W", "R", "B", "", ""]
    kinds = [onnx.helper.make_tensor_value_info("X", FLOAT, [T, B, I])]
    if call.lengths is not None:
        feeds["lens"], names[4] = call.lengths.int().numpy(), "lens"
        kinds.append(onnx.helper.make_tensor_value_info("lens", onnx.TensorProto.INT32, [B]))
    parts = len(cell.states)
    for p, name in enumerate(f"first_{name}" for name in cell.states):
        if call.state:
            feeds[name] = torch.stack([call.state[d * parts + p] for d in range(D)]).float().numpy()
            kinds.append(onnx.helper.make_tensor_value_info(name, FLOAT, [D, B, H]))
        names[5 + p :] = [name if call.state else ""]
    if "P" in tensors:
        names.append("P")
    results = {"Y": [T, D, B, H]} | {f"Y_{name}": [D, B, H] for name in cell.states}
    made = onnx.helper.make_node(
        node.op,
        names,
        list(results),
        hidden_size=H,
        direction="bidirectional" if call.bidirectional else "forward",
        **{name: value * D if isinstance(value, list) else value for name, value in node.attributes.items()},
    )
    graph = onnx.helper.make_graph(
        [made],
        "one_layer",
        kinds,
        [onnx.helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in results.items()],
        [onnx.numpy_helper.from_array(tensor.float().numpy(), name) for name, tensor in tensors.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    y, *last = (torch.from_numpy(result).double() for result in session.run(None, feeds))
    y = y.permute(2, 0, 1, 3).reshape(B, T, D * H)
    return [y, *(part[d] for d in range(D) for part in last)]


@every_node
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("lengths", [None, [6, 1, 3, 5]], ids=["full", "lengths"])
@pytest.mark.parametrize("state", [False, True], ids=["zeros", "state"])
def test_onnx_runtime_agrees(
    cell: cells.Cell, node: Node, bidirectional: bool, lengths: list[int] | None, state: bool
) -> None:
    call = random_call(cell, (4, 6, 3, 5), lengths="none", state=state, bidirectional=bidirectional)
    call = call._replace(lengths=None if lengths is None else torch.tensor(lengths))
    names = list(cell.parameters(3, 5, True))
    params = [dict(zip(names, call.one_direction(d).weights, strict=True)) for d in range(call.directions)]
    if isinstance(cell, cells.GRUTextbook):  # ONNX's z keeps the old state
        params = [turn_update_gate(p) for p in params]
    theirs = run(node, call, params)
    exact = ops.execute(call, "reference")
    single = call._replace(
        x=call.x.float(), state=[part.float() for part in call.state], weights=[w.float() for w in call.weights]
    )
    loop = ops.execute(single, "reference")
    assert len(theirs) == len(exact)
    for ours, plain, oracle in zip(exact, loop, theirs, strict=True):
        # Twice what the plain loop is off in float32, and a few roundings.
        floor = 4 * torch.finfo(torch.float32).eps * max(1.0, ours.abs().max().item())
        assert worst(oracle, ours) <= 2 * worst(plain.double(), ours) + floor


def test_the_oracle_can_tell() -> None:
    """Where the reset stands, and which gate is which, are seen."""
    call = random_call(cells.GRU(), (4, 6, 3, 5), lengths="none", bidirectional=False)
    names = list(call.cell.parameters(3, 5, True))
    params = [dict(zip(names, call.weights, strict=True))]
    ours = ops.execute(call, "reference")[0]
    right = dict(NODES)[cells.GRU()]
    for wrong in (right._replace(attributes={}), right._replace(gates=lambda g: [g["r"], g["z"], g["n"]])):
        assert worst(run(wrong, call, params)[0], ours) > 1e-3
    assert worst(run(right, call, params)[0], ours) < 1e-5
