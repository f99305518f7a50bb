"""A language model of independent lines: training, the surprisal of tokens, and the length of generated texts."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

import recurra
from recurra.data.store.store import Store, StoreWriter
from recurra.data.words.vocabulary import build
from recurra.nn import State
from recurra.tasks.language import task as module
from recurra.tasks.language.dataset import COLUMNS
from recurra.tasks.language.session import LanguageSession
from recurra.tasks.language.task import Language
from recurra.tasks.language.tokenizer import TextTokenizer


class Rising(torch.nn.Module):
    """Maps tokens (B, T) to logits (B, T, V): the next token in the alphabet is most probable, then the one after it."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = torch.nn.Parameter(torch.tensor(float(size)))

    def forward(self, ids: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State | None]:
        size = int(self.size)
        return -((torch.arange(size) - ids[..., None] - 1) % size).float(), state


def session(per_token: bool = False) -> LanguageSession:
    vocabulary = build(["abcdefgh"], "characters")
    return LanguageSession(Rising(len(vocabulary)), vocabulary, vocabulary.encode("a").tolist(), per_token=per_token)


SIZE = len(build(["abcdefgh"], "characters"))
# The surprisal of a token is this plus its distance from the most probable token.
COMMON = torch.logsumexp(-torch.arange(SIZE).float(), 0).item()


def test_max_surprisal_is_the_least_probable_token() -> None:
    """After a comes b (rank 1), then e, two further than c (rank 3), then g (2), then h (1)."""
    with session() as whole:
        whole.push("begh")
        result = whole.result()
    assert result["max_surprisal"] == {
        "token": "e",
        "position": 2,
        "nats": pytest.approx(2 + COMMON, abs=1e-5),
        "rank": 3,
    }
    assert result["nats"] == pytest.approx(3 + 4 * COMMON, abs=1e-5)


@pytest.mark.parametrize("split", [0, 1, 2, 3])
def test_the_surprisal_of_each_token_does_not_depend_on_the_pieces(split: int) -> None:
    with session(per_token=True) as pieces:
        for piece in ("begh"[:split], "begh"[split:]):
            pieces.push(piece)
        result = pieces.result()
    assert [(one["token"], one["position"], one["rank"]) for one in result["per_token"]] == [
        ("b", 1, 1),
        ("e", 2, 3),
        ("g", 3, 2),
        ("h", 4, 1),
    ]
    assert result["max_surprisal"] == result["per_token"][1]
    assert sum(one["nats"] for one in result["per_token"]) == pytest.approx(result["nats"], abs=1e-5)


def test_an_empty_text_has_no_max_surprisal() -> None:
    with session(per_token=True) as empty:
        assert empty.result()["max_surprisal"] is None and empty.result()["per_token"] == []


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    """A run trained on 400 lines: `open`, then one to three times `read`, then `close`."""
    folder, draw = tmp_path_factory.mktemp("traces"), random.Random(0)
    lines = [" ".join(["open", *["read"] * draw.randint(1, 3), "close"]) for _ in range(400)]
    (folder / "traces.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return recurra.train(
        "language", folder / "traces.txt", out=folder / "run", tokenization="words", epochs=12.0, hidden_size=16
    )


def test_independent_lines_are_learnt_from_their_beginning(traces: recurra.Run) -> None:
    settings = traces.task.settings
    assert settings.data.batching == "aligned" and settings.model.neural_cache_size == 0


def test_one_line_is_generated_where_lines_are_independent(traces: recurra.Run) -> None:
    lines = {"".join(traces.generate_iter(temperature=0.3, seed=seed)) for seed in range(8)}
    assert lines <= {f"open {'read ' * n}close" for n in (1, 2, 3)}
    assert "\n" in "".join(traces.generate_iter(length=20, temperature=0.3, seed=0))


def test_a_trace_that_ends_too_early_has_a_surprising_end(traces: recurra.Run) -> None:
    whole, early = traces.predict([{"text": "open read close\n"}, {"text": "open read\n"}])
    assert (
        early["max_surprisal"]["position"] == 3 and early["max_surprisal"]["nats"] > whole["max_surprisal"]["nats"] + 1
    )


def test_metrics_during_training_use_the_first_part(
    traces: recurra.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, network = traces.task, traces.network
    assert isinstance(task, Language)
    pieces = ["a b c\n" * 40, "c a b b\n" * 50, "b b c a\n" * 60]
    with StoreWriter(tmp_path / "valid", COLUMNS) as writer:
        for piece in pieces:
            tokenizer = TextTokenizer(task.dataset.vocabulary)
            writer.append(
                tokens=np.array(tokenizer.push(piece) + tokenizer.flush(), np.int32), characters=len(piece), words=0
            )
    store = Store(tmp_path / "valid")
    monkeypatch.setattr(task.dataset, "stores", {"valid": store})
    first = int(store.lengths("tokens")[:2].sum())
    for max_tokens, pieces_read in ((1, 1), (first, 2), (10**9, 3)):
        monkeypatch.setattr(module, "MAX_SCORED", max_tokens)
        metrics = task.evaluate(network, None, lambda _: None)
        (tmp_path / "part.txt").write_text("".join(pieces[:pieces_read]))
        alone = task.evaluate(network, tmp_path / "part.txt", lambda _: None)
        assert metrics["nats_per_character"] == pytest.approx(
            alone["nats_per_character"], rel=0.02
        )  # 16 streams or one
