"""The neural cache: the equation in a loop, chunks and batch elements, fitting, and a run that has one."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest
import torch
from tiny_runs import language
from torch import Tensor

import recurra
from recurra.nn import State
from recurra.nn.cache import NUM_EXCLUDED, NeuralCache, split_state

V, H = 7, 5


def make_cache(size: int, *, sharpness: float = 1.5, sentinel: float = 0.7, max_weight: float = 0.3) -> NeuralCache:
    cache = NeuralCache(size).eval()
    cache.sharpness.fill_(sharpness)
    cache.sentinel.fill_(sentinel)
    cache.max_weight.fill_(max_weight)
    return cache


def text(B: int, T: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (B, T, V), outputs (B, T, H) and tokens (B, T)."""
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, V, (B, T), generator=draw)
    return torch.randn(B, T, V, generator=draw), torch.randn(B, T, H, generator=draw), ids


def by_loop(cache: NeuralCache, logits: Tensor, y: Tensor, ids: Tensor) -> Tensor:
    """The equation of the paper for one sequence, (T, V), in float64."""
    logits, y, rows = logits.double(), y.double(), []
    for t in range(len(ids)):
        p = logits[t].softmax(0)
        past = range(max(t - cache.size, 0), max(t - NUM_EXCLUDED, 0))
        if past:
            w = torch.stack([(cache.sharpness.double() * (y[t] @ y[j]) - cache.sentinel.double()).exp() for j in past])
            cached = torch.zeros(V, dtype=torch.float64)
            for weight, j in zip(w / w.sum(), past, strict=True):
                cached[ids[j + 1]] += weight
            l = cache.max_weight.double() * w.sum() / (1 + w.sum())
            p = (1 - l) * p + l * cached
        rows.append(p.log())
    return torch.stack(rows)


@pytest.mark.parametrize("size", [3, 8, 50])
def test_equals_the_equation(size: int) -> None:
    cache, (logits, y, ids) = make_cache(size), text(3, 20)
    ours, _ = cache(logits, y, ids, {})
    for b in range(3):
        torch.testing.assert_close(ours[b].double(), by_loop(cache, logits[b], y[b], ids[b]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sizes", [[1] * 20, [7, 1, 12], [20]])
def test_chunks_equal_the_whole_sequence(sizes: list[int]) -> None:
    cache, (logits, y, ids) = make_cache(9), text(2, 20)
    whole, last = cache(logits, y, ids, {})
    parts, memory, at = [], {}, 0
    for n in sizes:
        piece = slice(at, at + n)
        part, state = cache(logits[:, piece], y[:, piece], ids[:, piece], memory)
        parts.append(part)
        memory, at = state.tensors(), at + n
    torch.testing.assert_close(torch.cat(parts, 1), whole)
    for name, part in last.tensors().items():
        torch.testing.assert_close(memory[name], part, rtol=0, atol=0)


def test_a_zero_state_is_an_empty_cache_and_sequences_are_independent() -> None:
    cache, (logits, y, ids) = make_cache(9), text(2, 9)
    _, state = cache(logits, y, ids, {})
    again = text(2, 8, seed=1)
    fresh, _ = cache(*again, {})
    mixed, _ = cache(*again, state.reset([0]).tensors())
    torch.testing.assert_close(mixed[0], fresh[0])
    assert not torch.allclose(mixed[1], fresh[1]), "the sequence that was not reset has a cache"


def test_the_state_is_split() -> None:
    both = State({"h_l0": torch.ones(1, 2), "cache_last": torch.zeros(1, 2)})
    layers, memory = split_state(both)
    assert layers is not None and list(layers.tensors()) == ["h_l0"] and list(memory) == ["cache_last"]
    assert split_state(None) == (None, {})


def test_very_small_probabilities_stay_finite() -> None:
    cache, (logits, y, ids) = make_cache(9), text(1, 8)
    logits[..., 0] = -300.0
    assert cache(logits, y, ids, {})[0].isfinite().all()


def chunks(repeats: bool) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """A periodic text, whose outputs identify the token and whose logits are uniform; or a random one with perfect logits."""
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(0, V, (1, 301), generator=draw)
    if repeats:
        ids = torch.arange(301)[None] % V
    y = torch.eye(V)[ids[:, :-1]] if repeats else torch.randn(1, 300, V, generator=draw)
    logits = torch.zeros(1, 300, V) if repeats else 5 * torch.eye(V)[ids[:, 1:]]
    return [
        (logits[:, at : at + 100], y[:, at : at + 100], ids[:, at : at + 100], ids[:, at + 1 : at + 101])
        for at in (0, 100, 200)
    ]


def test_fit_uses_a_cache_that_helps_and_disables_one_that_does_not() -> None:
    useful, useless = NeuralCache(50), NeuralCache(50)
    before, after = useful.fit(chunks(True))
    assert useful.eval().active and after < before - 0.2
    assert 0 < float(useful.max_weight) <= 1 and math.isfinite(float(useful.sentinel))
    before, after = useless.fit(chunks(False))
    assert not useless.eval().active and after == before


def test_fit_returns_the_loss_with_the_fitted_cache() -> None:
    cache = NeuralCache(50)
    _, after = cache.fit(chunks(True))
    cache.eval()
    nats, memory = [], {}
    for logits, y, ids, targets in chunks(True):
        out, state = cache(logits, y, ids, memory)
        memory = state.tensors()
        nats.append(-out.gather(-1, targets[..., None]).mean())
    assert float(torch.stack(nats).mean()) == pytest.approx(after, rel=1e-5)


def names(path: Path) -> Path:
    """Scenes whose speakers occur in one scene only, which a cache can learn."""
    draw, lines = random.Random(0), []
    for _ in range(60):
        who = ["".join(draw.choice("abcdefghij") for _ in range(7)) for _ in range(2)]
        lines += [f"{who[i % 2]}: say {draw.choice(['yes', 'no'])}" for i in range(20)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_the_cache_of_a_run_is_saved_streams_and_lowers_the_loss(tmp_path: Path) -> None:
    data = names(tmp_path / "names.txt")
    settings = {
        "hidden_size": 24,
        "batching": "sequential",
        "steps": 150,
        "learning_rate": 0.01,
        "validation_fraction": 0.2,
    }
    run = recurra.train("language", data, out=tmp_path / "with", neural_cache_size=300, **settings)
    bare = recurra.train("language", data, out=tmp_path / "without", neural_cache_size=0, **settings)
    ours, plain = (one.evaluate(data)["nats_per_character"] for one in (run, bare))
    assert ours < plain - 0.1, "the weights are the same except for the cache"
    loaded = recurra.load(tmp_path / "with")
    assert loaded.evaluate(data)["nats_per_character"] == ours
    line = json.loads((tmp_path / "with" / "history.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert "neural cache of 300 tokens" in line["calibrated"][0]
    metrics = json.loads((tmp_path / "with" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["valid/nats_per_character"] == line["valid/nats_per_character"]
    whole = run.predict([data.read_text(encoding="utf-8")[:700]])[0]
    with run.stream() as session:
        for at in range(0, 700, 13):
            session.push(data.read_text(encoding="utf-8")[at : min(at + 13, 700)])
        assert session.result()["nats"] == pytest.approx(whole["nats"], rel=1e-5)


def test_aligned_batching_has_no_cache_by_default(tmp_path: Path) -> None:
    assert (
        language(
            tmp_path, "carried", batching="sequential", neural_cache_size=None
        ).task.settings.model.neural_cache_size
        == 4000
    )
    assert (
        language(tmp_path, "aligned", batching="aligned", neural_cache_size=None).task.settings.model.neural_cache_size
        == 0
    )
