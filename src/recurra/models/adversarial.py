"""Adversarial training of input embeddings: Miyato, Dai and Goodfellow 2017, arXiv:1605.07725.

The embeddings of a sequence, (T, E), are perturbed by a vector of a given norm in the direction in which the loss grows
fastest, and the network is trained to give the same output there:

    r = epsilon * g / ||g||,    g = gradient of the loss with respect to the embeddings of the sequence

Embeddings of rare words are learned from few examples; the perturbation regularises the network around them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class PerturbableInput(nn.Module):
    """Identity on embeddings (B, T, E), to which adversarial training adds a perturbation of the same shape."""

    def __init__(self) -> None:
        super().__init__()
        self.records_gradient = False
        self.embeddings: Tensor | None = None
        self.perturbation: Tensor | None = None

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the embeddings, plus the perturbation if there is one."""
        if self.records_gradient and embeddings.requires_grad:
            embeddings.retain_grad()
            self.embeddings = embeddings
        return embeddings if self.perturbation is None else embeddings + self.perturbation


def training_step(
    network: nn.Module, loss: Callable[[], Tensor], epsilon: float, backward: Callable[..., None]
) -> Tensor:
    """Compute the gradient of the mean of the plain and the adversarial loss, and return that mean, detached.

    Args:
        network: the network, with one or more `PerturbableInput` modules.
        loss: runs the network and returns the mean loss of the batch. It is called twice, or once if `epsilon` is 0.
        epsilon: norm of the perturbation of each sequence. 0: no adversarial training.
        backward: `backward(loss, weight)` adds the gradient of `weight * loss` to the gradients of the parameters.
    """
    if not epsilon:
        plain = loss()
        backward(plain)
        return plain.detach()
    inputs = [module for module in network.modules() if isinstance(module, PerturbableInput)]
    try:
        for module in inputs:
            module.records_gradient = True
        plain = loss()
        backward(plain, 0.5)
        for module in inputs:
            module.records_gradient = False
            if module.embeddings is not None and (gradient := module.embeddings.grad) is not None:
                norm = gradient.flatten(1).norm(dim=1).clamp(min=torch.finfo(gradient.dtype).tiny)
                module.perturbation = gradient * (epsilon / norm)[:, None, None]
        perturbed = loss()
        backward(perturbed, 0.5)
        return (plain + perturbed).detach() / 2
    finally:
        for module in inputs:
            module.records_gradient, module.embeddings, module.perturbation = False, None, None
