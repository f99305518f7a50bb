"""Attention without parameters, compared with torch; three distinct tensors; a single key; invalid shapes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recurra.errors import CallError
from recurra.nn.attention import RULES, Attention, ConcatAttention, ScaledDotProductAttention, attention

B, S, N, Q, V = 4, 3, 7, 5, 2
LENGTHS = torch.tensor([7, 1, 3, 4])


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_three_tensors_equal_torch_with_their_gradients(lengths: Tensor | None) -> None:
    """Few dozen terms of size one in float64, in another order: 64 roundings."""
    torch.manual_seed(0)
    attend = ScaledDotProductAttention(Q)
    assert list(attend.parameters()) == []
    query, keys, values = draw(B, S, Q), draw(B, N, Q), draw(B, N, V)
    memory = attend.make_memory(values, lengths, keys)
    context, weights = attend(query, memory)
    mask = None if memory.valid is None else memory.valid[:, None].expand(B, S, N)
    expected = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
    pull = torch.randn_like(context)
    ours = torch.autograd.grad((context * pull).sum(), [query, keys, values])
    theirs = torch.autograd.grad((expected * pull).sum(), [query, keys, values])
    tolerance = 64 * torch.finfo(torch.float64).eps
    for one, two in zip((context, *ours), (expected, *theirs), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=tolerance)
        assert two.abs().max() > 0
    torch.testing.assert_close(weights @ values, context)


def test_the_same_tensor_three_times_equals_torch() -> None:
    torch.manual_seed(1)
    x = draw(B, N, Q)
    attend = ScaledDotProductAttention(Q)
    context, _ = attend(x, attend.make_memory(x, LENGTHS))
    mask = (torch.arange(N) < LENGTHS[:, None])[:, None].expand(B, N, N)
    expected = F.scaled_dot_product_attention(x, x, x, attn_mask=mask)
    (ours,), (theirs,) = (torch.autograd.grad(y.square().sum(), x) for y in (context, expected))
    torch.testing.assert_close(context, expected)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("rule", RULES)
def test_one_key_for_all_positions(rule: str) -> None:
    """(B, 1, K) equals the same key at every position; for concat it equals (B, K)."""
    torch.manual_seed(2)
    attend = attention(rule, Q, Q, positions=N).double()
    query, key, values = draw(B, S, Q), draw(B, 1, Q), draw(B, N, V)
    other = key[:, 0] if rule == "concat" else key.expand(B, N, Q)
    one = attend(query, attend.make_memory(values, LENGTHS, key))
    torch.testing.assert_close(one, attend(query, attend.make_memory(values, LENGTHS, other)))
    if rule != "concat":  # equal scores: the mean of the valid values
        means = torch.stack([row[:n].mean(0) for row, n in zip(values, LENGTHS.tolist(), strict=True)])
        torch.testing.assert_close(one[0], means[:, None].expand(B, S, V))


def call(attend: Attention, query: Tensor, values: Tensor, lengths: Tensor | None, keys: Tensor | None) -> None:
    attend(query, attend.make_memory(values, lengths, keys))


query, values, keys = torch.zeros(B, S, Q), torch.zeros(B, N, V), torch.zeros(B, N, 6)
WRONG: list[tuple[str, Callable[[Attention], None]]] = [
    (r"values has shape \(4, 2\); expected \(B, N, V\)", lambda a: call(a, query, values[:, 0], None, keys)),
    (r"values has shape \(4, 7, 2\); expected \(B, N, V\) with V = 6, the size of a key, because no keys are given",
     lambda a: call(a, query, values, None, None)),
    (r"keys has shape \(4, \d(, 5)?\); expected .* with B = 4, (N = 7, )?K = 6, or",
     lambda a: call(a, query, values, None, torch.zeros(4, 5) if isinstance(a, ConcatAttention) else torch.zeros(4, 7, 5))),
    (r"keys has shape \(4, 3, 6\); expected", lambda a: call(a, query, values, None, keys[:, :3])),
    (r"keys has shape \(2, 1, 6\); expected .* with B = 4", lambda a: call(a, query, values, None, keys[:2, :1])),
    (r"lengths has shape \(4, 1\); expected \(B,\) with B = 4", lambda a: call(a, query, values, LENGTHS[:, None], keys)),
    (r"query has shape \(4, 3, 4\); expected \(B, S, Q\) with B = 4, Q = 5",
     lambda a: call(a, query[..., :4], values, LENGTHS, keys[:, :1])),
    (r"query has shape \(1, 3, 5\); expected \(B, S, Q\) with B = 4, Q = 5",
     lambda a: call(a, query[:1], values, None, keys[:, :1])),
    (r"query has shape \(4, 5\); expected \(B, S, Q\)", lambda a: call(a, query[:, 0], values, None, keys[:, :1])),
]  # fmt: skip


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "scaled_dot_product"])
@pytest.mark.parametrize("number", range(len(WRONG)))
def test_wrong_shapes_name_the_expected_shape(rule: str, number: int) -> None:
    message, invalid_call = WRONG[number]
    with pytest.raises(CallError, match=message):
        invalid_call(attention(rule, Q, 6, positions=N))


def test_scaled_dot_product_checks_its_sizes() -> None:
    with pytest.raises(
        CallError, match="query_size is 5 and key_size is 6; scaled_dot_product has no learned projection"
    ):
        attention("scaled_dot_product", Q, 6)
    attend = ScaledDotProductAttention(Q)
    with pytest.raises(CallError, match=r"keys has shape \(4, 7, 6\); expected \(B, N, K\) with B = 4, N = 7, K = 5"):
        attend.make_memory(values, None, keys)
