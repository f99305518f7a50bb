"""The fields that a task of one's own is made of: what a column of its table is to it.

Field     the base of them all: finds its column, fits what it needs, encodes, and saves that    field.py
Text      tokens of a vocabulary                                                                 text.py
Series    a list of numbers or vectors, standardised for training                                series.py
Label     one of the classes                                                                     label.py
Number    a number, standardised for training                                                    number.py
"""

from __future__ import annotations

from .base import Field
from .label import Label
from .number import Number
from .series import Series
from .text import Text

__all__ = ["Field", "Label", "Number", "Series", "Text"]
