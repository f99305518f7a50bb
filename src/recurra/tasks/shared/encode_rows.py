"""Encodes a chunk of rows, field by field."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...fields.base import Field
from ..contract import check_encoded


def encode_rows(fields: Sequence[Field], rows: Sequence[tuple[int, list[Any]]], file: Path) -> dict[str, list[Any]]:
    """Return the encoded values of numbered rows by field. DataError: the row cannot be encoded."""
    encoded = {}
    for at, field in enumerate(fields):
        try:
            encoded[field.name] = check_encoded(field, field.encode([values[at] for _, values in rows]), len(rows))
        except DataError as error:
            number, _ = rows[(error.row or 1) - 1]
            raise DataError(error.message, file=file, row=number, field=field.name) from None
    return encoded
