"""Sampled softmax: the loss of a large vocabulary, in training, from its frequent classes and a sample of the others.

    log p(t) ~ z_t - log Z,   Z = sum over frequent classes of e^z + (R / n) * sum over n sampled ones of e^z,   z = W x + b

R classes are not among the frequent ones, and n of them are sampled uniformly for each step; the target always counts, with
weight 1. So Z is unbiased, and a step costs as much as `frequent + n` outputs. Bengio and Senecal 2008; Jean et al. 2015,
arXiv:1412.2007. There the sample follows the frequencies; here the classes that it would contain again and again are all
included, and only the tail, where one more or less matters little, is sampled.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def sampled_softmax_loss(features: Tensor, output: nn.Linear, targets: Tensor, num_sampled: int) -> Tensor:
    """Mean cross-entropy of `targets` (N,) given `features` (N, D). The classes of `output` are in order of frequency.

    The first `num_sampled` classes are the frequent ones, and as many others are sampled. Where that is the whole
    vocabulary the loss is exact.
    """
    weight, bias, V = output.weight, output.bias, output.out_features
    rest = V - num_sampled
    sampled = num_sampled + torch.randperm(max(rest, 0), device=features.device)[:num_sampled]
    frequent = features @ weight[:num_sampled].T + bias[:num_sampled]
    if not len(sampled):
        return nn.functional.cross_entropy(frequent, targets)
    others = features @ weight[sampled].T + (bias[sampled] + math.log(rest / len(sampled)))
    others = others.masked_fill(sampled == targets[:, None], -torch.inf)  # a target has its own column
    rare = targets >= num_sampled
    own = features.new_full((len(targets),), -torch.inf)
    own[rare] = (features[rare] * weight[targets[rare]]).sum(-1) + bias[targets[rare]]
    in_frequent = frequent.gather(1, targets.clamp(max=num_sampled - 1)[:, None]).squeeze(1)
    target_logits = torch.where(rare, own, in_frequent)
    return (torch.cat([frequent, others, own[:, None]], 1).logsumexp(1) - target_logits).mean()
