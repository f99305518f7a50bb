"""A stream of text through a language model: the surprisal of the text, and the probabilities of the next token."""

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
    """The surprisal of a token, -log p.

    token      the token
    position   its position in the text, from 1
    nats       its surprisal in nats
    rank       its rank among all tokens by probability, from 1
    """

    token: str
    position: int
    nats: float
    rank: int


@final
class LanguageSession(Session):
    """A text that is pushed in pieces.

    network      maps tokens (B, T) and a state to logits (B, T, V) and the new state
    vocabulary   vocabulary of the tokens
    text_start   tokens that the network reads before the text begins
    per_token    whether the result contains the surprisal of each token
    logits       logits of the next token, (V,)
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
        """Read the next piece of the text."""
        self.read(self.tokenizer.push(piece))

    def flush(self) -> None:
        """Read the text that is still buffered, as if the text ended here: an incomplete word counts as a word."""
        self.read(self.tokenizer.flush())

    def read(self, ids: list[int]) -> None:
        """Continue the text with tokens."""
        if ids:
            self._advance(ids, self.logits)

    def _advance(self, ids: list[int], logits: Tensor | None) -> None:
        """Run the network over `ids`. With `logits`, those of the first token, their surprisal is added to the result."""
        with torch.inference_mode():
            for begin in range(0, len(ids), CHUNK_STEPS):
                chunk = torch.tensor([ids[begin : begin + CHUNK_STEPS]], device=device_of(self.network))
                output, self.state = self.network(chunk, self.state)
                output = output[0].float().cpu()
                if logits is not None:
                    self._count(torch.cat([logits[None], output[:-1]]), chunk[0].cpu())
                logits = self.logits = output[-1]

    def _count(self, logits: Tensor, targets: Tensor) -> None:
        """Add the surprisal of the tokens `targets` (N,), which were predicted with `logits` (N, V)."""
        nats = F.cross_entropy(logits, targets, reduction="none")

        def surprisal(n: int) -> Surprisal:
            token, more_probable = int(targets[n]), logits[n] > logits[n, targets[n]]
            position, rank = self.tokens + n + 1, 1 + int(more_probable.sum())
            return Surprisal(self.vocabulary.tokens[token], position, round(float(nats[n]), 6), rank)

        largest = int(nats.argmax())
        if self.max_surprisal is None or round(float(nats[largest]), 6) > self.max_surprisal.nats:
            self.max_surprisal = surprisal(largest)
        if self.per_token is not None:
            self.per_token += tuple(surprisal(n) for n in range(len(targets)))
        self.nats += float(nats.sum())
        self.tokens += len(targets)

    def result(self) -> dict[str, Any]:
        """Return the surprisal of the text so far and the probabilities of the next token.

        The result contains the number of `tokens`, their total surprisal in `nats`, the `perplexity`, the token with the
        largest surprisal (`max_surprisal`), the five most probable next tokens (`next`) and, with `per_token`, a list of the
        surprisal of each token.
        """
        ended = copy.copy(self)  # the copy reads an incomplete word, and this session can still extend it
        ended.tokenizer = self.tokenizer.copy()
        ended.flush()
        return ended._result()

    def _result(self) -> dict[str, Any]:
        probabilities = self.logits.softmax(0)
        top = probabilities.topk(min(5, len(probabilities)))
        next_tokens = {
            self.vocabulary.tokens[i]: round(p, 6)
            for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True)
        }
        mean = self.nats / max(self.tokens, 1)
        result = {
            "tokens": self.tokens,
            "nats": round(self.nats, 6),
            "perplexity": round(math.exp(min(mean, 700)), 6),
            "max_surprisal": self.max_surprisal and self.max_surprisal._asdict(),
            "next": next_tokens,
        }
        if self.per_token is None:
            return result
        return result | {"per_token": [surprisal._asdict() for surprisal in self.per_token]}
