"""The panel of a training run, divided into a training and a validation part, and its cache."""

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
    """A panel and the flat positions `cutoffs` (S,) at which the validation part of each series begins."""

    panel: Panel
    cutoffs: Integers

    def train_origins(self, context_length: int, horizon: int) -> Integers:
        """Return the origins of the windows whose context and target are before the cutoff."""
        return self.panel.origins(self.panel.starts[:-1] + context_length, self.cutoffs - horizon, horizon)

    def valid_origins(self, context_length: int, horizon: int) -> Integers:
        """Return the origins of the windows whose target is after the cutoff; their context may be before it.

        Raises DataError if there is none.
        """
        panel = self.panel
        first, last = np.maximum(self.cutoffs, panel.starts[:-1] + context_length), panel.starts[1:] - horizon
        origins = panel.origins(first, last, horizon)
        if not len(origins):
            raise DataError(
                f"no series of the validation part has a context of {context_length:,} time steps and a horizon of "
                f"{horizon:,}; use a longer --valid or a shorter --horizon"
            )
        return origins

    # cache ---------------------------------------------------------------------------------------------------------
    def write(self, folder: Path) -> None:
        """Write the panel and the cutoffs to a store with one example per series."""
        panel = self.panel
        covariates = {
            "future_covariates": panel.future_covariates,
            "past_covariates": panel.past_covariates,
            "calendar": panel.calendar,
        }
        # A store has no field of width 0.
        present = {name: values for name, values in covariates.items() if values.shape[1]}
        fields = {"values": "ragged:float64", "stats": "ragged:float64", "seasonality": "int64",
                  "embedding_index": "int64", "cutoff": "int64"}  # fmt: skip
        fields |= {name: f"ragged:float32:{values.shape[1]}" for name, values in present.items()}
        fields |= {"static_covariates": "ragged:float32"}
        with StoreWriter(folder, fields) as writer:
            for s in panel.series_indices:
                part = slice(int(panel.starts[s]), int(panel.starts[s + 1]))
                writer.append(
                    values=panel.values[part], stats=panel.stats[s], seasonality=int(panel.seasonality[s]),
                    embedding_index=int(panel.embedding_indices[s]), cutoff=int(self.cutoffs[s] - panel.starts[s]),
                    static_covariates=panel.static_covariates[s],
                    **{name: values[part] for name, values in present.items()},
                )  # fmt: skip

    @classmethod
    def open(cls, folder: Path) -> SplitWindows:
        """Read a store that `write` wrote."""
        store = Store(folder)
        lengths = store.lengths("values")
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)

        def covariates(name: str) -> NDArray[np.float32]:
            return np.array(store.flat(name)) if name in store.fields else np.zeros((int(starts[-1]), 0), np.float32)

        panel = Panel(
            values=np.array(store.flat("values")),
            future_covariates=covariates("future_covariates"),
            past_covariates=covariates("past_covariates"),
            calendar=covariates("calendar"),
            starts=starts,
            stats=np.array(store.flat("stats")).reshape(-1, 3),
            seasonality=np.array(store.column("seasonality")),
            embedding_indices=np.array(store.column("embedding_index")),
            static_covariates=np.array(store.flat("static_covariates"), np.float32).reshape(len(lengths), -1),
        )
        return cls(panel, starts[:-1] + np.array(store.column("cutoff")))


def evenly_spaced_indices(origins: Integers, limit: int) -> Integers:
    """Return at most `limit` of some origins, evenly spaced."""
    return origins if len(origins) <= limit else origins[np.linspace(0, len(origins) - 1, limit).astype(int)]
