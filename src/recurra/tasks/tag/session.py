"""A stream of text or of tokens, each tagged as soon as no later piece can change its tag."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor

from ...data.words.pretokenize import cut, word_cut
from ...errors import CallError
from ...fields.token_features import Feature
from ...fields.words import Words
from ..base import Session, device_of
from .model import States, TaggerNetwork
from .row import TokenRow
from .scores import best_tags


@final
class TagSession(Session):
    """Text in pieces cut anywhere, or lists of tokens; `result` is that of all that was pushed, as one row.

    network    the trained network
    token_row  the row of an example
    decode     the JSON of a row, the ids of its tags, and the probabilities of the intents or None
    """

    def __init__(
        self,
        network: TaggerNetwork,
        words: Words,
        features: Sequence[Feature],
        token_row: Callable[[Any], TokenRow],
        decode: Callable[[TokenRow, Sequence[int], Tensor | None], dict[str, Any]],
    ) -> None:
        self.network, self.words, self.features = network, words, features
        self.token_row, self.decode = token_row, decode
        self.of_text: bool | None = None  # or of lists: the first piece decides
        self.tokens: list[str] = []
        self.offsets: list[tuple[int, int]] = []
        self.path: list[int] = []
        self.text = ""
        self.pending = ""  # the end of the text, whose last token may still grow
        self.intent: Tensor | None = None
        self.states: States | None = None

    def push(self, piece: Any) -> None:
        row = None if isinstance(piece, str) and not self.features else self.token_row(piece)
        if row is not None and row.text is not None:  # an object that holds text
            piece, row = row.text, None
        if self.of_text is (row is not None):
            kinds = ("text", "lists of tokens") if self.of_text else ("lists of tokens", "text")
            raise CallError(f"this stream began with {kinds[0]}; begin another one for {kinds[1]}")
        self.of_text = row is None
        if row is None:
            self._push_text(piece)
        else:
            self._run(row.tokens, row.features)

    def result(self) -> dict[str, Any]:
        saved = self.states, self.intent, len(self.tokens), self.pending  # pending text is taken for this result only
        self._run_text(self.pending, len(self.text) - len(self.pending))
        text = None if self.of_text is False else self.text
        offsets = None if text is None else list(self.offsets)
        result = self.decode(TokenRow(list(self.tokens), offsets, text, []), self.path, self.intent)
        self.states, self.intent, count, self.pending = saved
        del self.tokens[count:], self.offsets[count:], self.path[count:]
        return result

    def _push_text(self, piece: str) -> None:
        searched = len(self.pending)
        self.text += piece
        self.pending += piece
        at = len(self.pending) if self.words.tokenization == "characters" else word_cut(self.pending, searched)
        begin = len(self.text) - len(self.pending)
        complete, self.pending = self.pending[:at], self.pending[at:]
        self._run_text(complete, begin)

    def _run_text(self, text: str, begin: int) -> None:
        """Run the network over text that is complete; it begins at character `begin` of the whole."""
        tokens, offsets = cut(text, self.words.tokenization)
        self.offsets += [(begin + first, begin + end) for first, end in offsets]
        self._run(tokens, [])

    def _run(self, tokens: list[str], feature_values: Sequence[Any]) -> None:
        """Run the network over the next tokens."""
        if not tokens:
            return
        arrays = [self.words.encode_tokens(tokens, self.tokens[-2:])]
        arrays += [field.encode_tokens(value) for field, value in zip(self.features, feature_values, strict=True)]
        x, *features = (torch.from_numpy(array)[None].to(device_of(self.network)) for array in arrays)
        with torch.inference_mode():
            scores, self.states = self.network.push(x, None, features, self.states)
        self.tokens += tokens
        self.path += best_tags(scores)[0].tolist()
        self.intent = None if scores.intent is None else scores.intent[0].float().softmax(0).cpu()
