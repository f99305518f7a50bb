"""`BatchGradient`: the gradient of a batch, by the gradient rule of the settings or by the loss of the task."""

from __future__ import annotations

from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from ..tasks.base import Batch, HasObjectives, HasTrainingStep, Task
from ..tasks.contract import check_loss
from .regularizer import Regularizer
from .rules import rule_of
from .rules.batch import batch_gradient


class BatchGradient:
    """Adds the gradient of batches to that of the parameters.

    task       the task
    network    the network, as `Fabric.setup` returned it
    module     the network itself
    fabric     the device and the precision
    penalties  what is added to the loss
    """

    def __init__(
        self,
        task: Task[Any],
        network: torch.nn.Module,
        module: torch.nn.Module,
        fabric: Fabric,
        penalties: Regularizer,
    ) -> None:
        self.task, self.network, self.module, self.fabric, self.penalties = task, network, module, fabric, penalties
        self.rule = rule_of(task.settings.training)

    def __call__(self, batch: Batch, state: Any, progress: float) -> tuple[Tensor, Any]:
        """Add the gradient of a batch. Returns the loss, detached, and the state to hand on."""
        if self.rule is not None and isinstance(self.task, HasObjectives):
            self.penalties.begin()
            with self.fabric.autocast():
                result = batch_gradient(self.rule, self.task.objectives(self.module, batch), state, self._backward)
            self.penalties.add_weight_penalty(self.fabric.backward)
            return result
        backward = self.penalties.added_to(self.fabric.backward)
        if isinstance(self.task, HasTrainingStep):
            return self.task.training_step(self.network, batch, state, progress, backward)
        loss, state = self.task.loss(self.network, batch, state, progress)
        backward(check_loss(self.task, loss))
        return loss.detach(), state

    def _backward(self, loss: Tensor, weight: float = 1.0) -> None:
        self.fabric.backward(loss if weight == 1 else weight * loss)

    def check(self, batch: Batch) -> None:
        """Raise SettingError where the rule does not support the network."""
        if self.rule is not None and isinstance(self.task, HasObjectives):
            self.penalties.check_rule(self.rule.name)
            for objective in self.task.objectives(self.module, batch):
                self.rule.check(objective)

    def rate(self, batch: Batch) -> float:
        """The factor of the learning rate for a batch."""
        if self.rule is None or batch.window is None or not batch.window.continues:
            return 1.0
        return self.rule.rate(batch.window.length)
