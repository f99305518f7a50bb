"""Sampled softmax: a training loss for large vocabularies, computed from frequent classes and a sample of the others.

    log p(t) ~ z_t - log Z,   Z = sum over frequent classes of e^z + (R / n) * sum over n sampled ones of e^z,   z = W x + b

R is the number of classes that are not frequent. Of these, n are sampled uniformly in each step; the target is always included,
with weight 1. The estimate of Z is unbiased, and a step computes `frequent + n` outputs. Bengio and Senecal 2008; Jean et al.
2015, arXiv:1412.2007. In these papers the sample follows the frequencies. Here the classes that such a sample would contain
repeatedly are always included, and only the rare classes, each of which has little influence on Z, are sampled.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def sampled_softmax_loss(features: Tensor, output: nn.Linear, targets: Tensor, num_sampled: int) -> Tensor:
    """Return the mean cross-entropy in nats, estimated by sampled softmax.

    Args:
        features: inputs of the output layer, (N, D).
        output: output layer from D features to V classes, which are in order of decreasing frequency.
        targets: class indices, (N,).
        num_sampled: number of frequent classes, and also of classes sampled from the others. Where they are the whole
            vocabulary together, the loss is exact.

    >>> output, targets = nn.Linear(4, 10), torch.tensor([0, 7])
    >>> features = torch.randn(2, 4)
    >>> exact = nn.functional.cross_entropy(output(features), targets)
    >>> torch.allclose(sampled_softmax_loss(features, output, targets, 5), exact)  # 5 frequent classes and 5 others
    True
    """
    weight, bias, V = output.weight, output.bias, output.out_features
    num_rare = V - num_sampled
    sampled = num_sampled + torch.randperm(max(num_rare, 0), device=features.device)[:num_sampled]
    frequent = features @ weight[:num_sampled].T + bias[:num_sampled]
    if not len(sampled):
        return nn.functional.cross_entropy(frequent, targets)
    others = features @ weight[sampled].T + (bias[sampled] + math.log(num_rare / len(sampled)))
    others = others.masked_fill(sampled == targets[:, None], -torch.inf)  # the target has a column of its own
    is_rare = targets >= num_sampled
    rare = features.new_full((len(targets),), -torch.inf)
    rare[is_rare] = (features[is_rare] * weight[targets[is_rare]]).sum(-1) + bias[targets[is_rare]]
    in_frequent = frequent.gather(1, targets.clamp(max=num_sampled - 1)[:, None]).squeeze(1)
    target_logits = torch.where(is_rare, rare, in_frequent)
    return (torch.cat([frequent, others, rare[:, None]], 1).logsumexp(1) - target_logits).mean()
