"""Comparison of cells on one dataset: equal budgets, several seeds, and a recommendation.

results.py   what is compared, the spread over seeds, the recommendation
measure.py   the numbers of one run
compare.py   trains what is missing
page.py      the page
"""

from __future__ import annotations

from .results import Candidate, Comparison, RunNumbers
from .trials import compare

__all__ = ["Candidate", "Comparison", "RunNumbers", "compare"]
