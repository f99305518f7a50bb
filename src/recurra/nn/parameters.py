"""Access to the parameters of a module, also where another tensor has replaced one.

`torch.nn.utils.weight_norm`, `spectral_norm`, `parametrize` and `prune` remove a parameter and compute the tensor of its name
from others; `torch.func.functional_call` and other code assign a plain tensor. All code of recurra.nn reads parameters here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from ..errors import CallError


def weight_of(module: torch.nn.Module, name: str) -> Tensor:
    """Return a parameter or buffer of `module`, or the attribute that replaces it.

    Reading the dict of the parameters first is faster than `getattr`.
    """
    parameter: Tensor | None = module._parameters.get(name)
    return getattr(module, name) if parameter is None else parameter


@contextmanager
def initial_values(module: torch.nn.Module, names: Mapping[str, str]) -> Iterator[dict[str, Tensor]]:
    """Provide the tensors that an initialization fills in place, by the keys of `names`; its values name the parameters.

    That is the parameter itself, or the original of one that is pruned or normalized by a hook (`{name}_orig`). A parametrized
    parameter is represented by a copy, which is assigned at the end of the block. Gradients are disabled inside the block.

    Raises:
        CallError: if another tensor has replaced a parameter, so that initial values would have no effect.
    """
    copies: dict[str, Tensor] = {}
    tensors: dict[str, Tensor] = {}
    with torch.no_grad():
        for key, name in names.items():
            tensor: Tensor | None = module._parameters.get(name)
            if tensor is None:
                tensor = module._buffers.get(name)
            if tensor is None:
                tensor = module._parameters.get(f"{name}_orig")
            if tensor is None and parametrize.is_parametrized(module, name):
                tensor = copies[name] = getattr(module, name).clone()
            if tensor is None:
                raise CallError(f"{name} is not a parameter, because another tensor has replaced it; "
                                "initialize the module before you replace its parameters")  # fmt: skip
            tensors[key] = tensor
        yield tensors
        for name, copy in copies.items():
            setattr(module, name, copy)
