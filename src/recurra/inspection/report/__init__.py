"""The report of a run: one self-contained page, in English or Chinese.

blocks.py     what a section consists of
summary.py    the first sentence
sections/     one file per section, and their order
assets/       the template, style and script; uPlot draws the curves (MIT license, assets/uPlot.LICENSE)
"""

from __future__ import annotations

from .page import check_new, inspect_run

__all__ = ["check_new", "inspect_run"]
