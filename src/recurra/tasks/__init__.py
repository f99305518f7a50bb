"""The built-in tasks. To register one, add a line to `BUILT_IN`: its name and where its class is."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ..errors import SettingError, near

if TYPE_CHECKING:
    from .base import Task

BUILT_IN = {
    "caption": "caption.task:Caption",
    "classify": "classify.task:Classify",
    "couplet": "couplet.task:Couplet",
    "forecast": "forecast.task:Forecast",
    "language": "language.task:Language",
    "regress": "regress.task:Regress",
    "tag": "tag.task:Tag",
    "transcribe": "transcribe.task:Transcribe",
    "translate": "translate.task:Translate",
}


def names() -> list[str]:
    """The names of the built-in tasks. Imports none of them."""
    return sorted(BUILT_IN)


def get(spec: str | type[Task[Any]]) -> type[Task[Any]]:
    """Return the built-in task of a name, or the class itself. Raises SettingError for an unknown name."""
    if isinstance(spec, type):
        return spec
    if spec in BUILT_IN:
        module, _, name = BUILT_IN[spec].partition(":")
        return getattr(importlib.import_module(f"{__name__}.{module}"), name)  # type: ignore[no-any-return]
    raise SettingError(f"unknown task {spec!r}; {near(spec, names())}")
