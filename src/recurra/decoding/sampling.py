"""Sampling a token from logits: temperature, then top-k, then top-p (nucleus) sampling."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import SettingError


def sample_token(
    logits: Tensor, temperature: float, top_k: int | None, top_p: float | None, generator: torch.Generator
) -> int:
    """Sample a token from softmax(logits / temperature).

    Args:
        logits: unnormalised log-probabilities of the tokens, (V,).
        temperature: 1 leaves the distribution unchanged, smaller values sharpen it, and 0 returns the most probable token.
        top_k: sample only from the k most probable tokens; None for all.
        top_p: sample only from the smallest set of most probable tokens whose total probability is at least p, after top-k
            (nucleus sampling, Holtzman et al. 2020, arXiv:1904.09751); None for all.
        generator: source of random numbers, on the device of `logits`.

    Raises:
        SettingError: where a value is out of range.

    >>> logits = torch.tensor([0.1, 3.0, 1.0])
    >>> sample_token(logits, 0.0, None, None, torch.Generator())
    1
    """
    if not temperature >= 0:
        raise SettingError(f"temperature = {temperature}: it must be 0 or more")
    if top_k is not None and top_k < 1:
        raise SettingError(f"top_k = {top_k}: it must be 1 or more")
    if top_p is not None and not 0 < top_p <= 1:
        raise SettingError(f"top_p = {top_p}: it must be more than 0 and at most 1")
    if temperature == 0:
        return int(logits.argmax())
    probabilities, order = ((logits - logits.max()) / temperature).softmax(0).sort(descending=True, stable=True)
    if top_k is not None:
        probabilities = probabilities[:top_k]
    if top_p is not None:
        cumulative_before = probabilities.cumsum(0) - probabilities
        probabilities = torch.where(cumulative_before < top_p * probabilities.sum(), probabilities, 0.0)
    return int(order[torch.multinomial(probabilities, 1, generator=generator)])
