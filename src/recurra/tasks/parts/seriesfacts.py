"""What a run of series knows by heart: its columns, seasons, cycles of the calendar, and the measures of every number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.rows import Row, Source
from ...data.series import Columns, Series, number, read_table
from ...data.times import CYCLES
from ...errors import DataError
from .panel import Panel, stats_of

TIMES_OF_A_CYCLE = 2  # that the training part must hold, or its place in it says no more than the date


@dataclass
class Facts:
    """Fitted on the training part, saved with the run, and all that is needed to make a `Panel` of other series."""

    columns: Columns
    seasons: dict[str, int] = field(default_factory=dict)  # by the name of the grid
    cycles: list[bool] = field(default_factory=lambda: [False] * len(CYCLES))
    measures: dict[str, tuple[float, float]] = field(
        default_factory=dict
    )  # mean and deviation of covariates, by column
    classes: dict[str, list[str]] = field(default_factory=dict)  # of the static covariates that are words
    series: dict[str, tuple[int, float, float, float]] = field(default_factory=dict)  # vector, mean, deviation, size
    masked: bool = False  # there were missing values

    @classmethod
    def of(cls, columns: Columns, series: Sequence[Series]) -> Facts:
        return cls(columns, masked=any(bool(np.isnan(one.values).any()) for one in series))

    # fitting -------------------------------------------------------------------------------------------------------
    def fit(self, series: Sequence[Series], cuts: Mapping[str, int], *, calendar: bool) -> None:
        """Measures of the covariates, classes of the static ones, and the cycles that the series are long enough for."""
        for names, of in ((self.columns.known, "known"), (self.columns.past, "past")):
            for at, column in enumerate(names):
                mean, deviation, _ = stats_of(
                    np.concatenate([getattr(one, of)[: cuts.get(one.name), at] for one in series])
                )
                self.measures[column] = mean, deviation
        for at, column in enumerate(self.columns.static):
            words = [one.static[at] for one in series if one.name in cuts]
            values = [number(word) for word in words]
            if all(value is not None for value in values):
                mean, deviation, _ = stats_of(np.array(values, np.float64))
                self.measures[column] = mean, deviation
            else:
                self.classes[column] = sorted(set(words))
        for at in range(len(CYCLES)):
            enough = [
                n for one in series if (n := one.grid.cycles()[at]) and cuts.get(one.name, 0) >= TIMES_OF_A_CYCLE * n
            ]
            self.cycles[at] = calendar and len(enough) >= len(series) / 2

    def settle(self, series: Sequence[Series], cuts: Mapping[str, int]) -> None:
        """Number the series that are trained on, and take their measures."""
        trained = [one for one in series if cuts.get(one.name)]
        self.series = {one.name: (at, *stats_of(one.values[: cuts[one.name]])) for at, one in enumerate(trained, 1)}

    # use -----------------------------------------------------------------------------------------------------------
    @property
    def widths(self) -> dict[str, int]:
        return {
            "known": len(self.columns.known),
            "past": len(self.columns.past),
            "calendar": 2 * sum(self.cycles),
        }

    @property
    def static_width(self) -> int:
        return sum(len(self.classes.get(column, "1")) for column in self.columns.static)

    def panel(self, series: Sequence[Series], *, until: Mapping[str, int] | None = None, ahead: int = 0) -> Panel:
        """The series one after the other, each with `ahead` steps more that are to come. The measures of a series that the
        run does not know are those of its first `until` steps."""
        sized = [(one, len(one) + ahead) for one in series]
        used = np.repeat(self.cycles, 2)
        usual = next(iter(self.seasons.values()), 1)
        stats = [
            self.series[one.name][1:]
            if one.name in self.series
            else stats_of(one.values[: (until or {}).get(one.name)])
            for one in series
        ]
        return Panel(
            values=np.concatenate([np.r_[one.values, np.full(ahead, np.nan)] for one in series]),
            known=np.concatenate([self._measured(one.known, self.columns.known, n) for one, n in sized]),
            past=np.concatenate([self._measured(one.past, self.columns.past, n) for one, n in sized]),
            calendar=np.concatenate([one.grid.calendar(one.first + np.arange(n))[:, used] for one, n in sized]),
            starts=np.cumsum([0, *(n for _, n in sized)]).astype(np.int64),
            stats=np.array(stats, np.float64).reshape(-1, 3),
            seasons=np.array([self.seasons.get(one.grid.name, usual) for one in series], np.int64),
            vectors=np.array([self.series.get(one.name, (0,))[0] for one in series], np.int64),
            static=np.array([self._static(one) for one in series], np.float32).reshape(len(series), -1),
        )

    def _measured(self, values: NDArray[np.float64], names: Sequence[str], length: int) -> NDArray[np.float32]:
        """(length, columns) standardised; 0, the mean, where nothing is known."""
        result = np.zeros((length, len(names)), np.float32)
        n = min(length, len(values))
        for at, name in enumerate(names):
            mean, deviation = self.measures[name]
            result[:n, at] = np.nan_to_num((values[:n, at] - mean) / deviation)
        return result

    def _static(self, one: Series) -> list[float]:
        """Numbers standardised, words as one of the classes; a word never seen is none of them."""
        result: list[float] = []
        for column, cell in zip(self.columns.static, one.static, strict=True):
            if column in self.classes:
                result += [float(cell == word) for word in self.classes[column]]
            else:
                value = number(cell)
                if value is None:
                    raise DataError(f"the series {one.name!r} has {column} = {cell!r}, which is not a number")
                mean, deviation = self.measures[column]
                result.append(0.0 if np.isnan(value) else (value - mean) / deviation)
        return result

    # saving --------------------------------------------------------------------------------------------------------
    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Facts:
        tuples: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in saved["columns"].items()
        }
        values = dict(saved) | {"columns": Columns(**tuples)}
        values["series"] = {name: tuple(row) for name, row in saved["series"].items()}
        return cls(**values)


class _Given(Source):
    """The rows of one example, so that it is read as a file is."""

    format = "example"

    def __init__(self, rows: Mapping[str, Sequence[Any]]) -> None:
        super().__init__(Path("example"), "example")
        self.given = rows

    @property
    def columns(self) -> list[str]:
        return list(self.given)

    def _read(self) -> Iterator[Row | DataError]:
        length = max(map(len, self.given.values()), default=0)
        for at in range(length):
            cells = {name: cells[at] if at < len(cells) else None for name, cells in self.given.items()}
            yield Row(at + 1, cells, self.path)


def from_example(example: Any, facts: Facts) -> Series:
    """A `Series` as it is; a list of numbers; or a mapping with `values` and what the run's columns ask for besides."""
    if isinstance(example, Series):
        return example
    if not isinstance(example, Mapping):
        example = {"values": example}
    allowed = {"values", "time", "series", "known", "past", "static"}
    if extra := set(example) - allowed:
        raise DataError(f"there is no place for {min(extra)!r}; a series is given by {', '.join(sorted(allowed))}")
    if not _list(example.get("values")):
        raise DataError("wants `values`, a list of numbers, null where one is missing")
    if any(facts.cycles) and "time" not in example:
        raise DataError("wants `time`, a time stamp for each value: this run reads the calendar")
    columns, rows = facts.columns, {"value": list(example["values"])}
    if "time" in example:
        rows["time"] = [str(stamp) for stamp in example["time"]]
    for kind, names in (("known", columns.known), ("past", columns.past)):
        for name in names:
            cells = (example.get(kind) or {}).get(name)
            if cells is None or not _list(cells):
                raise DataError(f"wants `{kind}`, a list of numbers for {', '.join(names)}")
            rows[name] = list(cells)
    if "time" in rows and len(rows["time"]) != max(map(len, rows.values())):
        raise DataError(f"has {len(rows['time'])} time stamps for {max(map(len, rows.values()))} steps")
    static = example.get("static") or {}
    if lost := [name for name in columns.static if name not in static]:
        raise DataError(f"wants `static`, a value for {', '.join(lost)}")
    of = Columns(("time",) if "time" in rows else (), None, ("value",), columns.known, columns.past)
    one = read_table(_Given(rows), of).series[0]
    name = example.get("series", next(iter(facts.series)) if len(facts.series) == 1 else "")
    return replace(one, name=str(name), static=tuple(str(static[column]) for column in columns.static))


def _list(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray) and len(value) > 0
