"""Ensembles, character n-grams of words, and the reproduction of a timed run from its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_runs import reviews, write_reviews

import recurra
from recurra.data.words.ngrams import BUCKETS, MAX_NGRAMS, ngram_ids
from recurra.data.words.vocabulary import build
from recurra.errors import SettingError


def weights(run: recurra.Run) -> dict[str, torch.Tensor]:
    return dict(run.network.state_dict())


def test_an_ensemble_averages_probabilities(tmp_path: Path) -> None:
    run = reviews(tmp_path, ensemble_size=3, character_ngrams=False)
    x = torch.from_numpy(run.task.dataset.input.field.encode(["a warm film 3"])[0])[None]
    with torch.no_grad():
        alone = [member(x).softmax(-1) for member in run.network.members]
    assert len({tuple(row.flatten().tolist()) for row in alone}) == 3  # members have independent weights
    mean = torch.stack(alone).mean(0)[0]
    result = run.predict(["a warm film 3"])[0]
    assert result["probability"] == pytest.approx(mean.max().item(), abs=1e-6)


def test_an_ensemble_for_regression_averages_predictions(tmp_path: Path) -> None:
    run = reviews(tmp_path, task="regress", ensemble_size=2, character_ngrams=False)
    x = torch.from_numpy(run.task.dataset.input.field.encode(["a warm film 3"])[0])[None]
    with torch.no_grad():
        mean = torch.stack([member(x) for member in run.network.members]).mean().item()
    (target,) = run.task.dataset.targets
    expected = mean * target.std + target.mean
    assert run.predict(["a warm film 3"])[0]["prediction"] == pytest.approx(expected, rel=1e-5)


def test_each_member_has_its_own_loss(tmp_path: Path) -> None:
    """The loss is the mean of the members' losses, not the loss of their mean."""
    run = reviews(
        tmp_path,
        ensemble_size=2,
        dropout=0.0,
        input_dropout=0.0,
        token_dropout=0.0,
        character_ngrams=False,
        adversarial_epsilon=0.0,
    )
    write_reviews(tmp_path / "more.csv")
    task, network = run.task, run.network
    task.dataset.prepare(tmp_path / "more.csv", None, tmp_path / "cache", lambda _: None)
    batch = task.batch(task.sampler().epoch(0)[0])
    loss = task.loss(network.train(), batch, None, 0.0)[0]
    single = [
        task.head.losses(m(batch.inputs["x"], batch.inputs["lengths"]), batch, None).mean() for m in network.members
    ]
    torch.testing.assert_close(loss, torch.stack(single).mean())


@pytest.mark.parametrize(
    "settings", [{"ensemble_size": 2}, {"character_ngrams": True}, {"character_ngrams": True, "ensemble_size": 2}]
)
def test_streaming_gives_the_result_of_the_whole_text(tmp_path: Path, settings: dict[str, Any]) -> None:
    run = reviews(tmp_path, bidirectional=False, **settings)
    text = "a Brighter film 好看 don't you think <br /> unseen1"
    whole = run.predict([text])[0]
    for size in (1, 3, 7):
        with run.stream() as session:
            for at in range(0, len(text), size):
                session.push(text[at : at + size])
            result = session.result()
        assert result["label"] == whole["label"]
        assert result["probability"] == pytest.approx(whole["probability"], abs=2e-6)  # printed to 1e-6


def test_character_ngrams_distinguish_unknown_words_and_are_saved(tmp_path: Path) -> None:
    known = reviews(tmp_path, "spelt", character_ngrams=True)
    blind = reviews(tmp_path, "blind", character_ngrams=False)
    unseen = ["zzyzx", "Qwertz"]  # both unknown
    a, b = (recurra.load(known.path).predict(unseen)[n]["probabilities"] for n in (0, 1))
    assert a != b
    a, b = (blind.predict(unseen)[n]["probabilities"] for n in (0, 1))
    assert a == b


def test_character_ngrams_of_a_word() -> None:
    ab = set(ngram_ids("ab").tolist()) - {0}
    assert len(ab) == 6  # ^ab$ (the whole word has four characters) ^a ab b$ ^ab ab$
    assert max(ab) <= BUCKETS and len(ngram_ids("ab")) == MAX_NGRAMS
    assert ab < set(ngram_ids("Ab").tolist()) | ab  # another case has other n-grams
    assert set(ngram_ids("ab").tolist()) & set(ngram_ids("Ab").tolist()) > {0}  # and those of the lower-case word
    assert np.array_equal(ngram_ids("e\u0301a"), ngram_ids("\u00e9a"))  # the same letter, composed or not


def test_only_words_have_character_ngrams(tmp_path: Path) -> None:
    with pytest.raises(
        SettingError, match="character_ngrams requires tokenization=words, but tokenization is characters"
    ):
        reviews(tmp_path, tokenization="characters", character_ngrams=True)
    with pytest.raises(SettingError, match="only words have character n-grams"):
        build(["ab"], "characters").encode_with_ngrams(["ab"])


def test_a_timed_run_is_reproduced_exactly_from_its_config(tmp_path: Path) -> None:
    """The recorded step schedule is replayed, independent of the time that the second run takes."""
    timed = reviews(tmp_path, "timed", steps=None, epochs=1e6, max_minutes=0.03, patience=None)
    config = timed.path / "config.yaml"
    untimed = {"training.max_minutes": None}  # the time limit could end the run early
    again = recurra.train("classify", tmp_path / "reviews.csv", out=tmp_path / "again", config=config, **untimed)
    assert again.config["training"]["step_schedule"] == timed.config["training"]["step_schedule"]
    before, after = weights(timed), weights(again)
    assert all(torch.equal(before[name], after[name]) for name in before)
    longer = recurra.train("classify", tmp_path / "reviews.csv", out=tmp_path / "longer", config=config, steps=3)
    assert longer.config["resolved"]["steps"] == 3
