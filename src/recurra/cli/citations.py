"""References as BibTeX: those that cells declare, and those of the methods that settings select (methods.json)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import read_json

METHODS = Path(__file__).with_name("methods.json")
# "Author 1997, Title, Journal 9(8):1-9, arXiv:1234.5678"; the titles of cells contain no ", "
SOURCE = re.compile(r"^(?P<authors>.+?) (?P<year>\d{4}), (?P<title>.+?), (?P<venue>.+)$")


@dataclass(frozen=True)
class Reference:
    """A publication; `authors` are last names, as in "Cho, Bengio and others"."""

    authors: str
    year: str
    title: str
    venue: str

    def bibtex(self) -> str:
        """Return the entry, with a key such as `hochreiter1997long`."""
        names = " and ".join(re.split(r", | and ", self.authors.replace(" et al.", " and others")))
        words = [re.sub(r"[^\w]", "", word) for word in (*names.split()[:1], self.title.split()[0].split("-")[0])]
        arxiv = re.search(r"arXiv:(\d{4}\.\d{4,5})", self.venue)
        place = re.sub(r",? ?arXiv:\S+$", "", self.venue)
        fields = {"author": names, "year": self.year, "title": f"{{{self.title}}}"}
        if place:
            fields["journal"] = place
        if arxiv:
            fields |= {"eprint": arxiv[1], "archivePrefix": "arXiv"}
        kind = "article" if place else "misc"
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
        return "\n".join([f"@{kind}{{{words[0].lower()}{self.year}{words[1].lower()},", *lines, "}"])


def references_of(source: str) -> list[Reference]:
    """Return the references in the `source` of a cell; text that has another form becomes a title alone."""
    found = []
    for part in filter(None, (one.strip() for one in source.split(";"))):
        match = SOURCE.match(part)
        found.append(Reference(**match.groupdict()) if match else Reference("Unknown", "", part, ""))
    return found


def methods_of(task: str, source: str, settings: Mapping[str, Mapping[str, Any]]) -> list[Reference]:
    """Return the references of a run, without repetition: its cell, its task, and the methods that its settings select.

    Args:
        task: the name of the task.
        source: the `source` of the cell.
        settings: the settings by group.
    """
    found = references_of(source)
    for method in read_json(METHODS):
        if _is_used(method, task, settings):
            found.append(Reference(*(method[name] for name in ("authors", "year", "title", "venue"))))
    return list(dict.fromkeys(found))


def _is_used(method: Mapping[str, Any], task: str, settings: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a run uses a method of methods.json: by its task, or by the value of a setting."""
    if "task" in method:
        return bool(method["task"] == task)
    group, _, name = method["setting"].partition(".")
    value = settings.get(group, {}).get(name)
    return value in method["values"] if "values" in method else value is not None and value > method["above"]
