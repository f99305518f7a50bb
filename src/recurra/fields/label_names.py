"""Names of labels and tags: the text of a value, and names that differ only in case, width or the format of a number."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping
from typing import Any

from ..data.sources.list_cells import parse_list


def label_text(value: Any) -> str:
    """The name of a label: text in Unicode form NFC without surrounding blanks. A list of one label is that label.

    >>> label_text(" pos "), label_text(["pos"]), label_text("['pos']"), label_text(1.0), label_text(True)
    ('pos', 'pos', 'pos', '1.0', 'True')
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    text = unicodedata.normalize("NFC", str(value).strip())
    if text.startswith("[") and text.endswith("]"):
        try:
            inner = parse_list(text)
        except ValueError:
            inner = None
        if inner is not None and len(inner) == 1 and not isinstance(inner[0], list | dict):
            return label_text(inner[0])
    return text


def _key(name: str) -> str:
    """A key that is equal for names that look alike."""
    folded = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    try:
        return folded if "_" in folded else f"number {float(folded):g}"
    except ValueError:
        return folded


def look_alikes(names: Collection[str]) -> list[list[str]]:
    """Groups of names that differ only in case, width, blanks or the format of a number.

    >>> look_alikes(["Pos", "pos", "1", "1.0", "neg"])
    [['1', '1.0'], ['Pos', 'pos']]
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(_key(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def look_alike_warnings(counts: Mapping[str, int], plural: str) -> list[str]:
    """A warning that names the labels that look alike, with their counts; an empty list if there are none."""
    groups = look_alikes(counts)
    if not groups:
        return []
    shown = "; ".join(" and ".join(f"{name!r} ({counts[name]:,})" for name in group) for group in groups[:3])
    more = f"; {len(groups) - 3} more" if len(groups) > 3 else ""
    return [
        f"warning: {plural} differ only in case, width or number format: {shown}{more}; "
        "they are learnt as different ones. Write them alike if they are the same"
    ]
