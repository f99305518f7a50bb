"""Sampling a token from logits: temperature, then top-k, then top-p (nucleus) sampling."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import SettingError


def sample_token(
    logits: Tensor, temperature: float, top_k: int | None, top_p: float | None, generator: torch.Generator
) -> int:
    """A token drawn from softmax(logits (V,) / temperature); temperature 0 takes the most probable one.

    top_k: only the k most probable tokens. top_p: of these the smallest set of most probable tokens whose probabilities
    reach p (Holtzman et al. 2020, arXiv:1904.09751). Raises SettingError for values that mean nothing.
    """
    if not temperature >= 0:
        raise SettingError(f"temperature is {temperature}; wanted 0 or more")
    if top_k is not None and top_k < 1:
        raise SettingError(f"top_k is {top_k}; wanted 1 or more")
    if top_p is not None and not 0 < top_p <= 1:
        raise SettingError(f"top_p is {top_p}; wanted more than 0, at most 1")
    if temperature == 0:
        return int(logits.argmax())
    probabilities, order = ((logits - logits.max()) / temperature).softmax(0).sort(descending=True, stable=True)
    if top_k is not None:
        probabilities = probabilities[:top_k]
    if top_p is not None:
        before = probabilities.cumsum(0) - probabilities
        probabilities = torch.where(before < top_p * probabilities.sum(), probabilities, 0.0)
    return int(order[torch.multinomial(probabilities, 1, generator=generator)])
