"""The documented shapes of the layers, checked with jaxtyping and beartype for many sizes.

Each function states the shapes of a docstring in its signature. The letters are those of the documentation; all letters of a
call must agree, so that a transposed or dropped axis fails.
"""
# ruff: noqa: F722, F821 (jaxtyping's annotations contain the names of axes)

from typing import Any

import pytest
import torch
from beartype import beartype
from jaxtyping import Bool, Float, Int64, TypeCheckError, jaxtyped
from torch import Tensor

from recurra import nn
from recurra.nn.pooling import POOLINGS, AttentionPooling, Pooling, valid_mask

SIZES = [(3, 7, 5, 6), (1, 1, 2, 4), (4, 3, 1, 9)]  # B, T, I, H, distinct where possible
checked = jaxtyped(typechecker=beartype)
every_size = pytest.mark.parametrize(("B", "T", "I", "H"), SIZES)
every_direction = pytest.mark.parametrize("D", [1, 2])


@checked
def lstm(
    layer: nn.LSTM,
    sizes: Float[Tensor, "L D P H"],
    x: Float[Tensor, "B T I"],
    state: tuple[Float[Tensor, "L*D B P"], Float[Tensor, "L*D B H"]] | None,
) -> tuple[Float[Tensor, "B T D*P"], tuple[Float[Tensor, "L*D B P"], Float[Tensor, "L*D B H"]]]:
    return layer(x, state)


@checked
def one_component(
    layer: nn.RNN | nn.GRU, sizes: Float[Tensor, "L D H"], x: Float[Tensor, "T B I"], h: Float[Tensor, "L*D B H"] | None
) -> tuple[Float[Tensor, "T B D*H"], Float[Tensor, "L*D B H"]]:
    return layer(x, h)


@checked
def recurrent(
    layer: nn.Recurrent, x: Float[Tensor, "B T I"], lengths: Int64[Tensor, "B"], sizes: Float[Tensor, "D H"]
) -> tuple[Float[Tensor, "B T D*H"], dict[str, Float[Tensor, "B H"]]]:
    y, state = layer(x, lengths=lengths)
    return y, state.tensors()


@checked
def initial(
    layer: nn.Recurrent, like: Float[Tensor, "B"], sizes: Float[Tensor, "H"]
) -> dict[str, Float[Tensor, "B H"]]:
    return layer.initial_state(len(like)).tensors()


@checked
def lstm_cell(
    cell: nn.LSTMCell, x: Float[Tensor, "*B I"], sizes: Float[Tensor, "H"]
) -> tuple[Float[Tensor, "*B H"], Float[Tensor, "*B H"]]:
    return cell(x)


@checked
def single_cell(
    cell: nn.RNNCell | nn.GRUCell, x: Float[Tensor, "*B I"], sizes: Float[Tensor, "H"]
) -> Float[Tensor, "*B H"]:
    return cell(x)


@checked
def pooled(
    pool: Pooling, y: Float[Tensor, "B T F"], lengths: Int64[Tensor, "B"], sizes: Float[Tensor, "output"]
) -> Float[Tensor, "B output"]:
    return pool(y, lengths)


@checked
def attention_weights(
    pool: AttentionPooling, y: Float[Tensor, "B T F"], lengths: Int64[Tensor, "B"]
) -> Float[Tensor, "B T"]:
    return pool.weights(y, lengths)


@checked
def mask(y: Float[Tensor, "B T F"], lengths: Int64[Tensor, "B"] | None) -> Bool[Tensor, "B T 1"]:
    return valid_mask(y, lengths)


def axes(*sizes: int) -> Tensor:
    """An empty tensor that binds the axis letters of a signature to these sizes."""
    return torch.empty(sizes)


@every_size
@every_direction
@pytest.mark.parametrize("proj_size", [0, 3])
def test_shapes_of_an_lstm(B: int, T: int, I: int, H: int, D: int, proj_size: int) -> None:
    layer = nn.LSTM(I, H, num_layers=2, bidirectional=D == 2, proj_size=proj_size, batch_first=True)
    sizes = axes(2, D, proj_size or H, H)
    _, state = lstm(layer, sizes, torch.randn(B, T, I), None)
    lstm(layer, sizes, torch.randn(B, T, I), state)


@every_size
@every_direction
@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU])
def test_shapes_of_layers_with_one_component(kind: Any, B: int, T: int, I: int, H: int, D: int) -> None:
    layer, sizes = kind(I, H, num_layers=3, bidirectional=D == 2), axes(3, D, H)
    _, h = one_component(layer, sizes, torch.randn(T, B, I), None)
    one_component(layer, sizes, torch.randn(T, B, I), h)


@every_size
@every_direction
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "mgu", "ln_lstm"])
def test_shapes_of_recurrent(cell: str, B: int, T: int, I: int, H: int, D: int) -> None:
    layer = nn.Recurrent(cell, I, H, num_layers=2, bidirectional=D == 2)
    recurrent(layer, torch.randn(B, T, I), torch.randint(0, T + 1, (B,)), axes(D, H))
    initial(layer, axes(B), axes(H))


@every_size
def test_shapes_of_cells(B: int, T: int, I: int, H: int) -> None:
    for x in (torch.randn(B, I), torch.randn(I)):
        lstm_cell(nn.LSTMCell(I, H), x, axes(H))
        single_cell(nn.RNNCell(I, H), x, axes(H))
        single_cell(nn.GRUCell(I, H), x, axes(H))


@every_size
@every_direction
@pytest.mark.parametrize("name", POOLINGS)
def test_shapes_of_pooling(name: str, B: int, T: int, I: int, H: int, D: int) -> None:
    pool, y, lengths = POOLINGS[name](H, D), torch.randn(B, T, D * H), torch.randint(0, T + 1, (B,))
    pooled(pool, y, lengths, axes((2 if name == "mean_max" else 1) * D * H))
    if isinstance(pool, AttentionPooling):
        attention_weights(pool, y, lengths)
    for given in (None, lengths):
        mask(y, given)


def test_a_wrong_shape_is_found() -> None:
    """The check itself: time and batch exchanged, and a wrong number of features."""
    layer = nn.LSTM(5, 6, batch_first=False)
    with pytest.raises(TypeCheckError):
        lstm(layer, axes(1, 1, 6, 6), torch.randn(3, 7, 5), None)
    with pytest.raises(TypeCheckError):
        pooled(POOLINGS["mean"](6), torch.randn(3, 7, 6), torch.tensor([7, 1, 2]), axes(5))
