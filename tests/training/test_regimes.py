"""Gradient rules as settings of the tasks: what they compute, what they refuse, and that a run resumes in every regime."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from resume_helpers import same, signalled
from safetensors.torch import load_file
from tiny_runs import TINY, language, reviews

import recurra
from recurra import training
from recurra.nn.penalties import weight_penalty
from recurra.tasks.base import Batch
from recurra.training.gradient import BatchGradient
from recurra.training.regularizer import Regularizer
from recurra.training.rules import ARTBP, RTRL, TBPTT, CheckpointedBPTT, GradientRule, RandomLength, SnAp1
from recurra.training.rules.batch import batch_gradient

SMALL: dict[str, Any] = {"steps": 4, "num_evaluations": 1, "ema_decay": 0.9, "batch_size": 4, "hidden_size": 4}
NO_DROPOUT: dict[str, Any] = {"dropout": 0.0, "input_dropout": 0.0}
CAUSAL: dict[str, Any] = {"bidirectional": False, "ensemble_size": 1}
REGIMES: dict[str, tuple[Any, dict[str, Any]]] = {
    "classify tbptt": (reviews, CAUSAL | {"k1": 4, "k2": 8}),
    "classify artbp": (reviews, CAUSAL | {"k1": 4, "k2": 8, "gradient": "artbp"}),
    "classify segments": (reviews, CAUSAL | {"checkpoint_segments": 3, "dropout": 0.3}),
    "language tbptt": (language, {"batching": "sequential", "k1": 6, "k2": 15, "dropout": 0.3}),
    "language artbp": (language, {"batching": "sequential", "k1": 4, "k2": 12, "gradient": "artbp"}),
    "language random_length": (language, {"batching": "mixture", "k1": 12, "gradient": "random_length"}),
    "language snap1": (language, {"batching": "sequential", "bptt_length": 3, "gradient": "snap1"}),
    "language rtrl": (language, {"batching": "sequential", "bptt_length": 3, "gradient": "rtrl", **NO_DROPOUT}),
    "tag tbptt": (TINY["tag"], CAUSAL | {"k1": 2, "crf": False, "ensemble_size": 2}),
}


@pytest.mark.parametrize("regime", REGIMES)
def test_every_regime_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, regime: str) -> None:
    make, settings = REGIMES[regime]
    whole = make(tmp_path, "whole", **SMALL | settings)
    with monkeypatch.context() as patch:
        signalled(patch, 2)
        with pytest.raises(KeyboardInterrupt, match="interrupted at step 3"):
            make(tmp_path, "interrupted", **SMALL | settings)
    torch.manual_seed(99)
    assert same(training.resume(tmp_path / "interrupted"), whole)


def test_the_state_of_a_regime_is_in_the_checkpoint(tmp_path: Path) -> None:
    make, settings = REGIMES["language tbptt"]
    run = make(tmp_path, **SMALL | settings)
    tensors = load_file(run.path / "checkpoint/tensors.safetensors")
    assert sorted(name for name in tensors if name.startswith("state/")) == ["state/c_l0", "state/h_l0"]


def gradients_of(loss: Any, network: torch.nn.Module) -> list[torch.Tensor]:
    network.zero_grad()
    loss()
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in network.parameters()]


def batch_of(run: Any, *, seed: int = 0) -> tuple[Any, Any, Batch]:
    """The task with its training data, the network in training mode in float64, and the first batch."""
    from recurra.inspection.training_batches import training_batches

    with training_batches(run, None, 1) as (task, (batch,)):
        return task, run.network.double().train(), batch


@pytest.mark.parametrize("rule", [TBPTT(500, 500), CheckpointedBPTT(3), RTRL()], ids=lambda rule: rule.name)
@pytest.mark.parametrize("case", ["classify", "regress", "language", "tag"])
def test_a_rule_without_truncation_gives_the_gradient_of_the_loss(
    tmp_path: Path, case: str, rule: GradientRule
) -> None:
    settings = SMALL | {"steps": 1, "hidden_size": 3, "embedding_size": 3, "cell": "gru"} | NO_DROPOUT
    extra: dict[str, Any] = {"language": {"bptt_length": 7, "batch_size": 4}, "tag": {"crf": False}}.get(
        case, {"adversarial_epsilon": 0.0, "pooling": "mean_max"}
    )
    if case != "language":
        extra |= {"bidirectional": False, "ensemble_size": 2, "token_dropout": 0.0, "batch_size": 4}
    task, network, batch = batch_of(TINY[case](tmp_path, **settings | extra))
    expected = gradients_of(lambda: task.loss(network, batch, None, 0.0)[0].backward(), network)
    found = gradients_of(
        lambda: batch_gradient(rule, task.objectives(network, batch), None, lambda loss: loss.backward()), network
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_penalties_on_weights_act_once_in_a_step(tmp_path: Path) -> None:
    """A rule has several backward passes in a step; the penalty is in one of them."""
    settings = SMALL | {"steps": 1, "bidirectional": False, "adversarial_epsilon": 0.0, "ensemble_size": 1}
    settings |= {"k1": 2, "l2_recurrent": 0.5}
    task, network, batch = batch_of(reviews(tmp_path, **settings))
    fabric: Any = SimpleNamespace(autocast=nullcontext, backward=lambda loss: loss.backward())

    def of(penalties: Any) -> list[torch.Tensor]:
        gradient = BatchGradient(task, network, network, fabric, penalties)
        torch.manual_seed(0)
        return gradients_of(lambda: gradient(batch, None, 0.0), network)

    nothing: Any = SimpleNamespace(begin=lambda: None, add_weight_penalty=lambda backward: None)
    alone = gradients_of(lambda: weight_penalty(network, l2_recurrent=0.5).backward(), network)
    for both, plain, penalty in zip(of(Regularizer(network, task.settings)), of(nothing), alone, strict=True):
        torch.testing.assert_close(both, plain + penalty, rtol=1e-12, atol=1e-14)
    assert any(bool(penalty.any()) for penalty in alone)


def test_long_rows_are_whole_and_evaluated_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient rule does not truncate rows, and a long row is evaluated piece by piece with the same result."""
    run = reviews(tmp_path, **SMALL | REGIMES["classify tbptt"][1])
    assert run.settings.data.truncation_length >= 9 and run.settings.model.adversarial_epsilon == 0.0
    examples = ["a fine film " * n for n in (1, 4, 30)]
    whole = run.predict(examples)
    monkeypatch.setattr("recurra.tasks.shared.collate.PIECE_STEPS", 7)
    for one, other in zip(run.predict(examples), whole, strict=True):
        assert one["label"] == other["label"] and one["probability"] == pytest.approx(other["probability"], abs=2e-6)


def test_random_length_scales_the_learning_rate(tmp_path: Path) -> None:
    import json

    make, settings = REGIMES["language random_length"]
    constant = {"schedule": "constant", "warmup": 0.0, "learning_rate": 0.012, "num_evaluations": 4}
    run = make(tmp_path, **SMALL | settings | constant)
    rates = [json.loads(line)["learning_rate"] for line in (run.path / "history.jsonl").read_text().splitlines()]
    lengths = [round(rate * 1000) for rate in rates]
    assert rates == pytest.approx([length * 0.001 for length in lengths]) and len(set(lengths)) > 1


# what is refused ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        ("classify", {"k1": 4}, "gradient=tbptt reads a sequence in windows, and a bidirectional encoder needs all of it; set "
         "bidirectional=false"),
        ("classify", {"k1": 10, "k2": 5}, "k2 = 5 is less than k1 = 10; expected k2 >= k1, so that every loss is used"),
        ("classify", {"gradient": "artbp", "k1": 4}, "gradient=artbp needs k2 > k1, and both are 4: k2 is the mean"),
        ("classify", {"gradient": "tbptt"}, "gradient=tbptt needs the number of time steps of a window; set k1, or k1 and k2"),
        ("classify", {"gradient": "snap1", "k1": 4}, "k1 = 4 has no effect with gradient=snap1; remove it, "),
        ("classify", {"gradient": "random_length", "k1": 4, "k2": 6}, "gradient=random_length has one mean length"),
        ("classify", {"gradient": "rtrl", "checkpoint_segments": 4}, "checkpoint_segments belongs to gradient=bptt"),
        ("classify", {"gradient": "snap1", "bidirectional": False, "precision": "16"}, "not available with precision 16"),
        ("classify", {"k1": 4, "bidirectional": False, "adversarial_epsilon": 1.0}, "set adversarial_epsilon=0"),
        ("classify", {"gradient": "snap1", "bidirectional": False, "cell": "mgu", "pooling": "last"}, "which mgu is not; use "),
        ("translate", {"k1": 4}, "gradient=tbptt is not available for translate, whose network does not read one sequence in "
         "windows; the tasks with gradient rules are "),
        ("tag", {"k1": 4, "bidirectional": False, "crf": True}, "set crf=false"),
        ("language", {"k1": 8, "bptt_length": 9, "batching": "sequential"}, "remove bptt_length"),
        ("language", {"batching": "mixture", "batch_size": 1}, "batching=mixture needs two rows"),
        ("classify", {"k1": 4, "bidirectional": False, "adversarial_epsilon": 0.0, "temporal_penalty": 1.0},
         "activation_penalty and temporal_penalty are not supported with gradient=tbptt; set both to 0"),
    ],
)  # fmt: skip
def test_a_setting_without_meaning_is_one_line(
    tmp_path: Path, task: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(recurra.errors.UserError) as caught:
        TINY[task](tmp_path, **{"steps": 1} | settings)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_every_rule_has_a_row_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs/regimes.md").read_text(encoding="utf-8")
    for rule in (TBPTT, ARTBP, RandomLength, SnAp1, RTRL, CheckpointedBPTT):
        assert f"| `{rule.name}`" in page
