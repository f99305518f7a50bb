"""Gradient clipping: by value, then by norm."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric

from ..settings import TrainingSettings


def clip_gradients(
    fabric: Fabric, network: torch.nn.Module, optimizer: torch.optim.Optimizer, training: TrainingSettings
) -> None:
    """Clip the gradients as the settings specify. The network and the optimizer are those of `fabric.setup`."""
    if training.clip_value is not None:
        fabric.clip_gradients(network, optimizer, clip_val=training.clip_value)
    if training.clip_norm is not None:
        fabric.clip_gradients(network, optimizer, max_norm=training.clip_norm, error_if_nonfinite=False)
