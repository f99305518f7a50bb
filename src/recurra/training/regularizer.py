"""Regularization of a training step: penalties on weights and activations, and dropout of whole words.

It acts from outside of a network, by hooks on its modules, so that it is the same for every task and every backend.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..errors import SettingError
from ..nn.base import RecurrentBase
from ..nn.penalties import COEFFICIENTS, mean_of, squared_differences, squares, weight_penalty
from ..nn.reset import check_reset
from ..settings import Settings
from ..tasks.base import Backward


class Regularizer:
    """Adds penalties to the gradient of a network, and drops words from its embeddings in training mode.

    Args:
        network: the network, to whose modules hooks are added.
        settings: the resolved settings.

    Raises:
        CallError: a penalty has no effect, because a cell has no parameter of that role.
        SettingError: the network has no recurrent layer or no embedding on which a setting could act.
    """

    def __init__(self, network: nn.Module, settings: Settings[Any, Any, Any]) -> None:
        training = settings.training
        self.network, self.activation, self.temporal = network, training.activation_penalty, training.temporal_penalty
        # The loss is the mean over the members of an ensemble, so the penalties are, too.
        share = 1 / getattr(settings.model, "ensemble_size", 1)
        self.weights = {name: share * value for name in COEFFICIENTS if (value := getattr(training, name))}
        self.dropout: float = settings.model.embedding_dropout
        self._masks: dict[nn.Module, Tensor] = {}
        self._squares: list[tuple[Tensor, Tensor]] = []
        self._differences: list[tuple[Tensor, Tensor]] = []
        self._hooks: list[RemovableHandle] = []
        self._layers = encoder_layers(network) if self.activation or self.temporal else []
        for layer in self._layers:
            self._hooks.append(layer.register_forward_hook(self._observe, with_kwargs=True))
        if self.weights:
            weight_penalty(network, **self.weights)  # raises where one has no effect
        if self.dropout:
            self._drop_words()

    def remove(self) -> None:
        """Remove the hooks from the network, which a later training with another instance requires."""
        for hook in self._hooks:
            hook.remove()

    def check_rule(self, rule: str) -> None:
        """Raise SettingError for a penalty on activations, which a gradient rule that divides sequences does not support."""
        if self._layers:
            raise SettingError(
                f"activation_penalty and temporal_penalty are not supported with gradient={rule}; set both to 0"
            )

    def begin(self) -> None:
        """Begin a step: words are drawn anew."""
        self._masks.clear()
        self._squares, self._differences = [], []

    def add_weight_penalty(self, backward: Callable[[Tensor], None]) -> None:
        """Add the gradient of the penalties on the weights, once for a step with any number of backward passes."""
        if self.weights:
            backward(weight_penalty(self.network, **self.weights))

    def added_to(self, backward: Callable[[Tensor], None]) -> Backward:
        """Return the `backward` of one step, which adds the gradient of the loss and of the penalties. Words are drawn anew."""
        self.begin()

        def backward_with_penalties(loss: Tensor, weight: float = 1.0) -> None:
            if self.weights or self._layers:
                loss = loss + self._penalty().to(loss.device)
            backward(loss if weight == 1 else weight * loss)

        return backward_with_penalties

    def _penalty(self) -> Tensor:
        """Return the penalties on the weights, and on the activations since the last call."""
        penalty = weight_penalty(self.network, **self.weights)
        if self._layers:
            try:
                penalty = penalty + self._penalty_on_activations()
            finally:
                self._squares, self._differences = [], []
        return penalty

    def _penalty_on_activations(self) -> Tensor:
        if not self._squares:
            raise SettingError(
                "activation_penalty and temporal_penalty act on the calls of recurrent layers, and the network made none"
            )
        if not self._differences and len(self._squares) > len(self._layers):
            raise SettingError(
                "activation_penalty and temporal_penalty require layers that run all time steps in one call, and those of this "
                "network run step by step (context_injection=input); set both to 0"
            )
        penalty: Tensor = self.activation * mean_of(self._squares)
        return penalty + self.temporal * mean_of(self._differences) if self._differences else penalty

    def _observe(self, layer: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        """Note the output (B, T, H) of a recurrent layer in training."""
        if not layer.training or not torch.is_grad_enabled():
            return
        y, lengths = output[0], kwargs.get("lengths")
        y = y.transpose(0, 1) if not getattr(layer, "batch_first", True) else y
        self._squares.append(squares(y, lengths))
        if y.shape[1] > 1:
            self._differences.append(squared_differences(y, lengths, check_reset(kwargs.get("reset"), y)))

    def _drop_words(self) -> None:
        tables = [module for module in self.network.modules() if isinstance(module, nn.Embedding)]
        if not tables:
            raise SettingError(f"embedding_dropout is {self.dropout}, and the network has no embedding; set it to 0")
        for table in tables:
            self._hooks.append(table.register_forward_hook(self._drop))

    def _drop(self, table: Any, args: tuple[Tensor, ...], embeddings: Tensor) -> Tensor:
        """Drop the same rows of the table in all calls of a step, and scale the others."""
        if not table.training:
            return embeddings
        if (mask := self._masks.get(table)) is None:
            keep = 1 - self.dropout
            mask = table.weight.new_empty(len(table.weight), 1).bernoulli_(keep).div_(keep)
            self._masks[table] = mask
        dropped: Tensor = embeddings * mask[args[0]]
        return dropped


def encoder_layers(network: nn.Module) -> list[RecurrentBase]:
    """Return the recurrent layers inside modules named `encoder`, or all recurrent layers if there is none."""
    found = {name: module for name, module in network.named_modules() if isinstance(module, RecurrentBase)}
    inside = [module for name, module in found.items() if "encoder" in name.split(".")]
    if not found:
        raise SettingError(
            "activation_penalty and temporal_penalty require a recurrent layer, and the network has none"
        )
    return inside or list(found.values())
