"""Encoded rows in the cache: what determines them, and what is kept of the fields and for the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...data.report import DataReport
from ...data.sources.rows import Source
from ...data.store.cache_key import state_of
from ...fields.base import Field


def state_of_rows(
    source: Source,
    columns: Mapping[str, str],
    fields: Sequence[Field],
    functions: Sequence[Callable[..., Any]],
    depends_on: Mapping[str, Any],
) -> Any:
    """Return all that determines encoded rows, besides the files and the settings of the data, as plain values.

    Raises NotCacheableError for a source, a field or a function of other code.
    """
    chain = [source]
    while (inner := getattr(chain[-1], "inner", None)) is not None:
        chain.append(inner)
    kinds = [state_of(type(one)) for one in chain]
    return [kinds, dict(columns), [state_of(field) for field in fields], state_of([*functions, dict(depends_on)])]


@dataclass
class RowFacts:
    """What is known after rows were read.

    Attributes:
        report: the report about the data.
        source: lines for the user about the source.
        fields: lines for the user about the fields.
    """

    report: DataReport
    source: list[str]
    fields: list[str]

    @classmethod
    def of(cls, report: DataReport, source: Source, fields: Sequence[Field]) -> RowFacts:
        """Return the facts of rows that have been read."""
        return cls(report, source.describe(), [line for field in fields for line in field.describe()])

    def to_json(self, fields: Sequence[Field]) -> dict[str, Any]:
        """Return the facts, and the attributes of the fields that `fit` has set and their files do not have."""
        fitted = {field.name: {name: getattr(field, name) for name in field.fitted} for field in fields}
        return {**asdict(self), "fitted": fitted}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], fields: Sequence[Field]) -> RowFacts:
        """Return what `to_json` has returned, and set the attributes of the fields."""
        for field in fields:
            for name, value in values["fitted"][field.name].items():
                setattr(field, name, value)
        report = {**values["report"], "broken_places": tuple(values["report"]["broken_places"])}
        return cls(DataReport(**report), list(values["source"]), list(values["fields"]))
