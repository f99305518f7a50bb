"""The panel of a training run, divided into a training and a validation part; kept in the run's cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from ...data.store.store import Store, StoreWriter
from ...errors import DataError
from .panel import Panel
from .windows import Integers


@final
@dataclass
class SplitWindows:
    """`cuts` (S,): the flat positions in the panel at which the validation part of each series begins."""

    panel: Panel
    cuts: Integers

    def train_origins(self, window: int, horizon: int) -> Integers:
        """Those of the windows whose input and target lie before the cut."""
        return self.panel.origins(self.panel.starts[:-1] + window, self.cuts - horizon, horizon)

    def valid_origins(self, window: int, horizon: int) -> Integers:
        """Those of the windows whose target lies after the cut; their input may lie before it. DataError without any."""
        panel = self.panel
        first, last = np.maximum(self.cuts, panel.starts[:-1] + window), panel.starts[1:] - horizon
        found = panel.origins(first, last, horizon)
        if not len(found):
            raise DataError(
                f"no series of the part held back has a window of {window:,} steps and a horizon of {horizon:,}; "
                "give a longer --valid or a shorter --horizon"
            )
        return found

    # the run's cache -----------------------------------------------------------------------------------------------
    def write(self, folder: Path) -> None:
        """Write one row for each series."""
        panel = self.panel
        covariates = {"known": panel.known, "past": panel.past, "calendar": panel.calendar}
        # A store has no field of width 0.
        wide = {name: values for name, values in covariates.items() if values.shape[1]}
        fields = {"values": "ragged:float64", "stats": "ragged:float64", "seasonality": "int64", "vector": "int64",
                  "cut": "int64"}  # fmt: skip
        fields |= {name: f"ragged:float32:{values.shape[1]}" for name, values in wide.items()}
        fields |= {"static": "ragged:float32"}
        with StoreWriter(folder, fields) as writer:
            for s in panel.numbers:
                part = slice(int(panel.starts[s]), int(panel.starts[s + 1]))
                writer.append(
                    values=panel.values[part], stats=panel.stats[s], seasonality=int(panel.seasons[s]),
                    vector=int(panel.vectors[s]), cut=int(self.cuts[s] - panel.starts[s]), static=panel.static[s],
                    **{name: values[part] for name, values in wide.items()},
                )  # fmt: skip

    @classmethod
    def open(cls, folder: Path) -> SplitWindows:
        """Read what `write` wrote."""
        store = Store(folder)
        lengths = store.lengths("values")
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)

        def covariates(name: str) -> NDArray[np.float32]:
            return np.array(store.flat(name)) if name in store.fields else np.zeros((int(starts[-1]), 0), np.float32)

        panel = Panel(
            np.array(store.flat("values")), covariates("known"), covariates("past"), covariates("calendar"), starts,
            stats=np.array(store.flat("stats")).reshape(-1, 3), seasons=np.array(store.column("seasonality")),
            vectors=np.array(store.column("vector")),
            static=np.array(store.flat("static"), np.float32).reshape(len(lengths), -1),
        )  # fmt: skip
        return cls(panel, starts[:-1] + np.array(store.column("cut")))


def evenly_spaced(origins: Integers, limit: int) -> Integers:
    """At most `limit` of some origins, evenly spaced."""
    return origins if len(origins) <= limit else origins[np.linspace(0, len(origins) - 1, limit).astype(int)]
