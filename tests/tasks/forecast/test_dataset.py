"""Preparation of the dataset and resolution of the settings, without training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from recurra import cells
from recurra.errors import DataError
from recurra.settings import as_given, settings_from
from recurra.tasks.base import DatasetInfo, HasPretrainedWeights, ignore_progress
from recurra.tasks.forecast.dataset import ForecastDataset
from recurra.tasks.forecast.scaling import SCALINGS
from recurra.tasks.forecast.settings import ForecastSettings
from recurra.tasks.forecast.task import Forecast


def waves(path: Path, steps: int = 200) -> Path:
    """Write two series with a period of 8 time steps and noise."""
    noise = 0.1 * np.random.default_rng(0).normal(size=(steps, 2))
    rows = [f"{np.sin(n * np.pi / 4) + a:.4f},{5 + np.cos(n * np.pi / 4) + b:.4f}" for n, (a, b) in enumerate(noise)]
    path.write_text("\n".join(["one,two", *rows]) + "\n")
    return path


def prepared(path: Path, **options: object) -> tuple[ForecastSettings, ForecastDataset, DatasetInfo]:
    settings = settings_from(as_given(ForecastSettings), options)
    dataset = Forecast.dataset_for(settings)
    return settings, dataset, dataset.prepare(path, None, path.parent / "cache", ignore_progress)


def task_of(path: Path, **options: object) -> Forecast:
    settings, dataset, info = prepared(path, **options)
    return Forecast(Forecast.resolve(settings.with_(**info.settings), dataset, info), dataset, cells.get("gru"))


def test_prepare_determines_horizon_and_seasonality(tmp_path: Path) -> None:
    _, dataset, info = prepared(waves(tmp_path / "waves.csv"))
    assert info.settings == {"data": {"horizon": 8, "seasonality": 8}}
    assert (info.rows, info.valid_rows, info.time_steps) == (360, 40, 360)
    assert info.messages[0].startswith("2 series, 360 time steps for training, 40 for validation; no time column")
    assert dataset.split.cutoffs.tolist() == [180, 380] and list(dataset.metadata.series) == ["one", "two"]
    _, _, info = prepared(tmp_path / "waves.csv", horizon=25, seasonality=3)
    assert info.settings == {"data": {"horizon": 25, "seasonality": 3}}
    assert (info.rows, info.valid_rows) == (350, 50)  # at least one horizon


def test_save_and_load(tmp_path: Path) -> None:
    settings, dataset, _ = prepared(waves(tmp_path / "waves.csv"))
    (tmp_path / "vocabulary").mkdir()
    dataset.save(tmp_path / "vocabulary")
    loaded = ForecastDataset(settings.data)
    loaded.load(tmp_path / "vocabulary")
    loaded.load_cache(tmp_path / "cache")
    assert loaded.metadata == dataset.metadata
    np.testing.assert_array_equal(loaded.split.panel.values, dataset.split.panel.values)
    np.testing.assert_array_equal(loaded.split.cutoffs, dataset.split.cutoffs)


def test_inputs_are_series_and_lines_are_json(tmp_path: Path) -> None:
    path = waves(tmp_path / "waves.csv")
    _, dataset, _ = prepared(path)
    assert not dataset.inputs_are_rows
    assert [(one.name, len(one)) for one in dataset.inputs(str(path)) or ()] == [("one", 200), ("two", 200)]
    (tmp_path / "lines.txt").write_text("[1, 2, null]\n[3, 4, 5]\n")
    assert dataset.inputs(str(tmp_path / "lines.txt")) is None
    assert dataset.parse_line("[1, 2, null]\n") == [1, 2, None]
    assert dataset.parse_line('{"values": [1]}') == {"values": [1]}
    with pytest.raises(DataError, match="begins like a JSON object but is not valid JSON"):
        dataset.parse_line('{"values": [1}')


def test_every_open_setting_is_resolved(tmp_path: Path) -> None:
    task = task_of(waves(tmp_path / "waves.csv"))
    data, model = task.settings.data, task.settings.model
    assert data.context_length in (8, 16, 24, 32, 56, 112) and data.scaling in SCALINGS
    assert (model.cell, model.segment_length, model.series_embedding) == ("gru", -(-data.context_length // 8), True)
    explicit = task_of(
        tmp_path / "waves.csv", context_length=20, scaling="mean_abs", segment_length=3, series_embedding=False
    )
    assert (explicit.settings.data.context_length, explicit.settings.data.scaling) == (20, "mean_abs")
    assert (explicit.settings.model.segment_length, explicit.settings.model.series_embedding) == (3, False)


def test_the_linear_skip_is_initialized_with_the_ridge_regression(tmp_path: Path) -> None:
    """With these weights, the error on the validation part is close to the noise, whose standard deviation is 0.1."""
    task = task_of(waves(tmp_path / "waves.csv"))
    assert isinstance(task, HasPretrainedWeights)
    network = task.network().eval()
    assert network.linear_skip is not None and not network.linear_skip.weight.any()
    with torch.no_grad():
        assert task.load_pretrained(network, ignore_progress) == []
    metrics = task.evaluate(network.requires_grad_(False), None, ignore_progress)
    assert metrics["rmse"] < 0.15
    without_skip = task_of(tmp_path / "waves.csv", linear_skip=False)
    network = without_skip.network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        assert without_skip.load_pretrained(network, ignore_progress) == []
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_tenth_of_the_training_windows_use_the_embedding_of_unknown_series(tmp_path: Path) -> None:
    """In evaluation mode, no window does."""
    task = task_of(waves(tmp_path / "waves.csv"))
    network, key = task.network(), np.concatenate(task.sampler().epoch(0))
    torch.manual_seed(0)
    batch = task.batch(key)
    before = batch.inputs["series"].clone()
    task.loss(network.eval(), batch, None, 0.0)
    assert torch.equal(batch.inputs["series"], before)
    task.loss(network.train(), batch, None, 0.0)
    after = batch.inputs["series"]
    assert torch.equal(after[after > 0], before[after > 0]) and 0.03 < float((after == 0).float().mean()) < 0.2
