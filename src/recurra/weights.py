"""The weights of a network: by name, in safetensors files, and loaded without drawing random ones first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialized
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .errors import RunError
from .files import replacing
from .nn.constraints import constrained, maps_of, remove


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write beside, then rename. Raises RunError when the disk is full; what was at `path` is then untouched."""
    with replacing(path) as beside:
        # Written by us and not by the library, which would leave a file that nobody else may read. Copies, for tied
        # weights are one tensor by two names, which the format does not take.
        copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        beside.write_bytes(serialized(copies))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Raises RunError when the file is missing or damaged."""
    try:
        return load_file(path)
    except (OSError, SafetensorError, ValueError, KeyError) as error:  # whatever a damaged header leads to
        raise RunError(f"{path} is missing or damaged: {str(error).splitlines()[0]}") from None


def named_weights(network: nn.Module) -> dict[str, Tensor]:
    """The parameters and buffers by name; a tensor with two names (tied weights) once.

    A weight with a constraint of the settings is the constrained weight, under its own name.
    """
    seen: set[int] = set()
    kept = {}
    for name, value in network.state_dict(keep_vars=True).items():
        if id(value) not in seen:
            seen.add(id(value))
            kept[name] = value
    for name, owner, own in _results(network):
        trained = name.removesuffix(own) + f"parametrizations.{own}."
        kept = {key: value for key, value in kept.items() if not key.startswith(trained)}
        kept[name] = getattr(owner, own)
    return kept


def _results(network: nn.Module) -> list[tuple[str, nn.Module, str]]:
    """The constrained weights of which a file contains the result."""
    return [(name, owner, own) for name, owner, own in constrained(network) if maps_of(owner, own)[0].saved_as_result]


def load_results(network: nn.Module, path: Path) -> None:
    """Load what `named_weights` wrote into the network that it was called with; the constraints of the settings are removed."""
    for _, owner, own in _results(network):
        remove(owner, own)
    fill(network, load_tensors(path), path)


def fill(network: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Copy `tensors` into the network. Raises RunError naming `path` where one is missing or does not fit."""
    try:
        missing, unexpected = network.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise RunError(
            f"{path}: the weights do not match config.yaml ({str(error).splitlines()[-1].strip()})"
        ) from None
    state = network.state_dict(keep_vars=True)
    given = {id(state[name]) for name in tensors if name in state}
    lost = [name for name in missing if id(state[name]) not in given]  # the second name of a tied weight is not lost
    if lost or unexpected:
        missing_names, other_names = (", ".join(names[:3]) or "none" for names in (lost, unexpected))
        raise RunError(
            f"{path}: the weights do not match config.yaml (missing: {missing_names}; unexpected: {other_names})"
        )


RANDOM = frozenset(
    getattr(Tensor, name) for name in ("normal_", "uniform_", "random_", "bernoulli_", "exponential_", "log_normal_")
)
INITIALISERS = frozenset(
    getattr(nn.init, name)
    for name in ("normal_", "uniform_", "trunc_normal_", "xavier_normal_", "xavier_uniform_", "kaiming_normal_",
                 "kaiming_uniform_", "orthogonal_", "sparse_")
)  # fmt: skip


FACTORIES: dict[Any, Callable[..., Tensor]] = {
    torch.rand: torch.zeros,
    torch.randn: torch.zeros,
    torch.rand_like: torch.zeros_like,
    torch.randn_like: torch.zeros_like,
}


class NoRandomWeights(TorchFunctionMode):
    """Inside this context a new module has zeros where it would draw random numbers: saved weights are about to replace them.

    Zeros, and not the memory as it is: a cell may compute with what it has drawn, such as the spectral radius of a matrix.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = dict(kwargs or {})
        if func in RANDOM or func in INITIALISERS:
            with torch.no_grad():
                return (args[0] if args else named["tensor"]).zero_()
        if func in FACTORIES:
            named.pop("generator", None)
            return FACTORIES[func](*args, **named)
        return func(*args, **named)
