"""Documents of annotation tools as rows: one JSON or YAML file that contains all texts with their spans.

a JSON list of objects or of pairs      Label Studio, spaCy: ["Ada left", {"entities": [[0, 3, "PER"]]}]
{"annotations": [...]}                  the same, inside an object
{"rasa_nlu_data": ...}                  Rasa
YAML with `nlu:`                        Rasa: [Ada](person) left
{"BookFlight": [{"data": [...]}]}       SNIPS: a text in pieces, with an entity or none
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from recurra.data.sources.files import open_lines, reading, suffixes, wrong_characters
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

MARKDOWN = re.compile(r"\[([^\]\n]+)\](?:\(([^)\n]+)\)|(\{[^}\n]*\}))")
_HEAD = 1 << 16  # characters from which the form of a file is inferred


class SpanDocument(Source):
    """The texts of one JSON or YAML document, with the columns `text`, `entities` and others of the file."""

    format = "spans"

    @cached_property
    def _rows(self) -> list[Row | DataError]:
        with reading(self.path), open_lines(self.path, self.encoding, None) as stream:
            text = stream.read()
        if wrong := wrong_characters(text, self.encoding):
            raise DataError(wrong, file=self.path)
        if suffixes(self.path)[0] in (".yml", ".yaml"):
            examples = list(_rasa_yaml(text, self.path))
        else:
            try:
                examples = list(_examples(json.loads(text)))
            except (ValueError, RecursionError) as error:
                raise DataError(f"is not valid JSON: {error}", file=self.path) from None
        rows: list[Row | DataError] = []
        for number, values in enumerate(examples, 1):
            row = Row(number, {}, self.path)
            if isinstance(values, dict):
                row.values = values
                rows.append(row)
            else:
                rows.append(row.error(f"is {values!r:.60}; expected an object with a text and its spans"))
        return rows

    @cached_property
    def columns(self) -> list[str]:
        """The keys of the objects."""
        names: dict[str, None] = {}
        for row in self._rows:
            if isinstance(row, Row):
                names.update(dict.fromkeys(row.values))
        return list(names)

    def _read(self) -> Iterator[Row | DataError]:
        for row in self._rows:
            if isinstance(row, Row):
                values = dict.fromkeys(self.columns) | row.values
                yield Row(row.number, values, row.file, row.line)
            else:
                yield row


def is_document(path: Path, encoding: str) -> bool:
    """Whether a file is one JSON or YAML document with texts and spans, and not a table or JSON Lines."""
    suffix = suffixes(path)[0]
    if suffix not in (".json", ".yml", ".yaml"):
        return False
    with reading(path), open_lines(path, encoding, None) as stream:
        head = stream.read(_HEAD)
    if suffix != ".json":
        return re.search(r"(?m)^nlu:", head) is not None
    begin = head.lstrip()
    if begin.startswith("["):
        return re.match(r"\[\s*\[", begin) is not None  # pairs of spaCy; a list of objects is a table
    first = begin.partition("\n")[0]
    try:
        value = json.loads(first)
    except ValueError:
        return begin.startswith("{")  # an object of several lines
    return isinstance(value, dict) and _inner(value) is not None


def _inner(value: Mapping[str, Any]) -> Any:
    """The examples inside the object of a document; None if there are none."""
    if isinstance(value.get("rasa_nlu_data"), Mapping):
        return value["rasa_nlu_data"].get("common_examples", [])
    if isinstance(value.get("annotations"), list) and "text" not in value and "data" not in value:
        return value["annotations"]
    for name in ("examples", "data", "documents"):
        if isinstance(value.get(name), list) and "text" not in value:
            return value[name]
    if value and all(isinstance(one, list) and one and _is_snips(one[0]) for one in value.values()):
        return [{**example, "intent": intent} for intent, several in value.items() for example in several]
    return None


def _is_snips(example: Any) -> bool:
    return isinstance(example, Mapping) and isinstance(example.get("data"), list)


def _examples(value: Any) -> Iterator[Any]:
    """The examples of a JSON document, as objects where they can be read."""
    if isinstance(value, Mapping):
        inner = _inner(value)
        value = [value] if inner is None else inner
    for example in value:
        if isinstance(example, list) and len(example) == 2 and isinstance(example[0], str):  # spaCy
            spans = example[1].get("entities") if isinstance(example[1], Mapping) else example[1]
            yield {"text": example[0], "entities": spans}
        elif _is_snips(example):
            yield _joined(example)
        elif example is not None:
            yield example


def _joined(example: Mapping[str, Any]) -> dict[str, Any]:
    """The text of pieces, with a span for each piece that has an entity."""
    text, spans = "", list[list[Any]]()
    for piece in example["data"]:
        begin, text = len(text), text + str(piece.get("text", ""))
        if piece.get("entity"):
            spans.append([begin, len(text), str(piece.get("slot_name") or piece["entity"])])
    others = {name: value for name, value in example.items() if name != "data"}
    return {"text": text, "entities": spans, **others}


def parse_markdown(text: str) -> dict[str, Any]:
    """The text and the spans of a line such as `fly to [Oslo](city)` or `[Oslo]{"entity": "city", "value": "oslo"}`.

    >>> parse_markdown('fly to [Oslo](city:oslo)')
    {'text': 'fly to Oslo', 'entities': [[7, 11, 'city']]}
    """
    plain, spans, at = "", list[list[Any]](), 0
    for match in MARKDOWN.finditer(text):
        plain += text[at : match.start()]
        kind = match[2]
        if kind is None:
            try:
                kind = str(json.loads(match[3]).get("entity", ""))
            except ValueError:
                kind = ""
        kind = kind.partition(":")[0].strip()
        if kind:
            spans.append([len(plain), len(plain) + len(match[1]), kind])
            plain += match[1]
        else:
            plain += match[0]
        at = match.end()
    return {"text": plain + text[at:], "entities": spans}


def _rasa_yaml(text: str, path: Path) -> Iterator[dict[str, Any]]:
    """The examples of the intents in training data of Rasa."""
    import yaml

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        message = str(error).replace("\n", " ")
        raise DataError(f"is not valid YAML: {message}", file=path) from None
    for block in (value or {}).get("nlu") or []:
        if not isinstance(block, Mapping) or "intent" not in block:
            continue
        examples = block.get("examples", "")
        lines = examples.splitlines() if isinstance(examples, str) else [one.get("text", "") for one in examples]
        for line in lines:
            line = str(line).strip().removeprefix("- ").strip()
            if line:
                yield {**parse_markdown(line), "intent": str(block["intent"])}
