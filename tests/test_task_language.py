"""A language model over lines that stand alone: how it is trained, what is strangest in a text, how much is written."""

from __future__ import annotations

import random

import pytest
import torch

import recurra
from recurra.data.vocabulary import build
from recurra.nn import State
from recurra.tasks.parts.languagesession import Front, LanguageSession


class Rising(torch.nn.Module):
    """(B, T) tokens to scores (B, T, V): the token after the last one is likeliest, then the one after that, and so on."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = torch.nn.Parameter(torch.tensor(float(size)))

    def forward(self, ids: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State | None]:
        size = int(self.size)
        return -((torch.arange(size) - ids[..., None] - 1) % size).float(), state


def session() -> LanguageSession:
    vocabulary = build(["abcdefgh"], "characters")
    return LanguageSession(Rising(len(vocabulary)), vocabulary, Front(vocabulary), vocabulary.encode("a").tolist())


def test_the_strangest_token_is_the_one_that_most_others_were_likelier_than() -> None:
    """After a comes b (rank 1), then e, two further than c (rank 3), then g (2), then h (1)."""
    with session() as whole:
        whole.push("begh")
        assert whole.result()["strangest"] == {"token": "e", "place": 2, "rank": 3}


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_the_strangest_token_is_the_same_in_pieces(cut: int) -> None:
    with session() as pieces:
        for piece in ("begh"[:cut], "begh"[cut:]):
            pieces.push(piece)
        assert pieces.result()["strangest"] == {"token": "e", "place": 2, "rank": 3}


def test_nothing_is_strangest_in_nothing() -> None:
    with session() as empty:
        assert empty.result()["strangest"] is None


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> recurra.Run:
    """Trained on 400 lines: `open`, then one to three times `read`, then `close`."""
    folder, draw = tmp_path_factory.mktemp("traces"), random.Random(0)
    lines = [" ".join(["open", *["read"] * draw.randint(1, 3), "close"]) for _ in range(400)]
    (folder / "traces.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return recurra.train(
        "language", folder / "traces.txt", out=folder / "run", level="words", epochs=12.0, hidden_size=16
    )


def test_lines_that_stand_alone_are_learnt_from_their_beginning(traces: recurra.Run) -> None:
    settings = traces.task.settings
    assert settings.data.windows == "aligned" and settings.model.cache == 0  # type: ignore[attr-defined]


def test_one_line_is_written_where_lines_stand_alone(traces: recurra.Run) -> None:
    lines = {"".join(traces.generate_iter(temperature=0.3, seed=seed)) for seed in range(8)}
    assert lines <= {f"open {'read ' * n}close" for n in (1, 2, 3)}
    assert "\n" in "".join(traces.generate_iter(length=20, temperature=0.3, seed=0))


def test_a_trace_that_ends_too_early_is_strange_at_its_end(traces: recurra.Run) -> None:
    whole, early = traces.predict([{"text": "open read close\n"}, {"text": "open read\n"}])
    assert whole["strangest"]["rank"] <= 3
    assert early["strangest"]["rank"] > whole["strangest"]["rank"] and early["strangest"]["place"] == 3
