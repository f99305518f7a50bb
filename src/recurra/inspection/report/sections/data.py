"""Facts about the data: sizes, format, classes, unknown tokens, examples on both sides of the split."""

from __future__ import annotations

from ....errors import UserError
from ...evidence import Evidence
from ..blocks import Block, Note, PageTexts, Table, short

CLASSES = 12


def data_facts(evidence: Evidence, say: PageTexts) -> list[Block]:
    """Return the tables about the data."""
    config = evidence.run.config
    source, resolved = config.get("source") or {}, config["resolved"]
    rows = [(say("data.source"), str(source.get("data")))]
    if source.get("valid"):
        rows.append((say("data.valid_source"), str(source["valid"])))
    dataset = resolved.get("dataset", {})
    rows += [
        (say(f"data.{name}"), f"{dataset[name]:,}") for name in ("rows", "valid_rows", "time_steps") if name in dataset
    ]
    file = resolved.get("file") or {}
    rows += (
        [(say("data.format"), ", ".join(str(file[name]) for name in ("format", "encoding") if file.get(name)))]
        if file
        else []
    )
    blocks: list[Block] = []
    try:
        quality = evidence.quality
        rows += [(say("data.unknown", field=name), f"{value:.1%}") for name, value in quality.unknown.items()]
        if quality.shared is not None:
            rows.append((say("data.shared"), f"{quality.shared:,}"))
        for name, counts in quality.classes.items():
            ranked = sorted(counts.items(), key=lambda one: -one[1])
            shown = [(short(label, 40), f"{count:,}") for label, count in ranked[:CLASSES]]
            more = say("data.more", count=len(ranked) - CLASSES) if len(ranked) > CLASSES else ""
            blocks.append(Table([name, say("data.rows")], shown, more))
    except UserError as error:
        blocks.append(Note(say("report.missing", reason=str(error))))
    return [Table([say("data.fact"), say("predictions.value")], rows), *blocks]
