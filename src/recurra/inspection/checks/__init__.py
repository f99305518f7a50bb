"""The checks of a diagnosis. A new check is a `Check` in a file of its group, an entry of `CHECKS`, and its texts.

The order is causal: a problem comes before those that follow from it. Weights that make the gradient explode at the start also
throw the loss up, and so does a learning rate that is too high, which then saturates gates; a vanishing gradient leaves a
network without skill, as shuffled labels do.
Thresholds are chosen by benchmarks/diagnosis.py on half of its broken and healthy runs; docs/inspection.md has the figures.
"""

from __future__ import annotations

from .base import Check
from .behavior import PADDING, STATE
from .data import DUPLICATES, IMBALANCED, VOCABULARY
from .gradients import EXPLODING, EXPLODING_AT_START, VANISHING
from .history import NOT_FINITE, OVERFITTING, RATE_TOO_LOW, TOO_FEW_EPOCHS
from .rate import LOSS_ROSE, STEPS_TOO_LONG, WORSE_THAN_UNTRAINED
from .skill import NO_SKILL, NOTHING_LEARNED
from .units import DEAD_UNITS, SATURATED_AT_START, SATURATED_GATES

CHECKS: tuple[Check, ...] = (
    SATURATED_AT_START,
    EXPLODING_AT_START,
    DEAD_UNITS,
    NOT_FINITE,
    WORSE_THAN_UNTRAINED,
    LOSS_ROSE,
    STEPS_TOO_LONG,
    RATE_TOO_LOW,
    SATURATED_GATES,
    EXPLODING,
    PADDING,
    VANISHING,
    VOCABULARY,
    STATE,
    NO_SKILL,
    NOTHING_LEARNED,
    DUPLICATES,
    OVERFITTING,
    IMBALANCED,
    TOO_FEW_EPOCHS,
)
