"""Reading, dividing and resolving, without training."""

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
from recurra.tasks.forecast.settings import ForecastSettings
from recurra.tasks.forecast.task import Forecast


def waves(path: Path, steps: int = 200) -> Path:
    """Two series that repeat every 8 steps, with noise."""
    noise = 0.1 * np.random.default_rng(0).normal(size=(steps, 2))
    rows = [f"{np.sin(n * np.pi / 4) + a:.4f},{5 + np.cos(n * np.pi / 4) + b:.4f}" for n, (a, b) in enumerate(noise)]
    path.write_text("\n".join(["one,two", *rows]) + "\n")
    return path


def prepared(path: Path, **given: object) -> tuple[ForecastSettings, ForecastDataset, DatasetInfo]:
    settings = settings_from(as_given(ForecastSettings), given)
    dataset = Forecast.dataset_for(settings)
    return settings, dataset, dataset.prepare(path, None, path.parent / "cache", ignore_progress)


def task_of(path: Path, **given: object) -> Forecast:
    settings, dataset, info = prepared(path, **given)
    return Forecast(Forecast.resolve(settings.with_(**info.settings), dataset, info), dataset, cells.get("gru"))


def test_reading_determines_horizon_and_season(tmp_path: Path) -> None:
    _, dataset, info = prepared(waves(tmp_path / "waves.csv"))
    assert info.settings == {"data": {"horizon": 8, "seasonality": 8}}
    assert (info.rows, info.valid_rows, info.time_steps) == (360, 40, 360)
    assert info.messages[0].startswith("2 series of 360 steps to train on, 40 to check with; no column of time")
    assert dataset.split.cuts.tolist() == [180, 380] and list(dataset.metadata.series) == ["one", "two"]
    _, _, info = prepared(tmp_path / "waves.csv", horizon=25, seasonality=3)
    assert info.settings == {"data": {"horizon": 25, "seasonality": 3}}
    assert (info.rows, info.valid_rows) == (350, 50)  # a horizon at least


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    settings, dataset, _ = prepared(waves(tmp_path / "waves.csv"))
    dataset.save(tmp_path / "vocabulary")
    again = ForecastDataset(settings.data)
    again.load(tmp_path / "vocabulary")
    again.load_cache(tmp_path / "cache")
    assert again.metadata == dataset.metadata
    np.testing.assert_array_equal(again.split.panel.values, dataset.split.panel.values)
    np.testing.assert_array_equal(again.split.cuts, dataset.split.cuts)


def test_inputs_are_series_and_lines_are_json(tmp_path: Path) -> None:
    path = waves(tmp_path / "waves.csv")
    _, dataset, _ = prepared(path)
    assert not dataset.inputs_are_rows
    assert [(one.name, len(one)) for one in dataset.inputs(str(path)) or ()] == [("one", 200), ("two", 200)]
    assert dataset.inputs(str(tmp_path / "lines.jsonl.txt")) is None
    assert dataset.parse_line("[1, 2, null]\n") == [1, 2, None]
    assert dataset.parse_line('{"values": [1]}') == {"values": [1]}
    with pytest.raises(DataError, match="begins like a JSON object but is not valid JSON"):
        dataset.parse_line('{"values": [1}')


def test_every_open_setting_is_chosen(tmp_path: Path) -> None:
    task = task_of(waves(tmp_path / "waves.csv"))
    data, model = task.settings.data, task.settings.model
    assert data.context_length in (8, 16, 24, 32, 56, 112) and data.scaling in ("last_value", "per_window", "mean_abs", "global")
    assert (model.cell, model.segment_length, model.series_embedding) == ("gru", -(-data.context_length // 8), True)
    kept = task_of(tmp_path / "waves.csv", window=20, scaling="mean_abs", segment_length=3, series_embedding=False)
    assert (kept.settings.data.context_length, kept.settings.data.scaling) == (20, "mean_abs")
    assert (kept.settings.model.segment_length, kept.settings.model.series_embedding) == (3, False)


def test_the_shortcut_begins_as_the_ridge_regression(tmp_path: Path) -> None:
    """With the weights it is filled with, it forecasts the validation part to the noise, whose deviation is 0.1."""
    task = task_of(waves(tmp_path / "waves.csv"))
    assert isinstance(task, HasPretrainedWeights)
    network = task.network().eval()
    assert network.linear_skip is not None and not network.linear_skip.weight.any()
    with torch.no_grad():
        assert task.load_pretrained(network, ignore_progress) == []
    metrics = task.evaluate(network.requires_grad_(False), None, ignore_progress)
    assert metrics["rmse"] < 0.15
    bare = task_of(tmp_path / "waves.csv", linear_skip=False)
    network = bare.network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        assert bare.load_pretrained(network, ignore_progress) == []
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_series_are_now_and_then_taken_for_unknown_ones(tmp_path: Path) -> None:
    """In training alone, for about a tenth of the windows."""
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
