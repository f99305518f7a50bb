"""Forward-mode differentiation and the transforms of torch.func: every cell, with frozen weights and without gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from cells_registry import CELLS
from torch import Tensor
from torch.autograd import forward_ad
from transform_cases import assert_close, every_length, randn, recurrent

from recurra import cells, nn

# torch compiles some formulas of forward mode with torch.jit.script at the first use, which is deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
every_cell = pytest.mark.parametrize("cell", CELLS, ids=str)


def output_of(layer: nn.Recurrent, lengths: list[int] | None = None) -> Callable[[Tensor], Tensor]:
    """y and the final state in one tensor, as a function of x."""

    def call(x: Tensor) -> Tensor:
        y, state = layer(x, lengths=lengths)
        return torch.cat([y.flatten(), *(part.flatten() for part in state.tensors().values())])

    return call


def tangent_by_autograd(call: Callable[[Tensor], Tensor], x: Tensor, v: Tensor) -> Tensor:
    """The Jacobian, row by row in reverse mode, times v."""
    jacobian = torch.autograd.functional.jacobian(call, x)
    return jacobian.flatten(1) @ v.flatten()


@every_cell
@every_length
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("grad", [False, True], ids=["no_grad", "grad"])
def test_dual_numbers(cell: cells.Cell, T: int, frozen: bool, grad: bool) -> None:
    layer, (x, v) = recurrent(cell), randn(2, 2, T, 3).unbind(0)
    call = output_of(layer)
    exact = tangent_by_autograd(call, x, v)
    layer.requires_grad_(not frozen)
    with torch.set_grad_enabled(grad), forward_ad.dual_level():
        y = forward_ad.unpack_dual(call(forward_ad.make_dual(x, v)))
        assert y.tangent is not None
        assert_close([y.primal, y.tangent], [call(x), exact])
        assert layer.plan(x).runs == "reference"


@every_cell
@pytest.mark.parametrize("lengths", [None, [5, 2]], ids=["no lengths", "lengths"])
def test_transforms(cell: cells.Cell, lengths: list[int] | None) -> None:
    layer, (x, v) = recurrent(cell, bidirectional=True), randn(2, 2, 5, 3).unbind(0)
    call = output_of(layer, lengths)

    def loss(x: Tensor) -> Tensor:
        return call(x).sin().sum()

    value, tangent = torch.func.jvp(call, (x,), (v,))
    assert_close([value, tangent], [call(x), tangent_by_autograd(call, x, v)])
    leaf = x.clone().requires_grad_()
    assert_close([torch.func.grad(loss)(x)], torch.autograd.grad(loss(leaf), leaf))
    jacobian = torch.autograd.functional.jacobian(call, x)
    assert_close([torch.func.jacrev(call)(x), torch.func.jacfwd(call)(x)], [jacobian, jacobian])
    assert_close([torch.func.vmap(call)(torch.stack([x, v]))], [torch.stack([call(x), call(v)])])


@every_cell
def test_hessian(cell: cells.Cell) -> None:
    layer, x = recurrent(cell, I=2, H=3), randn(2, 3, 2)
    reference = recurrent(cell, I=2, H=3, backend="reference")
    exact = torch.autograd.functional.hessian(lambda x: output_of(reference)(x).sin().sum(), x)
    assert_close([torch.func.hessian(lambda x: output_of(layer)(x).sin().sum())(x)], [exact])


@every_cell
@every_length
def test_a_batch_of_weights(cell: cells.Cell, T: int) -> None:
    layer, x = recurrent(cell), randn(2, T, 3)
    weights = {**dict(layer.named_parameters()), **dict(layer.named_buffers())}
    batch = {name: torch.stack([w, 0.5 * w]).detach() for name, w in weights.items()}

    def call(weights: dict[str, Tensor]) -> Tensor:
        y: Tensor = torch.func.functional_call(layer, weights, (x,))[0]
        return y

    found = torch.func.vmap(call)(batch)
    assert_close(found.unbind(0), [call({name: w[k] for name, w in batch.items()}) for k in range(2)])


@every_cell
def test_a_batch_of_lengths(cell: cells.Cell) -> None:
    layer, x, lengths = recurrent(cell), randn(2, 3, 5, 3), torch.tensor([[5, 3, 1], [2, 0, 4]])
    found = torch.func.vmap(lambda x, n: layer(x, lengths=n)[0])(x, lengths)
    assert_close(found.unbind(0), [layer(x[k], lengths=lengths[k])[0] for k in range(2)])
    with pytest.raises(ValueError, match=r"lengths has 6 in row 1, 2; expected 0 <= length <= T = 5"):
        torch.func.vmap(lambda x, n: layer(x, lengths=n)[0])(x, torch.tensor([[5, 3, 1], [2, 0, 6]]))


def test_native_by_name_is_rejected() -> None:
    layer, x = recurrent(cells.GRU(), backend="native"), randn(2, 1, 3)
    with torch.no_grad(), forward_ad.dual_level(), pytest.raises(ValueError) as error:
        layer(forward_ad.make_dual(x, x))
    expected = "backend 'native' cannot run this call: forward-mode differentiation needs to see every operation"
    assert str(error.value) == expected
    with torch.no_grad(), pytest.raises(ValueError, match=r"transforms of torch\.func need to see every operation"):
        torch.func.vmap(lambda x: layer(x)[0])(x[None])
