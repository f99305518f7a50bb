"""The texts of the diagnosis and of the report, one catalog per language: `en.json`, `zh.json`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from ...errors import SettingError, near

LANGUAGES = ("en", "zh")


@cache
def catalog(language: str) -> dict[str, str]:
    """Return the texts of a language by key, such as `vanishing.sentence`.

    Raises SettingError for a language without a catalog.

    Example:
        >>> from recurra.inspection.texts import catalog
        >>> catalog("en").keys() == catalog("zh").keys()
        True
    """
    if language not in LANGUAGES:
        raise SettingError(f"unknown language {language!r}; {near(language, LANGUAGES)}")
    nested = json.loads((Path(__file__).parent / f"{language}.json").read_text(encoding="utf-8"))
    return {f"{group}.{key}": text for group, texts in nested.items() for key, text in texts.items()}


def text(language: str, key: str, **facts: Any) -> str:
    """Return a text with its facts filled in. Raises KeyError for an unknown key or a missing fact."""
    return catalog(language)[key].format(**facts)
