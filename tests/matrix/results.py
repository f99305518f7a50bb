"""Reads the results of the matrix, and writes the table of docs/layers.md: `python -m matrix.results FOLDER FILE.md`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .case import entries_of
from .modes import MODES
from .subjects import SUBJECTS

Entry = dict[str, Any]
BEGIN, END = "<!-- matrix: begin -->", "<!-- matrix: end -->"
GRIDS = (
    "(a) An entry records a graph, which takes seconds. Only some configurations of each layer are therefore run; they contain "
    "every pair of values of depth, lengths, T and frozen weights. (b) An entry compiles C++ code. Only one configuration of "
    "each layer is therefore run; the graphs are those of aot_eager."
)
WORDS = {"supported": "yes", "rejected": "error", "skipped": "skipped"}


def file_of(folder: Path, mode: str) -> Path:
    """Return the file of the results of a mode."""
    return folder / (mode.replace(":", "").replace(",", "").replace(" ", "_") + ".jsonl")


def load(folder: Path, mode: str) -> list[Entry]:
    """Return the results of a mode; an empty list if it did not run."""
    file = file_of(folder, mode)
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def summary(mode: str, entries: list[Entry]) -> str:
    """Return the counts of a mode and its first failures of each kind."""
    counts = Counter(entry["status"] for entry in entries)
    lines = [f"{mode}: " + ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))]
    failed = [entry for entry in entries if not entry["ok"]]
    by_detail: dict[str, list[Entry]] = {}
    for entry in failed:
        by_detail.setdefault(f"{entry['status']}: {entry['detail'].split(' is off by')[0]}", []).append(entry)
    for detail, alike in by_detail.items():
        lines.append(f"  {len(alike)} entries, such as {describe(alike[0]['configuration'])}: {detail}")
    return "\n".join(lines)


def describe(configuration: Entry) -> str:
    """Return a configuration in words."""
    c = configuration
    words = [c["subject"], "deep" if c["deep"] else "plain", f"T={c['T']}"]
    return ", ".join(words + ["lengths"] * c["with_lengths"] + ["frozen"] * c["frozen"])


def cell(entries: Iterable[Entry]) -> str:
    """Return the content of one cell of the table."""
    entries = list(entries)
    if not entries:
        return "not run"
    if defects := [entry for entry in entries if not entry["ok"]]:
        return f"**{len(defects)} of {len(entries)} wrong**"
    found = {WORDS[entry["status"]] for entry in entries}
    if len(found) == 1:
        return found.pop()
    for key, words in (
        ("with_lengths", ("without lengths", "with lengths")),
        ("frozen", ("trainable", "frozen")),
        ("deep", ("one layer", "two layers, two directions")),
    ):
        parts = [{WORDS[e["status"]] for e in entries if e["configuration"][key] is value} for value in (False, True)]
        if all(len(part) == 1 for part in parts):
            return "; ".join(f"{word}: {part.pop()}" for word, part in zip(words, parts, strict=True))
    return f"in part: {sum(entry['status'] == 'supported' for entry in entries)} of {len(entries)}"


def table(folder: Path) -> str:
    """Return the table: a row for each mode and a column for each kind of layer."""
    columns = list(dict.fromkeys(subject.column for subject in SUBJECTS.values()))
    lines = ["| mode | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    reasons: dict[str, None] = {}
    for mode in MODES:
        entries = load(folder, mode)
        cells = [cell(e for e in entries if SUBJECTS[e["configuration"]["subject"]].column == c) for c in columns]
        mark = {"all": "", "pairs": " (a)", "one": " (b)"}[MODES[mode].grid]
        lines.append(f"| {mode}{mark} | " + " | ".join(cells) + " |")
        reasons |= {f"{mode}: {e['detail']}": None for e in entries if e["status"] == "skipped"}
    judged, total = sum(len(load(folder, mode)) for mode in MODES), sum(len(entries_of(m.grid)) for m in MODES.values())
    lines += ["", f"{judged} of {total} entries were run. {GRIDS}"]
    if reasons:
        lines += ["", "Skipped: " + "; ".join(reasons) + "."]
    return "\n".join(lines)


def main() -> None:
    """Replace what lies between the two marks in a page by the table."""
    folder, page = Path(sys.argv[1]), Path(sys.argv[2])
    text = page.read_text()
    if BEGIN not in text or END not in text:
        raise SystemExit(f"{page} has no {BEGIN} and {END}; expected both, around the table")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n{table(folder)}\n{END}{after}")


if __name__ == "__main__":
    main()
