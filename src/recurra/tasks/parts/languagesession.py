"""A text as a language model meets it, in pieces: its tokens, what is likely to come next, how unlikely what came was."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...data.vocabulary import Vocabulary
from ...nn import State
from ..base import Session, device_of

SPAN = 256  # steps read at once


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
    """Text pushed in pieces: nats of what was read, and what is likely to come next."""

    def __init__(self, network: nn.Module, vocabulary: Vocabulary, front: Front, start: Iterable[int]) -> None:
        self.network, self.vocabulary, self.front = network, vocabulary, front
        self.state: State | None = None
        self.nats, self.tokens = 0.0, 0
        self.strangest: dict[str, Any] | None = None  # the token that the most others were likelier than
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
            self.nats += self._advance(ids, self.scores)
            self.tokens += len(ids)

    def _advance(self, ids: list[int], before: Tensor | None) -> float:
        """Run the network over `ids`; the nats of them, given the scores `before` the first."""
        nats = 0.0
        with torch.inference_mode():
            for at in range(0, len(ids), SPAN):
                part = torch.tensor([ids[at : at + SPAN]], device=device_of(self.network))
                scores, self.state = self.network(part, self.state)
                scores = scores[0].float().cpu()
                if before is not None:
                    guesses, came = torch.cat([before[None], scores[:-1]]), part[0].cpu()
                    nats += F.cross_entropy(guesses, came, reduction="sum").item()
                    ranks = 1 + (guesses > guesses.gather(1, came[:, None])).sum(1)
                    self._judge(ranks, came, self.tokens + at)
                before = self.scores = scores[-1]
        return nats

    def _judge(self, ranks: Tensor, came: Tensor, before: int) -> None:
        """Keep the token of the highest rank; `before` tokens were read before these."""
        worst = int(ranks.argmax())
        if self.strangest is None or int(ranks[worst]) > self.strangest["rank"]:
            token = self.vocabulary.tokens[int(came[worst])]
            self.strangest = {"token": token, "place": before + worst + 1, "rank": int(ranks[worst])}

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
        return {
            "tokens": self.tokens,
            "nats": round(self.nats, 6),
            "perplexity": round(math.exp(min(mean, 700)), 6),
            "strangest": self.strangest,
            "next": likely,
        }


def spell(vocabulary: Vocabulary, ids: Sequence[int]) -> str:
    """The text of `ids`; at the level of words an end mark is a new line."""
    if vocabulary.level != "words":
        return vocabulary.decode(ids)
    lines: list[list[int]] = [[]]
    for i in ids:
        lines.append([]) if i == vocabulary.end else lines[-1].append(i)
    return "\n".join(vocabulary.decode(line) for line in lines)
