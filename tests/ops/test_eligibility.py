"""Kernels that read memory run for plain tensors only; every other tensor takes ordinary operations and is correct."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.testing._internal.logging_tensor import LoggingTensor
from torch.testing._internal.two_tensor import TwoTensor
from torch.utils._python_dispatch import TorchDispatchMode
from transform_cases import assert_close, drop_in, every_drop_in, every_length, randn

from recurra import ops
from recurra.errors import BackendError
from recurra.ops import eligibility


class Plain(Tensor):
    """A subclass that changes nothing."""


def wrapped_twice(tensor: Tensor) -> Tensor:
    return TwoTensor(tensor, tensor.clone())


def inner(tensor: Any) -> Tensor:
    if isinstance(tensor, TwoTensor):
        return tensor.a
    return tensor.elem if isinstance(tensor, LoggingTensor) else tensor.as_subclass(Tensor)


every_class = pytest.mark.parametrize(
    "wrap", [wrapped_twice, LoggingTensor, lambda t: t.as_subclass(Plain)], ids=["TwoTensor", "LoggingTensor", "Plain"]
)


def set_weights(layer: Any, wrap: Callable[[Tensor], Tensor]) -> None:
    for name, weight in list(layer.named_parameters()):
        setattr(layer, name, torch.nn.Parameter(wrap(weight.detach())))


@every_class
@every_length
@every_drop_in
def test_subclasses(kind: str, T: int, wrap: Callable[[Tensor], Tensor]) -> None:
    """As weights and as input, in a forward pass without gradients and in a backward pass."""
    (layer, theirs), x = drop_in(kind), randn(T, 2, 3)
    exact = theirs(x)[0]
    grads = torch.autograd.grad(exact.cos().sum(), list(theirs.parameters()))
    set_weights(layer, wrap)
    with torch.no_grad():
        assert_close([inner(layer(wrap(x))[0])], [exact])
    y = layer(wrap(x))[0]
    assert isinstance(y, type(wrap(x)))
    found = torch.autograd.grad(y.cos().sum(), list(layer.parameters()))
    assert_close([inner(y), *map(inner, found)], [exact, *grads])
    assert type(wrap(x)).__name__ in layer.plan(wrap(x)).others["native"]
    layer.backend = "native"
    with torch.no_grad(), pytest.raises(BackendError, match="backend 'native' cannot run this call: "):
        layer(wrap(x))


@every_length
@every_drop_in
@pytest.mark.parametrize("grad", [False, True], ids=["no_grad", "grad"])
def test_negative_bit(kind: str, T: int, grad: bool) -> None:
    """The memory of such a view holds the numbers with the other sign."""
    (layer, theirs), x = drop_in(kind), randn(T, 2, 3)
    h = randn(1, 2, 4, seed=2)
    state = (h, h) if kind == "LSTM" else h
    negated = (torch._neg_view(-h), h) if kind == "LSTM" else torch._neg_view(-h)
    with torch.set_grad_enabled(grad):
        exact = [theirs(x, state)[0]] * 3
        found = [layer(torch._neg_view(-x), state)[0], layer(x, negated)[0]]
        layer.weight_hh_l0 = torch.nn.Parameter(torch._neg_view(-layer.weight_hh_l0.detach()))
        found.append(layer(x, state)[0])
    assert_close(found, exact)
    assert "negative" in layer.plan(x).others["native"]


class Operations(TorchDispatchMode):
    """Notes the name of every operation."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


class Functions(TorchFunctionMode):
    """Notes the name of every function."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("mode", [Operations, Functions])
@every_length
@every_drop_in
@pytest.mark.parametrize("grad", [False, True], ids=["no_grad", "grad"])
def test_a_mode_sees_the_operator(kind: str, T: int, mode: Any, grad: bool) -> None:
    (layer, theirs), x = drop_in(kind), randn(T, 2, 3)
    exact = theirs(x)[0]
    with torch.set_grad_enabled(grad), mode() as active:
        y = layer(x)[0]
        assert f"recurra.{kind.lower()}.default" in active.seen
        assert_close([y], [exact])
        if grad:
            found = [torch.autograd.grad(y.cos().sum(), list(layer.parameters()), create_graph=c, retain_graph=True)
                     for c in (False, True)]  # fmt: skip
            wanted = torch.autograd.grad(exact.cos().sum(), list(theirs.parameters()))
            for grads in found:
                assert_close(grads, wanted)


def test_a_default_device_is_no_obstacle() -> None:
    x = randn(1, 1, 3)
    with torch.device("cpu"):
        assert eligibility.fast_path_may_run(x)
        with Functions():
            assert not eligibility.fast_path_may_run(x)
    with Operations():
        assert not eligibility.fast_path_may_run(x)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")  # deprecated
def test_plain_tensors_are_recognized() -> None:
    x = torch.randn(2, 3)
    with torch.inference_mode():
        inference = torch.randn(2, 3)
    for plain in (x, torch.nn.Parameter(x), x.t(), x.requires_grad_(), x * 2, inference, x.double()):
        assert eligibility.memory_reason([plain]) is None
    for other in (x.detach().to_sparse(), torch.quantize_per_tensor(x.detach(), 0.1, 0, torch.qint8),
                  x.detach().to_mkldnn(), torch._neg_view(x), x.to(torch.complex64).conj(),
                  torch._to_functional_tensor(x), torch._efficientzerotensor((2, 3))):  # fmt: skip
        assert eligibility.memory_reason([other]) is not None


def test_watch_reports_what_the_plan_says() -> None:
    layer, _ = drop_in("GRU")
    for x in (randn(20, 5, 3), torch._neg_view(randn(20, 5, 3)), randn(20, 5, 3).as_subclass(Plain)):
        plan = layer.plan(x)
        with ops.watch() as ran:
            layer(x)
        assert ran == [plan.runs]


@pytest.fixture
def mesh() -> Iterator[Any]:
    """A mesh of this process alone."""
    initialized = torch.distributed.is_initialized()  # the matrix keeps a group for its process
    if not initialized:
        torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield torch.distributed.init_device_mesh("cpu", (1,))
    if not initialized:
        torch.distributed.destroy_process_group()


@every_drop_in
def test_distributed_tensors(kind: str, mesh: Any) -> None:
    from torch.distributed.tensor import Replicate, distribute_tensor

    for T in (1, 9):
        (layer, theirs), x = drop_in(kind), randn(T, 2, 3)
        exact = theirs(x)[0]
        grads = torch.autograd.grad(exact.cos().sum(), list(theirs.parameters()))
        set_weights(layer, lambda weight: distribute_tensor(weight, mesh, [Replicate()]))
        distributed = distribute_tensor(x, mesh, [Replicate()])
        with torch.no_grad():
            assert_close([layer(distributed)[0].full_tensor()], [exact])
        y = layer(distributed)[0]
        found = torch.autograd.grad(y.cos().sum(), list(layer.parameters()))
        assert_close([y.full_tensor(), *(grad.full_tensor() for grad in found)], [exact, *grads])
        for grad in (False, True):
            with torch.set_grad_enabled(grad), pytest.raises(BackendError, match="a DTensor and a Tensor are mixed; "):
                layer(x)
