"""A stream of text or of tokens, each tagged as soon as nothing later can change it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...data.words.pretokenize import cut, word_cut
from ...errors import CallError
from ...fields.token_features import Feature
from ...fields.words import Words
from ..base import Session, device_of
from .model import best_tags
from .row import TokenRow


class TagSession(Session):
    """Text in pieces cut anywhere, or lists of tokens; `result` is that of all that was pushed, as one row.

    network    has `push(x, lengths, others, state)`
    tokens_of  an example to its TokenRow
    decode     (row, tags by number, probabilities of the intents or None) to JSON
    """

    def __init__(
        self,
        network: nn.Module,
        words: Words,
        beside: Sequence[Feature],
        tokens_of: Callable[[Any], TokenRow],
        decode: Callable[[TokenRow, Sequence[int], Tensor | None], dict[str, Any]],
    ) -> None:
        self.network, self.words, self.beside, self.tokens_of, self.decode = network, words, beside, tokens_of, decode
        self.of_text: bool | None = None  # or of lists; what came first decides
        self.tokens: list[str] = []
        self.offsets: list[tuple[int, int]] = []
        self.path: list[int] = []
        self.text = ""
        self.waiting = ""  # the end of the text, whose last token may still grow
        self.intent: Tensor | None = None
        self.state: Any = None

    def push(self, piece: Any) -> None:
        row = None if isinstance(piece, str) and not self.beside else self.tokens_of(piece)
        if row is not None and row.text is not None:  # an object that holds text
            piece, row = row.text, None
        if self.of_text is (row is not None):
            kinds = ("text", "lists of tokens") if self.of_text else ("lists of tokens", "text")
            raise CallError(f"this stream began with {kinds[0]}; begin another one for {kinds[1]}")
        self.of_text = row is None
        if row is not None:
            self._read(row.tokens, row.beside)
            return
        looked = len(self.waiting)
        self.text += piece
        self.waiting += piece
        at = len(self.waiting) if self.words.level == "characters" else word_cut(self.waiting, looked)
        begin = len(self.text) - len(self.waiting)
        ready, self.waiting = self.waiting[:at], self.waiting[at:]
        self._cut(ready, begin)

    def result(self) -> dict[str, Any]:
        kept = self.state, self.intent, len(self.tokens), self.waiting  # what waits counts as it stands, and waits on
        self._cut(self.waiting, len(self.text) - len(self.waiting))
        text = None if self.of_text is False else self.text
        found = self.decode(
            TokenRow(list(self.tokens), None if text is None else list(self.offsets), text, []), self.path, self.intent
        )
        self.state, self.intent, count, self.waiting = kept
        del self.tokens[count:], self.offsets[count:], self.path[count:]
        return found

    def _cut(self, text: str, begin: int) -> None:
        """Take text as whole; it begins at character `begin` of all."""
        assert self.words.level is not None
        tokens, offsets = cut(text, self.words.level)
        self.offsets += [(begin + first, begin + end) for first, end in offsets]
        self._read(tokens, [])

    def _read(self, tokens: list[str], beside: Sequence[Any]) -> None:
        """Run the network over the next tokens."""
        if not tokens:
            return
        arrays = [self.words.numbers(tokens, self.tokens[-2:])]
        arrays += [field.encode([values])[0] for field, values in zip(self.beside, beside, strict=True)]
        x, *others = (torch.from_numpy(array)[None].to(device_of(self.network)) for array in arrays)
        with torch.inference_mode():
            scores, self.state = self.network.push(x, None, others, self.state)  # type: ignore[operator]
        self.tokens += tokens
        self.path += best_tags(scores)[0].tolist()
        self.intent = None if scores.intent is None else scores.intent[0].float().softmax(0).cpu()
