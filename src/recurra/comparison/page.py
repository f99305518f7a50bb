"""The page of a comparison, with the template and the script of the report."""

from __future__ import annotations

import numpy as np

from ..files import write_text
from ..inspection.report.blocks import Block, Note, PageTexts, Section, Table, curves_of
from ..inspection.report.page import render
from .results import Comparison

PAGE = "comparison.html"


def write_page(comparison: Comparison, data: str, language: str) -> None:
    """Write the page of a comparison."""
    say = PageTexts(language)
    name = data.rpartition("/")[2]
    cells = say("diagnosis.comma").join(one.cell for one in comparison.candidates)
    budget = say("compare.minutes", minutes=f"{comparison.minutes:g}") if comparison.minutes else say("compare.epochs")
    seeds = len(comparison.candidates[0].runs)
    sentences = [
        say("compare.what", cells=cells, task=comparison.task, data=name, seeds=seeds, budget=budget),
        comparison.recommendation(language),
    ]
    table: list[Block] = [Table(*comparison.table(language), say("compare.columns", metric=comparison.metric))]
    table += [Note(line) for line in comparison.failures()]
    sections = [Section("comparison", table)]
    if comparison.curves:
        sections.append(Section("curves", [_curves(comparison, say)]))
    write_text(comparison.page, render(f"{name}: {cells}", sentences, sections, say))


def _curves(comparison: Comparison, say: PageTexts) -> Block:
    """Return the validation losses of the first seed."""
    steps = sorted({step for curve in comparison.curves.values() for step, _ in curve})
    curves = {}
    for cell, curve in comparison.curves.items():
        found = dict(curve)
        curves[cell] = np.array([found.get(step, np.nan) for step in steps])
    return curves_of("compared", steps, curves, (say("curves.step"), say("curves.valid")), wide=True)
