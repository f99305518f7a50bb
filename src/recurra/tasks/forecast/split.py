"""The series of a training run, each divided in time into a training part and a later validation part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np

from ...data.series.series import TimeSeriesTable
from ...errors import DataError


@final
class TrainValidationSplit:
    """Series and the lengths of their training parts.

    Series that cannot be used for training raise DataError or, if `skip` is true, are dropped from both parts.

    series     the series; a validation file extends them
    cutoffs    number of time steps of the training part, by name; at first all. A series that only the validation file
               contains has no cutoff.
    messages   messages about dropped series
    """

    def __init__(self, table: TimeSeriesTable, *, skip: bool) -> None:
        self.series, self.path, self.skip = table.series, table.path, skip
        self.cutoffs = {one.name: len(one) for one in table.series}
        self.messages: list[str] = []
        self._dropped: set[str] = set()
        self._valid_path = table.path

    @property
    def train_steps(self) -> int:
        """The number of time steps of the training part, summed over the series."""
        return sum(min(self.cutoffs.get(one.name, 0), len(one)) for one in self.series)

    @property
    def valid_steps(self) -> int:
        """The number of time steps of the validation part, summed over the series."""
        return sum(map(len, self.series)) - self.train_steps

    def drop_constant(self) -> None:
        """Drop series that do not have two different values."""
        problems: dict[str, str] = {}
        for one in self.series:
            observed = one.values[~np.isnan(one.values)]
            if not len(observed):
                problems[one.name] = "has no values"
            elif (observed == observed[0]).all():
                problems[one.name] = f"is constant (always {observed[0]:g})"
        self._drop(problems, "it contains no information for training")

    def append_validation(self, valid: TimeSeriesTable) -> None:
        """Use the part of `valid` after the end of each series for validation. Series that are only in `valid` come last."""
        later = {one.name: one for one in valid.series if one.name not in self._dropped}
        counted = not valid.columns.time
        try:
            joined = [
                one.extended_by(later.pop(one.name), counted=counted) if one.name in later else one
                for one in self.series
            ]
        except DataError as error:
            raise DataError(error.message, file=valid.path) from None
        if not later and sum(map(len, joined)) == sum(map(len, self.series)):
            raise DataError("the file contains no time steps after the end of the training data", file=valid.path)
        self.series, self._valid_path = [*joined, *later.values()], valid.path

    def hold_out(self, fraction: float, horizon: int) -> None:
        """Hold out this fraction of each series for validation, at least one horizon."""
        for one in self.series:
            self.cutoffs[one.name] = max(len(one) - max(round(len(one) * fraction), horizon), 0)

    def drop_short(self, context_length: int | None, horizon: int) -> None:
        """Drop series whose training part has no values or is shorter than context and horizon.

        If `context_length` is None, it is not chosen yet, and a short one is assumed.
        """
        context_length = context_length or max(min(horizon, 8), 2)
        short: dict[str, str] = {}
        empty: dict[str, str] = {}
        for one in self.series:
            cutoff = self.cutoffs.get(one.name)
            if cutoff is None:
                continue
            if cutoff < context_length + horizon:
                short[one.name] = (
                    f"has {len(one):,} time steps, {cutoff:,} of them for training; a context of {context_length:,} and a "
                    f"horizon of {horizon:,} require {context_length + horizon:,}"
                )
            elif np.isnan(one.values[:cutoff]).all():
                empty[one.name] = f"has no values in the {cutoff:,} time steps for training, only in later ones"
        self._drop(short, "use a shorter --context-length or --horizon")
        self._drop(empty, "it contains no information for training")

    def check_validation(self, horizon: int) -> None:
        """Raise DataError if the validation part has no values or is shorter than the horizon."""
        parts = [one.values[self.cutoffs.get(one.name, 0) :] for one in self.series]
        if max(map(len, parts)) < horizon:
            raise DataError(
                f"the validation part does not contain {horizon:,} consecutive time steps to forecast; use a longer --valid "
                "or a shorter --horizon",
                file=self._valid_path,
            )
        if all(np.isnan(values).all() for values in parts):
            raise DataError(
                f"the validation part of {max(map(len, parts)):,} time steps has no values to compare a forecast with. Remove "
                "empty rows at the end or, if they contain future covariates, name these with --future-covariates",
                file=self._valid_path,
            )

    def _drop(self, problems: Mapping[str, str], consequence: str) -> None:
        """Drop the series of `problems`, which maps a name to the description of the problem, or raise DataError."""
        if not problems:
            return
        name, *others = problems
        message = f"the series {name!r} {problems[name]}"
        if others:
            shown = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
            message += f"; {len(others):,} more such series ({shown})"
        usable = [one for one in self.series if one.name not in problems]
        if not self.skip or not usable:
            skipping = f"Remove {'them' if others else 'it'} or use --set on_error=skip"
            remedy = skipping if usable else "No other series remains; use other data"
            raise DataError(f"{message}: {consequence}. {remedy}", file=self.path)
        self.messages.append(f"{len(problems):,} of {len(self.series):,} series skipped: {message}")
        self.series = usable
        self._dropped |= problems.keys()
        for name in problems:
            del self.cutoffs[name]
