"""A cell over time: operators, back ends, and the one place that chooses between them."""

from __future__ import annotations

from .call import Backend, Call, watch
from .checks import check_lengths, traced
from .dispatch import BACKENDS, Plan, check_name, choose, names, plan
from .library import execute, operator_of, options_of, wants_operator
from .native.fast_path import Straight
from .native.stepper import Steps

__all__ = [
    "BACKENDS",
    "Backend",
    "Call",
    "Plan",
    "Steps",
    "Straight",
    "check_lengths",
    "check_name",
    "choose",
    "execute",
    "names",
    "operator_of",
    "options_of",
    "plan",
    "traced",
    "wants_operator",
    "watch",
]
