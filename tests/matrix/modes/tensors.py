"""Modes in which tensors are of another type, or have no memory, or lie on another device."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_map_only

from ..case import Case
from ..observe import Found, call, named_gradients, named_outputs, trainable, values_and_gradients
from .base import mode


def _convert(flat: Any, case: Case, convert: Callable[[Tensor], Tensor]) -> None:
    """Replace inputs and parameters by what `convert` makes of them."""
    case.x = convert(case.x.detach()).requires_grad_()
    case.state = [convert(t.detach()).requires_grad_() for t in case.state]
    for module in flat.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None:
                changed = torch.nn.Parameter(convert(parameter.detach()), parameter.requires_grad)
                setattr(module, name, changed)


class Marked(Tensor):
    """A plain subclass, as libraries use it to attach metadata."""


@mode("Tensor subclass")
def subclass(flat: Any, case: Case) -> Found:
    case.x, case.state = case.x.as_subclass(Marked), [t.as_subclass(Marked) for t in case.state]
    return {name: t.as_subclass(Tensor) for name, t in values_and_gradients(flat, case).items()}


@mode("Tensor subclass as parameters")
def subclass_parameters(flat: Any, case: Case) -> Found:
    _convert(flat, case, lambda t: t.as_subclass(Marked))
    return {name: t.as_subclass(Tensor) for name, t in values_and_gradients(flat, case).items()}


class Wrapped(Tensor):
    """A wrapper subclass: it has no memory of its own, and every operation runs on the tensor within."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Any:
        made: Any = torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), dtype=inner.dtype, device=inner.device
        )
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        inner = tree_map_only(Wrapped, lambda t: t.inner, (args, kwargs or {}))
        return tree_map_only(Tensor, Wrapped, function(*inner[0], **inner[1]))


@mode("wrapper subclass")
def wrapper_subclass(flat: Any, case: Case) -> Found:
    _convert(flat, case, Wrapped)
    return {name: t.inner for name, t in values_and_gradients(flat, case).items()}  # type: ignore[attr-defined]


@mode("wrapper subclass as parameters")
def wrapper_parameters(flat: Any, case: Case) -> Found:
    inputs = case.x, case.state
    _convert(flat, case, Wrapped)
    case.x, case.state = inputs
    found = values_and_gradients(flat, case)
    return {name: t.inner if isinstance(t, Wrapped) else t for name, t in found.items()}


@cache
def _mesh() -> Any:
    import torch.distributed as distributed
    from torch.distributed.device_mesh import init_device_mesh

    if not distributed.is_initialized():
        distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    return init_device_mesh("cpu", (1,))


def _no_distributed() -> str | None:
    return None if torch.distributed.is_available() else "torch was built without torch.distributed"


@mode("DTensor", unavailable=_no_distributed)
def dtensor(flat: Any, case: Case) -> Found:
    """Replicated parameters and inputs on a mesh of one process."""
    from torch.distributed.tensor import Replicate, distribute_tensor

    _convert(flat, case, lambda t: distribute_tensor(t, _mesh(), [Replicate()]))
    parameters = trainable(flat)
    leaves = [*case.inputs, *parameters.values()]
    outputs: Any = [output.full_tensor() for output in call(flat, case)]  # type: ignore[attr-defined]
    grads = torch.autograd.grad(case.loss(outputs), leaves, allow_unused=True)
    whole: Any = [None if grad is None else grad.full_tensor() for grad in grads]  # type: ignore[attr-defined]
    like = [leaf.full_tensor() for leaf in leaves]  # type: ignore[attr-defined]
    return named_outputs(outputs) | named_gradients([*case.input_names, *parameters], like, whole)


@mode("meta", metadata_only=True)
def meta(flat: Any, case: Case) -> Found:
    case.unit_loss = True
    _convert(flat, case, lambda t: t.to("meta"))
    return values_and_gradients(flat, case)


@mode("fake", metadata_only=True)
def fake(flat: Any, case: Case) -> Found:
    case.unit_loss, tensors = True, FakeTensorMode()
    _convert(flat, case, tensors.from_tensor)
    case.lengths = None if case.lengths is None else tensors.from_tensor(case.lengths)
    with tensors:
        return values_and_gradients(flat, case)


def _negated(t: Tensor) -> Tensor:
    """The same values, with the negative bit set."""
    return torch.complex(torch.zeros_like(t), -t).conj().imag


@mode("negative bit")
def negative_bit(flat: Any, case: Case) -> Found:
    """Inputs whose memory holds the negated values."""
    case.x, case.state = _negated(case.x.detach()), [_negated(t.detach()) for t in case.state]
    assert case.x.is_neg()
    for t in case.inputs:
        t.requires_grad_()
    return values_and_gradients(flat, case)


@mode("CUDA", unavailable=lambda: None if torch.cuda.is_available() else "this machine has no CUDA device")
def cuda(flat: Any, case: Case) -> Found:
    flat.cuda()
    case.device, case.x = "cuda", case.x.detach().cuda().requires_grad_()
    case.state = [t.detach().cuda().requires_grad_() for t in case.state]
    return {name: t.cpu() for name, t in values_and_gradients(flat, case).items()}
