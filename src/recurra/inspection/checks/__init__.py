"""The checks of a diagnosis. A new check is a `Check` in a file of its group, and an entry of `CHECKS`.

Of findings with the same severity the earlier check is listed first, so causes come before what follows from them: a
learning rate that is too high also saturates gates and kills units; shuffled labels also look like overfitting.
"""

from __future__ import annotations

from .base import Check
from .behavior import PADDING, STATE
from .data import DUPLICATES, IMBALANCED, VOCABULARY
from .fit import SHUFFLED_LABELS, WORSE
from .gradients import EXPLODING, VANISHING
from .history import NOT_FINITE, OVERFITTING, RATE_TOO_HIGH, RATE_TOO_LOW, TOO_FEW_EPOCHS
from .units import DEAD_UNITS, SATURATED_GATES

CHECKS: tuple[Check, ...] = (
    NOT_FINITE,
    RATE_TOO_HIGH,
    WORSE,
    RATE_TOO_LOW,
    PADDING,
    SHUFFLED_LABELS,
    DUPLICATES,
    VOCABULARY,
    STATE,
    DEAD_UNITS,
    SATURATED_GATES,
    EXPLODING,
    VANISHING,
    OVERFITTING,
    IMBALANCED,
    TOO_FEW_EPOCHS,
)
