"""The panel of a training run with the place in each series where the part held back begins; kept in the run's cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...data.store.store import Store, StoreWriter
from ...errors import DataError
from .windows import Integers, Panel

WIDE = ("known", "past", "calendar")  # what has columns, or none: a store has no field without


@dataclass
class SplitPanel:
    """`cuts` (S,) are flat places."""

    panel: Panel
    cuts: Integers

    def train_origins(self, window: int, horizon: int) -> Integers:
        """Those whose window and horizon lie before the cut."""
        return self.panel.origins(self.panel.starts[:-1] + window, self.cuts - horizon, horizon)

    def held_origins(self, window: int, horizon: int) -> Integers:
        """Those whose horizon lies after the cut; their window may lie before it. DataError where there is none."""
        panel = self.panel
        first, last = np.maximum(self.cuts, panel.starts[:-1] + window), panel.starts[1:] - horizon
        found = panel.origins(first, last, horizon)
        if not len(found):
            raise DataError(
                f"no series of the part held back has a window of {window:,} steps and a horizon of {horizon:,}; "
                "give a longer --valid or a shorter --horizon"
            )
        return found

    def write(self, folder: Path) -> None:
        """One row a series."""
        panel, wide = self.panel, [name for name in WIDE if getattr(self.panel, name).shape[1]]
        fields = {"values": "ragged:float64", "stats": "ragged:float64", "season": "int64", "vector": "int64",
                  "cut": "int64"}  # fmt: skip
        fields |= {name: f"ragged:float32:{getattr(panel, name).shape[1]}" for name in wide}
        fields |= {"static": "ragged:float32"}
        with StoreWriter(folder, fields) as writer:
            for s in panel.owners:
                part = slice(int(panel.starts[s]), int(panel.starts[s + 1]))
                writer.append(
                    values=panel.values[part], stats=panel.stats[s], season=int(panel.seasons[s]),
                    vector=int(panel.vectors[s]), cut=int(self.cuts[s] - panel.starts[s]), static=panel.static[s],
                    **{name: getattr(panel, name)[part] for name in wide},
                )  # fmt: skip

    @classmethod
    def open(cls, folder: Path) -> SplitPanel:
        """What `write` left."""
        store = Store(folder)
        lengths = store.lengths("values")
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        none = np.zeros((int(starts[-1]), 0), np.float32)
        panel = Panel(
            np.array(store.flat("values")), starts=starts, stats=np.array(store.flat("stats")).reshape(-1, 3),
            seasons=np.array(store.column("season")), vectors=np.array(store.column("vector")),
            static=np.array(store.flat("static"), np.float32).reshape(len(lengths), -1),
            **{name: np.array(store.flat(name)) if name in store.fields else none for name in WIDE},
        )  # fmt: skip
        return cls(panel, starts[:-1] + np.array(store.column("cut")))


def spread(origins: Integers, most: int) -> Integers:
    """At most so many, evenly."""
    return origins if len(origins) <= most else origins[np.linspace(0, len(origins) - 1, most).astype(int)]
