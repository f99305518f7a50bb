"""Gradient clipping. Several kinds act one after the other: by value, adaptive, per layer, and by the norm of all gradients."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric

from ..nn.clipping import clip_grad_adaptive_, clip_grad_norm_per_layer_
from ..settings import TrainingSettings


def clip_gradients(
    fabric: Fabric, network: torch.nn.Module, optimizer: torch.optim.Optimizer, training: TrainingSettings
) -> None:
    """Clip the gradients as the settings specify. The network and the optimizer are those of `fabric.setup`."""
    kinds = (training.clip_value, training.clip_adaptive, training.clip_layer_norm, training.clip_norm)
    if all(kind is None for kind in kinds):
        return
    scaler = getattr(fabric.strategy.precision, "scaler", None)
    if scaler is not None:  # float16: once for all kinds, because a second call is an error
        scaler.unscale_(getattr(optimizer, "optimizer", optimizer))
    parameters = [parameter for parameter in network.parameters() if parameter.grad is not None]
    if training.clip_value is not None:
        torch.nn.utils.clip_grad_value_(parameters, training.clip_value)
    if training.clip_adaptive is not None:
        clip_grad_adaptive_(parameters, training.clip_adaptive)
    if training.clip_layer_norm is not None:
        clip_grad_norm_per_layer_(network, training.clip_layer_norm)
    if training.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(parameters, training.clip_norm)
