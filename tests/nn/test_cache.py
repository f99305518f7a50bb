"""The continuous cache: the formula by a loop, chunks and rows, what is fitted, and a run that has one."""

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
from recurra.nn.cache import RECENT, ContinuousCache, parted

V, H = 7, 5


def made(size: int, *, sharpness: float = 1.5, sentinel: float = 0.7, share: float = 0.3) -> ContinuousCache:
    cache = ContinuousCache(size).eval()
    cache.sharpness.fill_(sharpness)
    cache.sentinel.fill_(sentinel)
    cache.share.fill_(share)
    return cache


def text(B: int, T: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Scores (B, T, V), outputs (B, T, H) and tokens (B, T)."""
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, V, (B, T), generator=draw)
    return torch.randn(B, T, V, generator=draw), torch.randn(B, T, H, generator=draw), ids


def by_loop(cache: ContinuousCache, scores: Tensor, y: Tensor, ids: Tensor) -> Tensor:
    """One row, (T, V): the formula as it stands in the paper, in float64."""
    scores, y, rows = scores.double(), y.double(), []
    for t in range(len(ids)):
        p = scores[t].softmax(0)
        past = range(max(t - cache.size, 0), max(t - RECENT, 0))
        if past:
            w = torch.stack([(cache.sharpness.double() * (y[t] @ y[j]) - cache.sentinel.double()).exp() for j in past])
            met = torch.zeros(V, dtype=torch.float64)
            for weight, j in zip(w / w.sum(), past, strict=True):
                met[ids[j + 1]] += weight
            share = cache.share.double() * w.sum() / (1 + w.sum())
            p = (1 - share) * p + share * met
        rows.append(p.log())
    return torch.stack(rows)


@pytest.mark.parametrize("size", [3, 8, 50])
def test_is_the_formula(size: int) -> None:
    cache, (scores, y, ids) = made(size), text(3, 20)
    ours, _ = cache(scores, y, ids, {})
    for b in range(3):
        torch.testing.assert_close(ours[b].double(), by_loop(cache, scores[b], y[b], ids[b]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sizes", [[1] * 20, [7, 1, 12], [20]])
def test_chunks_are_the_whole(sizes: list[int]) -> None:
    cache, (scores, y, ids) = made(9), text(2, 20)
    whole, last = cache(scores, y, ids, {})
    parts, memory, at = [], {}, 0
    for n in sizes:
        piece = slice(at, at + n)
        part, state = cache(scores[:, piece], y[:, piece], ids[:, piece], memory)
        parts.append(part)
        memory, at = state.tensors(), at + n
    torch.testing.assert_close(torch.cat(parts, 1), whole)
    for name, part in last.tensors().items():
        torch.testing.assert_close(memory[name], part, rtol=0, atol=0)


def test_a_state_of_zeros_remembers_nothing_and_rows_do_not_meet() -> None:
    cache, (scores, y, ids) = made(9), text(2, 9)
    _, state = cache(scores, y, ids, {})
    again = text(2, 8, seed=1)
    fresh, _ = cache(*again, {})
    mixed, _ = cache(*again, state.reset([0]).tensors())
    torch.testing.assert_close(mixed[0], fresh[0])
    assert not torch.allclose(mixed[1], fresh[1]), "the row that was not reset remembers"


def test_the_state_is_parted_and_put_together() -> None:
    both = State({"h_l0": torch.ones(1, 2), "cache_last": torch.zeros(1, 2)})
    layers, memory = parted(both)
    assert layers is not None and list(layers.tensors()) == ["h_l0"] and list(memory) == ["cache_last"]
    assert parted(None) == (None, {})


def test_what_is_all_but_impossible_stays_finite() -> None:
    cache, (scores, y, ids) = made(9), text(1, 8)
    scores[..., 0] = -300.0
    assert cache(scores, y, ids, {})[0].isfinite().all()


def pieces(repeats: bool) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """A text that repeats itself, whose outputs tell where and whose scores know nothing; or one of chance, where the
    scores know all."""
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(0, V, (1, 301), generator=draw)
    if repeats:
        ids = torch.arange(301)[None] % V
    y = torch.eye(V)[ids[:, :-1]] if repeats else torch.randn(1, 300, V, generator=draw)
    scores = torch.zeros(1, 300, V) if repeats else 5 * torch.eye(V)[ids[:, 1:]]
    return [
        (scores[:, at : at + 100], y[:, at : at + 100], ids[:, at : at + 100], ids[:, at + 1 : at + 101])
        for at in (0, 100, 200)
    ]


def test_fit_gives_a_say_to_a_cache_that_helps_and_none_to_one_that_does_not() -> None:
    useful, useless = ContinuousCache(50), ContinuousCache(50)
    before, after = useful.fit(pieces(True))
    assert useful.eval().active and after < before - 0.2
    assert 0 < float(useful.share) <= 1 and math.isfinite(float(useful.sentinel))
    before, after = useless.fit(pieces(False))
    assert not useless.eval().active and after == before


def test_fit_is_what_reading_with_it_gives() -> None:
    cache = ContinuousCache(50)
    _, promised = cache.fit(pieces(True))
    cache.eval()
    nats, memory = [], {}
    for scores, y, ids, wanted in pieces(True):
        out, state = cache(scores, y, ids, memory)
        memory = state.tensors()
        nats.append(-out.gather(-1, wanted[..., None]).mean())
    assert float(torch.stack(nats).mean()) == pytest.approx(promised, rel=1e-5)


def names(path: Path) -> Path:
    """Scenes of speakers whose names stand in one scene only: what a cache is for."""
    draw, lines = random.Random(0), []
    for _ in range(60):
        who = ["".join(draw.choice("abcdefghij") for _ in range(7)) for _ in range(2)]
        lines += [f"{who[i % 2]}: say {draw.choice(['yes', 'no'])}" for i in range(20)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_run_has_a_cache_that_is_saved_streams_and_helps(tmp_path: Path) -> None:
    data = names(tmp_path / "names.txt")
    settings = {"hidden_size": 24, "windows": "sequential", "steps": 150, "learning_rate": 0.01, "validation_fraction": 0.2}
    run = recurra.train("language", data, out=tmp_path / "with", cache=300, **settings)
    bare = recurra.train("language", data, out=tmp_path / "without", cache=0, **settings)
    ours, plain = (one.evaluate(data)["nats_per_character"] for one in (run, bare))
    assert ours < plain - 0.1, "the same weights, but for the cache"
    loaded = recurra.load(tmp_path / "with")
    assert loaded.evaluate(data)["nats_per_character"] == ours
    line = json.loads((tmp_path / "with" / "history.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert "cache of 300 tokens" in line["calibrated"][0]
    metrics = json.loads((tmp_path / "with" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["valid/nats_per_character"] == line["valid/nats_per_character"]
    whole = run.predict([data.read_text(encoding="utf-8")[:700]])[0]
    with run.stream() as session:
        for at in range(0, 700, 13):
            session.push(data.read_text(encoding="utf-8")[at : min(at + 13, 700)])
        assert session.result()["nats"] == pytest.approx(whole["nats"], rel=1e-5)


def test_texts_that_stand_alone_have_none_by_default(tmp_path: Path) -> None:
    assert language(tmp_path, "carried", windows="sequential", cache=None).task.settings.model.neural_cache_size == 4000
    assert language(tmp_path, "aligned", windows="aligned", cache=None).task.settings.model.neural_cache_size == 0
