"""Layers in graphs of `torch.fx.symbolic_trace`: one node each, as the modules of torch.nn.

A `torch.fx.Tracer` records a module of torch.nn as one node, and runs the code of any other module. The code of a layer depends
on the shape of its input, which is not known while tracing. So a layer that receives a `Proxy` records itself.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import Proxy

from ..errors import CallError

__all__ = ["Proxy", "leaf"]


def leaf(module: torch.nn.Module, proxy: Proxy, *args: Any, **kwargs: Any) -> Any:
    """Return the `Proxy` of the result of `module(proxy, *args, **kwargs)`, recorded as a call of the module.

    Raises:
        CallError: if the module is itself the root of the trace, so that it has no name there.
    """
    try:
        target = proxy.tracer.path_of_module(module)  # type: ignore[attr-defined]
    except NameError:
        target = ""
    if not target:
        name = type(module).__name__
        raise CallError(f"{name} is the root of a torch.fx trace; trace a module that contains it")
    given = {name: value for name, value in kwargs.items() if value is not None}
    while args and args[-1] is None:
        args = args[:-1]
    return proxy.tracer.create_proxy("call_module", target, (proxy, *args), given)
