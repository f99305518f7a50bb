"""forecast, from a file to figures: it learns, its laws hold, and bad input is told in a line."""

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
    """Two series with a week, one a hundred times the other; with gaps and empty cells."""
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
    """Runs over `data`, each trained once."""
    kept: dict[Any, Run] = {}

    def make(**settings: Any) -> Run:
        key = tuple(sorted(settings.items()))
        if key not in kept:
            out = data.parent / f"run{len(kept)}"
            kept[key] = recurra.train("forecast", data, out=out, **(SMALL | settings))
        return kept[key]

    return make


class Told(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


# it learns --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("decoding", ["direct", "recursive"])
def test_a_sampled_sine_is_learnt_by_the_recurrent_layers_alone(tmp_path: Path, decoding: str) -> None:
    """Down to the noise of 0.05: what nobody can foresee. Without the linear linear_skip, which would do it by itself."""
    run = recurra.train(
        "forecast", sets.make("sine", tmp_path), out=tmp_path / "run", linear_skip=False, decoding=decoding, steps=500,
        hidden_size=32, context_length=50, learning_rate=5e-3, batch_size=64,
    )  # fmt: skip
    assert run.settings.data.seasonality == 25 and run.settings.data.horizon == 25
    assert run.metrics["valid/rmse"] < 0.075
    figures = run.evaluate(tmp_path / "sine.csv")
    assert figures["backtest"]["seasonal naive"]["rmse"] == pytest.approx(0.05 * 2**0.5, rel=0.1)
    assert figures["backtest"]["naive"]["rmse"] > 0.9
    assert 0.75 < figures["coverage_80"] < 0.85


def test_what_was_found_is_told(data: Path, tmp_path: Path) -> None:
    told = Told()
    recurra.train("forecast", data, out=tmp_path / "run", progress=told, **SMALL)
    text = "\n".join(told.lines)
    for said in ("2 series of", "every day", "to forecast: small, large", "1 gap in time, 4 steps",
                 "the longest 4: after 2020-04-09", "missing (", "season: 7 steps, found by the autocorrelation", "horizon 7",
                 "errors of a ridge regression", "calendar: day of the week"):  # fmt: skip
        assert said in text, said


def test_covariates_are_read(tmp_path: Path) -> None:
    """y is what a covariate known ahead says, at a height that a static one says: the past knows neither."""
    draw = np.random.default_rng(0)
    rows = []
    for name, height in (("a", 0), ("b", 4), ("c", -4)):
        known = draw.normal(size=260)
        for day, k in zip(days(260), known, strict=True):
            rows.append([name, day, f"{k + height:.4f}", f"{k:.4f}", "high" if height > 0 else "low"])
    path = write(tmp_path / "covariates.csv", "shop,date,y,price,kind", rows)
    options: dict[str, Any] = {"series": "shop", "target": "y", "horizon": 6, "context_length": 12, "seasonality": 7, "steps": 400,
                               "hidden_size": 24, "batch_size": 32, "learning_rate": 5e-3}  # fmt: skip
    blind = recurra.train("forecast", path, out=tmp_path / "blind", **options)
    seeing = recurra.train(
        "forecast", path, out=tmp_path / "seeing", future_covariates="price", static_covariates="kind", **options
    )
    assert blind.metrics["valid/rmse"] > 0.8  # the deviation of what is not known is 1
    assert seeing.metrics["valid/rmse"] < 0.4
    ahead = [
        *rows[:260],
        *(["a", day, "", f"{k:.4f}", "low"] for day, k in zip(days(266)[260:], range(6), strict=True)),
    ]
    status = write(tmp_path / "ahead.csv", "shop,date,y,price,kind", ahead)
    (answer,) = seeing.task.dataset.inputs(str(status)) or ()
    said = seeing.predict([answer])[0]
    assert said["time"] == days(266)[260:]
    assert np.abs(np.array(said["median"])[:3] - np.arange(3)).max() < 0.8
    with pytest.raises(CallError, match=r"'a': price must be known to the end of the forecast, 2020-09-22.*2020-09-16"):
        seeing.predict(list(seeing.task.dataset.inputs(str(path)) or ())[:1])
    asked = {
        "time": days(266),
        "values": list(range(260)),
        "known": {"price": list(range(266))},
        "static": {"kind": "low"},
    }
    assert seeing.predict([asked])[0]["time"] == days(266)[260:]
    for wrong, told in (
        ({"known": [1, 2]}, "wants `known`, a list of numbers for price"),
        ({"known": {"price": [1, 2]}}, "has 2 numbers of price for 260 values"),
        (
            {"known": {"price": list(range(262))}, "time": days(262)},
            "must be known .*, 2020-09-22, and ends at 2020-09-18",
        ),
        ({"known": {"price": [*range(263), None, 1, 1]}}, "price must be known .*, and is missing at 2020-09-20"),
        ({"static": "low"}, "wants `static`, a value for kind"),
    ):
        with pytest.raises(CallError, match=told):
            seeing.predict([asked | wrong])


# laws -------------------------------------------------------------------------------------------------------------------
def alike(one: Any, other: Any) -> None:
    """The same JSON up to its six digits, and a rounding that may fall the other way."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            alike(one[key], other[key])
    elif isinstance(one, list) and one and isinstance(one[0], float):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5 * np.abs(other).max())
    else:
        assert one == other


def series_of(run: Run, path: Path) -> list[Any]:
    return list(run.task.dataset.inputs(str(path)) or ())


@pytest.mark.parametrize("decoding", ["direct", "recursive"])
def test_a_batch_is_its_rows_in_any_order(made: Callable[..., Run], data: Path, decoding: str) -> None:
    run = made(decoding=decoding)
    both = series_of(run, data)
    together = run.predict(both)
    for at, one in enumerate(both):
        alike(run.predict([one])[0], together[at])
    alike(run.predict(both[::-1])[0], together[1])


def test_loaded_is_saved_and_keeps_its_calibration(made: Callable[..., Run], data: Path) -> None:
    run = made()
    again = recurra.load(run.path)
    assert not torch.equal(run.network.quantile_scale, torch.ones_like(run.network.quantile_scale))  # type: ignore[operator, arg-type]
    assert again.predict(series_of(again, data)) == run.predict(series_of(run, data))
    assert again.evaluate(data) == run.evaluate(data)


def test_the_same_seed_is_the_same_run_and_resumed_is_uninterrupted(
    made: Callable[..., Run], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = made()
    same = recurra.train("forecast", data, out=tmp_path / "same", **SMALL)
    expected = whole.predict(series_of(whole, data))
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


def test_forecasts_of_a_backtest_are_those_of_predict(made: Callable[..., Run], data: Path, tmp_path: Path) -> None:
    """Cutting the file before an origin and forecasting gives what the backtest judges: nothing of the future is seen."""
    run = made(num_windows=3, step_size=10)
    rows = rows_of(data)
    figures = run.evaluate(data)
    assert figures["forecasts"] == 6 and figures["backtest"].keys() == {"forecast", "naive", "seasonal naive"}
    truth = {one.name: one.values for one in series_of(run, data)}
    n, horizon = len(truth["small"]), len(run.predict(series_of(run, data))[0]["mean"])
    squared, absolute = [], []
    for origin in (n - horizon, n - horizon - 10, n - horizon - 20):
        day = days(n)[origin]
        cut = write(tmp_path / "cut.csv", ",".join(rows[0]), [row for row in rows[1:] if row[0] < day])
        for said in run.predict(series_of(run, cut)):
            y = truth[said["series"]][origin : origin + horizon]
            assert said["time"][0] == day
            squared += list((y - said["mean"]) ** 2)
            absolute += list(np.abs(y - said["median"]))
    assert figures["mse"] == pytest.approx(np.nanmean(squared), rel=1e-4)
    assert figures["mae"] == pytest.approx(np.nanmean(absolute), rel=1e-4)


def test_a_series_it_never_saw(made: Callable[..., Run], data: Path, tmp_path: Path) -> None:
    run = made()
    rows = [[row[0], *(str(1000 * float(cell)) if cell not in ("NA", "") else cell for cell in row[1:])]
            for row in rows_of(data)[1:]]  # fmt: skip
    path = write(tmp_path / "new.csv", "date,small,large", rows)
    task: Any = run.task
    kept = dict(task.dataset.metadata.series)
    task.dataset.metadata.series.clear()
    try:
        scaled = run.evaluate(path)
        plain = run.evaluate(data)
    finally:
        task.dataset.metadata.series.update(kept)
    assert scaled["scaled_mae"] == pytest.approx(plain["scaled_mae"], rel=1e-3)  # of any size it is the same series
    assert scaled["mae"] == pytest.approx(1000 * plain["mae"], rel=1e-3)


def test_evaluation_is_on_what_comes_after(data: Path, tmp_path: Path) -> None:
    """--valid goes on where the data end, whether or not it repeats what was before."""
    rows = rows_of(data)
    train = write(tmp_path / "train.csv", ",".join(rows[0]), rows[1:220])
    whole = write(tmp_path / "whole.csv", ",".join(rows[0]), rows[1:])
    rest = write(tmp_path / "rest.csv", ",".join(rows[0]), rows[220:])
    one, other = (
        recurra.train("forecast", train, valid=valid, out=tmp_path / valid.stem, **SMALL) for valid in (whole, rest)
    )
    assert one.metrics == other.metrics
    with pytest.raises(DataError, match=r"train\.csv: holds nothing after the end"):
        recurra.train("forecast", train, valid=train, out=tmp_path / "none", **SMALL)


# the command line -------------------------------------------------------------------------------------------------------
def lines(capsys: pytest.CaptureFixture[str], *words: object, stdin: str | None = None) -> tuple[int, str, str]:
    capsys.readouterr()
    status = cli.run([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_by_the_command_line(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["train", "forecast", data, "--out", tmp_path / "run", "--horizon", 5, "--quantiles", "[0.05, 0.95]"]
    sizes = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    status, out, err = lines(capsys, *line, *sizes)
    assert status == 0, err
    status, out, err = lines(capsys, "predict", tmp_path / "run", data)
    assert status == 0, err
    answers = [json.loads(text) for text in out.splitlines()]
    assert [answer["series"] for answer in answers] == ["small", "large"]
    assert answers[0]["time"] == days(305)[300:]
    assert set(answers[0]["quantiles"]) == {"0.05", "0.5", "0.95"} and len(answers[0]["mean"]) == 5
    short = write(tmp_path / "short.csv", "date,small,large", rows_of(data)[1:4])
    status, out, err = lines(capsys, "predict", tmp_path / "run", short)
    assert status == 2 and "short.csv: the series 'small' has 3 steps" in err and "row" not in err, err
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
    asked = {"series": "small", "time": days(300), "values": values}
    alike(run.predict([asked])[0], run.predict([one])[0])
    (tmp_path / "in.jsonl").write_text(json.dumps(asked) + "\n" + json.dumps({"values": [1, 2]}) + "\n")
    status, out, err = lines(capsys, "predict", run.path, tmp_path / "in.jsonl")
    assert status == 2 and "row 2" in err
    assert "error" in json.loads(out.splitlines()[1]) and "mean" in json.loads(out.splitlines()[0])


@pytest.mark.parametrize(
    ("example", "said"),
    [
        ({"values": [1.0] * 200}, "wants `time`, a time stamp for each value: this run reads the calendar"),
        ({"time": days(3)}, "wants `values`, a list of numbers"),
        ({"values": [1.0] * 200, "time": days(3)}, "has 3 time stamps for 200 steps"),
        ({"values": [1.0] * 3, "time": days(3)}, "the series has 3 steps, this run looks back"),
        ({"values": [1.0] + [None] * 199, "time": days(200)}, "has no value in the last"),
        ({"values": [1.0, "x"], "time": days(2)}, "^example 1: row 2, field 'value': 'x' is not a number"),
        ({"values": [1.0], "times": days(2)}, "there is no place for 'times'"),
        ({"values": [1.0] * 200, "time": None}, "wants `time`, a time stamp for each value"),
        ({"values": [1.0] * 200, "time": "2020-01-01"}, "wants `time`, a list of a time stamp for each value"),
        (
            {"values": [1.0, 2.0], "time": ["2020-01-01 00:00", "2020-01-01 01:00"]},
            "a value every hour; this run knows every day",
        ),
        (
            {"values": [1.0, 2.0], "time": days(2)[::-1]},
            "example 1: row 2, field 'time': 2020-01-01 comes after 2020-01-02",
        ),
    ],
)
def test_a_wrong_example_is_told(made: Callable[..., Run], example: Any, said: str) -> None:
    with pytest.raises(CallError, match=said):
        made().predict([example])


# bad input --------------------------------------------------------------------------------------------------------------
def columns(n: int = 120, **more: Any) -> list[list[Any]]:
    draw = np.random.default_rng(0)
    made = [days(n), *(values if isinstance(values, list) else [values] * n for values in more.values())]
    return [list(row) for row in zip(*made, [f"{v:.3f}" for v in draw.normal(size=n)], strict=True)]


BAD: dict[str, tuple[str, list[list[Any]], dict[str, Any], str]] = {
    "constant": ("date,flat,y", columns(flat=5), {},
                 r"the series 'flat' never changes \(always 5\): there is nothing to learn.*on_error=skip"),
    "missing": ("date,none,y", columns(none=""), {}, "the series 'none' has no value at all: there is nothing"),
    "several": ("date,none,flat,y", columns(none="", flat=1), {}, r"'none' has no value at all; 1 more such series \(flat\)"),
    "short": ("date,y", columns(12), {"context_length": 30}, r"'y' has 12 steps, .* a window of 30 and a horizon of \d+ want 3\d"),
    "order": ("date,y", columns()[::-1], {}, "not sorted by time"),
    "twice": ("date,y", columns() + columns()[-1:], {}, "stands there twice"),
    "time": ("date,y", [*columns(), ["then", 1]], {"time": "date"}, "'then' cannot be read as a time"),
    "quantiles": ("date,y", columns(), {"quantiles": [0.5, 1.5]}, "quantiles lie between 0 and 1"),
    "horizon": ("date,y", columns(), {"horizon": 100}, "want 1"),
    "longer horizon": ("date,y", columns(), {"horizon": 200}, "has 120 steps, 0 of them to train on"),
    "late": ("date,late,y", columns(late=[""] * 110 + list(range(10))), {},
             r"the series 'late' has no value in the 108 steps to train on, only after them: .*on_error=skip"),
    "ends early": ("date,y", [*columns(), *([day, ""] for day in days(140)[120:])], {},
                   "the part held back, 14 steps, has no value to compare a forecast with. Take empty rows.*--future-covariates"),
    "covariate": ("date,price,y", columns(price=""), {"future_covariates": "price"}, "'price': has no value at all; take .* of --future-covariates"),
    "past": ("date,wind,y", columns(wind="NA"), {"past_covariates": "wind"}, "'wind': has no value at all; take it out of --past-covariates"),
    "static": ("date,town,y", columns(town=""), {"static_covariates": "town"}, "'town': has no value at all; take it out of --static-covariates"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_before_training(tmp_path: Path, name: str) -> None:
    header, rows, settings, said = BAD[name]
    path = write(tmp_path / "bad.csv", header, rows)
    with pytest.raises(UserError, match=said) as raised:
        recurra.train("forecast", path, out=tmp_path / "run", **(SMALL | settings))
    assert len(str(raised.value).splitlines()) <= 2 and not (tmp_path / "run").exists()
    assert name == "quantiles" or "bad.csv" in str(raised.value)


def test_nothing_is_measured_in_the_part_held_back(tmp_path: Path) -> None:
    """12 of 120 days: neither the mean of a covariate, nor whether a cycle of the calendar is there twice."""
    path = write(tmp_path / "price.csv", "date,price,y", columns(price=list(range(120))))
    run = recurra.train("forecast", path, out=tmp_path / "run", future_covariates="price", horizon=7, **SMALL)
    task: Any = run.task
    assert task.dataset.metadata.covariate_stats["price"][0] == pytest.approx(107 / 2)
    few = write(tmp_path / "few.csv", "date,y", columns(15))
    run = recurra.train("forecast", few, out=tmp_path / "few", horizon=2, context_length=4, seasonality=1, **SMALL)
    task = run.task
    assert task.dataset.metadata.cycles == [False, False, False]  # 13 days are no two weeks


def test_series_that_cannot_be_learnt_may_be_left_out(tmp_path: Path) -> None:
    told = Told()
    path = write(tmp_path / "bad.csv", *BAD["several"][:2])
    run = recurra.train("forecast", path, out=tmp_path / "run", on_error="skip", progress=told, **SMALL)
    assert list(run.task.dataset.metadata.series) == ["y"]
    assert any("2 of 3 series left out: the series 'none'" in line for line in told.lines)


def test_what_is_left_out_stays_out(tmp_path: Path) -> None:
    """--valid holds the series, too, and with values that change: it must not come back as one to learn from."""
    path = write(tmp_path / "flat.csv", "date,flat,y", columns(flat=1))
    later = write(tmp_path / "later.csv", "date,flat,y", [[day, n, n % 7] for n, day in enumerate(days(160)[120:])])
    run = recurra.train("forecast", path, valid=later, out=tmp_path / "run", on_error="skip", horizon=7, **SMALL)
    assert list(run.task.dataset.metadata.series) == ["y"]


def test_what_valid_lacks_is_told_with_its_file(tmp_path: Path) -> None:
    path = write(tmp_path / "data.csv", "date,y", columns())
    for name, after, said in (
        ("few", [[day, n] for n, day in enumerate(days(124)[120:])], r"few\.csv: the part held back has no 7 steps"),
        ("empty", [[day, ""] for day in days(140)[120:]], r"empty\.csv: the part held back, 20 steps, has no value"),
        ("hours", [[f"{days(121)[120]} {hour:02}:30", hour] for hour in range(24)],
         r"hours\.csv: the series 'y' goes on every hour from .*00:30:00, but began every day from 2020-01-01: bring both"),
    ):  # fmt: skip
        later = write(tmp_path / f"{name}.csv", "date,y", after)
        with pytest.raises(DataError, match=said):
            recurra.train("forecast", path, valid=later, out=tmp_path / "run", horizon=7, **SMALL)


def test_other_data_than_it_was_trained_on(made: Callable[..., Run], tmp_path: Path) -> None:
    run = made()
    hours = [
        [f"2020-01-01 {n % 24:02}:00" if n < 24 else f"2020-01-{n // 24 + 1:02} {n % 24:02}:00", n, n]
        for n in range(300)
    ]
    with pytest.raises(DataError, match="has a value every hour; this run knows every day"):
        run.evaluate(write(tmp_path / "hours.csv", "date,small,large", hours))
    with pytest.raises(DataError, match="there is no column 'large'"):
        run.evaluate(write(tmp_path / "less.csv", "date,small", columns()))
    half = run.evaluate(write(tmp_path / "half.csv", "date,small,large", columns(150, small="")))
    assert half["skipped_series"] == 1
    with pytest.raises(DataError, match=r"short\.csv: is too short for a backtest: its longest series has 9 steps"):
        run.evaluate(write(tmp_path / "short.csv", "date,small,large", columns(9, small=1)))


def test_series_of_several_kinds_of_steps(tmp_path: Path) -> None:
    """A long table may hold monthly and yearly series: each has its own season."""
    months = [[f"m{k}", f"{1950 + n // 12}-{n % 12 + 1:02}", f"{math.sin(n / 6 * math.pi) + k:.4f}"] for k in range(2)
              for n in range(240)]  # fmt: skip
    years = [["y", str(1700 + n), f"{math.sin(n / 5.5 * math.pi):.4f}"] for n in range(150)]
    told = Told()
    path = write(tmp_path / "mixed.csv", "series,time,value", [*months, *years])
    run = recurra.train("forecast", path, out=tmp_path / "run", horizon=6, progress=told, **SMALL)
    assert run.task.dataset.metadata.seasonality == {"every month": 12, "every year": 11}
    assert any("every month 12 steps" in line and "every year 11 steps" in line for line in told.lines)
    assert [one["time"][0] for one in run.predict(series_of(run, path))] == ["1970-01", "1970-01", "1850"]


def test_the_example_draws_a_forecast_and_what_happened(made: Callable[..., Run], data: Path) -> None:
    """The truth is a dot a step of the horizon; the name and the first step ahead are told."""
    spec = importlib.util.spec_from_file_location("forecast_figure", EXAMPLE)
    assert spec and spec.loader
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    run = made()
    series = next(iter(run.task.dataset.inputs(str(data))))
    horizon = len(run.predict([series])[0]["mean"])
    picture = example.picture(run, str(data), series.name)
    truth = series.values[-horizon:]
    assert picture.count("<circle") == int((truth == truth).sum())
    assert f">{series.name}: {series.format_times(np.array([len(series) - horizon]))[0]} to " in picture


def test_the_weights_that_are_kept_have_the_least_figure_that_was_asked_for(data: Path, tmp_path: Path) -> None:
    for metric in ("scaled_mae", "loss"):
        out = tmp_path / metric
        recurra.train("forecast", data, out=out, selection_metric=metric, **(SMALL | {"steps": 40}), patience=None)
        lines = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
        seen = [line[f"valid/{metric}"] for line in lines if "valid/loss" in line]
        kept = json.loads((out / "metrics.json").read_text())[f"valid/{metric}"]
        assert len(seen) > 1 and kept == min(seen)
