"""A stream of text through a language model: how unlikely the text was, and which tokens are likely to follow."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...data.words.vocabulary import Vocabulary
from ...nn import State
from ..base import Session, device_of
from .model import CHUNK_STEPS
from .tokenizer import TextTokenizer


class Surprisal(NamedTuple):
    """How unexpected a token was: its place in the text from 1, its surprisal in nats, and its rank among all from 1."""

    token: str
    place: int
    nats: float
    rank: int


@final
class LanguageSession(Session):
    """Text pushed in pieces. With `per_token` the surprisal of each token is kept.

    network      tokens (B, T) and a state -> logits (B, T, V) and the state
    text_start   the tokens that the network reads before the text begins
    logits       those of the next token, (V,)
    """

    logits: Tensor

    def __init__(
        self, network: nn.Module, vocabulary: Vocabulary, text_start: Iterable[int], *, per_token: bool = False
    ) -> None:
        self.network, self.vocabulary, self.tokenizer = network, vocabulary, TextTokenizer(vocabulary)
        self.state: State | None = None
        self.nats, self.tokens = 0.0, 0
        self.max_surprisal: Surprisal | None = None
        self.per_token: tuple[Surprisal, ...] | None = () if per_token else None
        self._advance(list(text_start), None)

    def push(self, piece: str) -> None:
        self.read(self.tokenizer.push(piece))

    def flush(self) -> None:
        """Read the text that is held back, as if the text ended here: a word that could still grow is a word."""
        self.read(self.tokenizer.flush())

    def read(self, ids: list[int]) -> None:
        """Continue the text by tokens."""
        if ids:
            self._advance(ids, self.logits)

    def _advance(self, ids: list[int], logits: Tensor | None) -> None:
        """Run the network over `ids`. With the `logits` of the first of them, they count as text."""
        with torch.inference_mode():
            for at in range(0, len(ids), CHUNK_STEPS):
                chunk = torch.tensor([ids[at : at + CHUNK_STEPS]], device=device_of(self.network))
                output, self.state = self.network(chunk, self.state)
                output = output[0].float().cpu()
                if logits is not None:
                    self._count(torch.cat([logits[None], output[:-1]]), chunk[0].cpu())
                logits = self.logits = output[-1]

    def _count(self, logits: Tensor, targets: Tensor) -> None:
        """Add the surprisal of the tokens `targets` (N,), whose logits were (N, V)."""
        nats = F.cross_entropy(logits, targets, reduction="none")

        def surprisal(n: int) -> Surprisal:
            token, likelier = int(targets[n]), logits[n] > logits[n, targets[n]]
            place = self.tokens + n + 1
            return Surprisal(self.vocabulary.tokens[token], place, round(float(nats[n]), 6), 1 + int(likelier.sum()))

        worst = int(nats.argmax())
        if self.max_surprisal is None or round(float(nats[worst]), 6) > self.max_surprisal.nats:
            self.max_surprisal = surprisal(worst)
        if self.per_token is not None:
            self.per_token += tuple(surprisal(n) for n in range(len(targets)))
        self.nats += float(nats.sum())
        self.tokens += len(targets)

    def result(self) -> dict[str, Any]:
        ended = copy.copy(self)  # here a word that may still grow stays as it is
        ended.tokenizer = self.tokenizer.copy()
        ended.flush()
        return ended._result()

    def _result(self) -> dict[str, Any]:
        probabilities = self.logits.softmax(0)
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
            "strangest": self.max_surprisal and self.max_surprisal._asdict(),
            "next": likely,
        }
        return found if self.per_token is None else found | {"each": [one._asdict() for one in self.per_token]}
