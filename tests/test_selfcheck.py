"""`recurra selfcheck`: all variants agree on this machine, and a wrong one is reported."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch

from recurra import cells, ops, selfcheck
from recurra.cli.main import run


def test_all_variants_of_all_cells_agree() -> None:
    found = list(selfcheck.agreements(torch.float64))
    assert all(one.agrees for one in found), [one for one in found if not one.agrees]
    assert {one.cell.partition(",")[0] for one in found} == set(cells.names())
    assert {"loop", "torch", "batch of 1", "chunks"} <= {one.variant for one in found}
    assert all(13 < one.required < 16 for one in found if not one.cell.startswith("ln_"))


def test_a_wrong_back_end_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A relative error of 1e-6 of a backend in float64 is found, and the exit status is 1."""
    right = next(backend for backend in ops.BACKENDS if backend.name == "torch")

    def off(call: ops.Call) -> list[Any]:
        y, *last = right.run(call)
        return [y * (1 + 1e-6), *last]

    wrong = ops.Backend("torch", off, right.unsupported)
    backends = tuple(wrong if backend is right else backend for backend in ops.BACKENDS)
    monkeypatch.setattr(ops, "BACKENDS", backends)
    monkeypatch.setattr(sys.modules["recurra.ops.dispatch"], "BACKENDS", backends)
    monkeypatch.setattr(cells, "names", lambda: ("gru",))
    assert run(["selfcheck"]) == 1
    output = capsys.readouterr().out
    assert "5.7 WRONG" in output or "6.0 WRONG" in output
    assert "do not agree; the first: gru" in output
