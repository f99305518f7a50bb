"""The decoder: all steps at once and one at a time, with every attention and every context injection."""

from __future__ import annotations

import pytest
import torch
from tiny_seq2seq import EXACT, LENGTHS, E, H, S, V, batch, network
from torch import nn

from recurra import cells
from recurra.errors import SettingError
from recurra.models.decoder import CONTEXT_INJECTIONS, Decoder
from recurra.nn import State
from recurra.nn.attention import RULES


@pytest.mark.parametrize("context_injection", CONTEXT_INJECTIONS)
@pytest.mark.parametrize("rule", [*RULES, None])
@pytest.mark.parametrize("cell", ["lstm", "gru", "mgu"])
def test_all_steps_at_once_equal_one_step_at_a_time(context_injection: str, rule: str | None, cell: str) -> None:
    """Outputs, state and weights are the same, so a step does not depend on later ones."""
    net, (x, tokens) = network(context_injection, rule, cell), batch()
    whole, after, weights = net.decoder(tokens, net.start(x, LENGTHS))
    state, steps, all_weights = net.start(x, LENGTHS), [], []
    for t in range(S):
        vector, state, weight = net.decoder(tokens[:, t : t + 1], state)
        steps.append(vector)
        all_weights.append(weight)
    torch.testing.assert_close(torch.cat(steps, 1), whole, **EXACT)
    torch.testing.assert_close(state.context, after.context, **EXACT)
    for one, two in zip(state.layers, after.layers, strict=True):
        torch.testing.assert_close(one.tensors(), two.tensors(), **EXACT)
    assert (weights is None) == (rule is None)
    if weights is not None:
        torch.testing.assert_close(torch.cat(all_weights, 1), weights, **EXACT)


@pytest.mark.parametrize("context_injection", CONTEXT_INJECTIONS)
def test_the_context_is_used_at_each_step(context_injection: str) -> None:
    """Another source changes the output of every step, also if the initial state is the same."""
    net, (x, tokens) = network(context_injection), batch()
    start = net.start(x, LENGTHS)
    other = start._replace(memory=net.start(x.flip(0), LENGTHS.flip(0)).memory)
    one, two = (net.decoder(tokens, state)[0] for state in (start, other))
    assert ((one - two).abs().amax(-1) > 1e-6).all()


def test_injection_between_layers_requires_two_layers() -> None:
    with pytest.raises(SettingError, match="requires a layer below and one above, and num_layers is 1"):
        Decoder(nn.Embedding(V, E), E, cells.get("gru"), memory_size=H, hidden_size=H, output_size=E, num_layers=1)


def test_states_of_the_decoder_are_values() -> None:
    """Selecting elements copies them: a beam may contain one hypothesis several times."""
    net, (x, tokens) = network(), batch()
    state = net.start(x, LENGTHS)
    index = torch.tensor([2, 2, 0])
    selected = state.select(index)
    assert all(isinstance(layer, State) for layer in selected.layers)
    one, _, _ = net.decoder(tokens[index], selected)
    torch.testing.assert_close(one, net.decoder(tokens, state)[0][index], **EXACT)
