"""Constraints on recurrent matrices: they hold, at once and while training, in every backend, and keep valid weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cells_registry import CELLS, Leaky
from layer_helpers import EPS, made, some
from torch import Tensor

from recurra import cells, nn, ops
from recurra.errors import CallError
from recurra.nn.constraint_maps import Rank, SpectralNorm, SpectralRadius, spectral_radius

H = 6
FEW = 1024 * EPS  # a singular value or eigenvalue decomposition of a matrix of this size
CHOICES: dict[str, dict[str, Any]] = {
    "dale": {"dale": 0.5},
    "mask": {"mask": 0.3},
    "diagonal": {"diagonal": True},
    "symmetric": {"symmetric": True},
    "rank": {"rank": 2},
    "spectral_norm": {"spectral_norm": 0.4},
    "spectral_radius": {"spectral_radius": 0.3},
    "combined": {"spectral_norm": 0.4, "mask": 0.5, "dale": 0.5},
}
every_choice = pytest.mark.parametrize("choice", CHOICES)
WITH_GATES = [cell for cell in CELLS if type(cell).__module__.startswith("recurra.")]


def matrices(layer: Any) -> list[Tensor]:
    names = [f"weight_hh_l{k}{end}" for k in range(layer.num_layers) for end in layer._suffixes]
    return [gate for name in names for gate in getattr(layer, name).detach().split(H)]


def assert_holds(layer: Any, choice: str) -> None:
    for W in matrices(layer):
        for kind in CHOICES[choice]:
            if kind == "dale":
                assert (W[:, : H // 2] >= 0).all() and (W[:, H // 2 :] <= 0).all()
            elif kind == "mask":
                assert (W != 0).sum() == round(CHOICES[choice]["mask"] * H * H)
            elif kind == "diagonal":
                assert torch.equal(W, W.diag().diag())
            elif kind == "symmetric":
                assert torch.equal(W, W.mT)
            elif kind == "rank":
                assert torch.linalg.svdvals(W)[2] <= FEW
            else:
                size = torch.linalg.eigvals(W).abs().max() if kind == "spectral_radius" else torch.linalg.svdvals(W)[0]
                assert size <= CHOICES[choice][kind] * (1 + FEW)


@every_choice
@pytest.mark.parametrize("cell", WITH_GATES, ids=str)
def test_a_constraint_holds_for_every_gate_before_and_after_steps(cell: cells.Cell, choice: str) -> None:
    layer = made(cell, 3, [H, H], bidirectional=True)
    before = [W.clone() for W in matrices(layer)]
    assert nn.constraints.apply(layer, CHOICES[choice]) is layer
    assert_holds(layer, choice)
    constrained = [W.clone() for W in matrices(layer)]
    assert any(not torch.equal(a, b) for a, b in zip(before, constrained, strict=True))
    optimizer, x = torch.optim.SGD(layer.parameters(), lr=1.0), some(3, 5, 3)
    for _ in range(2):
        optimizer.zero_grad()
        layer(x, lengths=[5, 2, 0])[0].square().sum().backward()
        optimizer.step()
    assert_holds(layer, choice)
    assert any(not torch.equal(a, b) for a, b in zip(constrained, matrices(layer), strict=True))


@every_choice
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_backends_agree_on_values_and_gradients(name: str, choice: str) -> None:
    results = []
    for backend in ("reference", "native", "torch"):
        layer = nn.constraints.apply(
            made(name, 3, H, bidirectional=True, backend=backend), CHOICES[choice], torch.Generator().manual_seed(0)
        )
        with ops.watch() as ran:
            y, _ = layer(some(3, 5, 3), lengths=[5, 2, 4])
        assert set(ran) == {backend}
        results.append([y, *torch.autograd.grad(y.cos().sum(), list(layer.parameters()))])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=FEW, atol=FEW)


@every_choice
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_no_fast_kernel_bypasses_a_constraint(name: str, choice: str) -> None:
    """Single steps without gradients, for which a layer without constraints calls the kernel directly."""
    layer = nn.constraints.apply(
        made(name, 3, H, backend="native"), CHOICES[choice], torch.Generator().manual_seed(0)
    ).eval()
    plain = made(name, 3, H, backend="native").eval()
    x = some(1, 4, 3)
    with torch.no_grad():
        expected = nn.Recurrent(name, 3, H, backend="reference", dtype=torch.float64)
        expected.load_state_dict({key: getattr(layer, key) for key in expected.state_dict()})
        torch.testing.assert_close(layer(x)[0], expected(x)[0], rtol=FEW, atol=FEW)
        assert not torch.allclose(layer(x)[0], plain(x)[0])
        stepper, ys = nn.Stepper(layer), []
        for t in range(4):
            stepper.x = x[:, t]
            stepper()
            ys.append(stepper.y.clone())
        torch.testing.assert_close(torch.stack(ys, 1), expected(x)[0], rtol=FEW, atol=FEW)


@every_choice
def test_weights_that_satisfy_a_constraint_are_kept(choice: str) -> None:
    """Assigning the result of a constraint gives the result again, up to the rounding of a decomposition."""
    layer = nn.constraints.apply(made("gru", 3, H), CHOICES[choice])
    result = layer.weight_hh_l0.detach().clone()
    with torch.no_grad():
        layer.weight_hh_l0 = result
    torch.testing.assert_close(layer.weight_hh_l0, result, rtol=FEW, atol=FEW)
    removed = nn.constraints.remove(layer)
    torch.testing.assert_close(removed.weight_hh_l0, result, rtol=FEW, atol=FEW)
    assert removed.weight_hh_l0.requires_grad and not nn.constraints.constrained(removed)
    assert set(removed.state_dict()) == set(made("gru", 3, H).state_dict())


@pytest.mark.parametrize(
    "one", [SpectralNorm(2, 0.5), SpectralRadius(2, 0.5), Rank(2, 2)], ids=["norm", "radius", "rank"]
)
def test_gradients_are_those_of_differences(one: Any) -> None:
    V = one.right_inverse(some(8, 4))
    trained = [v.requires_grad_() for v in (V if isinstance(V, tuple) else (V,))]
    assert torch.autograd.gradcheck(one, trained)


def test_the_radius_of_a_matrix_with_defective_eigenvalues_has_its_gradient() -> None:
    """Autograd of torch.linalg.eigvals divides by zero here: 0 is a defective eigenvalue, 2 is simple."""
    W = torch.zeros(4, 4, dtype=torch.float64)
    W[0, 1] = W[1, 2] = 1
    W[3, 3] = 2
    W.requires_grad_()
    (gradient,) = torch.autograd.grad(spectral_radius(W), W)
    expected = torch.zeros(4, 4, dtype=torch.float64)
    expected[3, 3] = 1
    torch.testing.assert_close(gradient, expected)
    nilpotent = torch.zeros(3, 3).index_put((torch.tensor([0, 1]), torch.tensor([1, 2])), torch.ones(2))
    assert spectral_radius(nilpotent.requires_grad_()) == 0


def test_values_given_as_tensors() -> None:
    signs, mask = torch.tensor([1.0, -1, 1, -1, 1, -1]), torch.eye(H).roll(1, 0)
    layer = nn.constraints.apply(made("rnn", 3, H), {"dale": signs, "mask": mask})
    W = layer.weight_hh_l0
    assert torch.equal(W != 0, mask != 0) and (W * signs >= 0).all()


def test_cells_and_cells_of_a_user_by_the_role_of_a_parameter() -> None:
    cell = nn.constraints.apply(nn.GRUCell(3, H), {"diagonal": True})
    assert all(torch.equal(W, W.diag().diag()) for W in cell.weight_hh.split(H))

    class Declared(Leaky):
        def parameters(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, cells.Parameter]:
            declared = super().parameters(input_size, hidden_size, bias)
            return declared | {"U": declared["U"]._replace(role="recurrent")}

    layer = nn.constraints.apply(made(Declared(), 3, H), {"symmetric": True})
    assert torch.equal(layer.U_l0, layer.U_l0.mT)


@pytest.mark.parametrize(
    ("layer", "constraints", "message"),
    [
        ("rnn", {"dal": 0.8}, "unknown constraint 'dal'; did you mean 'dale'?"),
        ("rnn", {"dale": 1.5}, "constraint dale is 1.5; expected the fraction of excitatory units, above 0 and below 1"),
        ("rnn", {"mask": 0}, "constraint mask is 0; expected the fraction of connections, above 0 and at most 1"),
        ("rnn", {"rank": 2.5}, "constraint rank is 2.5; expected an integer of at least 1"),
        ("rnn", {"rank": 9}, r"constraint rank is 9, and the matrices of RNN.* are \(6, 6\); expected at most 6"),
        ("rnn", {"symmetric": False}, "constraint symmetric is False; expected true"),
        ("rnn", {"spectral_norm": 0.0}, "constraint spectral_norm is 0.0; expected a bound above 0"),
        ("rnn", {"rank": 2, "mask": 0.5}, "the constraints rank and mask cannot be combined; keep one of them"),
        ("rnn", {"spectral_norm": 1, "spectral_radius": 1}, "spectral_norm and spectral_radius cannot be combined"),
        ("rnn", {"mask": torch.ones(2, 2)}, r"constraint mask is a tensor \(2, 2\); expected \(6, 6\)"),
        ("rnn", {"dale": torch.ones(2)}, r"constraint dale is a tensor \(2,\); expected \(6,\) of 1 and -1"),
        (Leaky(), {"dale": 0.5}, r"Leaky.* has no recurrent matrix \(G\*H, H\)"),
    ],
)  # fmt: skip
def test_invalid_constraints_are_one_line_and_change_nothing(layer: Any, constraints: Any, message: str) -> None:
    made_layer = made(layer, 3, H)
    before = {name: value.clone() for name, value in made_layer.state_dict().items()}
    with pytest.raises(CallError, match=message):
        nn.constraints.apply(made_layer, constraints)
    after = made_layer.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)


def test_projections_are_not_square() -> None:
    layer = nn.LSTM(3, H, proj_size=2)
    with pytest.raises(CallError, match=r"constraint symmetric requires square matrices, and those of .* are \(6, 2\)"):
        nn.constraints.apply(layer, {"symmetric": True})
    with pytest.raises(CallError, match=r"Linear contains no layer or cell of recurra\.nn"):
        nn.constraints.apply(torch.nn.Linear(2, 2), {"symmetric": True})
