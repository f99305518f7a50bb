"""The table of what is fastest where: read, looked up, used by `auto`, measured by `recurra bench`, told by a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from cells_registry import random_call

from recurra import cells, ops
from recurra.cli.main import run as command
from recurra.ops import autotune, timings
from recurra.ops.native import loader
from recurra.ops.processor import Processor
from recurra.ops.timings import CallSignature, Timing

pytestmark = pytest.mark.skipif(loader.load()[0] is None, reason=loader.load()[1])

GRU = CallSignature("gru", training=False, ragged=False, directions=1, threads=1)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(timings.SETTING, raising=False)
    timings.forget()
    yield
    timings.forget()


def use(monkeypatch: pytest.MonkeyPatch, setting: str | Path) -> None:
    monkeypatch.setenv(timings.SETTING, str(setting))
    timings.forget()


def call_of(kind: CallSignature, size: tuple[int, int, int]) -> ops.Call:
    B, T, H = size
    lengths = "ragged" if kind.ragged else "none"
    call = random_call(cells.get(kind.cell), (B, T, 3, H), lengths=lengths, bidirectional=kind.directions == 2)
    call = call._replace(
        x=call.x.float(), state=[s.float() for s in call.state], weights=[w.float() for w in call.weights]
    )
    return call._replace(x=call.x.requires_grad_()) if kind.training else call


def test_the_signature_and_the_size_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.json"
    points = [
        Timing(GRU, (2, 16, 8), {"native": 2.0, "torch": 1.0}),
        Timing(GRU, (2, 16, 64), {"native": 1.0, "torch": 2.0}),
        Timing(GRU._replace(training=True), (2, 16, 8), {"native": 1.0, "torch": 2.0}),
        Timing(GRU._replace(threads=9), (2, 16, 8), {"native": 1.0, "torch": 9.0}),
    ]
    timings.write(path, points, {"machine": "a box", "date": "today"})
    use(monkeypatch, path)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert ops.plan(call_of(GRU, (2, 16, 8)), "auto").runs == "torch"
        assert ops.plan(call_of(GRU, (2, 16, 11)), "auto").runs == "torch", "and near it"
        assert ops.plan(call_of(GRU, (2, 16, 50)), "auto").runs == "native"
        assert ops.plan(call_of(GRU._replace(training=True), (2, 16, 8)), "auto").runs == "native"
        plan = ops.plan(call_of(GRU, (2, 16, 8)), "auto")
        assert plan.others["native"] == (
            f"'torch' is preferred: this takes 2.00 times as long, measured; timings: {path} (a box, today)"
        )
        assert "estimated; the nearest measured size is B=2, T=16, H=8" in str(
            ops.plan(call_of(GRU, (2, 16, 11)), "auto")
        )
        with ops.watch() as ran:
            ops.execute(call_of(GRU, (2, 16, 8)), "auto")
        assert ran == ["torch"]
        assert timings.nearest_to(call_of(GRU._replace(ragged=True), (4, 16, 8))) is None, "another kind"
        torch.set_num_threads(2)
        assert ops.plan(call_of(GRU, (2, 16, 8)), "auto").runs == "torch", "one thread is nearer to two than nine is"
    finally:
        torch.set_num_threads(before)
    assert timings.state_of_table() == f"{path} (a box, today)"


def table_of(*points: tuple[tuple[int, int, int], float, float]) -> timings.TimingTable:
    """A table for `GRU` with the seconds of native and of torch at some sizes."""
    rows = [Timing(GRU, size, {"native": native, "torch": torch}) for size, native, torch in points]
    return timings.TimingTable("a table", {GRU: rows})


def test_times_between_measured_sizes_are_interpolated() -> None:
    grid = [((B, 64, H), 1e-6 * B * H, 1e-6 * B**0.5 * H**1.2) for B in (1, 16, 256) for H in (8, 64, 512, 2048)]
    table = table_of(*grid)
    for size, native, of_torch in grid:
        exact = table.estimate(GRU, size)
        assert exact is not None
        assert not exact.extrapolated
        assert exact.seconds == {"native": native, "torch": of_torch}, "a measured size has its own times"
    middle = table.estimate(GRU, (4, 64, 181))
    assert middle is not None
    assert not middle.extrapolated
    corners = [table.estimate(GRU, (B, 64, H)) for B in (1, 16) for H in (64, 512)]
    for name in ("native", "torch"):
        values = [corner.seconds[name] for corner in corners if corner is not None]
        assert min(values) < middle.seconds[name] < max(values)
    longer = table.estimate(GRU, (16, 64 * 50, 64))
    assert longer is not None
    assert not longer.extrapolated, "the time per step does not depend on T"


@pytest.mark.parametrize("size", [(512, 64, 64), (16, 64, 4096), (16, 64, 2), (16, 2, 64)], ids=str)
def test_beyond_the_measured_sizes_torch_is_preferred_if_close(size: tuple[int, int, int]) -> None:
    sizes = [(B, 64, H) for B in (1, 16, 256) for H in (8, 64, 512, 2048)]
    close = table_of(*((known, 1.0, 1.05) for known in sizes)).estimate(GRU, size)
    clear = table_of(*((known, 1.0, 1.2) for known in sizes)).estimate(GRU, size)
    inside = table_of(*((known, 1.0, 1.05) for known in sizes)).estimate(GRU, (16, 64, 100))
    assert close is not None
    assert clear is not None
    assert inside is not None
    assert close.order[0] == "torch"
    assert "outside of the measurements, where 'torch' is preferred if close" in timings.basis(close)
    assert clear.order[0] == inside.order[0] == "native"


def test_a_gap_between_measured_sizes_is_an_extrapolation() -> None:
    table = table_of(((1, 64, 8), 1.0, 1.05), ((256, 64, 2048), 1.0, 1.05))
    estimate = table.estimate(GRU, (16, 64, 128))
    assert estimate is not None
    assert estimate.extrapolated


ZEN3 = Processor("AuthenticAMD", "25", "1", "AMD EPYC 7763", "avx2")


def test_the_most_similar_processor_selects_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {
        "a": ZEN3._replace(model="33"),
        "b": ZEN3,
        "c": Processor("GenuineIntel", "6", "106", "Intel Xeon", "avx512"),
    }
    for name, processor in known.items():
        facts = {"machine": name, "date": "today", "processor": processor._asdict()}
        timings.write(tmp_path / f"{name}.json", [Timing(GRU, (1, 9, 4), {"torch": 1.0})], facts)
    monkeypatch.setattr(timings, "BUILT_IN", tmp_path)
    for processor, name in (
        (ZEN3, "built in: b (b, today), of this model"),
        (ZEN3._replace(model="80"), "built in: a (a, today), of another model"),
        (ZEN3._replace(vendor="HygonGenuine"), "built in: a (a, today), of another vendor"),
        (ZEN3._replace(family="26", target="avx512"), "built in: c (c, today), of another vendor"),
        (ZEN3._replace(target="portable"), "built in: a (a, today), of another instruction set"),
        (ZEN3._replace(target=""), "none"),
    ):
        table = timings.of_processor(processor)
        assert table.name == name
        assert table.foreign == (processor.target == "portable")


def test_the_kernel_of_single_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = CallSignature("lstm step", False, False, 1, 1)
    points = [
        Timing(step, (1, 1, 128), {"packed": 1.0, "unpacked": 2.0}),
        Timing(step, (1, 1, 512), {"packed": 2.0, "unpacked": 1.0}),
    ]
    timings.write(tmp_path / "t", points, {})
    use(monkeypatch, tmp_path / "t")
    assert [timings.step_kernel("lstm", 1, H, 1) for H in (128, 160, 512, 1024)] == ["packed"] * 2 + ["unpacked"] * 2
    assert timings.step_kernel("lstm", 100, 512, 1) == "packed", "many streams"
    zen5 = Processor("AuthenticAMD", "26", "2", "AMD EPYC 9755", "avx512")
    for processor, large in ((zen5, "unpacked"), (ZEN3, "packed")):
        monkeypatch.setattr(timings, "this_processor", lambda processor=processor: processor)
        assert [timings.step_kernel("gru", 1, H, 1) for H in (256, 512)] == ["packed", large], "nothing was measured"


def test_a_back_end_that_cannot_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timings.write(tmp_path / "t", [Timing(GRU, (1, 9, 4), {"native": 2.0, "torch": 1.0})], {})
    use(monkeypatch, tmp_path / "t")
    call = call_of(GRU, (1, 9, 4))
    assert ops.plan(call, "auto").runs == "torch"
    zoned = call._replace(masks=[torch.empty(0), torch.full((1, 1, 1), 0.5)])
    assert ops.plan(zoned, "auto").runs == "native"
    assert ops.plan(call._replace(x=call.x[:, :0]), "auto").runs == "reference"
    assert ops.plan(call, "native").runs == "native", "one asked for by name runs"


def test_which_table_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert timings.in_use().name.startswith("built in: ")
    timings.write(timings.cache_path(), [Timing(GRU, (1, 9, 4), {"torch": 1.0})], {"machine": "mine", "date": "now"})
    assert timings.state_of_table() == f"{timings.cache_path()} (mine, now)"
    use(monkeypatch, "off")
    assert timings.state_of_table() == "none, switched off by RECURRA_TIMINGS=off"
    assert timings.nearest_to(call_of(GRU, (1, 9, 4))) is None


INSTEAD = "; the timings of the package are used instead"


@pytest.mark.parametrize("setting", ["RECURRA_TIMINGS", "cache"])
@pytest.mark.parametrize(
    "text",
    [
        None,
        "no JSON",
        '{"format": 2, "points": []}',
        '{"format": 1}',
        "[]",
        '{"format": 1, "points": [{"cell": "gru"}]}',
        json.dumps({"format": 1, "points": [{**GRU._asdict(), "B": 0, "T": 1, "H": 1, "seconds": {"torch": 1}}]}),
        json.dumps({"format": 1, "points": [{**GRU._asdict(), "B": 1, "T": 1, "H": 1, "seconds": {"torch": -1}}]}),
        json.dumps({"format": 1, "points": [{**GRU._asdict(), "B": 1, "T": 1, "H": 1, "seconds": {}}]}),
        json.dumps({"format": 1, "points": [], "processor": {"vendor": "AuthenticAMD"}}),
    ],
)
def test_a_damaged_table_is_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, setting: str
) -> None:
    path = tmp_path / "t" if setting == "RECURRA_TIMINGS" else timings.cache_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    if text is not None:
        path.write_text(text)
    elif setting == "cache":
        path.mkdir()
    if setting == "RECURRA_TIMINGS":
        use(monkeypatch, path)
    problem = r"is not a valid timings file \(.*\); delete it" if text is not None else r"No such file|Is a directory"
    with pytest.warns(UserWarning, match=rf"({problem}).*{INSTEAD}"):
        chosen = ops.plan(call_of(GRU, (1, 9, 4)), "auto")
    assert ops.plan(call_of(GRU, (1, 9, 5)), "auto").runs == chosen.runs, "without another warning"
    assert timings.state_of_table().startswith("built in: ")


def test_no_home_folder(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.warns(UserWarning, match=f"there is no home folder; set HOME or XDG_CACHE_HOME{INSTEAD}"):
        ops.plan(call_of(GRU, (1, 9, 4)), "auto")
    assert command(["bench", "--save"]) == 2
    assert "there is no home folder" in capsys.readouterr().err


def test_the_tables_of_the_package_can_be_read() -> None:
    names = {backend.name for backend in ops.BACKENDS} | {"packed", "unpacked"}
    paths = sorted(timings.BUILT_IN.glob("*.json"))
    assert paths
    for path in paths:
        table = timings.read(path)
        assert {kind.cell.removesuffix(" step") for kind in table.points} == set(autotune.CELLS)
        assert all(set(point.seconds) <= names for some in table.points.values() for point in some)
        assert table.processor is not None
        assert table.processor.target in table.machine
