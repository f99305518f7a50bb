"""The series of a training run, each cut in two: what is learnt from, and what is held back after it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...data.series.series import Table
from ...errors import DataError


class CutSeries:
    """`cuts`: by name, the steps of each to learn from, at first all of them; a series that only --valid has, has none.

    Series that nothing can be learnt from stop the run or, with `skip`, are left out for good.
    """

    def __init__(self, table: Table, *, skip: bool) -> None:
        self.series, self.path, self.skip = table.series, table.path, skip
        self.cuts = {one.name: len(one) for one in table.series}
        self.lines: list[str] = []
        self._out: set[str] = set()
        self._held_in = table.path

    @property
    def steps(self) -> int:
        """Steps to learn from, of all series."""
        return sum(min(self.cuts.get(one.name, 0), len(one)) for one in self.series)

    def leave_out_unchanging(self) -> None:
        """Every series must have two values that differ."""
        bad: dict[str, str] = {}
        for one in self.series:
            there = one.values[~np.isnan(one.values)]
            if not len(there):
                bad[one.name] = "has no value at all"
            elif (there == there[0]).all():
                bad[one.name] = f"never changes (always {there[0]:g})"
        self._leave_out(bad, "there is nothing to learn from it")

    def go_on(self, valid: Table) -> None:
        """Hold back what --valid says of the time after each series; series that are only there come after."""
        later = {one.name: one for one in valid.series if one.name not in self._out}
        counted = not valid.columns.time
        try:
            joined = [
                one.followed_by(later.pop(one.name), counted=counted) if one.name in later else one
                for one in self.series
            ]
        except DataError as error:
            raise DataError(error.message, file=valid.path) from None
        if not later and sum(map(len, joined)) == sum(map(len, self.series)):
            raise DataError("holds nothing after the end of the training data", file=valid.path)
        self.series, self._held_in = [*joined, *later.values()], valid.path

    def hold_back(self, share: float, horizon: int) -> None:
        """Hold back so much of each series' end, a horizon at least."""
        for one in self.series:
            self.cuts[one.name] = max(len(one) - max(round(len(one) * share), horizon), 0)

    def leave_out_short(self, window: int | None, horizon: int) -> None:
        """What is to be learnt from must hold a window, a horizon, and a value."""
        window = window or max(min(horizon, 8), 2)
        short: dict[str, str] = {}
        empty: dict[str, str] = {}
        for one in self.series:
            cut = self.cuts.get(one.name)
            if cut is None:
                continue
            if cut < window + horizon:
                short[one.name] = (
                    f"has {len(one):,} steps, {cut:,} of them to train on; a window of {window:,} and a "
                    f"horizon of {horizon:,} want {window + horizon:,}"
                )
            elif np.isnan(one.values[:cut]).all():
                empty[one.name] = f"has no value in the {cut:,} steps to train on, only after them"
        self._leave_out(short, "a shorter --window or --horizon may do")
        self._leave_out(empty, "there is nothing to learn from it")

    def check_held(self, horizon: int) -> None:
        """What is held back must hold a horizon, and a value."""
        held = [one.values[self.cuts.get(one.name, 0) :] for one in self.series]
        if max(map(len, held)) < horizon:
            raise DataError(
                f"the part held back has no {horizon:,} steps to forecast in a row; "
                "give a longer --valid or a shorter --horizon",
                file=self._held_in,
            )
        if all(np.isnan(values).all() for values in held):
            raise DataError(
                f"the part held back, {max(map(len, held)):,} steps, has no value to compare a forecast with. Take empty rows "
                "at the end away, or, if they are there for covariates known ahead, name these with --known",
                file=self._held_in,
            )

    def _leave_out(self, bad: Mapping[str, str], why: str) -> None:
        """`bad`: what is wrong with each of the series to leave out."""
        if not bad:
            return
        name, *others = bad
        said = f"the series {name!r} {bad[name]}"
        if others:
            said += f"; {len(others):,} more such series ({', '.join(others[:3])}{', ...' if len(others) > 3 else ''})"
        left = [one for one in self.series if one.name not in bad]
        if not self.skip or not left:
            do = f"Take {'them' if others else 'it'} out, or say --set broken=skip" if left else "Give other data"
            raise DataError(f"{said}: {why}. {do}", file=self.path)
        self.lines.append(f"{len(bad):,} of {len(self.series):,} series left out: {said}")
        self.series = left
        self._out |= bad.keys()
        for name in bad:
            del self.cuts[name]
