"""Metadata of a run: statistics of the training part, and panels that use them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_panels import NAN, series

from recurra.data.series.series import SeriesColumns, TimeSeriesTable
from recurra.errors import DataError
from recurra.tasks.forecast.metadata import SeriesMetadata
from recurra.tasks.forecast.series_stats import seasonal_difference, stats_of


def test_statistics_are_those_of_the_training_part() -> None:
    metadata = SeriesMetadata(SeriesColumns((), (), ("y",), future_covariates=("price",)))
    a, other = series("a", [0, 1, 2, 3], [1, 2, 3, 100]), series("only in --valid", [0, 1], [50, 50])
    metadata.fit([a, other], {"a": 3}, calendar=True)
    assert metadata.covariate_stats["price"] == pytest.approx((2, (2 / 3) ** 0.5))
    assert metadata.series == {"a": (1, *stats_of(np.array([0.0, 1, 2])))}


def fitted() -> SeriesMetadata:
    columns = SeriesColumns((), ("series",), ("y",), future_covariates=("price",), static_covariates=("town", "size"))
    members = [series("a", [1, NAN, 3], [1, 2, 3], ("north", "4")), series("b", [5, 7, 9], [1, 2, 3], ("south", "8"))]
    metadata = SeriesMetadata.of(TimeSeriesTable(members, columns, Path("data.csv")))
    metadata.seasonality = {"every step": 2}
    metadata.fit(members, {"a": 3, "b": 3}, calendar=True)
    return metadata


def test_panel() -> None:
    metadata = fitted()
    assert metadata.has_missing and metadata.num_static == 3
    assert (metadata.num_future, metadata.num_past, metadata.num_calendar) == (1, 0, 0)
    known, new = (
        series("b", [5, 7, 9], [2, 2, 2, NAN], ("east", "6")),
        series("new", [2, 4], [2, 2, 3, 3], ("north", "8")),
    )
    panel = metadata.panel([known, new], horizon=1)
    np.testing.assert_array_equal(panel.values, [5, 7, 9, NAN, 2, 4, NAN])
    np.testing.assert_allclose(panel.future_covariates[:, 0], [0, 0, 0, 0, 0, 0, 1.5**0.5], rtol=1e-6)
    assert panel.starts.tolist() == [0, 4, 7]
    assert panel.embedding_indices.tolist() == [2, 0] and panel.seasonality.tolist() == [2, 2]
    np.testing.assert_allclose(panel.stats, [[7, (8 / 3) ** 0.5, 7], [3, 1, 3]])
    np.testing.assert_array_equal(
        panel.static_covariates, [[0, 0, 0], [1, 0, 1]]
    )  # categories north and south, then mean 6, deviation 2
    until = metadata.panel([series("new", [2, 4], [2, 2], ("north", "8"))], until={"new": 1})
    np.testing.assert_allclose(until.stats, [[2, 1, 2]])
    with pytest.raises(DataError, match="'new' has size = 'big', which is not a number"):
        metadata.panel([series("new", [2, 4], [2, 2], ("north", "big"))])


def test_save_and_load(tmp_path: Path) -> None:
    metadata = fitted()
    metadata.save(tmp_path)
    assert SeriesMetadata.load(tmp_path) == metadata


def test_statistics_of_a_series() -> None:
    assert stats_of(np.array([1, NAN, -3])) == (-1, 2, 2)
    assert stats_of(np.array([NAN])) == (0, 1, 1)
    assert stats_of(np.zeros(3)) == (0, 1, 1)
    assert seasonal_difference(np.array([1, 2, 4, NAN, 9]), 2) == pytest.approx((3 + 5) / 2)
    assert np.isnan(seasonal_difference(np.array([1.0, 2]), 2)) and np.isnan(seasonal_difference(np.ones(4), 2))
