"""The fields that a task of one's own is made of: what a column of its table is to it.

Field     the base of them all: finds its column, fits what it needs, encodes, and saves that    field.py
Text      tokens of a vocabulary                                                                 field_text.py
Series    a list of numbers or vectors, standardised for training                                field_series.py
Label     one of the classes                                                                     field_label.py
Number    a number, standardised for training                                                    field_number.py
"""

from __future__ import annotations

from .field import Field
from .field_label import Label
from .field_number import Number
from .field_series import Series
from .field_text import Text

__all__ = ["Field", "Label", "Number", "Series", "Text"]
