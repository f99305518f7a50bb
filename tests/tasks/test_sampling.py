"""Sampling tokens: which tokens are possible, and how often they are sampled."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_runs import language, reviews

from recurra.decoding.sampling import sample_token
from recurra.errors import SettingError

P = torch.tensor([0.1, 0.4, 0.05, 0.25, 0.2])  # in order of decreasing probability: 1, 3, 4, 0, 2


def draws(
    temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None, n: int = 4000
) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    drawn = [sample_token(P.log(), temperature, top_k, top_p, random) for _ in range(n)]
    return torch.bincount(torch.tensor(drawn), minlength=len(P)) / n


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p", "allowed"),
    [
        (1.0, None, None, [0, 1, 2, 3, 4]),
        (0.5, None, None, [0, 1, 2, 3, 4]),
        (2.0, None, None, [0, 1, 2, 3, 4]),
        (1.0, 1, None, [1]),
        (1.0, 3, None, [1, 3, 4]),
        (1.0, 50, None, [0, 1, 2, 3, 4]),
        (1.0, None, 0.39, [1]),
        (1.0, None, 0.6, [1, 3]),
        (1.0, None, 0.7, [1, 3, 4]),
        (1.0, None, 1.0, [0, 1, 2, 3, 4]),
        (1.0, 2, 0.6, [1]),  # of the two most probable, 0.4 and 0.25, the first has 0.615 of their sum
    ],
)
def test_frequencies_are_the_probabilities(
    temperature: float, top_k: int | None, top_p: float | None, allowed: list[int]
) -> None:
    """A count of n samples is binomial: within five standard deviations, sqrt(p (1 - p) / n)."""
    expected = torch.zeros_like(P)
    expected[allowed] = P[allowed] ** (1 / temperature)
    expected /= expected.sum()
    n = 4000
    found = draws(temperature, top_k, top_p, n)
    assert ((found - expected).abs() <= 5 * (expected * (1 - expected) / n).sqrt() + 1e-9).all(), found


def test_a_temperature_near_zero_returns_the_most_probable_token() -> None:
    random = torch.Generator().manual_seed(0)
    for temperature in (0.0, 1e-3, 1e-30, 1e-45):
        assert {sample_token(P.log() + 50, temperature, None, None, random) for _ in range(20)} == {1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((-1.0, None, None), "temperature = -1.0"),
        ((float("nan"), None, None), "temperature = nan"),
        ((1.0, 0, None), "top_k = 0"),
        ((1.0, None, 0.0), "top_p = 0.0"),
        ((1.0, None, 1.5), "top_p = 1.5"),
    ],
)
def test_values_out_of_range(options: tuple[float, int | None, float | None], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        sample_token(P.log(), *options, torch.Generator())


@pytest.mark.parametrize("tokenization", ["characters", "words", "subwords"])
def test_the_same_seed_gives_the_same_text(tmp_path: Path, tokenization: str) -> None:
    run = language(
        tmp_path, tokenization=tokenization, **({"vocabulary_size": 300} if tokenization == "subwords" else {})
    )
    first = run.generate("the sea", 30, seed=1)
    assert first == run.generate("the sea", 30, seed=1) == "".join(run.generate_iter("the sea", 30, seed=1))
    assert first != run.generate("the sea", 30, seed=2)
    assert run.generate("the sea", 12, temperature=0.0) == run.generate("the sea", 12, temperature=1.0, top_k=1)
    assert run.generate("the sea", 0) == ""
    if tokenization == "characters":
        assert len(first) == 30 and set(first) <= set((tmp_path / "text.txt").read_text(encoding="utf-8"))


def test_generation_needs_a_language_run_and_a_valid_length(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="length = -1"):
        language(tmp_path).generate("a", -1)
    with pytest.raises(SettingError, match="a run of classify does not generate text; runs of language do"):
        reviews(tmp_path, "other").generate("a")
