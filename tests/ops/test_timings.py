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
from recurra.errors import BackendError
from recurra.ops import autotune, timings
from recurra.ops.native import loader
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


def test_the_nearest_point_of_the_kind_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        assert ops.plan(call_of(GRU, (3, 12, 11)), "auto").runs == "torch", "and around it"
        assert ops.plan(call_of(GRU, (2, 16, 50)), "auto").runs == "native"
        assert ops.plan(call_of(GRU._replace(training=True), (2, 16, 8)), "auto").runs == "native"
        plan = ops.plan(call_of(GRU, (2, 16, 8)), "auto")
        assert plan.others["native"] == "'torch' is faster: this took 2.00 times as long at B=2, T=16, H=8"
        with ops.watch() as ran:
            ops.execute(call_of(GRU, (2, 16, 8)), "auto")
        assert ran == ["torch"]
        assert timings.nearest_to(call_of(GRU, (2, 16 * 64, 8))) is None, "too far away to say anything"
        assert timings.nearest_to(call_of(GRU._replace(ragged=True), (4, 16, 8))) is None, "another kind"
        torch.set_num_threads(2)
        assert ops.plan(call_of(GRU, (2, 16, 8)), "auto").runs == "torch", "one thread is nearer to two than nine is"
    finally:
        torch.set_num_threads(before)
    assert timings.state_of_table() == f"{path} (a box, today)"


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
    built_in = timings.in_use()
    assert built_in.name.startswith("built in" if timings.BUILT_IN.exists() else "none")
    timings.write(timings.cache_path(), [Timing(GRU, (1, 9, 4), {"torch": 1.0})], {"machine": "mine", "date": "now"})
    assert timings.state_of_table() == f"{timings.cache_path()} (mine, now)"
    use(monkeypatch, "off")
    assert timings.state_of_table() == "none, switched off by RECURRA_TIMINGS=off"
    assert timings.nearest_to(call_of(GRU, (1, 9, 4))) is None
    use(monkeypatch, tmp_path / "nowhere")
    with pytest.raises(BackendError, match=r"RECURRA_TIMINGS: .*nowhere: No such file"):
        ops.plan(call_of(GRU, (1, 9, 4)), "auto")


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        '{"format": 2, "points": []}',
        '{"format": 1}',
        "[]",
        '{"format": 1, "points": [{"cell": "gru"}]}',
        json.dumps({"format": 1, "points": [{**GRU._asdict(), "B": 0, "T": 1, "H": 1, "seconds": {"torch": 1}}]}),
        json.dumps({"format": 1, "points": [{**GRU._asdict(), "B": 1, "T": 1, "H": 1, "seconds": {"torch": -1}}]}),
        json.dumps({"format": 1, "points": [{**GRU._asdict(), "B": 1, "T": 1, "H": 1, "seconds": {}}]}),
    ],
)
def test_a_broken_table_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "t").write_text(text)
    use(monkeypatch, tmp_path / "t")
    with pytest.raises(
        BackendError, match=r"t is not a valid timings file \(.*\); delete it, or create a new one with `recurra bench`"
    ):
        ops.plan(call_of(GRU, (1, 9, 4)), "auto")


def test_the_table_of_the_package_can_be_read() -> None:
    points = timings.read(timings.BUILT_IN).points
    assert {kind.cell for kind in points} == set(autotune.CELLS)
    names = {backend.name for backend in ops.BACKENDS}
    assert all(set(point.seconds) <= names for some in points.values() for point in some)


def test_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(autotune, "SIZES", ((1, 1, 4), (3, 5, 4)))
    monkeypatch.setattr(autotune, "ROUNDS", 1)
    monkeypatch.setattr(autotune, "MIN_SECONDS", 0.0)
    before = torch.get_num_threads()
    assert command(["bench", "gru", "--threads", "2", "--threads", "1", "--out", str(tmp_path / "t.json")]) == 0
    assert torch.get_num_threads() == before
    out = capsys.readouterr().out
    assert "fastest" in out
    assert f"saved: {tmp_path / 't.json'}" in out
    points = [point for some in timings.read(tmp_path / "t.json").points.values() for point in some]
    assert {point.size for point in points} == {(1, 1, 4), (3, 5, 4)}
    assert {point.signature.cell for point in points} == {"gru"}
    assert {point.signature.threads for point in points} == {1, 2}
    assert len(points) == 2 * 2 * (1 + 4), (
        "single steps in one direction, training or not; the batch ragged or not, too"
    )
    assert all(point.seconds.keys() == {"native", "torch"} for point in points)
    assert not timings.cache_path().exists()
    assert command(["bench", "--save"]) == 0
    assert timings.state_of_table().startswith(str(timings.cache_path()))
    assert command(["bench", "gru", "--save"]) == 2
    assert "remove the names" in capsys.readouterr().err
    assert command(["bench", "gur"]) == 2
    assert "did you mean 'gru'" in capsys.readouterr().err
