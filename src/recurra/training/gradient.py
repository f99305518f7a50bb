"""`BatchGradient`: the gradient of a batch, by the gradient rule of the settings or by the loss of the task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from ..errors import SettingError
from ..tasks.base import Batch, HasObjectives, HasTrainingStep, Task
from ..tasks.contract import check_loss
from .regularizer import Regularizer
from .rules import rule_of
from .rules.batch import batch_gradient


class BatchGradient:
    """Adds the gradient of batches to that of the parameters.

    task          the task
    network       the network, as `Fabric.setup` returned it
    module        the network itself
    fabric        the device and the precision
    regularizer   adds the penalties
    """

    def __init__(
        self,
        task: Task[Any],
        network: torch.nn.Module,
        module: torch.nn.Module,
        fabric: Fabric,
        regularizer: Regularizer,
    ) -> None:
        self.task, self.network, self.module, self.fabric = task, network, module, fabric
        self.regularizer = regularizer
        self.rule = rule_of(task.settings.training)

    def __call__(self, batch: Batch, state: Any, progress: float) -> tuple[Tensor, Any]:
        """Add the gradient of a batch. Returns the loss, detached, and the state to hand on."""
        backward = self.regularizer.added_to(self.fabric.backward)
        if self.rule is not None and isinstance(self.task, HasObjectives):
            calls: list[Callable[[Tensor], None]] = [backward]

            def backward_of_window(loss: Tensor, weight: float = 1.0) -> None:  # the penalties are added once
                (calls.pop() if calls else self.fabric.backward)(loss * weight)

            with self.fabric.autocast():
                return batch_gradient(self.rule, self.task.objectives(self.module, batch), state, backward_of_window)
        if isinstance(self.task, HasTrainingStep):
            return self.task.training_step(self.network, batch, state, progress, backward)
        loss, state = self.task.loss(self.network, batch, state, progress)
        backward(check_loss(self.task, loss))
        return loss.detach(), state

    def check(self, batch: Batch) -> None:
        """Raise SettingError where the rule does not support the network or the regularization."""
        if self.rule is not None and isinstance(self.task, HasObjectives):
            if self.regularizer.activation or self.regularizer.temporal:
                raise SettingError("activation_penalty and temporal_penalty need all time steps in one call, and this gradient "
                                   "rule reads windows; set both to 0")  # fmt: skip
            for objective in self.task.objectives(self.module, batch):
                self.rule.check(objective)

    def rate(self, batch: Batch) -> float:
        """The factor of the learning rate for a batch."""
        if self.rule is None or batch.window is None or not batch.window.continues:
            return 1.0
        return self.rule.rate(batch.window.length)
