"""A sample of the matrix of modes and layers, and the plain loop that defines what is right. `make matrix` runs all of it.

RECURRA_MATRIX=N sets the number of entries per mode, RECURRA_MATRIX_SEED another sample.
"""

from __future__ import annotations

import os
import random

import pytest
import torch

from matrix import judge
from matrix.case import Case, Configuration, configurations
from matrix.modes import MODES
from matrix.observe import values_and_gradients
from matrix.subjects import SUBJECTS, flat_loop, flat_torch

COUNT, SEED = int(os.environ.get("RECURRA_MATRIX", "4")), int(os.environ.get("RECURRA_MATRIX_SEED", "0"))
SLOW = {"torch.compile": 1}  # compiles C++
SLOW |= {
    name: 2
    for name in MODES
    if name.startswith(("torch.compile,", "torch.compile:", "torch.export", "ONNX", "make_fx"))
}


def entries() -> list[tuple[str, Configuration]]:
    """A few entries of each mode; each subject is equally likely. Where an entry takes seconds, T is at most 5."""
    found = []
    for name in MODES:
        r = random.Random(f"{SEED} {name}")
        subjects = r.sample(list(SUBJECTS), min(SLOW.get(name, COUNT), len(SUBJECTS)))
        for subject in subjects:
            steps = 5 if name in SLOW else 20
            found.append((name, r.choice([c for c in configurations() if c.subject == subject and steps >= c.T])))
    return found


@pytest.mark.parametrize(("mode", "configuration"), entries(), ids=str)
def test_entry(mode: str, configuration: Configuration) -> None:
    result = judge.judge(MODES[mode], configuration)
    if result.status == "skipped":
        pytest.skip(result.detail)
    assert result.ok, f"{result.status}: {result.detail}; torch.nn: {result.torch}"


@pytest.mark.parametrize("name", [name for name, s in SUBJECTS.items() if s.torch and s.cls == s.torch])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("with_lengths", [False, True])
def test_the_plain_loop_equals_torch(name: str, deep: bool, with_lengths: bool) -> None:
    if SUBJECTS[name].is_cell and with_lengths:
        pytest.skip("a cell takes no lengths")
    c = Configuration(name, deep, with_lengths, 5, False)
    found = [
        values_and_gradients(judge.flat(make, c, torch.float64), Case(c, torch.float64))
        for make in (flat_loop, flat_torch)
    ]
    assert found[0].keys() == found[1].keys()
    for key, tensor in found[0].items():
        floor = 64 * torch.finfo(torch.float64).eps * max(1.0, tensor.abs().max().item())
        assert judge.distance(found[1][key], tensor) <= floor, key


def test_a_wrong_value_is_found() -> None:
    c = Configuration("GRU", True, True, 5, False)
    exact, loop = judge.expected(MODES["eager"], c)
    for name in exact:
        found = {other: tensor.float() for other, tensor in exact.items()}
        assert judge.compare(MODES["eager"], c, found, exact, loop, {}, 1) == ("supported", "")
        found[name] = found[name] * (1 + 1e-3)
        assert judge.compare(MODES["eager"], c, found, exact, loop, {}, 1)[0] == "wrong"
