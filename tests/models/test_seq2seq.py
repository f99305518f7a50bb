"""The sequence-to-sequence network: padding invariance, and gradients of every parameter."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from tiny_seq2seq import EXACT, LENGTHS, STEPS, batch, network

from recurra.models.decoder import CONTEXT_INJECTIONS
from recurra.nn.attention import RULES


@pytest.mark.parametrize("context_injection", CONTEXT_INJECTIONS)
@pytest.mark.parametrize("rule", [*RULES, None])
def test_padding_invariance(context_injection: str, rule: str | None) -> None:
    net, (x, tokens) = network(context_injection, rule, self_attention=context_injection == "between"), batch()
    answer = net(x, LENGTHS, tokens, STEPS)
    at = 0
    for b, (n, m) in enumerate(zip(LENGTHS.tolist(), STEPS.tolist(), strict=True)):
        alone = net(x[b : b + 1, :n], torch.tensor([n]), tokens[b : b + 1, :m], torch.tensor([m]))
        torch.testing.assert_close(answer.scores[at : at + m], alone.scores, **EXACT)
        at += m


def test_gradients_reach_every_parameter() -> None:
    for context_injection, rule in product(CONTEXT_INJECTIONS, (*RULES, None)):
        net, (x, tokens) = network(context_injection, rule), batch()
        net(x, LENGTHS, tokens, STEPS).scores.square().sum().backward()
        for name, parameter in net.named_parameters():
            grad = parameter.grad
            assert grad is not None and grad.isfinite().all() and grad.abs().max() > 0, (context_injection, rule, name)
