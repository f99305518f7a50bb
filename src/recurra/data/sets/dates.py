"""Dates in the formats of the locales of babel (Unicode CLDR), and in ISO 8601."""

from __future__ import annotations

import datetime
import random
import re
from typing import TextIO

ROWS = 60_000  # about nine of each month of each language in each format
_FORMATS = ("medium", "long")  # "short" often has only two digits of the year


def write(file: TextIO) -> None:
    """Write the columns source and target: dates from 1900 to 2099, drawn with a fixed seed, uniform over languages."""
    from babel import Locale, localedata
    from babel.dates import format_date

    every = [Locale.parse(name) for name in sorted(localedata.locale_identifiers()) if "_" not in name]
    locales = [locale for locale in every if locale.months["format"]["wide"][1] != "M01"]  # others have no month names
    draw = random.Random(0)
    first, last = datetime.date(1900, 1, 1).toordinal(), datetime.date(2099, 12, 31).toordinal()
    rows: dict[tuple[str, str], None] = {}
    while len(rows) < ROWS:
        date = datetime.date.fromordinal(draw.randint(first, last))
        text = " ".join(format_date(date, draw.choice(_FORMATS), draw.choice(locales)).split())
        if {date.year, date.day} <= _numbers(text):  # a few locales omit the day
            rows[text, date.isoformat()] = None
    file.write("source\ttarget\n")
    file.writelines(f"{source}\t{target}\n" for source, target in rows)


def _numbers(text: str) -> set[int]:
    return {int(run) for run in re.findall(r"\d+", text)}  # digits of any script
