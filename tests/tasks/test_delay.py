"""Delayed tags: the right targets, no padding, offline and streamed results, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import TINY

from recurra.cells import get
from recurra.errors import SettingError
from recurra.models.delay import with_empty_steps
from recurra.models.encoder import TokenEmbedding
from recurra.tasks.tag.model import FeatureEmbedding, Tagger

CAUSAL: dict[str, Any] = {"bidirectional": False, "crf": False, "ensemble_size": 1}


def tagger(delay: int) -> Tagger:
    torch.manual_seed(0)
    words = TokenEmbedding(9, 4, 0.0, pad=0, unknown=1)
    sizes: dict[str, Any] = {"hidden_size": 5, "num_layers": 1, "bidirectional": False, "pooling": "mean_max"}
    return Tagger(
        FeatureEmbedding(words, [3], 2), 6, get("gru"), tags=3, transitions=None, sentence_labels=2, dropout=0.0,
        input_dropout=0.0, backend="auto", delay=delay, **sizes,
    ).eval()  # fmt: skip


def test_an_output_is_that_of_a_later_step() -> None:
    """The scores of token t are those after token t + delay, or after empty tokens; others do not change them."""
    delayed, plain, n = tagger(2), tagger(0), 2
    x, lengths = torch.randint(1, 9, (3, 6)), torch.tensor([6, 4, 1])
    valid = torch.arange(6) < lengths[:, None]
    x, feature = torch.where(valid, x, 0), torch.where(valid, torch.randint(1, 3, (3, 6)), 0)
    found = delayed(x, lengths, [feature])
    later = plain(with_empty_steps(x, n), lengths + n, [with_empty_steps(feature, n)])
    assert found.emissions.shape == (3, 6, 3)
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(found.emissions[row, :length], later.emissions[row, n : n + length])
        alone = delayed(x[row : row + 1, :length], None, [feature[row : row + 1, :length]])
        torch.testing.assert_close(found.emissions[row, :length], alone.emissions[0])
        torch.testing.assert_close(found.sentence_label[row], alone.sentence_label[0])


@pytest.mark.parametrize("settings", [{"delay": 1}, {"delay": 2, "k1": 2, "k2": 3}, {"delay": 2, "ensemble_size": 2}])
def test_a_stream_gives_the_tags_of_the_whole(tmp_path: Path, settings: dict[str, Any]) -> None:
    run = TINY["tag"](tmp_path, **CAUSAL | {"steps": 20, "batch_size": 8} | settings)
    tokens = ["Ada", "Lovelace", "saw", "Paris", "Grace", "left", "Oslo"]
    for end in range(len(tokens) + 1):
        (whole,) = run.predict([tokens[:end]])
        with run.stream() as session:
            for at in range(0, end, 3):
                session.push(tokens[at : min(at + 3, end)])
                session.result()  # reads what follows the end, and continues without it
            assert session.result()["tags"] == whole["tags"] and len(whole["tags"]) == end
            assert session.result() == session.result()


def test_a_delay_shows_what_follows(tmp_path: Path) -> None:
    """The tag of a word is decided by the next word. Without a delay it can only be guessed."""
    import json
    import random

    draw, lines = random.Random(0), []
    for _ in range(200):
        tokens = [draw.choice("ab") for _ in range(draw.randint(4, 9))]
        tags = ["x" if following == "a" else "y" for following in [*tokens[1:], "b"]]
        lines.append(json.dumps({"tokens": tokens, "tags": tags}))
    (tmp_path / "tagged.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = CAUSAL | {"steps": 60, "batch_size": 16, "dropout": 0.0, "input_dropout": 0.0, "learning_rate": 0.03}
    settings |= {"token_dropout": 0.0, "hidden_size": 16, "character_ngrams": False}
    delayed, plain = (TINY["tag"](tmp_path, f"delay {n}", delay=n, **settings) for n in (1, 0))
    assert delayed.metrics["valid/accuracy"] > 0.98 > 0.75 > plain.metrics["valid/accuracy"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"delay": 3}, "delay = 3 is longer than a training sequence of 2 tokens; expected at most 2"),
        ({"delay": 1, "bidirectional": True}, "delay = 1 lets a network in one direction see what follows"),
        ({"delay": -1}, "setting data.delay = -1"),
    ],
)
def test_a_delay_without_meaning_is_one_line(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        TINY["tag"](tmp_path, **CAUSAL | {"steps": 1} | settings)
    assert message in str(caught.value) and "\n" not in str(caught.value)
