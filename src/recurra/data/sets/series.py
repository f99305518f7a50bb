"""Measured time series of the library statsmodels, in long format."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from typing import TextIO


def write(file: TextIO) -> None:
    """Write the columns series, time and value. A missing measurement is an empty cell."""
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["series", "time", "value"])
    for name, time, value in _points():
        table.writerow([name, time, "" if math.isnan(value) else repr(float(value))])


def _points() -> Iterator[tuple[str, str, float]]:
    from statsmodels.datasets import co2, elnino, nile, sunspots  # type: ignore[import-untyped]

    for row in sunspots.load_pandas().data.itertuples(index=False):  # sunspot number, yearly, 1700-2008
        yield "sunspots", str(int(row.YEAR)), row.SUNACTIVITY
    for date, value in co2.load_pandas().data["co2"].items():  # CO2 at Mauna Loa in ppm, weekly, 1958-2001
        yield "co2", date.strftime("%Y-%m-%d"), value
    for row in nile.load_pandas().data.itertuples(
        index=False
    ):  # flow of the Nile at Aswan in 10^8 m^3, yearly, 1871-1970
        yield "nile", str(int(row.year)), row.volume
    for row in elnino.load_pandas().data.itertuples(index=False):  # sea surface temperature in °C, monthly, 1950-2010
        for month, value in enumerate(row[1:], 1):
            yield "elnino", f"{int(row[0])}-{month:02d}", value
