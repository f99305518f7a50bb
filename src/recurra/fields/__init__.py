"""The fields of custom tasks. A field reads one column of a table.

Field     the base class: finds the column, checks, fits, encodes and saves    base.py
Text      tokens of a vocabulary                                               text.py
Series    a list of numbers or vectors, standardised                           series.py
Label     a class                                                              label.py
Number    a number, standardised                                               number.py
"""

from __future__ import annotations

from .base import Field
from .label import Label
from .number import Number
from .series import Series
from .text import Text

__all__ = ["Field", "Label", "Number", "Series", "Text"]
