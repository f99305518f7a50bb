"""The task forecast from a file to metrics: accuracy, invariants, and error messages for invalid input."""

from __future__ import annotations

import csv
import importlib.util
import json
import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import recurra
from recurra import training
from recurra.cli import main as cli
from recurra.data import sets
from recurra.errors import CallError, DataError, UserError
from recurra.progress import Silent
from recurra.run import Run

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "forecast_figure.py"

SMALL: dict[str, Any] = {"steps": 12, "hidden_size": 8, "batch_size": 16}


def write(path: Path, header: str, rows: list[Any]) -> Path:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(header.split(","))
        table.writerows(rows)
    return path


def rows_of(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text().splitlines()))


def days(n: int) -> list[str]:
    return np.datetime_as_string(np.datetime64("2020-01-01") + np.arange(n)).tolist()


def waves(path: Path, steps: int = 300, missing: bool = True) -> Path:
    """Write two daily series with a period of a week and different scales, with gaps and missing values."""
    draw = np.random.default_rng(0)
    at = np.arange(steps)
    wave = np.sin(2 * np.pi * at / 7) + 0.1 * draw.normal(size=steps)
    rows = [[day, f"{2 + w:.4f}", f"{100 * (5 - w):.3f}"] for day, w in zip(days(steps), wave, strict=True)]
    if missing:
        for n in range(10, steps, 13):
            rows[n][1 + n % 2] = "NA"
        del rows[100:104]
    return write(path, "date,small,large", rows)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return waves(tmp_path_factory.mktemp("waves") / "waves.csv")


@pytest.fixture(scope="module")
def made(data: Path) -> Callable[..., Run]:
    """Return a function that trains a run on `data`; runs with equal settings are trained once."""
    runs: dict[Any, Run] = {}

    def make(**settings: Any) -> Run:
        key = tuple(sorted(settings.items()))
        if key not in runs:
            out = data.parent / f"run{len(runs)}"
            runs[key] = recurra.train("forecast", data, out=out, **(SMALL | settings))
        return runs[key]

    return make


class Recorder(Silent):
    """Progress that records its messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, line: str) -> None:
        self.lines.append(line)


# accuracy -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("decoding", ["direct", "recursive"])
def test_the_recurrent_layers_learn_a_sine_wave(tmp_path: Path, decoding: str) -> None:
    """The error is close to the noise of 0.05. The linear skip connection, which would suffice, is disabled."""
    run = recurra.train(
        "forecast", sets.make("sine", tmp_path), out=tmp_path / "run", linear_skip=False, decoding=decoding, steps=500,
        hidden_size=32, context_length=50, learning_rate=5e-3, batch_size=64,
    )  # fmt: skip
    assert run.settings.data.seasonality == 25 and run.settings.data.horizon == 25
    assert run.metrics["valid/rmse"] < 0.075
    metrics = run.evaluate(tmp_path / "sine.csv")
    assert metrics["backtest"]["seasonal naive"]["rmse"] == pytest.approx(0.05 * 2**0.5, rel=0.1)
    assert metrics["backtest"]["naive"]["rmse"] > 0.9
    assert 0.75 < metrics["coverage_80"] < 0.85


def test_messages_about_the_data(data: Path, tmp_path: Path) -> None:
    recorder = Recorder()
    recurra.train("forecast", data, out=tmp_path / "run", progress=recorder, **SMALL)
    text = "\n".join(recorder.lines)
    for message in ("2 series, ", "every day", "target: small, large", "1 gap in time, 4 time steps",
                 "longest gap 4: after 2020-04-09", "missing (", "seasonality: 7 time steps, detected by autocorrelation",
                 "horizon 7", "ridge regressions", "calendar: day of the week"):  # fmt: skip
        assert message in text, message


def test_covariates_are_used(tmp_path: Path) -> None:
    """The target is a future covariate plus an offset that a static covariate determines, so past values do not predict it."""
    draw = np.random.default_rng(0)
    rows = []
    for name, offset in (("a", 0), ("b", 4), ("c", -4)):
        future = draw.normal(size=260)
        for day, k in zip(days(260), future, strict=True):
            rows.append([name, day, f"{k + offset:.4f}", f"{k:.4f}", "high" if offset > 0 else "low"])
    path = write(tmp_path / "covariates.csv", "shop,date,y,price,kind", rows)
    options: dict[str, Any] = {"series": "shop", "target": "y", "horizon": 6, "context_length": 12, "seasonality": 7,
                               "steps": 400, "hidden_size": 24, "batch_size": 32, "learning_rate": 5e-3}  # fmt: skip
    without = recurra.train("forecast", path, out=tmp_path / "without", **options)
    run = recurra.train(
        "forecast", path, out=tmp_path / "run", future_covariates="price", static_covariates="kind", **options
    )
    assert without.metrics["valid/rmse"] > 0.8  # The standard deviation of the future covariate is 1.
    assert run.metrics["valid/rmse"] < 0.4
    ahead = [
        *rows[:260],
        *(["a", day, "", f"{k:.4f}", "low"] for day, k in zip(days(266)[260:], range(6), strict=True)),
    ]
    longer = write(tmp_path / "ahead.csv", "shop,date,y,price,kind", ahead)
    (series,) = run.task.dataset.inputs(str(longer)) or ()
    forecast = run.predict([series])[0]
    assert forecast["time"] == days(266)[260:]
    assert np.abs(np.array(forecast["median"])[:3] - np.arange(3)).max() < 0.8
    with pytest.raises(CallError, match=r"'a': price must be known to the end of the forecast, 2020-09-22.*2020-09-16"):
        run.predict(list(run.task.dataset.inputs(str(path)) or ())[:1])
    example = {
        "time": days(266),
        "values": list(range(260)),
        "future_covariates": {"price": list(range(266))},
        "static_covariates": {"kind": "low"},
    }
    assert run.predict([example])[0]["time"] == days(266)[260:]
    for changes, message in (
        ({"future_covariates": [1, 2]}, "`future_covariates` must contain a list of numbers for price"),
        (
            {"future_covariates": {"price": [1, 2]}},
            "price in `future_covariates` has 2 numbers, but there are 260 values",
        ),
        (
            {"future_covariates": {"price": list(range(262))}, "time": days(262)},
            "must be known .*, 2020-09-22, but ends at 2020-09-18",
        ),
        (
            {"future_covariates": {"price": [*range(263), None, 1, 1]}},
            "price must be known .*, but is missing at 2020-09-20",
        ),
        ({"static_covariates": "low"}, "`static_covariates` must contain a value for kind"),
    ):
        with pytest.raises(CallError, match=message):
            run.predict([example | changes])


# invariants -------------------------------------------------------------------------------------------------------------------
def assert_close(one: Any, other: Any) -> None:
    """Check that two JSON values are equal up to the rounding to six digits."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_close(one[key], other[key])
    elif isinstance(one, list) and one and isinstance(one[0], float):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5 * np.abs(other).max())
    else:
        assert one == other


def series_of(run: Run, path: Path) -> list[Any]:
    return list(run.task.dataset.inputs(str(path)) or ())


@pytest.mark.parametrize("decoding", ["direct", "recursive"])
def test_forecasts_do_not_depend_on_batch_composition_or_order(
    made: Callable[..., Run], data: Path, decoding: str
) -> None:
    run = made(decoding=decoding)
    both = series_of(run, data)
    together = run.predict(both)
    for at, one in enumerate(both):
        assert_close(run.predict([one])[0], together[at])
    assert_close(run.predict(both[::-1])[0], together[1])


def test_a_loaded_run_equals_the_saved_one_including_its_calibration(made: Callable[..., Run], data: Path) -> None:
    run = made()
    loaded = recurra.load(run.path)
    assert not torch.equal(run.network.quantile_scale, torch.ones_like(run.network.quantile_scale))  # type: ignore[operator, arg-type]
    assert loaded.predict(series_of(loaded, data)) == run.predict(series_of(run, data))
    assert loaded.evaluate(data) == run.evaluate(data)


def test_a_run_depends_on_the_seed_and_not_on_interruptions(
    made: Callable[..., Run], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uninterrupted = made()
    same = recurra.train("forecast", data, out=tmp_path / "same", **SMALL)
    expected = uninterrupted.predict(series_of(uninterrupted, data))
    assert same.predict(series_of(same, data)) == expected
    other = recurra.train("forecast", data, out=tmp_path / "other", seed=1, **SMALL)
    assert other.predict(series_of(other, data)) != expected
    take_step = training.loop.Loop.take_step

    def step(self: Any) -> float:
        if self.step == 5:
            signal.raise_signal(signal.SIGINT)
        return float(take_step(self))

    with monkeypatch.context() as patch:
        patch.setattr("recurra.training.loop.Loop.take_step", step)
        with pytest.raises(KeyboardInterrupt):
            recurra.train("forecast", data, out=tmp_path / "cut", **SMALL)
    resumed = training.resume(tmp_path / "cut")
    assert resumed.predict(series_of(resumed, data)) == expected


def test_a_backtest_evaluates_the_forecasts_of_predict(made: Callable[..., Run], data: Path, tmp_path: Path) -> None:
    """The forecasts are equal to those from a file that ends before the origin, so no future value is used."""
    run = made(num_windows=3, step_size=10)
    rows = rows_of(data)
    metrics = run.evaluate(data)
    assert metrics["forecasts"] == 6 and metrics["backtest"].keys() == {"forecast", "naive", "seasonal naive"}
    observed = {one.name: one.values for one in series_of(run, data)}
    n, horizon = len(observed["small"]), len(run.predict(series_of(run, data))[0]["mean"])
    squared, absolute = [], []
    for origin in (n - horizon, n - horizon - 10, n - horizon - 20):
        day = days(n)[origin]
        cut = write(tmp_path / "cut.csv", ",".join(rows[0]), [row for row in rows[1:] if row[0] < day])
        for forecast in run.predict(series_of(run, cut)):
            y = observed[forecast["series"]][origin : origin + horizon]
            assert forecast["time"][0] == day
            squared += list((y - forecast["mean"]) ** 2)
            absolute += list(np.abs(y - forecast["median"]))
    assert metrics["mse"] == pytest.approx(np.nanmean(squared), rel=1e-4)
    assert metrics["mae"] == pytest.approx(np.nanmean(absolute), rel=1e-4)


def test_an_unknown_series(made: Callable[..., Run], data: Path, tmp_path: Path) -> None:
    run = made()
    rows = [[row[0], *(str(1000 * float(cell)) if cell not in ("NA", "") else cell for cell in row[1:])]
            for row in rows_of(data)[1:]]  # fmt: skip
    path = write(tmp_path / "new.csv", "date,small,large", rows)
    task: Any = run.task
    known_series = dict(task.dataset.metadata.series)
    task.dataset.metadata.series.clear()
    try:
        scaled = run.evaluate(path)
        plain = run.evaluate(data)
    finally:
        task.dataset.metadata.series.update(known_series)
    assert scaled["scaled_mae"] == pytest.approx(
        plain["scaled_mae"], rel=1e-3
    )  # Scaled errors do not depend on the scale of the series.
    assert scaled["mae"] == pytest.approx(1000 * plain["mae"], rel=1e-3)


def test_validation_uses_the_time_steps_after_the_training_data(data: Path, tmp_path: Path) -> None:
    """The file of --valid may or may not repeat the training data."""
    rows = rows_of(data)
    train = write(tmp_path / "train.csv", ",".join(rows[0]), rows[1:220])
    whole = write(tmp_path / "whole.csv", ",".join(rows[0]), rows[1:])
    rest = write(tmp_path / "rest.csv", ",".join(rows[0]), rows[220:])
    one, other = (
        recurra.train("forecast", train, valid=valid, out=tmp_path / valid.stem, **SMALL) for valid in (whole, rest)
    )
    assert one.metrics == other.metrics
    with pytest.raises(DataError, match=r"train\.csv: the file contains no time steps after the end"):
        recurra.train("forecast", train, valid=train, out=tmp_path / "none", **SMALL)


# the command line -------------------------------------------------------------------------------------------------------
def lines(capsys: pytest.CaptureFixture[str], *words: object, stdin: str | None = None) -> tuple[int, str, str]:
    capsys.readouterr()
    status = cli.run([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_command_line(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["train", "forecast", data, "--out", tmp_path / "run", "--horizon", 5, "--quantiles", "[0.05, 0.95]"]
    sizes = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    status, out, err = lines(capsys, *line, *sizes)
    assert status == 0, err
    status, out, err = lines(capsys, "predict", tmp_path / "run", data)
    assert status == 0, err
    forecasts = [json.loads(text) for text in out.splitlines()]
    assert [forecast["series"] for forecast in forecasts] == ["small", "large"]
    assert forecasts[0]["time"] == days(305)[300:]
    assert set(forecasts[0]["quantiles"]) == {"0.05", "0.5", "0.95"} and len(forecasts[0]["mean"]) == 5
    short = write(tmp_path / "short.csv", "date,small,large", rows_of(data)[1:4])
    status, out, err = lines(capsys, "predict", tmp_path / "run", short)
    assert status == 2 and "short.csv: the series 'small' has 3 time steps" in err and "row" not in err, err
    assert "2 of 2 have an error" in err and [*json.loads(out.splitlines()[1])] == ["error"]
    status, out, err = lines(capsys, "evaluate", tmp_path / "run", data)
    assert status == 0, err
    named = [text.split("  ")[0] for text in out.splitlines()[-3:]]
    assert "coverage_90" in out and named == ["forecast", "naive", "seasonal naive"]
    whole = json.loads(lines(capsys, "evaluate", tmp_path / "run", data, "--json")[1])
    assert whole["backtest"]["naive"]["rmse"] > whole["backtest"]["forecast"]["rmse"]


def test_an_example_in_json(
    made: Callable[..., Run], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made()
    one = series_of(run, data)[0]
    values = [None if math.isnan(v) else v for v in one.values.tolist()]
    example = {"series": "small", "time": days(300), "values": values}
    assert_close(run.predict([example])[0], run.predict([one])[0])
    (tmp_path / "in.jsonl").write_text(json.dumps(example) + "\n" + json.dumps({"values": [1, 2]}) + "\n")
    status, out, err = lines(capsys, "predict", run.path, tmp_path / "in.jsonl")
    assert status == 2 and "row 2" in err
    assert "error" in json.loads(out.splitlines()[1]) and "mean" in json.loads(out.splitlines()[0])


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (
            {"values": [1.0] * 200},
            "`time`, one timestamp per value, is required because this run uses calendar covariates",
        ),
        ({"time": days(3)}, "`values` must be a list of numbers"),
        ({"values": [1.0] * 200, "time": days(3)}, "`time` has 3 timestamps, but there are 200 time steps"),
        ({"values": [1.0] * 3, "time": days(3)}, "the series has 3 time steps, but this run requires a context of"),
        ({"values": [1.0] + [None] * 199, "time": days(200)}, "has no values in its last"),
        ({"values": [1.0, "x"], "time": days(2)}, "^example 1: row 2, field 'value': 'x' is not a number"),
        ({"values": [1.0], "times": days(2)}, "unknown key 'times'"),
        ({"values": [1.0] * 200, "time": None}, "`time`, one timestamp per value, is required because"),
        ({"values": [1.0] * 200, "time": "2020-01-01"}, "`time` must be a list with a timestamp for each value"),
        (
            {"values": [1.0, 2.0], "time": ["2020-01-01 00:00", "2020-01-01 01:00"]},
            "a value every hour, but the run was trained on series with a value every day",
        ),
        (
            {"values": [1.0, 2.0], "time": days(2)[::-1]},
            "example 1: row 2, field 'time': 2020-01-01 comes after 2020-01-02",
        ),
    ],
)
def test_invalid_examples(made: Callable[..., Run], example: Any, message: str) -> None:
    with pytest.raises(CallError, match=message):
        made().predict([example])


# invalid input --------------------------------------------------------------------------------------------------------------
def columns(n: int = 120, **more: Any) -> list[list[Any]]:
    draw = np.random.default_rng(0)
    made = [days(n), *(values if isinstance(values, list) else [values] * n for values in more.values())]
    return [list(row) for row in zip(*made, [f"{v:.3f}" for v in draw.normal(size=n)], strict=True)]


BAD: dict[str, tuple[str, list[list[Any]], dict[str, Any], str]] = {
    "constant": ("date,flat,y", columns(flat=5), {},
                 r"the series 'flat' is constant \(always 5\): it contains no information for training.*on_error=skip"),
    "missing": ("date,none,y", columns(none=""), {"target": "none"},
                "the series 'none' has no values: it contains no information"),
    "several": ("date,none,flat,y", columns(none="", flat=1), {"target": "none,flat,y"},
                r"'none' has no values; 1 more such series \(flat\)"),
    "short": ("date,y", columns(12), {"context_length": 30},
              r"'y' has 12 time steps, .* a context of 30 and a horizon of \d+ require 3\d"),
    "order": ("date,y", columns()[::-1], {}, "not sorted by time"),
    "duplicate": ("date,y", columns() + columns()[-1:], {}, "duplicate time"),
    "time": ("date,y", [*columns(), ["then", 1]], {"time": "date"}, "'then' is not a time"),
    "quantiles": ("date,y", columns(), {"quantiles": [0.5, 1.5]}, "quantile levels must be between 0 and 1"),
    "horizon": ("date,y", columns(), {"horizon": 100}, "require 1"),
    "longer horizon": ("date,y", columns(), {"horizon": 200}, "has 120 time steps, 0 of them for training"),
    "late": ("date,late,y", columns(late=[""] * 110 + list(range(10))), {},
             r"the series 'late' has no values in the 108 time steps for training, only in later ones: .*on_error=skip"),
    "ends early": ("date,y", [*columns(), *([day, ""] for day in days(140)[120:])], {},
                   "the validation part of 14 time steps has no values to compare .*. Remove empty rows.*--future-covariates"),
    "future": ("date,price,y", columns(price=""), {"future_covariates": "price"},
               "'price': the column has no values; remove it from --future-covariates"),
    "past": ("date,wind,y", columns(wind="NA"), {"past_covariates": "wind"},
             "'wind': the column has no values; remove it from --past-covariates"),
    "static": ("date,town,y", columns(town=""), {"static_covariates": "town"},
               "'town': the column has no values; remove it from --static-covariates"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_invalid_input_raises_before_training(tmp_path: Path, name: str) -> None:
    header, rows, settings, message = BAD[name]
    path = write(tmp_path / "bad.csv", header, rows)
    with pytest.raises(UserError, match=message) as raised:
        recurra.train("forecast", path, out=tmp_path / "run", **(SMALL | settings))
    assert len(str(raised.value).splitlines()) <= 2 and not (tmp_path / "run").exists()
    assert name == "quantiles" or "bad.csv" in str(raised.value)


def test_the_validation_part_does_not_affect_statistics(tmp_path: Path) -> None:
    """12 of 120 days affect neither the mean of a covariate nor the calendar cycles that are used."""
    path = write(tmp_path / "price.csv", "date,price,y", columns(price=list(range(120))))
    run = recurra.train("forecast", path, out=tmp_path / "run", future_covariates="price", horizon=7, **SMALL)
    task: Any = run.task
    assert task.dataset.metadata.covariate_stats["price"][0] == pytest.approx(107 / 2)
    few = write(tmp_path / "few.csv", "date,y", columns(15))
    run = recurra.train("forecast", few, out=tmp_path / "few", horizon=2, context_length=4, seasonality=1, **SMALL)
    task = run.task
    assert task.dataset.metadata.cycles == [False, False, False]  # 13 days are less than two weeks.


def test_unusable_series_can_be_skipped(tmp_path: Path) -> None:
    recorder = Recorder()
    path = write(tmp_path / "bad.csv", *BAD["several"][:2])
    run = recurra.train(
        "forecast", path, out=tmp_path / "run", on_error="skip", target="none,flat,y", progress=recorder, **SMALL
    )
    assert list(run.task.dataset.metadata.series) == ["y"]
    assert any("2 of 3 series skipped: the series 'none'" in line for line in recorder.lines)


def test_skipped_series_are_also_skipped_in_the_validation_file(tmp_path: Path) -> None:
    """The validation file contains the skipped series with values that are not constant."""
    path = write(tmp_path / "flat.csv", "date,flat,y", columns(flat=1))
    later = write(tmp_path / "later.csv", "date,flat,y", [[day, n, n % 7] for n, day in enumerate(days(160)[120:])])
    run = recurra.train("forecast", path, valid=later, out=tmp_path / "run", on_error="skip", horizon=7, **SMALL)
    assert list(run.task.dataset.metadata.series) == ["y"]


def test_errors_of_the_validation_file_name_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "data.csv", "date,y", columns())
    for name, rows, message in (
        ("few", [[day, n] for n, day in enumerate(days(124)[120:])],
         r"few\.csv: the validation part does not contain 7 consecutive time steps"),
        ("empty", [[day, ""] for day in days(140)[120:]], r"empty\.csv: the validation part of 20 time steps has no values"),
        ("hours", [[f"{days(121)[120]} {hour:02}:30", hour] for hour in range(24)],
         r"hours\.csv: the series 'y' has a value every day from 2020-01-01, but every hour from .*00:30:00; resample"),
    ):  # fmt: skip
        later = write(tmp_path / f"{name}.csv", "date,y", rows)
        with pytest.raises(DataError, match=message):
            recurra.train("forecast", path, valid=later, out=tmp_path / "run", horizon=7, **SMALL)


def test_evaluation_on_files_with_other_columns_or_time_steps(made: Callable[..., Run], tmp_path: Path) -> None:
    run = made()
    hours = [
        [f"2020-01-01 {n % 24:02}:00" if n < 24 else f"2020-01-{n // 24 + 1:02} {n % 24:02}:00", n, n]
        for n in range(300)
    ]
    with pytest.raises(
        DataError, match="has a value every hour, but the run was trained on series with a value every day"
    ):
        run.evaluate(write(tmp_path / "hours.csv", "date,small,large", hours))
    with pytest.raises(DataError, match="unknown column 'large'"):
        run.evaluate(write(tmp_path / "less.csv", "date,small", columns()))
    half = run.evaluate(write(tmp_path / "half.csv", "date,small,large", columns(150, small="")))
    assert half["skipped_series"] == 1
    with pytest.raises(
        DataError, match=r"short\.csv: the series are too short for a backtest: the longest one has 9 time steps"
    ):
        run.evaluate(write(tmp_path / "short.csv", "date,small,large", columns(9, small=1)))


def test_series_with_different_time_grids(tmp_path: Path) -> None:
    """A table in long format may contain monthly and yearly series. Each grid has its own seasonality."""
    months = [[f"m{k}", f"{1950 + n // 12}-{n % 12 + 1:02}", f"{math.sin(n / 6 * math.pi) + k:.4f}"] for k in range(2)
              for n in range(240)]  # fmt: skip
    years = [["y", str(1700 + n), f"{math.sin(n / 5.5 * math.pi):.4f}"] for n in range(150)]
    recorder = Recorder()
    path = write(tmp_path / "mixed.csv", "series,time,value", [*months, *years])
    run = recurra.train("forecast", path, out=tmp_path / "run", horizon=6, progress=recorder, **SMALL)
    assert run.task.dataset.metadata.seasonality == {"every month": 12, "every year": 11}
    assert any("every month 12 time steps" in line and "every year 11 time steps" in line for line in recorder.lines)
    assert [one["time"][0] for one in run.predict(series_of(run, path))] == ["1970-01", "1970-01", "1850"]


def test_the_example_draws_a_forecast_and_the_observed_values(made: Callable[..., Run], data: Path) -> None:
    """Each observed value of the horizon is a dot. The title contains the name and the first time of the forecast."""
    spec = importlib.util.spec_from_file_location("forecast_figure", EXAMPLE)
    assert spec and spec.loader
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    run = made()
    series = next(iter(run.task.dataset.inputs(str(data))))
    horizon = len(run.predict([series])[0]["mean"])
    picture = example.picture(run, str(data), series.name)
    observed = series.values[-horizon:]
    assert picture.count("<circle") == int((observed == observed).sum())
    assert f">{series.name}: {series.format_times(np.array([len(series) - horizon]))[0]} to " in picture


def test_the_checkpoint_with_the_best_selection_metric_is_saved(data: Path, tmp_path: Path) -> None:
    for metric in ("scaled_mae", "loss"):
        out = tmp_path / metric
        recurra.train("forecast", data, out=out, selection_metric=metric, **(SMALL | {"steps": 40}), patience=None)
        lines = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
        values = [line[f"valid/{metric}"] for line in lines if "valid/loss" in line]
        saved = json.loads((out / "metrics.json").read_text())[f"valid/{metric}"]
        assert len(values) > 1 and saved == min(values)
