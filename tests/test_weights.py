"""Weights: a loaded network equals the trained one, and loading it draws no random numbers and imports no training code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import TINY
from torch import Tensor, nn

import recurra
from recurra.run import Run
from recurra.training.loop import Loop
from recurra.weights import NoRandomWeights

# Settings that give other modules than the defaults; every task in `TINY` is also tested with its defaults.
NETWORKS: dict[str, list[dict[str, Any]]] = {
    "classify": [
        {"tokenization": "characters"},
        {
            "tokenization": "words",
            "ensemble_size": 3,
            "pooling": "attention",
            "character_ngrams": True,
            "bidirectional": True,
        },
        {"cell": "ln_lstm", "pooling": "mean_max", "num_layers": 2, "dropout": 0.2, "precision": "64"},
    ],
    "language": [
        {"neural_cache_size": 0},
        {"neural_cache_size": 50, "batching": "sequential"},
        {"tie_weights": True, "embedding_size": 6, "num_layers": 2, "dropout": 0.2, "precision": "64"},
        {
            "tie_weights": True,
            "embedding_size": 8,
            "weight_drop": 0.3,
            "batching": "sequential",
            "neural_cache_size": 50,
        },
        {"weight_drop": 0.3, "cell": "gru", "tokenization": "words", "sampled_softmax": 5, "batching": "aligned"},
    ],
    "regress": [{"tokenization": "words", "pooling": "max"}],
}
CASES = [
    pytest.param(task, settings, id="-".join([task, *(f"{key}={value}" for key, value in settings.items())]))
    for task in TINY
    for settings in [{}, *NETWORKS.get(task, [])]
]


def trained(
    folder: Path, task: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> tuple[Run, nn.Module]:
    """A run and the network object that was trained. Its last weights are the best, because there is no moving average."""
    networks: list[nn.Module] = []
    run_loop = Loop.run

    def run(self: Loop, *arguments: Any) -> None:
        run_loop(self, *arguments)
        networks.append(self.module.eval())

    options = {"steps": 2, "num_evaluations": 1, "ema_decay": 0.0, **settings}
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "run", run)
        trained_run = TINY[task](folder, **options)
    (network,) = networks
    return trained_run, network


def tensors(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a network: parameters, buffers (saved or not) and plain attributes; tied ones under each name."""
    yield from network.named_parameters(remove_duplicate=False)
    yield from network.named_buffers(remove_duplicate=False)
    for name, module in network.named_modules():
        for key, value in vars(module).items():
            if isinstance(value, Tensor):
                yield f"{name}.{key} (attribute)", value


@pytest.mark.parametrize(("task", "settings"), CASES)
def test_a_loaded_network_equals_the_trained_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, settings: dict[str, Any]
) -> None:
    run, network = trained(tmp_path, task, settings, monkeypatch)
    before = torch.get_rng_state()
    loaded = recurra.load(run.path).network
    assert torch.equal(torch.get_rng_state(), before), "loading draws no random numbers"
    ours, theirs = dict(tensors(loaded)), dict(tensors(network))
    assert ours.keys() == theirs.keys() and len(ours) > 4
    for name, value in theirs.items():
        assert ours[name].dtype is value.dtype and torch.equal(ours[name], value), name
    shared = {(a, b) for a in theirs for b in theirs if a < b and theirs[a] is theirs[b]}
    assert shared == {(a, b) for a in ours for b in ours if a < b and ours[a] is ours[b]}, "tied weights stay tied"
    # A couplet network has no such setting: its output layer always shares the embedding.
    assert bool(shared) == bool(getattr(run.settings.model, "tie_weights", task == "couplet"))


def test_loading_imports_no_training_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs of all tasks, one after another in one process."""
    paths = [str(trained(tmp_path, task, {"name": task}, monkeypatch)[0].path) for task in TINY]
    code = (
        "import sys, json, recurra\n"
        f"for path in {paths!r}:\n"
        "    recurra.load(path)\n"
        "    found = [name for name in sys.modules if name.startswith(('recurra.training', 'lightning'))]\n"
        "    print(json.dumps([path, found]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [[path, []] for path in paths]


def spectral(weight: Tensor) -> Tensor:
    """A matrix scaled by its spectral radius, as in an echo state network, where NaN would raise."""
    return weight / torch.linalg.eigvals(weight).abs().max().clamp(min=1e-6)


def test_no_module_of_torch_draws_random_numbers_inside_the_context() -> None:
    """Each way in which modules initialize their weights. Initializers that are not random still work."""
    modules = (
        lambda: nn.Linear(3, 4),
        lambda: nn.Embedding(5, 3, padding_idx=0),
        lambda: nn.LSTM(3, 4, bidirectional=True),
        lambda: nn.Conv2d(2, 3, 3),
        lambda: nn.MultiheadAttention(4, 2),
        lambda: nn.Bilinear(2, 3, 4),
        lambda: nn.init.orthogonal_(torch.empty(3, 3)),
        lambda: nn.init.trunc_normal_(tensor=torch.empty(3, 3)),
        lambda: torch.empty(3).normal_(0, 1),
        lambda: torch.empty(3).uniform_(),
        lambda: nn.Parameter(torch.randn(2, 3) * 0.1),
        lambda: torch.rand(3, generator=torch.default_generator),
        lambda: torch.randn_like(torch.ones(3)),
        lambda: spectral(torch.empty(3, 3).uniform_(-1, 1)),
    )
    before = torch.get_rng_state()
    with NoRandomWeights():
        for make in modules:
            made = make()
            drawn = list(made.parameters()) if isinstance(made, nn.Module) else [made]
            assert all(value.isfinite().all() for value in drawn), "no uninitialised memory remains"
        norm = nn.LayerNorm(4)
        assert torch.equal(nn.init.constant_(torch.empty(2), 3.0), torch.full((2,), 3.0))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(norm.weight, torch.ones(4)) and torch.equal(norm.bias, torch.zeros(4))
    nn.Linear(3, 4)
    assert not torch.equal(torch.get_rng_state(), before), "outside of the context they do"
