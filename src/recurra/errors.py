"""The exceptions of recurra.

    RecurraError
    ├── UserError                 what the user gave cannot be used; the command line ends with status 2
    │   ├── DataError             a file, a row, a field
    │   ├── SettingError          a setting: unknown, ambiguous, out of range
    │   ├── RunError              a run folder: exists, damaged, too new, names code nobody allowed
    │   └── CallError             a call from Python: shapes, lengths, arguments (also a ValueError)
    │       └── BackendError      a named backend that does not exist or does not support the call
    └── TrainingError             training cannot go on (the loss is not a number); the best weights are kept

A message says what was wrong, where, and what to do, in one or two lines.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RecurraError(Exception):
    """The base class of the exceptions of recurra."""


class RecurraWarning(UserWarning):
    """A warning. The command line prints it in one line."""


class UserError(RecurraError):
    """Invalid input of a user."""


class DataError(UserError):
    """Data that cannot be read or used. The message begins with the file, the row and the field, where they are known."""

    def __init__(self, message: str, *, file: object = None, row: int | None = None, field: str | None = None) -> None:
        place = "" if file is None else str(file)
        if row is not None:
            place += f", row {row}" if place else f"row {row}"
        if field is not None:
            place += f", field {field!r}" if place else f"field {field!r}"
        super().__init__(f"{place}: {message}" if place else message)
        self.message, self.file, self.row, self.field = message, file, row, field


class SettingError(UserError):
    """An unknown or ambiguous setting, or an invalid value."""


class RunError(UserError):
    """A run folder that cannot be used."""


class CallError(UserError, ValueError):
    """A call from Python with wrong arguments."""


class BackendError(CallError):
    """An unknown backend, or one that does not support a call."""


class TrainingError(RecurraError):
    """Training cannot continue."""


def short(value: object) -> str:
    """Return the representation of a value for a message of one line; of a tensor or another large object its type."""
    text = repr(value)
    return text if len(text) <= 60 and "\n" not in text and "tensor(" not in text else f"a {type(value).__name__}"


def near(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown `word`: similar known words, or all known words."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    return f"expected one of {', '.join(known)}" if known else "none exists"
