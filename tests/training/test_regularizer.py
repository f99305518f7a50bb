"""Regularization of a step: each setting adds the gradient of its formula, in every backend and every task."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_runs import TINY, inputs, language, reviews
from torch import Tensor, nn

import recurra
from recurra import cells, ops
from recurra.errors import CallError, SettingError, UserError
from recurra.models.adversarial import training_step
from recurra.nn import penalties
from recurra.settings import ModelSettings, TrainingSettings
from recurra.tasks.language.model import LanguageNetwork
from recurra.training.regularizer import Regularizer, encoder_layers

FEW = 1024 * torch.finfo(torch.float64).eps
COMMON = {"epochs": 1.0, "batch_size": 4, "learning_rate": 0.1, "ema_decay": 0.0, "patience": 3}
IDS = torch.tensor([[1, 2, 1, 3, 2], [3, 3, 4, 1, 1]])


def settings(ensemble_size: int = 1, **values: Any) -> Any:
    model = ModelSettings(hidden_size=4, num_layers=1, dropout=0.0, cell="lstm", embedding_dropout=values.pop("p", 0.0))
    chosen = TrainingSettings.model_validate(COMMON | values)
    return SimpleNamespace(training=chosen, model=SimpleNamespace(**model.model_dump(), ensemble_size=ensemble_size))


def network(backend: str = "reference", cell: str = "gru", **options: Any) -> LanguageNetwork:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": 4,
        "num_layers": 2,
        "dropout": 0.0,
        "input_dropout": 0.0,
        "weight_drop": 0.0,
    }
    return LanguageNetwork(
        6, 4, cells.get(cell), **(sizes | options), tie_weights=False, backend=backend
    ).double()  # fmt: skip


def gradients(net: nn.Module) -> list[Tensor]:
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in net.parameters()]


def step(net: LanguageNetwork, regularizer: Regularizer) -> list[Tensor]:
    """The gradients of one step with the loss sum(logits^2)."""
    net.zero_grad()
    backward = regularizer.added_to(Tensor.backward)
    backward(net(IDS)[0].square().sum())
    return gradients(net)


@pytest.mark.parametrize("backend", ["reference", "native", "torch"])
def test_a_step_adds_the_gradient_of_the_formulas(backend: str) -> None:
    net = network(backend)
    chosen = {
        "l1_input": 0.2,
        "l1_recurrent": 0.3,
        "l1_bias": 0.4,
        "l2_input": 0.5,
        "l2_recurrent": 0.6,
        "l2_bias": 0.7,
    }
    regularizer = Regularizer(net, settings(**chosen, activation_penalty=2.0, temporal_penalty=3.0))
    with ops.watch() as ran:
        ours = step(net, regularizer)
    assert set(ran) == {backend}
    net.zero_grad()
    logits, y, _ = net.without_cache(IDS, None)
    loss = logits.square().sum() + penalties.weight_penalty(net, **chosen)
    loss = loss + 2 * y.square().mean() + 3 * (y[:, 1:] - y[:, :-1]).square().mean()
    loss.backward()  # type: ignore[no-untyped-call]
    for a, b in zip(ours, gradients(net), strict=True):
        torch.testing.assert_close(a, b, rtol=FEW, atol=FEW)
    again = step(net, regularizer)  # nothing is left over from the step before
    assert all(torch.equal(a, b) for a, b in zip(ours, again, strict=True))


def test_several_losses_of_a_step_have_the_penalty_once() -> None:
    """Adversarial training has two losses of weight 1/2."""
    net, values = network(), settings(l2_recurrent=0.5, activation_penalty=2.0)
    once = step(net, regularizer := Regularizer(net, values))
    net.zero_grad()
    backward = regularizer.added_to(Tensor.backward)
    training_step(net, lambda: net(IDS)[0].square().sum(), 1e-300, backward)  # a perturbation that changes nothing
    for a, b in zip(once, gradients(net), strict=True):
        torch.testing.assert_close(a, b, rtol=FEW, atol=FEW)


def test_an_ensemble_has_the_mean_of_the_penalties_of_its_members() -> None:
    members = nn.ModuleList([network(), network()])
    regularizer = Regularizer(members, settings(ensemble_size=2, l2_recurrent=0.5))
    regularizer.added_to(Tensor.backward)(sum((m(IDS)[0] * 0).sum() for m in members))  # type: ignore[union-attr]
    one = members[0].recurrent
    torch.testing.assert_close(one.weight_hh_l0.grad, 0.5 * one.weight_hh_l0)  # half of 2 * 0.5 * w


def test_a_word_is_dropped_wherever_it_occurs_in_a_step() -> None:
    net = network()
    regularizer = Regularizer(net, settings(p=0.5))
    table = net.embedding.weight.detach()
    seen = set()
    for n in range(20):
        torch.manual_seed(n)
        regularizer.added_to(Tensor.backward)
        first, second = net.embedding(IDS), net.embedding(IDS.flip(1)).flip(1)
        assert torch.equal(first, second)  # the mask is drawn once a step
        for word in range(6):
            factors = (first / table[IDS])[word == IDS]
            assert not len(factors) or (factors == factors[0, 0]).all()
            seen.update(factors[:1, 0].tolist())
    assert sorted(seen) == [0.0, 2.0]  # scaled by 1 / (1 - p)
    net.eval()
    assert torch.equal(net.embedding(IDS), table[IDS])


def test_the_encoder_is_what_is_named_encoder() -> None:
    net = nn.Module()
    net.encoder, net.decoder = network(), network()
    assert encoder_layers(net) == [net.encoder.recurrent]
    assert encoder_layers(network())[0].num_layers == 2


def test_settings_without_an_effect_are_rejected() -> None:
    plain = nn.Linear(2, 2)
    for net, values, message in (
        (plain, {"activation_penalty": 1.0}, "require a recurrent layer, and the network has none"),
        (plain, {"p": 0.1}, "embedding_dropout is 0.1, and the network has no embedding"),
        (plain, {"l2_input": 0.1}, "Linear contains no layer or cell of recurra.nn"),
        (network(cell="rnn"), {}, ""),
    ):
        if message:
            with pytest.raises(UserError, match=message):
                Regularizer(net, settings(**values))
    net = network()
    unused = Regularizer(net, settings(activation_penalty=1.0)).added_to(Tensor.backward)
    with pytest.raises(SettingError, match="act on the calls of recurrent layers, and the network made none"):
        unused(net.embedding.weight.sum())
    stepwise = Regularizer(net := network(), settings(temporal_penalty=1.0)).added_to(Tensor.backward)
    logits = [net(IDS[:, t : t + 1])[0] for t in range(3)]
    with pytest.raises(SettingError, match="those of this network run step by step"):
        stepwise(torch.cat(logits).sum())


# runs -----------------------------------------------------------------------------------------------------------------
ALL: dict[str, Any] = {
    "l1_input": 1e-3,
    "l2_recurrent": 1e-3,
    "l2_bias": 1e-3,
    "activation_penalty": 0.1,
    "temporal_penalty": 0.1,
    "embedding_dropout": 0.2,
    "clip_value": 0.1,
    "clip_adaptive": 0.1,
    "clip_layer_norm": 0.5,
    "recurrent_constraints": {"dale": 0.5, "spectral_norm": 0.9},
}


@pytest.mark.parametrize("task", TINY)
def test_every_task_trains_with_every_setting(tmp_path: Path, task: str) -> None:
    """The saved and loaded weights satisfy the constraint, and have the names of a run without one."""
    without = {"forecast": "embedding_dropout", "transcribe": "embedding_dropout"}
    chosen = {name: value for name, value in ALL.items() if name != without.get(task)}
    initialization = {} if task == "regress" else {"initialization": "chrono"}
    extra = {"context_injection": "output"} if task == "caption" else {}
    run = TINY[task](tmp_path, steps=2, num_evaluations=1, **({"cell": "gru"} | chosen | initialization | extra))
    saved = load_file(run.path / "model.safetensors")
    matrices = [value for name, value in saved.items() if "weight_hh_l" in name]
    assert matrices and not any("parametrizations" in name for name in saved)
    for matrix in matrices:
        for gate in matrix.split(matrix.shape[1]):
            excitatory = round(0.5 * len(gate))
            assert (gate[:, :excitatory] >= 0).all() and (gate[:, excitatory:] <= 0).all()
            assert torch.linalg.matrix_norm(gate, 2) <= 0.9 * (1 + 1e-5)
    assert set(run.network.state_dict()) >= set(saved)
    assert run.predict(inputs(run, 2))


@pytest.mark.parametrize("name", ["orthogonal", "identity", "chrono"])
def test_initializations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """With a learning rate near zero the saved weights are the initial ones."""
    lines: list[str] = []
    progress = recurra.progress.Silent()
    monkeypatch.setattr(progress, "message", lines.append)
    cell = {"cell": "rnn", "cell_options": {"nonlinearity": "relu"}} if name == "identity" else {"cell": "lstm"}
    run = reviews(
        tmp_path, steps=1, learning_rate=1e-12, weight_decay=0.0, ema_decay=0.0, initialization=name, progress=progress,
        ensemble_size=1, **cell,
    )  # fmt: skip
    saved = load_file(run.path / "model.safetensors")
    W = next(value for key, value in saved.items() if "weight_hh_l0" in key)
    if name == "chrono":
        (line,) = [line for line in lines if "chrono" in line]
        steps = int(line.split("1 to ")[1].split()[0])
        lengths = run.task.dataset.encode_examples(inputs(run, 48))
        assert steps == max(map(len, lengths)) or "longest" in line
        bias = next(value for key, value in saved.items() if "bias_ih_l0" in key)
        i, f, _, _ = bias.chunk(4)
        torch.testing.assert_close(i, -f, atol=1e-6, rtol=0)
        assert (f >= -1e-6).all() and float(f.exp().max()) <= steps - 1 + 1e-3
    else:
        for gate in W.split(W.shape[1]):
            torch.testing.assert_close(gate @ gate.mT, torch.eye(len(gate)), atol=1e-5, rtol=0)
        assert name == "orthogonal" or torch.allclose(W, torch.eye(len(W)), atol=1e-6)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"initialization": "identity"}, "is for the cell rnn with nonlinearity relu, and a cell is LSTM"),
        ({"initialization": "chrono", "cell": "rnn"}, "and RNN.* declares none"),
        ({"chrono_steps": 9}, "chrono_steps is 9, and initialization is default; set initialization=chrono"),
        ({"recurrent_constraints": {"rank": 2, "mask": 0.1}}, "the constraints rank and mask cannot be combined"),
        ({"recurrent_constraints": {"ranks": 2}}, "unknown constraint 'ranks'; did you mean 'rank'?"),
        ({"recurrent_constraints": {"rank": 99}}, "constraint rank is 99"),
        ({"clip_norm": 0}, r"setting training.clip_norm = 0: Input should be greater than 0"),
        ({"clip_adaptive": -1}, r"setting training.clip_adaptive = -1: Input should be greater than 0"),
        ({"l2_bias": -1}, r"setting training.l2_bias = -1: Input should be greater than or equal to 0"),
    ],
)  # fmt: skip
def test_invalid_settings_are_one_line_and_leave_nothing(tmp_path: Path, chosen: dict[str, Any], message: str) -> None:
    with pytest.raises((CallError, SettingError), match=message) as error:
        language(tmp_path, **({"cell": "lstm"} | chosen))
    assert "\n" not in str(error.value) and not (tmp_path / "run").exists()


def test_removed_hooks_leave_the_network_as_it_was() -> None:
    net = network()
    expected = step(net, Regularizer(net, settings()))
    first = Regularizer(net, settings(p=0.9, activation_penalty=2.0))
    first.remove()
    for one, other in zip(step(net, Regularizer(net, settings())), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
