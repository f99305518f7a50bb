"""`check_cell`: every registered cell passes, and a cell that breaks something is told what in one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from cells_registry import Leaky, every_cell
from torch import Tensor

from recurra import cells, nn
from recurra.errors import CallError
from recurra.testing import check_cell


@every_cell
def test_every_cell_passes(cell: cells.Cell) -> None:
    check_cell(cell)


@pytest.mark.parametrize("sizes", [(1, 1), (2, 3)])
def test_at_other_sizes(sizes: tuple[int, int]) -> None:
    check_cell("ln_gru", input_size=sizes[0], hidden_size=sizes[1])


def test_the_random_numbers_of_the_caller_go_on_as_they_were() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    check_cell(Leaky(0.2))
    assert torch.equal(torch.rand(3), expected)


# cells that break something: the class above each is good ---------------------------------------------------------------
class Bare(Leaky):
    """Leaky under another name, for the messages."""


class Gated(Leaky):
    gates = ("n",)

    def gates_of(self, projected: Tensor, state: Any, params: cells.Params) -> dict[str, Tensor]:
        return {"n": torch.tanh(projected + state.h @ params["U"].mT)}

    def step(self, projected: Tensor, state: Any, params: cells.Params) -> Any:
        return cells.Hidden((1 - self.leak) * state.h + self.leak * self.gates_of(projected, state, params)["n"])


def with_step(change: Callable[..., Any], base: type[cells.Cell] = Bare) -> cells.Cell:
    """`base` with `change(after, before, params)` done to what its step gives."""

    def step(self: Any, projected: Tensor, state: Any, params: cells.Params) -> Any:
        return change(base.step(self, projected, state, params), state, params)

    return type(base.__name__, (base,), {"step": step})()


def with_parameters(change: Callable[[dict[str, cells.Parameter]], Any]) -> cells.Cell:
    def parameters(self: Any, input_size: int, hidden_size: int, bias: bool) -> Any:
        return change(Leaky.parameters(self, input_size, hidden_size, bias))

    return type("Bare", (Leaky,), {"parameters": parameters})()


def with_project(change: Callable[[Tensor], Tensor]) -> cells.Cell:
    def project(self: Any, x: Tensor, params: cells.Params) -> Tensor:
        return change(Leaky.project(self, x, params))

    return type("Bare", (Leaky,), {"project": project})()


def with_gates(gates_of: Callable[..., Any]) -> cells.Cell:
    """`Gated` whose gates_of gives something else, and whose step does without it."""
    return type("Gated", (Gated,), {"gates_of": gates_of, "step": Leaky.step})()


class Twice(torch.autograd.Function):
    """2 x tanh, with a first derivative that is right and a second one that is not, or both wrong."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, wrong: bool) -> Tensor:
        y = torch.tanh(x)
        ctx.save_for_backward(y.detach())
        ctx.wrong = wrong
        return 2 * y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        return grad * (1 - y * y) * (1 if ctx.wrong else 2), None


def counted(_: Any = None, seen: list[int] = []) -> int:  # noqa: B006
    seen.append(1)
    return len(seen)


@dataclass(frozen=True)
class Listed(Leaky):
    sizes: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Doubling(Leaky):
    def __post_init__(self) -> None:
        object.__setattr__(self, "leak", self.leak / 2)


@dataclass(frozen=True)
class NoCopies(Leaky):
    def __deepcopy__(self, memo: Any) -> Any:
        raise NotImplementedError("this cell holds a file")


class Sized(Leaky):
    def state_sizes(self, hidden_size: int) -> dict[str, int]:
        return {"hidden": hidden_size}


class Renamed(Gated):
    gates = ("u",)


class Secret(Gated):
    gates = ()


class Drifted(Gated):
    """Its gates are told by one equation and its step follows another."""

    def step(self, projected: Tensor, state: Any, params: cells.Params) -> Any:
        return Leaky.step(self, projected, state, params)


class Unsaid(Leaky):
    gates = ("u", "v")


class Worded(Gated):
    gates = "n"  # type: ignore[assignment]


class Undecorated(Leaky):
    sharpness: float = 1.0


class Half(cells.Cell):
    def project(self, x: Tensor, params: cells.Params) -> Tensor:
        return x


H = cells.Hidden
BAD: list[tuple[Any, str]] = [
    # the class
    ("lsmt", "unknown cell 'lsmt'; did you mean 'lstm'"),
    (Half, "cell Half does not define parameters, step"),
    (Unsaid, "cell Unsaid names the gates u, v and does not define gates_of"),
    (Worded(), "cell Worded: gates is 'n'; expected a tuple of names"),
    (Undecorated, "cell Undecorated has the option sharpness but is not a dataclass; add @dataclass"),
    (Listed(), "the option sizes is a list; expected a bool, int, float or str"),
    (Doubling(), "serialization: made again from its options {'leak': 0.15} it is Doubling(leak=0.075)"),
    # parameters
    (with_parameters(lambda p: list(p.values())), "parameters returned a list; expected a dict from name to Parameter"),
    (with_parameters(lambda p: {}), "parameters returned none; expected at least one"),
    (with_parameters(lambda p: p | {"a.b": p["W"]}), "parameters has the name 'a.b'; expected one that is a Python name"),
    (with_parameters(lambda p: p | {"W": p["W"].shape}), "parameters has a tuple at W; expected a dict from name to Param"),
    (with_parameters(lambda p: p | {"W": p["W"]._replace(shape=4)}), "the shape of W is 4; expected a tuple of integers"),
    (with_parameters(lambda p: p | {"W": p["W"]._replace(init=0.1)}), "the init of W is a float; expected a function"),
    (with_parameters(lambda p: p | {"W": p["W"]._replace(init=torch.rand_like)}), "the init of W does not fill the tenso"),
    (with_parameters(lambda p: p | {f"v{counted()}": p["W"]}), "returned other names or shapes when it was called again"),
    # project
    (with_project(lambda v: v - v.mean(0)), "project of one time step is not that step of project of all"),
    (with_project(lambda v: (v, v)), "project returned a tuple; expected one tensor"),
    (with_project(lambda v: v.flatten(0, -2)), "project of x (9, 7, 3) returned (63, 5); expected (9, 7), and then any"),
    (with_project(lambda v: v[..., :3]), "step on projected (7, 3) failed with RuntimeError: The size of tensor"),
    # step
    (with_step(lambda after, *_: after[:1], cells.LSTM), "LSTM(): step returned 1 component; expected LSTMState(h, c)"),
    (with_step(lambda after, *_: after.h), "step returned a tensor (7, 5); expected Hidden(h)"),
    (with_step(lambda after, *_: (after.h.mean(0, keepdim=True),)), "h changed its shape: (1, 5) came out of step, (7, 5) w"),
    (with_step(lambda after, *_: (None,)), "step returned a NoneType as h; expected a tensor (7, 5)"),
    (with_step(lambda after, *_: H(after.h.double())), "step returned h in torch.float64 from torch.float32"),
    (with_step(lambda after, *_: H(after.h + torch.rand(()).item())), "step returned another h when it was called again"),
    (with_step(lambda after, before, _: (H(after.h.clone()), before.h.mul_(1.0).zero_())[0]), "step changed h in place"),
    (with_step(lambda after, _, params: (after, params["W"].zero_())[0]), "step changed W in place"),
    (Sized(), "state_sizes returned a dict of hidden; expected a dict from h, in this order"),
    # gates
    (Renamed(), "gates_of returned the gates n; expected a dict of u"),
    (Secret(), "gates_of returned the gates n; expected a dict of no gate"),
    (with_gates(lambda *_: [1]), "gates_of returned a list; expected a dict of n"),
    (Drifted(), "other gates from gates_of change nothing in step; begin step with self.gates_of"),
    (with_gates(lambda self, projected, *_: {"n": projected[:, :2]}), "returned n as (7, 2); expected (B, H) = (7, 5)"),
    # laws and gradients
    (with_step(lambda after, *_: H(after.h + after.h.mean(0))), "padding invariance is violated: y is off by"),
    (with_step(lambda after, *_: H((20 * after.h).exp())), "is not finite over 9 steps, on inputs of size one"),
    (with_step(lambda after, *_: H(after.h / 0)), "step returned h that is not finite, on inputs of size one"),
    (with_step(lambda after, *_: H(torch.tensor(after.h.tolist(), dtype=after.h.dtype))), "gradient check: no gradient comes "),
    (with_step(lambda after, before, _: H(after.h.detach() + before.h)), "gradient check: the gradient by x is not that of"),
    (with_step(lambda after, *_: H(Twice.apply(after.h, True))), "gradient check: the gradient by x is not that of the values"),
    (with_step(lambda after, *_: H(Twice.apply(after.h, False))), "second-order gradient check: the second derivative by "),
    (NoCopies(), "copy.deepcopy of a layer failed with NotImplementedError: this cell holds a file"),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "says"), BAD, ids=[says for _, says in BAD])
def test_what_is_broken_is_told_in_a_line(cell: Any, says: str) -> None:
    with pytest.raises(CallError) as raised:
        check_cell(cell)
    assert says in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_a_state_that_is_no_named_tuple_is_told_where_the_class_is_written() -> None:
    with pytest.raises(CallError, match=r"cell Odd: state_type is <class 'tuple'>; expected a NamedTuple class"):
        type("Odd", (Leaky,), {"state_type": tuple})


@pytest.mark.parametrize(
    ("law", "breaks"),
    [
        (
            "batch invariance",
            lambda layer, x, lengths: len(x) == 7 and lengths is not None and lengths[0] == 0,
        ),
        ("back-end agreement", lambda layer, x, lengths: layer.backend == "reference"),
        ("chunking invariance", lambda layer, x, lengths: len(x) == 7 and x.shape[1] == 3),
    ],
)
def test_each_law_can_be_broken(monkeypatch: pytest.MonkeyPatch, law: str, breaks: Callable[..., bool]) -> None:
    """A layer that forgets the state it is given, in one way of running it alone."""
    forward = nn.Recurrent.forward

    def forgetful(self: nn.Recurrent, x: Tensor, state: Any = None, *, lengths: Any = None) -> Any:
        return forward(self, x, None if breaks(self, x, lengths) else state, lengths=lengths)

    check_cell(Leaky())
    monkeypatch.setattr(nn.Recurrent, "forward", forgetful)
    with pytest.raises(CallError, match=f"{law} is violated: y is off by"):
        check_cell(Leaky())


def test_weights_that_are_not_saved_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def keep_nothing(self: nn.Recurrent, state: Any) -> None: ...

    monkeypatch.setattr(nn.Recurrent, "load_state_dict", keep_nothing)
    with pytest.raises(CallError, match="serialization: a layer with the same options and weights"):
        check_cell(Leaky())


def test_a_copy_that_shares_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.Recurrent, "__deepcopy__", lambda self, memo: self, raising=False)
    with pytest.raises(CallError, match="a change to a deep copy of a layer changed the layer"):
        check_cell(Leaky())
