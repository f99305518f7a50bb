"""The learning curves: losses and the learning rate, with the events of the training."""

from __future__ import annotations

from typing import Any

from ...evidence import Evidence, NoEvidenceError
from ..blocks import Block, Figure, PageTexts, curves_of


def curves(evidence: Evidence, say: PageTexts) -> list[Block]:
    """Return the figures of the losses, of the selecting metric, and of the learning rate."""
    lines = evidence.evaluations
    if len(lines) < 2:
        raise NoEvidenceError(say("curves.few", count=len(lines)))
    steps = [line["step"] for line in lines]
    events = _events(evidence, say)

    def figure(key: str, names: dict[str, str], **more: Any) -> Figure:
        found = {label: [line.get(name, float("nan")) for line in lines] for name, label in names.items()}
        return curves_of(key, steps, found, (say("curves.step"), ""), events=events, **more)

    blocks: list[Block] = [
        figure("loss", {"train/loss": say("curves.train"), "valid/loss": say("curves.valid")}, wide=True)
    ]
    metric = evidence.run.task.selection.metric
    if metric != "loss" and f"valid/{metric}" in lines[0]:
        blocks.append(figure("metric", {f"valid/{metric}": metric}))
    return [*blocks, figure("rate", {"learning_rate": "learning_rate"}, log=True)]


def _events(evidence: Evidence, say: PageTexts) -> list[dict[str, Any]]:
    """Return what happened at which step: the best evaluation, corrections of the schedule, the end."""
    lines, events = evidence.evaluations, list[dict[str, Any]]()
    selection = evidence.run.task.selection
    name = f"valid/{selection.metric}"
    known = [line for line in lines if name in line]
    if known:
        sign = -1 if selection.higher_is_better else 1
        events.append({"x": min(known, key=lambda line: sign * line[name])["step"], "label": say("curves.best")})
    for line in evidence.history:
        if "stopped" in line:
            events.append({"x": line["step"], "label": say("curves.stopped")})
        elif "not_finite" in line:
            events.append({"x": line["step"], "label": say("curves.not_finite")})
        elif "steps" in line:
            events.append({"x": line["step"], "label": say("curves.replanned", steps=f"{line['steps']:,}")})
    return events
