"""Exported programs without the operators of recurra, and the package that a program with them needs."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from cells_registry import worst
from torch import Tensor
from torch.export import Dim

import recurra
from recurra import nn
from recurra.errors import CallError

F64, EPS = torch.float64, torch.finfo(torch.float64).eps
LAYERS: dict[str, Any] = {
    "RNN": lambda: nn.RNN(3, 4, batch_first=True, bidirectional=True, dtype=F64),
    "RNN of relu": lambda: nn.RNN(3, 4, nonlinearity="relu", batch_first=True, bias=False, dtype=F64),
    "LSTM": lambda: nn.LSTM(3, 4, num_layers=2, batch_first=True, bidirectional=True, dtype=F64),
    "LSTM with projection": lambda: nn.LSTM(3, 4, batch_first=True, proj_size=2, dtype=F64),
    "GRU with options": lambda: nn.GRU(3, 4, batch_first=True, zoneout=0.1, learned_state=True, dtype=F64),
}
ALONE = """
import sys, torch
program = torch.export.load(sys.argv[1]).module()
assert not any(name.startswith("recurra") for name in sys.modules)
x, lengths, *expected = torch.load(sys.argv[2])
for ours, theirs in zip(torch.utils._pytree.tree_leaves(program(x, lengths=lengths)), expected, strict=True):
    assert (ours - theirs).abs().max() <= 64 * torch.finfo(torch.float64).eps
print("equal")
"""


def run_alone(code: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    """In a process that does not import recurra."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("name", LAYERS)
def test_a_program_without_custom_operators_computes_the_same(name: str) -> None:
    torch.manual_seed(0)
    layer, x, lengths = LAYERS[name]().eval(), torch.randn(3, 5, 3, dtype=F64), torch.tensor([5, 0, 3])
    shapes = {"input": {0: Dim("batch", max=64)}, "lengths": {0: Dim("batch", max=64)}}
    program = torch.export.export(layer, (x,), {"lengths": lengths}, dynamic_shapes=shapes)
    assert nn.export.requires_recurra(program)
    plain = nn.export.without_custom_operators(program)
    assert not nn.export.requires_recurra(plain)
    for B in (3, 2):
        got = torch.utils._pytree.tree_leaves(plain.module()(x[:B], lengths=lengths[:B]))
        for a, b in zip(got, torch.utils._pytree.tree_leaves(layer(x[:B], lengths=lengths[:B])), strict=True):
            assert worst(a, b) <= 64 * EPS


def test_a_program_without_custom_operators_runs_without_recurra(tmp_path: Path) -> None:
    layer, x, lengths = LAYERS["LSTM"]().eval(), torch.randn(3, 5, 3, dtype=F64), torch.tensor([5, 0, 3])
    program = nn.export.without_custom_operators(torch.export.export(layer, (x,), {"lengths": lengths}))
    nn.export.save(program, tmp_path / "plain.pt2")
    outputs = torch.utils._pytree.tree_leaves(layer(x, lengths=lengths))
    torch.save([x, lengths, *(y.detach() for y in outputs)], tmp_path / "expected.pt")
    done = run_alone(ALONE, tmp_path / "plain.pt2", tmp_path / "expected.pt")
    assert done.stdout == "equal\n", done.stderr


def test_a_saved_program_reports_the_package_that_it_needs(tmp_path: Path) -> None:
    layer, file = nn.GRU(3, 4), tmp_path / "program.pt2"
    program = torch.export.export(layer, (torch.randn(5, 2, 3),))
    nn.export.save(program, file, extra_files={"note.txt": "mine"})
    done = run_alone("import sys, torch; torch.export.load(sys.argv[1])", file)
    assert done.returncode != 0
    assert "failed to resolve torch.ops.recurra.gru.default" in done.stderr
    with zipfile.ZipFile(file) as archive:
        (entry,) = (name for name in archive.namelist() if name.endswith("requirements.txt"))
        assert archive.read(entry).decode() == f"recurra=={recurra.__version__}\n"
    done = run_alone("import recurra.nn, sys, torch; print(torch.export.load(sys.argv[1]).graph)", file)
    assert done.returncode == 0 and "recurra.gru" in done.stdout, done.stderr
    extra = {"requirements.txt": "", "note.txt": ""}
    torch.export.load(file, extra_files=extra)
    assert extra == {"requirements.txt": f"recurra=={recurra.__version__}\n", "note.txt": "mine"}


def test_a_program_of_torch_alone_needs_nothing() -> None:
    program, file = torch.export.export(torch.nn.Linear(3, 4), (torch.randn(2, 3),)), io.BytesIO()
    assert not nn.export.requires_recurra(program)
    nn.export.save(program, file)
    extra = {"requirements.txt": ""}
    torch.export.load(file, extra_files=extra)
    assert extra == {"requirements.txt": ""}


def test_what_has_to_stay_in_recurra_is_reported() -> None:
    layer, x = nn.Recurrent("gru", 3, 4), torch.randn(2, 5, 3)
    with pytest.raises(
        CallError, match=r"the program returns a State, .*; export a module that returns state.tensors\(\)"
    ):
        nn.export.without_custom_operators(torch.export.export(layer, (x,)))
    with pytest.raises(CallError, match="the program takes a State"):
        nn.export.without_custom_operators(torch.export.export(layer, (x, layer.initial_state(2))))
    program = torch.export.export(nn.GRU(3, 4), (torch.randn(5, 2, 3),), dynamic_shapes={"input": {0: Dim("time")}})
    with pytest.raises(CallError, match="the number of time steps is dynamic"):
        nn.export.without_custom_operators(program)


def test_a_dict_instead_of_a_state() -> None:
    class Tensors(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Recurrent("lstm", 3, 4)

        def forward(self, x: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
            y, last = self.layer(x, nn.State(state))
            return y, last.tensors()

    module, x = Tensors().eval(), torch.randn(2, 5, 3)
    state = module.layer.initial_state(2).tensors()
    program = nn.export.without_custom_operators(torch.export.export(module, (x, state)))
    assert not nn.export.requires_recurra(program)
    for a, b in zip(*(torch.utils._pytree.tree_leaves(m(x, state)) for m in (program.module(), module)), strict=True):
        assert worst(a, b) <= 64 * torch.finfo(torch.float32).eps
