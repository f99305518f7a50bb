"""What `check_cell` reports of a cell in a user's own file: the problem, the file and the line, in one line of text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from cells_registry import Leaky
from torch import Tensor

from recurra import cells, nn
from recurra.errors import CallError
from recurra.plugins import load_cell
from recurra.testing import check_cell

SOURCE = """from dataclasses import dataclass
import torch
from torch import Tensor
from torch.nn.functional import linear
from recurra.cells import Cell, Hidden, Parameter, Uniform, uniform


@dataclass(frozen=True)
class Mine(Cell):
    leak: float = 0.3

    def parameters(self, input_size, hidden_size, bias):
        shapes = {"W": (hidden_size, input_size), "U": (hidden_size, hidden_size), "b": (hidden_size,)}
        return {name: Parameter(shape, uniform(hidden_size)) for name, shape in shapes.items()}

    def project(self, x, params):
        return linear(x, params["W"], params["b"])

    def step(self, projected, state, params):
        h = torch.tanh(projected + linear(state.h, params["U"]))
        return Hidden((1 - self.leak) * state.h + self.leak * h)
"""


def write(folder: Path, old: str = "", new: str = "") -> Any:
    """The class in a file of its own, with `new` in the place of `old`."""
    assert old in SOURCE
    file = folder / "mine.py"
    file.write_text(SOURCE.replace(old, new) if old else SOURCE)
    return load_cell(f"{file}:Mine")


def test_the_cell_is_good(tmp_path: Path) -> None:
    check_cell(write(tmp_path))


PROJECT = 'return linear(x, params["W"], params["b"])'


def method(signature: str, *body: str) -> tuple[str, str]:
    """One more method, before `project`, which stands in line 16 without it."""
    lines = [f"    def {signature}:", *(f"        {line}" for line in body), "", "    def project"]
    return "    def project", "\n".join(lines)


def initial(value: str) -> tuple[str, str]:
    return method("initial_state(self, hidden_size, params)", f"return {value}")


BROADCAST = "state.h.new_zeros(len(params['U']), 1)[:len(state.h)] + state.h"  # works while B <= H
GENERATOR = "lambda t: t.copy_(torch.rand(t.shape, generator=torch.Generator().manual_seed(id(t)))))"
DIVISION = "failed with ZeroDivisionError: division by zero"
REPORTS = [
    # an unused parameter
    ('"b": (hidden_size,)}', '"b": (hidden_size,), "v": (3,)}',
     "the parameter v has no effect on the state; use it, or leave it out of parameters (mine.py, line 12)"),
    (PROJECT, 'return linear(x, params["W"])', "the parameter b has no effect on the state"),
    ('+ linear(state.h, params["U"])', "", "the parameter U has no effect on the state"),
    (PROJECT, 'return linear(x, params["W"]) + 0 * params["b"]', "the parameter b has no effect on the state"),
    # a cell that works while there are no more sequences than units
    ("return Hidden((1", f"{BROADCAST}\n        return Hidden((1",
     "step on projected (7, 5) failed with RuntimeError: The size of tensor a (5) must match the size of tensor b (7)"),
    # file and line, in whatever method
    ("return {name", "return 1 / 0, {name", f"{DIVISION} (mine.py, line 14, in parameters)"),
    (PROJECT, PROJECT.replace("linear(", "[linear(") + "]", "project returned a list; expected one tensor (mine.py, line 16)"),
    ("(1 - self.leak)", "0 * (1 / 0 + self.leak)", f"{DIVISION} (mine.py, line 21, in step)"),
    ("return Hidden((1", "return ((1", "step returned a tensor (7, 5); expected Hidden(h) (mine.py, line 19)"),
    ("state.h + self", "state.h.mul_(1.5) + self", "step changed h in place; expected a new tensor (mine.py, line 19)"),
    (PROJECT, PROJECT.replace("return", "y =") + "\n        return y - y.mean(0)", "must not mix steps (mine.py, line 16)"),
    ("* h)", "* (h + h.mean(0)))", "padding invariance is violated: y is off by"),
    ("* h)", "* h.detach())", "(mine.py, line 19)"),
    # options
    ("leak: float = 0.3", "leak: float",
     "cell Mine: the option leak has no default value; give it one, as in `leak: float = 0.5` (mine.py, line 8)"),
    ("leak: float = 0.3", "leak: Tensor = torch.tensor(0.3)",
     "the option leak is a tensor (); expected a bool, int, float or str (mine.py, line 8)"),
    (*method("__post_init__(self)", "object.__setattr__(self, 'leaks', torch.ones(3))"),
     "cell Mine has the attribute leaks, which is not an option and is not saved"),
    # initialization
    ("uniform(hidden_size))", GENERATOR, "is initialized differently after the same torch.manual_seed"),
    (", uniform(hidden_size))", ")", "W has no init; give it one, or define initialize (mine.py, line 12)"),
    (", uniform(hidden_size))", ", uniform(hidden_size), 'no')", "trainable of W is 'no'; expected True or False"),
    (*method("initialize(self, params, input_size, hidden_size, bias)", "params['W'].zero_()"),
     "initialize does not fill U in place (mine.py, line 16)"),
    # initial state
    (*initial("torch.zeros(hidden_size)"), "initial_state returned a tensor (5,); expected Hidden(h) (mine.py, line 16)"),
    (*initial("Hidden(torch.zeros(7, hidden_size))"), "returned h as (7, 5); expected (5,), the same for every seq"),
    (*initial("Hidden(torch.zeros(hidden_size))"), "returned h in torch.float32 on cpu; expected torch.float64 on c"),
    (*initial("Hidden(torch.rand_like(params['b']))"), "initial_state returned another state when it was called again"),
    (*initial("1 / 0"), "ZeroDivisionError at mine.py, line 17, in initial_state: division by zero"),
    # attributes
    ("    leak: float", "    forget_gate = 'f'\n    leak: float", "forget_gate is 'f', and 'f' is not one of its gates"),
    ("    leak: float", "    memory_gates = {'f': 1}\n    leak: float", "memory_gates is ('f',), and 'f' is not one of its"),
    (", uniform(hidden_size))", ", uniform(hidden_size), role='state')", "the role of W is 'state'; expected one of inp"),
    ("    leak: float", "    separate_hidden_bias = ()\n    leak: float", "and the biases are missing; expected bias_ih and"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "report"), REPORTS, ids=[f"{k}" for k in range(len(REPORTS))])
def test_the_report_names_the_problem_the_file_and_the_line(tmp_path: Path, old: str, new: str, report: str) -> None:
    with pytest.raises(CallError) as raised:
        check_cell(write(tmp_path, old, new))
    message = str(raised.value)
    assert report in message
    assert "mine.py, line " in message
    assert len(message.splitlines()) == 1


def test_an_option_without_a_default_is_reported_by_a_layer_too(tmp_path: Path) -> None:
    cell = write(tmp_path, "leak: float = 0.3", "leak: float")
    with pytest.raises(CallError, match=r"cell Mine: the option leak has no default value.*\(mine.py, line 8\)$"):
        nn.Recurrent(cell, 3, 5)
    assert cells.get(cell, leak=0.5) == cell(0.5), "given, it has a value"


def test_a_tensor_is_no_value_of_an_option() -> None:
    for make in (lambda: nn.Recurrent(Leaky(torch.tensor(0.3)), 3, 5), lambda: check_cell(Leaky(torch.tensor(0.3)))):  # type: ignore[arg-type]
        with pytest.raises(
            CallError, match=r"cell Leaky: the option leak is a tensor \(\); expected a bool, int, float"
        ):
            make()
    with pytest.raises(CallError, match=r"option leak is a tensor \(\); expected a float, as 0.3"):
        cells.get(Leaky, leak=torch.tensor(0.3))


def test_a_bias_convention_that_does_not_hold_is_reported() -> None:
    class Wrong(cells.GRU):
        separate_hidden_bias = ()

    with pytest.raises(CallError, match=r"separate_hidden_bias is \(\), and merging bias_hh into bias_ih changes h"):
        check_cell(Wrong())


def test_a_fixed_parameter_without_effect_is_reported() -> None:
    class Fixed(Leaky):
        def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, cells.Parameter]:
            unused = cells.Parameter((2,), torch.nn.init.ones_, trainable=False)
            return super().parameters(input_size, hidden_size, bias) | {"mask": unused}

    with pytest.raises(CallError, match="the parameter mask has no effect on the state"):
        check_cell(Fixed())


def test_a_joint_initialisation_passes() -> None:
    """The biases of two gates that depend on one draw, as chrono initialization has them: `initialize` fills all."""

    class Joint(cells.LSTM):
        def initialize(self, params: cells.Params, input_size: int, hidden_size: int, bias: bool) -> None:
            super().initialize(params, input_size, hidden_size, bias)
            if bias:
                i, f, _, _ = params["bias_ih"].chunk(4)
                f.uniform_(1.0, 9.0).log_()
                i.copy_(-f)

    check_cell(Joint())
    layer = nn.Recurrent(Joint(), 3, 5, num_layers=2)
    for k in range(2):
        i, f, _, _ = layer.get_parameter(f"bias_ih_l{k}").chunk(4)
        assert torch.equal(i, -f) and isinstance(i, Tensor)
