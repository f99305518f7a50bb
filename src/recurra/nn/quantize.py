"""`quantize`: a copy of a module whose recurrent layers have 8-bit weights."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from typing import Any, TypeVar

import torch
from torch.nn.utils import parametrize

from ..cells.int8 import Int8Cell, int8_of
from ..errors import CallError
from .base import RecurrentBase
from .cells import CellModule

M = TypeVar("M", bound=torch.nn.Module)


def quantize(module: M, *, keep: Collection[str] = ()) -> M:
    """Return a copy of a module in which the recurrent layers of recurra run with 8-bit weights, for inference.

    Each row of a weight matrix is rounded to integers of 8 bits with one scale (post-training quantization). The input and
    the hidden state are rounded to 16 bits at each time step; everything else is computed in float32, so no calibration
    data is needed. A quantized layer is called as the float layer: with lengths, resets, an initial state, in chunks and
    in both directions, and its results are those of the float layer with the rounded weights, up to the rounding of input
    and hidden state. A `Stepper` of it computes the same steps.

    The weights are stored as int8, a quarter of the memory: the `state_dict` has `weight_ih_l{k}` and `weight_hh_l{k}` in
    int8 and `scale_ih_l{k}` and `scale_hh_l{k}`, one number per row. To load it, quantize a module of the same structure
    first. A quantized layer has no trainable parameters, and a call that needs a gradient
    raises CallError. `dropout`,
    `recurrent_dropout` and `weight_drop`, which act in training only, are 0 in the copy.

    The native kernels run `rnn`, `lstm` and `gru`; where they cannot run (see `layer.plan(x)`), the plain loop computes
    the same.

    Args:
        module: a recurrent layer of recurra, or any module that contains some. It is not changed. Its layers must be float32.
        keep: paths of layers that remain float, as in `module.named_modules()`; for example those of another cell.
            Default: none.

    Returns:
        The copy. Modules that are not recurrent layers of recurra are copied as they are.

    Raises:
        CallError: if a layer cannot be quantized (it is named with its path), `keep` names no layer, or the module contains
            no recurrent layer of recurra.

    Reference: Jacob et al. 2018, Quantization and training of neural networks for efficient integer-arithmetic-only
    inference, arXiv:1712.05877 (there with 8-bit activations).

    Example:
        >>> import torch
        >>> from recurra import nn
        >>> layer = nn.LSTM(64, 128, batch_first=True)
        >>> small = nn.quantize(layer)
        >>> x = torch.randn(3, 9, 64)
        >>> with torch.no_grad():
        ...     (y, _), (z, _) = layer(x, lengths=[9, 2, 4]), small(x, lengths=[9, 2, 4])
        >>> torch.allclose(y, z, atol=0.01)
        True
        >>> small.weight_hh_l0.dtype
        torch.int8
    """
    layers = dict(_layers(module))
    if unknown := sorted(set(keep) - layers.keys()):
        names = ", ".join(map(repr, layers)) or "none"
        raise CallError(
            f"keep has {unknown[0]!r}, which is not a recurrent layer of the module; its layers are {names}"
        )
    chosen = {path: layer for path, layer in layers.items() if path not in keep}
    if not chosen:
        raise CallError(f"{type(module).__name__} contains no recurrent layer of recurra to quantize{_hint(module)}")
    if reasons := [f"{path or 'the layer'}: {why}" for path, layer in chosen.items() if (why := _reason(layer))]:
        raise CallError(f"cannot quantize {reasons[0]}; keep=[path] leaves a layer in float")
    memo: dict[int, Any] = {id(layer): _quantized(layer) for layer in chosen.values()}  # deepcopy uses these
    return copy.deepcopy(module, memo)


def _layers(module: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Module]]:
    """Yield path and module of each recurrent layer and cell of recurra."""
    for path, child in module.named_modules():
        if isinstance(child, (RecurrentBase, CellModule)):
            yield path, child


def _hint(module: torch.nn.Module) -> str:
    """Return what to do about recurrent layers of torch.nn, if the module has some."""
    for path, child in module.named_modules():
        if isinstance(child, (torch.nn.RNNBase, torch.nn.RNNCellBase)):
            return f"; {path or 'it'} is a layer of torch.nn, which torch.ao.quantization.quantize_dynamic quantizes"
    return ""


def _reason(layer: torch.nn.Module) -> str | None:
    """Return why a layer cannot be quantized, or None."""
    if not isinstance(layer, RecurrentBase):
        return f"{type(layer).__name__} runs single steps in plain torch; use a layer and nn.Stepper(layer, int8=True)"
    for cell in layer.cells:
        if isinstance(cell, Int8Cell):
            return "its weights already have 8 bits"
        if int8_of(cell) is None:
            return f"there is no kernel with 8-bit weights for the cell {cell.name}, only for rnn, lstm and gru"
    computed = {name for names in layer._names for name in names if name not in layer._parameters}
    if hooked := sorted(computed - _parametrized(layer)):
        return (
            f"{hooked[0]} is computed before each call (torch.nn.utils.weight_norm, spectral_norm or prune); make it a "
            "parameter with remove_weight_norm, remove_spectral_norm or prune.remove first"
        )
    if (dtype := layer._first_weight().dtype) != torch.float32:
        return f"its weights are {dtype}; convert it with .float() first"
    return None


def _parametrized(layer: torch.nn.Module) -> set[str]:
    """Return the names of the weights that torch.nn.utils.parametrize computes."""
    return set(layer.parametrizations) if parametrize.is_parametrized(layer) else set()  # type: ignore[arg-type]


def _quantized(layer: torch.nn.Module) -> torch.nn.Module:
    """Return the copy of a layer with 8-bit weights, as buffers."""
    assert isinstance(layer, RecurrentBase)
    new = copy.deepcopy(layer).requires_grad_(False)
    if names := _parametrized(layer):  # remove_parametrizations would change the class, which the copy shares
        new.__class__ = parametrize.type_before_parametrizations(layer)
        del new.parametrizations
        for name in names:
            new.register_parameter(name, torch.nn.Parameter(getattr(layer, name).detach().clone(), requires_grad=False))
    new.cells = tuple(cell for cell in map(int8_of, layer.cells) if cell is not None)
    new.cell, new.dropout, new.options = new.cells[-1], 0.0, layer.options.for_inference()
    new._names = [[] for _ in new.cells]
    with torch.no_grad():
        for k, end in layer._name_suffixes():
            float_params = {name: getattr(new, name + end) for name in layer._own_names[k]}
            for name in float_params:
                delattr(new, name + end)
            cell = new.cells[k]
            assert isinstance(cell, Int8Cell)
            for name, tensor in cell.quantized(float_params).items():
                new.register_buffer(name + end, tensor)
                new._names[k].append(name + end)
            new._own_names[k] = tuple(cell.quantized(float_params))
    new._find_operators()
    return new
