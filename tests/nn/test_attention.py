"""Attention, values and every gradient, compared with loops written from the formulas; `Join`; self-attention."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from recurra.errors import CallError
from recurra.nn.attention import (
    RULES,
    AdditiveAttention,
    Attention,
    ConcatAttention,
    DotAttention,
    Join,
    ScaledDotProductAttention,
    SelfAttention,
    attention,
)
from recurra.nn.pooling import AttentionPooling

B, S, N, Q, K, V = 4, 3, 7, 5, 6, 2
LENGTHS = torch.tensor([7, 1, 0, 4])
every = pytest.mark.parametrize("rule", RULES)


def key_size(rule: str) -> int:
    return Q if rule == "scaled_dot_product" else K


def made(rule: str) -> Attention:
    torch.manual_seed(1)
    return attention(rule, Q, key_size(rule), positions=N + 2).double()


def inputs(rule: str) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys, values."""
    torch.manual_seed(2)
    keys = torch.randn(B, K) if rule == "concat" else torch.randn(B, N, key_size(rule))
    every = torch.randn(B, S, Q), keys, torch.randn(B, N, V)
    return tuple(x.double().requires_grad_() for x in every)  # type: ignore[return-value]


def score(attend: Attention, q: Tensor, keys: Tensor, n: int) -> Tensor:
    """The score of one query (Q,) and position n, by the formula of the rule."""
    if isinstance(attend, AdditiveAttention):
        joined = torch.cat([attend.query.weight, attend.key.weight], dim=1)  # W of [q; k]
        hidden = torch.tanh(joined @ torch.cat([q, keys[n]]) + attend.query.bias)
        return sum((v * h for v, h in zip(attend.score.weight[0], hidden, strict=True)), torch.zeros((), dtype=q.dtype))
    if isinstance(attend, DotAttention):
        return (q * (attend.key.weight @ keys[n])).sum() / math.sqrt(Q)
    if isinstance(attend, ScaledDotProductAttention):
        return (q * keys[n]).sum() / math.sqrt(Q)
    assert isinstance(attend, ConcatAttention)
    return attend.score.weight[n] @ torch.cat([q, keys]) + attend.score.bias[n]


def loop(
    attend: Attention, query: Tensor, keys: Tensor, values: Tensor, lengths: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Context and weights, one batch element, query and position at a time."""
    contexts, weights = [], []
    for b in range(len(query)):
        valid = values.shape[1] if lengths is None else int(lengths[b])
        for s in range(query.shape[1]):
            exps = [score(attend, query[b, s], keys[b], n).exp() for n in range(valid)]
            zero = torch.zeros((), dtype=query.dtype)
            probabilities = [e / sum(exps, zero) for e in exps]
            contexts.append(
                sum((w * values[b, n] for n, w in enumerate(probabilities)), torch.zeros_like(values[b, 0]))
            )
            weights.append(torch.stack([*probabilities, *[zero] * (values.shape[1] - valid)]))
    shape = query.shape[:2]
    return torch.stack(contexts).unflatten(0, shape), torch.stack(weights).unflatten(0, shape)


@every
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_values_and_gradients_equal_the_formula(rule: str, lengths: Tensor | None) -> None:
    attend = made(rule)
    query, keys, values = inputs(rule)
    context, weights = attend(query, attend.make_memory(values, lengths, keys))
    other_context, other_weights = loop(attend, query, keys, values, lengths)
    torch.testing.assert_close(context, other_context)
    torch.testing.assert_close(weights, other_weights)
    pull, push = torch.randn_like(context), torch.randn_like(weights)
    tensors = [query, keys, values, *attend.parameters()]
    result = torch.autograd.grad((context * pull).sum() + (weights * push).sum(), tensors)
    expected = torch.autograd.grad((other_context * pull).sum() + (other_weights * push).sum(), tensors)
    for one, two in zip(result, expected, strict=True):
        torch.testing.assert_close(one, two)
        assert one.isfinite().all() and one.abs().max() > 0


@every
def test_weights_are_zero_at_padding(rule: str) -> None:
    """Weights are exactly zero at padding and add up to 1, or to 0 in an empty memory; padding has no influence."""
    attend = made(rule)
    query, keys, values = inputs(rule)
    _, weights = attend(query, attend.make_memory(values, LENGTHS, keys))
    padding = torch.arange(N) >= LENGTHS[:, None]
    assert (weights.transpose(1, 2)[padding] == 0).all()
    torch.testing.assert_close(weights.sum(-1), (LENGTHS > 0).double()[:, None].expand(B, S))
    for b, n in enumerate(LENGTHS.tolist()):
        if n:
            own = keys[b : b + 1] if rule == "concat" else keys[b : b + 1, :n]
            alone, _ = attend(query[b : b + 1], attend.make_memory(values[b : b + 1, :n], None, own))
            whole, _ = attend(query, attend.make_memory(values, LENGTHS, keys))
            torch.testing.assert_close(alone[0], whole[b])


@every
def test_all_queries_at_once_equal_one_at_a_time(rule: str) -> None:
    attend = made(rule)
    query, keys, values = inputs(rule)
    memory = attend.make_memory(values, LENGTHS, keys)
    whole, _ = attend(query, memory)
    steps = [attend(query[:, s : s + 1], memory)[0] for s in range(S)]
    torch.testing.assert_close(torch.cat(steps, dim=1), whole)
    index = torch.tensor([3, 0, 0])
    some, _ = attend(query[index], memory.select(index))
    torch.testing.assert_close(some, whole[index])


def test_the_key_of_concat_is_the_mean_of_the_valid_values() -> None:
    attend = ConcatAttention(Q, V, N).double()
    query, _, values = inputs("concat")
    means = torch.stack([row[:n].sum(0) / max(n, 1) for row, n in zip(values, LENGTHS.tolist(), strict=True)])
    result = attend(query, attend.make_memory(values, LENGTHS))
    expected = attend(query, attend.make_memory(values, LENGTHS, means))
    torch.testing.assert_close(result, expected)


def test_concat_raises_for_a_longer_memory() -> None:
    attend = ConcatAttention(Q, V, 5)
    with pytest.raises(CallError, match=r"has 6 positions.*\(concat\) has scores for 5.*use additive or dot"):
        attend.make_memory(torch.zeros(1, 6, V))
    attend.make_memory(torch.zeros(1, 5, V))


def test_invalid_arguments() -> None:
    with pytest.raises(CallError, match="unknown attention 'adittive'; did you mean 'additive'"):
        attention("adittive", Q, K)
    with pytest.raises(CallError, match="positions is None; concat requires"):
        attention("concat", Q, K)


@pytest.mark.parametrize("linear", [False, True])
def test_join_maps_query_and_context_to_the_output_size(linear: bool) -> None:
    torch.manual_seed(0)
    join = Join(Q, V, 9, linear=linear).double()
    query, context = torch.randn(B, S, Q).double(), torch.randn(B, S, V).double()
    y = join(query, context)
    assert y.shape == (B, S, 9)
    for b in range(B):
        for s in range(S):
            plain = join.map.weight[:, :Q] @ query[b, s] + join.map.weight[:, Q:] @ context[b, s] + join.map.bias
            torch.testing.assert_close(y[b, s], plain if linear else plain.tanh())


def plain_self_attention(layer: SelfAttention, row: Tensor) -> tuple[Tensor, Tensor]:
    """One sequence (T, I), one time step at a time."""
    query, value = layer.query(row), layer.value(row)
    key = row @ layer.attend.key.weight.T
    ys, weights = [], []
    for i in range(len(row)):
        exps = torch.stack([(query[i] * key[j]).sum() / math.sqrt(layer.size) for j in range(len(row))]).exp()
        probabilities = exps / exps.sum()
        mixed = torch.stack([probabilities[j] * value[j] for j in range(len(row))]).sum(0)
        ys.append(row[i] + layer.output.weight @ mixed + layer.output.bias)
        weights.append(probabilities)
    return torch.stack(ys), torch.stack(weights)


def test_self_attention_equals_the_formula_and_its_gradients() -> None:
    torch.manual_seed(3)
    layer = SelfAttention(Q).double()
    x = torch.randn(B, N, Q).double().requires_grad_()
    y, weights = layer(x, LENGTHS)
    pull = torch.randn_like(y)
    tensors = [x, *layer.parameters()]
    result = torch.autograd.grad((y * pull).sum(), tensors)
    total = torch.zeros((), dtype=torch.float64)
    for b, n in enumerate(LENGTHS.tolist()):
        assert (y[b, n:] == 0).all() and (weights[b, n:] == 0).all() and (weights[b, :, n:] == 0).all()
        if n:
            row, probabilities = plain_self_attention(layer, x[b, :n])
            torch.testing.assert_close(y[b, :n], row)
            torch.testing.assert_close(weights[b, :n, :n], probabilities)
            total = total + (row * pull[b, :n]).sum()
    for one, two in zip(result, torch.autograd.grad(total, tensors), strict=True):
        torch.testing.assert_close(one, two)
    alone, _ = layer(x[3:, :4])
    torch.testing.assert_close(alone[0], y[3, :4])


def test_attention_pooling_is_the_mean_with_its_weights() -> None:
    torch.manual_seed(4)
    pooling = AttentionPooling(K).double()
    y = torch.randn(B, N, K).double()
    weights = pooling.weights(y, LENGTHS)
    torch.testing.assert_close((weights[..., None] * y).sum(1), pooling(y, LENGTHS))
    torch.testing.assert_close(weights.sum(1), (LENGTHS > 0).double())


@pytest.mark.parametrize("make", [lambda: made("additive"), lambda: made("dot"), lambda: SelfAttention(Q).double()])
def test_padding_has_no_influence(make: Callable[[], torch.nn.Module]) -> None:
    """Changes of the padding do not change the results at valid steps."""
    layer = make()
    if isinstance(layer, SelfAttention):
        x = torch.randn(B, N, Q).double()
        changed = torch.where(torch.arange(N)[None, :, None] < LENGTHS[:, None, None], x, 1e3)
        torch.testing.assert_close(layer(x, LENGTHS), layer(changed, LENGTHS))
        return
    assert isinstance(layer, Attention)
    query, keys, values = (x.detach() for x in inputs("additive"))
    padding = (torch.arange(N) >= LENGTHS[:, None])[..., None]
    one = layer(query, layer.make_memory(values, LENGTHS, keys))
    two = layer(query, layer.make_memory(values.masked_fill(padding, 1e3), LENGTHS, keys.masked_fill(padding, 1e3)))
    torch.testing.assert_close(one, two)
