"""The series of a training run, each divided in time: a training part, and after it a validation part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np

from ...data.series.series import Table
from ...errors import DataError


@final
class TrainValidationSplit:
    """`cuts`: the steps of the training part of each series, by name; at first all. A series that only --valid has, has none.

    Series that nothing can be learnt from stop the run or, with `skip`, are left out for good.
    """

    def __init__(self, table: Table, *, skip: bool) -> None:
        self.series, self.path, self.skip = table.series, table.path, skip
        self.cuts = {one.name: len(one) for one in table.series}
        self.messages: list[str] = []
        self._left_out: set[str] = set()
        self._valid_path = table.path

    @property
    def train_steps(self) -> int:
        """Steps of the training part, of all series."""
        return sum(min(self.cuts.get(one.name, 0), len(one)) for one in self.series)

    @property
    def valid_steps(self) -> int:
        """Steps of the validation part, of all series."""
        return sum(map(len, self.series)) - self.train_steps

    def leave_out_constant(self) -> None:
        """Leave out series that have not two different values."""
        bad: dict[str, str] = {}
        for one in self.series:
            observed = one.values[~np.isnan(one.values)]
            if not len(observed):
                bad[one.name] = "has no value at all"
            elif (observed == observed[0]).all():
                bad[one.name] = f"never changes (always {observed[0]:g})"
        self._leave_out(bad, "there is nothing to learn from it")

    def append(self, valid: Table) -> None:
        """The validation part is what `valid` has after the end of each series; series that only it has come last."""
        later = {one.name: one for one in valid.series if one.name not in self._left_out}
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
        self.series, self._valid_path = [*joined, *later.values()], valid.path

    def hold_back(self, fraction: float, horizon: int) -> None:
        """The validation part is this fraction of each series, a horizon at least."""
        for one in self.series:
            self.cuts[one.name] = max(len(one) - max(round(len(one) * fraction), horizon), 0)

    def leave_out_short(self, window: int | None, horizon: int) -> None:
        """Leave out series whose training part does not hold a window, a horizon, and a value. `window` None: a short one."""
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
        self._leave_out(short, "a shorter --context-length or --horizon may do")
        self._leave_out(empty, "there is nothing to learn from it")

    def check_valid(self, horizon: int) -> None:
        """Raise DataError where the validation part does not hold a horizon, and a value."""
        parts = [one.values[self.cuts.get(one.name, 0) :] for one in self.series]
        if max(map(len, parts)) < horizon:
            raise DataError(
                f"the part held back has no {horizon:,} steps to forecast in a row; "
                "give a longer --valid or a shorter --horizon",
                file=self._valid_path,
            )
        if all(np.isnan(values).all() for values in parts):
            raise DataError(
                f"the part held back, {max(map(len, parts)):,} steps, has no value to compare a forecast with. Take empty "
                "rows at the end away, or, if they are there for covariates known ahead, name these with --future-covariates",
                file=self._valid_path,
            )

    def _leave_out(self, bad: Mapping[str, str], why: str) -> None:
        """`bad`: what is wrong with each of the series to leave out."""
        if not bad:
            return
        name, *others = bad
        problem = f"the series {name!r} {bad[name]}"
        if others:
            shown = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
            problem += f"; {len(others):,} more such series ({shown})"
        left = [one for one in self.series if one.name not in bad]
        if not self.skip or not left:
            do = f"Take {'them' if others else 'it'} out, or say --set on_error=skip" if left else "Give other data"
            raise DataError(f"{problem}: {why}. {do}", file=self.path)
        self.messages.append(f"{len(bad):,} of {len(self.series):,} series left out: {problem}")
        self.series = left
        self._left_out |= bad.keys()
        for name in bad:
            del self.cuts[name]
