"""A text as a language model meets it, in pieces: its tokens, what is likely to come next, how unlikely what came was."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...data.words.vocabulary import Vocabulary
from ...nn import State
from ..base import Session, device_of

SPAN = 256  # steps read at once


class Surprisal(NamedTuple):
    """What a token was to one who expected others: its place from 1, -log of its probability, and its rank from 1."""

    token: str
    place: int
    nats: float
    rank: int


class Front:
    """Text to tokens, in pieces. At the level of words the end of a line is the end mark, for words hold no line ends."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary, self.stream = vocabulary, vocabulary.stream()

    def push(self, text: str) -> list[int]:
        if self.vocabulary.level != "words":
            return self.stream.push(text)
        lines = text.split("\n")
        ids = self.stream.push(lines[0])
        for line in lines[1:]:
            ids += [*self.stream.flush(), self.vocabulary.end, *self.stream.push(line)]
        return ids

    def flush(self) -> list[int]:
        return self.stream.flush()

    def copy(self) -> Front:
        """The same place in the text, to be flushed without losing it here."""
        other = copy.copy(self)
        other.stream = copy.copy(self.stream)
        return other


class LanguageSession(Session):
    """Text pushed in pieces: how unlikely what was read was, what is likely to come; `each` keeps it of each token."""

    def __init__(
        self, network: nn.Module, vocabulary: Vocabulary, front: Front, start: Iterable[int], *, each: bool = False
    ) -> None:
        self.network, self.vocabulary, self.front = network, vocabulary, front
        self.state: State | None = None
        self.nats, self.tokens = 0.0, 0
        self.strangest: Surprisal | None = None
        self.each: tuple[Surprisal, ...] | None = () if each else None
        self.scores: Tensor  # (V,) of the token to come
        self._advance(list(start), None)

    def push(self, piece: str) -> None:
        self.read(self.front.push(piece))

    def settle(self) -> None:
        """Take what was pushed as whole: a word that could still grow is a word."""
        self.read(self.front.flush())

    def read(self, ids: list[int]) -> None:
        """Take tokens as read."""
        if ids:
            self._advance(ids, self.scores)

    def _advance(self, ids: list[int], before: Tensor | None) -> None:
        """Run the network over `ids`; with the scores `before` the first, they count as read."""
        with torch.inference_mode():
            for at in range(0, len(ids), SPAN):
                part = torch.tensor([ids[at : at + SPAN]], device=device_of(self.network))
                scores, self.state = self.network(part, self.state)
                scores = scores[0].float().cpu()
                if before is not None:
                    self._count(torch.cat([before[None], scores[:-1]]), part[0].cpu())
                before = self.scores = scores[-1]

    def _count(self, scores: Tensor, came: Tensor) -> None:
        """Scores (N, V) of the tokens that then came (N,)."""
        nats = F.cross_entropy(scores, came, reduction="none")

        def one(n: int) -> Surprisal:
            token, likelier = int(came[n]), scores[n] > scores[n, came[n]]
            place = self.tokens + n + 1
            return Surprisal(self.vocabulary.tokens[token], place, round(float(nats[n]), 6), 1 + int(likelier.sum()))

        worst = int(nats.argmax())
        if self.strangest is None or round(float(nats[worst]), 6) > self.strangest.nats:
            self.strangest = one(worst)
        if self.each is not None:
            self.each += tuple(one(n) for n in range(len(came)))
        self.nats += float(nats.sum())
        self.tokens += len(came)

    def result(self) -> dict[str, Any]:
        ahead = copy.copy(self)  # what may still grow into another word counts as it stands, without being settled
        ahead.front = self.front.copy()
        ahead.settle()
        return ahead._result()

    def _result(self) -> dict[str, Any]:
        probabilities = self.scores.softmax(0)
        top = probabilities.topk(min(5, len(probabilities)))
        likely = {
            self.vocabulary.tokens[i]: round(p, 6)
            for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True)
        }
        mean = self.nats / max(self.tokens, 1)
        found = {
            "tokens": self.tokens,
            "nats": round(self.nats, 6),
            "perplexity": round(math.exp(min(mean, 700)), 6),
            "strangest": self.strangest and self.strangest._asdict(),
            "next": likely,
        }
        return found if self.each is None else found | {"each": [one._asdict() for one in self.each]}


def spell(vocabulary: Vocabulary, ids: Sequence[int]) -> str:
    """The text of `ids`; at the level of words an end mark is a new line."""
    if vocabulary.level != "words":
        return vocabulary.decode(ids)
    lines: list[list[int]] = [[]]
    for i in ids:
        lines.append([]) if i == vocabulary.end else lines[-1].append(i)
    return "\n".join(vocabulary.decode(line) for line in lines)
