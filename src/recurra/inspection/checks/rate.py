"""Checks of a learning rate that is too high: the loss that follows from it, and the steps that are longer than the weights."""

from __future__ import annotations

import torch

from ...nn.base import RecurrentBase
from ...nn.patch import recurrent_of
from ..evidence import ADAPTIVE, Evidence, NoEvidenceError
from ..findings import Severity
from .base import Check, Measured, lower_rate
from .history import enough

NOT_LEARNED = 0.1  # a training loss that is less than this fraction below that of random weights


def worse_than_untrained(evidence: Evidence) -> Measured:
    """The training loss at the end, divided by that of random weights."""
    last, start = enough(evidence)[-1]["train/loss"], evidence.train_losses[0]
    facts = {"last": f"{last:.4g}", "start": f"{start:.4g}"}
    return Measured(last / start if start > 0 else 0.0, facts | _rates(evidence))


def loss_rose(evidence: Evidence) -> Measured:
    """The training loss at the end, divided by its minimum."""
    train = [line["train/loss"] for line in enough(evidence)]
    facts = {"best": f"{min(train):.4g}", "last": f"{train[-1]:.4g}"}
    return Measured(train[-1] / min(train) if min(train) > 0 else 0.0, facts | _rates(evidence))


def steps_too_long(evidence: Evidence) -> Measured:
    """The learning rate divided by the size of the weights at the start, where the training loss stayed high; otherwise 0."""
    if evidence.training.optimizer not in ADAPTIVE:
        raise NoEvidenceError(
            f"with optimizer={evidence.training.optimizer} the rate does not set the length of a step"
        )
    layer: RecurrentBase = recurrent_of(evidence.untrained)[1]
    weights = [weight for name, weight in layer.named_parameters() if "weight" in name]
    size = float(torch.cat([weight.detach().flatten() for weight in weights]).square().mean().sqrt())
    ratio = evidence.training.learning_rate / max(size, 1e-12)
    facts = {"ratio": f"{ratio:.2g}"}
    ended = enough(evidence)[-1]["train/loss"] / max(evidence.train_losses[0], 1e-12)
    stayed = evidence.learned < NOT_LEARNED or ended > 1 - NOT_LEARNED
    return Measured(ratio if stayed else 0.0, facts | _rates(evidence))


def _rates(evidence: Evidence) -> dict[str, str]:
    rate = evidence.training.learning_rate
    return {"rate": f"{rate:g}", "lower": lower_rate(rate)}


WORSE_THAN_UNTRAINED = Check("rate_too_high_worse", worse_than_untrained, 1.05, Severity.broken)
LOSS_ROSE = Check("rate_too_high_rose", loss_rose, 1.1, Severity.broken)
STEPS_TOO_LONG = Check("rate_too_high_steps", steps_too_long, 1.0, Severity.broken)
