"""Clipping of gradients in addition to `torch.nn.utils.clip_grad_norm_` and `clip_grad_value_`: per layer, and adaptive."""

from __future__ import annotations

import re
from collections.abc import Iterable

import torch
from torch import Tensor

from ..errors import CallError

EPSILON = 1e-3  # smallest norm of the weights of a unit, so that weights of zero can be trained


def clip_grad_norm_per_layer_(module: torch.nn.Module, max_norm: float) -> list[Tensor]:
    """Clip the norm of the gradient of each layer by `torch.nn.utils.clip_grad_norm_`, in place.

    A layer consists of the parameters that one module owns itself, such as a `torch.nn.Linear`. In a stack of recurrent layers,
    each layer is clipped on its own, both directions together.

    Args:
        module: the module with gradients.
        max_norm: maximum norm of the gradient of a layer, above 0.

    Returns:
        The norm of the gradient of each layer before clipping, in the order of the parameters.

    Raises:
        CallError: if `max_norm` is not above 0.

    Example:
        >>> import torch
        >>> from recurra import nn
        >>> layer = nn.LSTM(5, 8, num_layers=2)
        >>> layer(torch.randn(9, 3, 5))[0].sum().backward()
        >>> len(nn.clipping.clip_grad_norm_per_layer_(layer, 1.0))
        2
    """
    _check("max_norm", max_norm)
    return [torch.nn.utils.clip_grad_norm_(layer, max_norm) for layer in layers_of(module)]


def layers_of(module: torch.nn.Module) -> list[list[torch.nn.Parameter]]:
    """Return the parameters of each layer of a module: see `clip_grad_norm_per_layer_`."""
    layers: dict[tuple[str, str], list[torch.nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        name = re.sub(r"parametrizations\.(\w+)\.original\d*$", r"\1", name)  # the parameter that it stands for
        owner, _, own = name.rpartition(".")
        number = re.search(r"_l(\d+)(_reverse)?$", own)
        layers.setdefault((owner, number[1] if number else ""), []).append(parameter)
    return list(layers.values())


@torch.no_grad()
def clip_grad_adaptive_(parameters: Iterable[Tensor], max_ratio: float) -> None:
    """Clip the gradient of each unit to a fraction of the norm of its weights, in place.

        g = g * min(1, max_ratio * max(|w|, 0.001) / |g|)

    The weights w of a unit and their gradient g are a row of a weight (all axes but the first), or a whole bias.

    Args:
        parameters: the parameters; those without a gradient are left out.
        max_ratio: maximum ratio of the norms of the gradient and the weights, above 0.

    Raises:
        CallError: if `max_ratio` is not above 0.

    Reference: Brock, De, Smith and Simonyan 2021, High-performance large-scale image recognition without normalization,
        arXiv:2102.06171. There the last linear layer is not clipped.

    Example:
        >>> import torch
        >>> from recurra import nn
        >>> weight = torch.tensor([[3.0, 4.0], [0.0, 1.0]], requires_grad=True)
        >>> weight.grad = torch.tensor([[6.0, 8.0], [0.0, 0.1]])
        >>> nn.clipping.clip_grad_adaptive_([weight], 0.5)
        >>> weight.grad
        tensor([[1.5000, 2.0000],
                [0.0000, 0.1000]])
    """
    _check("max_ratio", max_ratio)
    for parameter in parameters:
        if (gradient := parameter.grad) is None:
            continue
        if gradient.is_sparse:
            raise CallError("adaptive clipping does not support sparse gradients; use an embedding with sparse=False")
        limit = max_ratio * _unit_norms(parameter).clamp(min=EPSILON)
        norms = _unit_norms(gradient)
        gradient.mul_(torch.where(norms > limit, limit / norms, 1))


def _unit_norms(tensor: Tensor) -> Tensor:
    """Return the norm of each unit, in a shape that multiplies the tensor."""
    axes = tuple(range(1, tensor.dim())) if tensor.dim() > 1 else None
    norms: Tensor = torch.linalg.vector_norm(tensor, dim=axes, keepdim=axes is not None)
    return norms


def _check(name: str, value: float) -> None:
    if not value > 0:
        raise CallError(f"{name} is {value!r}; expected a number above 0")
