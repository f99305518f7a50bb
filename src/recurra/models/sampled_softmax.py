"""The loss of a large vocabulary from a part of it, in training alone: the frequent tokens, and some of the others.

    log p(t) ~ z_t - log Z,   Z = sum over frequent tokens of e^z + (R / n) * sum over n drawn ones of e^z,   z = W x + b

R tokens are not among the frequent ones, and n of them are drawn anew for each step, each as likely as the others; a token
that is wanted always counts, with weight 1. So Z is right on average, and a step costs what `frequent + n` outputs cost.
Sampled softmax: Bengio and Senecal 2008; Jean et al. 2015, arXiv:1412.2007. There the drawn ones follow the frequencies;
here those that a frequency would draw again and again are all there, and only the tail, where one more or less says
little, is a sample.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def sampled_nats(vectors: Tensor, output: nn.Linear, wanted: Tensor, size: int) -> Tensor:
    """Mean nats of the tokens `wanted` (N,), told from `vectors` (N, D) by `output`, whose tokens are in order of frequency.

    The first `size` tokens are the frequent ones, and as many others are drawn. Where that is the whole vocabulary the
    loss is exact.
    """
    weight, bias, V = output.weight, output.bias, output.out_features
    rest = V - size
    drawn = size + torch.randperm(max(rest, 0), device=vectors.device)[:size]
    frequent = vectors @ weight[:size].T + bias[:size]
    if not len(drawn):
        return nn.functional.cross_entropy(frequent, wanted)
    others = vectors @ weight[drawn].T + (bias[drawn] + math.log(rest / len(drawn)))
    others = others.masked_fill(drawn == wanted[:, None], -torch.inf)  # it has its own place
    rare = wanted >= size
    own = vectors.new_full((len(wanted),), -torch.inf)
    own[rare] = (vectors[rare] * weight[wanted[rare]]).sum(-1) + bias[wanted[rare]]
    right = torch.where(rare, own, frequent.gather(1, wanted.clamp(max=size - 1)[:, None]).squeeze(1))
    return (torch.cat([frequent, others, own[:, None]], 1).logsumexp(1) - right).mean()
