"""Both ONNX exporters with a layer as the module: the model runs on other values, and on other sizes where axes are dynamic."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor
from transform_cases import components, drop_in, every_drop_in

pytestmark = [
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Exporting a model to ONNX with a batch_size other than 1:UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
EPS = np.finfo(np.float32).eps
OPTIONS: list[dict[str, Any]] = [{}, {"bidirectional": True, "num_layers": 2}, {"bias": False, "batch_first": True}]
every_option = pytest.mark.parametrize("options", OPTIONS, ids=str)
NAMES = ["input", "h", "c"]


def inputs(kind: str, options: dict[str, Any], T: int, B: int, with_state: bool, seed: int) -> list[Tensor]:
    """x and the components of the initial state."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(T, B, 3, generator=generator).transpose(0, int("batch_first" in options))
    rows = options.get("num_layers", 1) * (2 if "bidirectional" in options else 1)
    count = 0 if not with_state else 2 if kind == "LSTM" else 1
    return [x, *(torch.randn(rows, B, 4, generator=generator) for _ in range(count))]


def arguments(tensors: list[Tensor]) -> tuple[Any, ...]:
    """As the layer takes them."""
    x, *state = tensors
    return (x, tuple(state)) if len(state) == 2 else (x, *state)


def assert_equal(model: bytes, given: dict[str, Tensor], layer: Any, *args: Any, **keywords: Any) -> None:
    """ONNX Runtime gives the results of the layer, within twice its error and a few roundings."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert {spec.name for spec in session.get_inputs()} == set(given), "the model reads every input"
    found = session.run(None, {name: tensor.numpy() for name, tensor in given.items()})
    y, state = layer(*args, **keywords)
    loop = [tensor.detach().numpy() for tensor in (y, *components(state))]
    doubled = torch.utils._pytree.tree_map(lambda t: t.double() if t.is_floating_point() else t, (args, keywords))
    y, state = layer.double()(*doubled[0], **doubled[1])
    layer.float()
    for ours, ran, exact in zip(loop, found, (y, *components(state)), strict=True):
        assert ran.shape == ours.shape
        exact = exact.detach().numpy()
        assert np.abs(ran - exact).max() <= 2 * np.abs(ours - exact).max() + 8 * EPS


@every_drop_in
@every_option
@pytest.mark.parametrize("with_state", [False, True])
def test_torchscript(kind: str, options: dict[str, Any], with_state: bool) -> None:
    layer, _ = drop_in(kind, **options)
    example, file = inputs(kind, options, 5, 2, with_state, seed=0), io.BytesIO()
    names, axes = NAMES[: len(example)], {"input": {0: "a", 1: "b"}, "h": {1: "batch"}, "c": {1: "batch"}}
    torch.onnx.export(
        layer.float().eval(),
        arguments(example),
        file,
        dynamo=False,
        input_names=names,
        dynamic_axes={name: axes[name] for name in names},
    )
    for T, B in ((5, 2), (8, 3)):
        other = inputs(kind, options, T, B, with_state, seed=1)
        assert_equal(file.getvalue(), dict(zip(names, other, strict=True)), layer, *arguments(other))


@every_drop_in
@pytest.mark.parametrize("options", OPTIONS[1:], ids=str)
def test_torch_export_with_lengths(kind: str, options: dict[str, Any]) -> None:
    layer, _ = drop_in(kind, **options)
    (x,), lengths = inputs(kind, options, 5, 3, False, seed=0), torch.tensor([5, 1, 2])
    program = torch.onnx.export(layer.float().eval(), (x,), kwargs={"lengths": lengths}, dynamo=True, verbose=False)
    assert program is not None
    model = program.model_proto.SerializeToString()
    (x,), lengths = inputs(kind, options, 5, 3, False, seed=1), torch.tensor([2, 5, 4])
    assert_equal(model, {"input": x, "lengths": lengths}, layer, x, lengths=lengths)
