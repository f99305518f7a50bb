"""Optimizers of torch by name, with weight decay on weights and not on biases or embeddings."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..errors import SettingError
from ..settings import TrainingSettings


def optimizer_for(network: nn.Module, training: TrainingSettings) -> torch.optim.Optimizer:
    """The optimizer of the settings. Raises SettingError for an option that this optimizer does not have."""
    embedded = {id(module.weight) for module in network.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag)}
    decayed: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for parameter in network.parameters():
        (decayed if parameter.ndim > 1 and id(parameter) not in embedded else others).append(parameter)
    groups = [{"params": decayed, "weight_decay": training.weight_decay}, {"params": others, "weight_decay": 0.0}]
    kinds: dict[str, Any] = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "nadam": torch.optim.NAdam,
        "sgd": torch.optim.SGD,
        "rmsprop": torch.optim.RMSprop,
        "adagrad": torch.optim.Adagrad,
        "adadelta": torch.optim.Adadelta,
    }
    options: dict[str, Any] = {"lr": training.learning_rate}
    if training.optimizer in ("adam", "adamw", "sgd", "adagrad"):
        options["fused"] = all(parameter.device.type in ("cpu", "cuda") for parameter in network.parameters())
    if training.optimizer in ("sgd", "rmsprop"):
        default = 0.9 if training.optimizer == "sgd" else 0.0
        options["momentum"] = default if training.momentum is None else training.momentum
    elif training.momentum is not None:
        raise SettingError(f"momentum is an option of sgd and rmsprop, not of {training.optimizer}")
    return kinds[training.optimizer](groups, **options)  # type: ignore[no-any-return]
