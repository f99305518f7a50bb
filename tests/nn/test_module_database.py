"""PyTorch's own database of modules, with our layers in place of torch.nn's: the checks that PyTorch makes of each module."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

from recurra import nn
from recurra.errors import CallError

common_modules = pytest.importorskip(
    "torch.testing._internal.common_modules",
    exc_type=ImportError,
    reason="PyTorch's database of modules needs expecttest",
)
NAMES = ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell")
DATABASE = {
    name: info for name in NAMES for info in common_modules.module_db if info.module_cls is getattr(torch.nn, name)
}

every_module = pytest.mark.parametrize("name", NAMES)
every_mode = pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])


def inputs(name: str, training: bool, dtype: torch.dtype = torch.float64) -> Iterator[Any]:
    """The inputs of the database that have a call."""
    torch.manual_seed(0)
    info = DATABASE[name]
    for given in info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=False, training=training):
        if given.forward_input is not None:
            yield given


def made(home: Any, name: str, given: Any, training: bool, dtype: torch.dtype = torch.float64) -> Any:
    """A module from torch.nn or from recurra.nn, with the same weights."""
    torch.manual_seed(1)
    arguments = given.constructor_input
    return getattr(home, name)(*arguments.args, **arguments.kwargs).to(dtype).train(training)


def leaves_of(tree: Any) -> list[Tensor]:
    """All floating tensors of a tree, in order."""
    return [t for t in tree_leaves(tree) if isinstance(t, Tensor) and t.is_floating_point()]


def outcome(module: Any, call: Any) -> list[Tensor]:
    """Outputs, and gradients of all inputs and parameters."""
    args, kwargs = tree_map_only(Tensor, lambda t: t.detach().clone(), (call.args, call.kwargs))
    leaves = [*leaves_of((args, kwargs)), *module.parameters()]
    for leaf in leaves:
        leaf.requires_grad_()
    outputs = leaves_of(module(*args, **kwargs))
    loss = torch.stack([output.sin().sum() for output in outputs]).sum()
    grads = torch.autograd.grad(loss, leaves, allow_unused=True)
    found = [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, grads, strict=True)]
    return [t.detach() for t in (*outputs, *found)]


def close(ours: list[Tensor], theirs: list[Tensor]) -> bool:
    """Equal shapes, and values up to the roundings of sums of some tens of terms in another order."""
    allowed = 64 * torch.finfo(torch.float64).eps
    return len(ours) == len(theirs) and all(
        a.shape == b.shape and torch.allclose(a, b, rtol=allowed, atol=allowed)
        for a, b in zip(ours, theirs, strict=True)
    )


@every_module
@every_mode
def test_values_and_gradients(name: str, training: bool) -> None:
    count = 0
    for count, given in enumerate(inputs(name, training), 1):  # noqa: B007
        results = [outcome(made(home, name, given, training), given.forward_input) for home in (nn, torch.nn)]
        assert close(*results), given.desc
    assert count > 0


@every_module
@every_mode
def test_errors_of_the_database(name: str, training: bool) -> None:
    info = DATABASE[name]
    if info.module_error_inputs_func is None:
        pytest.skip("the database has no invalid calls of this module")
    torch.manual_seed(0)
    for case in info.module_error_inputs_func(
        info, device="cpu", dtype=torch.float64, requires_grad=False, training=training
    ):
        given, expected = case.module_error_input, case.error_type
        if any(isinstance(argument, str) for argument in given.constructor_input.args[2:3]):
            expected = TypeError  # the database passes "relu" as `bias`, which torch.nn takes for True and ours rejects
        with pytest.raises(expected) as caught:
            module = made(nn, name, given, training)
            module(*given.forward_input.args, **given.forward_input.kwargs)
        assert isinstance(caught.value, CallError)


@every_module
@every_mode
def test_first_and_second_derivatives(name: str, training: bool) -> None:
    for given in list(inputs(name, training))[:: 5 if name == "LSTM" else 3]:  # the checks call a module many times
        module = made(nn, name, given, training)
        args, kwargs = given.forward_input.args, given.forward_input.kwargs
        leaves = [t.detach().clone().requires_grad_() for t in leaves_of((args, kwargs))]

        def function(*tensors: Tensor, module: Any = module, tree: Any = (args, kwargs), n: int = len(leaves)) -> Any:
            replaced = iter(tensors[:n])
            args, kwargs = tree_map_only(Tensor, lambda _: next(replaced), tree)
            named = dict(zip(dict(module.named_parameters()), tensors[n:], strict=True))
            return tuple(leaves_of(torch.func.functional_call(module, named, args, kwargs)))

        tensors = (*leaves, *(p.detach().clone().requires_grad_() for p in module.parameters()))
        assert torch.autograd.gradcheck(function, tensors, fast_mode=True)
        assert torch.autograd.gradgradcheck(function, tensors, fast_mode=True)


@every_module
@every_mode
def test_a_copy_and_a_pickled_module_give_the_same(name: str, training: bool) -> None:
    for given in inputs(name, training):
        module = made(nn, name, given, training)
        buffer = io.BytesIO()
        torch.save(module, buffer)
        buffer.seek(0)
        first = outcome(module, given.forward_input)
        for other in (copy.deepcopy(module), torch.load(buffer, weights_only=False)):
            assert close(outcome(other, given.forward_input), first), given.desc


@every_module
@every_mode
def test_inputs_that_are_not_contiguous(name: str, training: bool) -> None:
    def strided(t: Tensor) -> Tensor:
        return torch.stack((t, torch.full_like(t, 7)), dim=-1)[..., 0] if t.is_floating_point() else t

    for given in inputs(name, training):
        module = made(nn, name, given, training)
        args, kwargs = tree_map_only(Tensor, strided, (given.forward_input.args, given.forward_input.kwargs))
        outputs = leaves_of(module(*args, **kwargs))
        expected = leaves_of(module(*given.forward_input.args, **given.forward_input.kwargs))
        assert close(outputs, expected), given.desc


@every_module
@every_mode
@pytest.mark.parametrize("home", ["cpu", "meta"])
def test_factory_arguments(name: str, training: bool, home: str) -> None:
    for given in inputs(name, training):
        arguments = given.constructor_input
        kwargs = arguments.kwargs | {"device": home, "dtype": torch.float32}
        module = getattr(nn, name)(*arguments.args, **kwargs)
        for tensor in module.state_dict().values():
            assert (tensor.device.type, tensor.dtype) == (home, torch.float32)
