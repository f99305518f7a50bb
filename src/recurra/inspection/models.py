"""What can be inspected: a layer of recurra.nn or of torch.nn, or the recurrent layers in the network of a run."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from .. import nn
from ..errors import CallError, near
from ..nn.base import RecurrentBase
from ..nn.patch import check_index, recurrent_of
from ..nn.validate import check_tensor
from ..run import Run

TORCH_LAYERS = {torch.nn.RNN: nn.RNN, torch.nn.LSTM: nn.LSTM, torch.nn.GRU: nn.GRU}


def layer_of(model: Any, module: str | None = None) -> RecurrentBase:
    """Return the recurrent layer of `model`.

    Args:
        model: a layer of recurra.nn; RNN, LSTM or GRU of torch.nn, which is converted with the same weights; or a Run.
        module: for a Run, the name of the layer in its network; None: the first one.

    Raises:
        CallError: `model` is something else, or the network has no such layer.
    """
    if isinstance(model, Run):
        return recurrent_of(model.network, module)[1]
    if module is not None:
        raise CallError(f"module is {module!r}, which selects a layer of a run, and model is a {_kind(model)}")
    if isinstance(model, RecurrentBase):
        return model
    if type(model) in TORCH_LAYERS:
        return converted(model)
    inside = [name for name, part in _modules(model) if isinstance(part, (RecurrentBase, *TORCH_LAYERS))]
    hint = f"; pass its layer {inside[0]}" if inside else ""
    raise CallError(
        f"model is a {_kind(model)}; expected a Run, a layer of recurra.nn, or RNN, LSTM or GRU of torch.nn{hint}"
    )


def converted(layer: torch.nn.Module) -> RecurrentBase:
    """Return the layer of recurra.nn with the weights of an RNN, LSTM or GRU of torch.nn."""
    given: Any = layer
    options = {"nonlinearity": given.nonlinearity} if isinstance(layer, torch.nn.RNN) else {}
    if isinstance(layer, torch.nn.LSTM):
        options["proj_size"] = given.proj_size
    weight = given.weight_ih_l0
    ours: RecurrentBase = TORCH_LAYERS[type(given)](
        given.input_size,
        given.hidden_size,
        given.num_layers,
        bias=given.bias,
        batch_first=given.batch_first,
        dropout=given.dropout,
        bidirectional=given.bidirectional,
        device=weight.device,
        dtype=weight.dtype,
        **options,
    )
    ours.load_state_dict(layer.state_dict())
    return ours.train(layer.training)


def batch_first(layer: RecurrentBase, data: Any) -> Tensor:
    """Return the input of a layer as (B, T, I). Data in the layout of the layer, or an array, is accepted."""
    weight = layer._first_weight()
    x = data if isinstance(data, Tensor) else torch.as_tensor(data)
    x = check_tensor("data", x).detach().to(weight.device, weight.dtype)
    if isinstance(layer, nn.Recurrent):
        layer._check_x(x)
        return x
    return layer._batch_first(x)  # type: ignore[operator, no-any-return]


@contextmanager
def evaluating(*modules: torch.nn.Module) -> Iterator[None]:
    """Inside the block the modules are in evaluation mode; afterwards each part is in the mode that it had."""
    before = [(part, part.training) for module in modules for part in module.modules()]
    try:
        for module in modules:
            module.eval()
        yield
    finally:
        for part, training in before:
            part.training = training


def in_double(model: Any, module: str | None = None) -> RecurrentBase:
    """Return a copy of the layer of `model` in float64 and evaluation mode, without gradients of its parameters.

    Raises CallError for a layer of two directions, whose stack has no step of its own.
    """
    layer = layer_of(model, module)
    if layer.bidirectional:
        raise CallError(
            "the layer is bidirectional, so the stack of layers has no common step; pass one direction of one layer: "
            "inspection.part(model, layer=0, direction='forward')"
        )
    return copy.deepcopy(layer).double().eval().requires_grad_(False)


def part(model: Any, layer: int = 0, direction: str = "forward", module: str | None = None) -> nn.Recurrent:
    """Return one direction of one layer as a layer of its own, with the same weights.

    Args:
        model: a Run, a layer of recurra.nn, or RNN, LSTM or GRU of torch.nn.
        layer: index of the layer.
        direction: "forward" or "reverse". The returned layer reads forward in both cases.
        module: for a Run, the name of the layer in its network; None: the first one.

    Raises:
        CallError: there is no such layer or direction.

    Example:
        >>> from recurra import inspection, nn
        >>> layer = nn.Recurrent("gru", 3, 4, num_layers=2, bidirectional=True)
        >>> inspection.part(layer, 1, "reverse")
        Recurrent(GRU(), 8, 4)
    """
    whole = layer_of(model, module)
    check_index("layer", layer, whole.num_layers)
    known = ("forward", "reverse") if whole.bidirectional else ("forward",)
    if direction not in known:
        raise CallError(f"unknown direction {direction!r}; {near(direction, known)}")
    weight, suffix = whole._first_weight(), "_reverse" if direction == "reverse" else ""
    one = nn.Recurrent(
        whole.cells[layer],
        whole._input_size(layer),
        whole.hidden_sizes[layer],
        bias=whole.bias,
        device=weight.device,
        dtype=weight.dtype,
        backend=whole.backend,
        zoneout=whole.options.zoneout,
        learned_state=whole.options.learned_state,
    )
    with torch.no_grad():
        for name in (*one._names[0], *one._learned_names):
            getattr(one, name).copy_(whole._weight(name.replace("_l0", f"_l{layer}{suffix}")))
    return one.train(whole.training)


def _modules(model: Any) -> Iterator[tuple[str, torch.nn.Module]]:
    return model.named_modules() if isinstance(model, torch.nn.Module) else iter(())


def _kind(model: Any) -> str:
    return f"{type(model).__module__}.{type(model).__qualname__}"
