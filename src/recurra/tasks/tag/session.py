"""A stream of text or of tokens, each tagged as soon as no later piece can change its tag."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor

from ...data.words.pretokenize import cut, last_word_boundary
from ...errors import CallError
from ...fields.token_features import TokenFeature
from ...fields.words import Words
from ..base import Session, device_of
from .model import States, TaggerNetwork
from .token_sequence import TokenSequence
from .scores import best_tags


@final
class TagSession(Session):
    """Text in pieces cut anywhere, or lists of tokens; `result` is that of all that was pushed, as one row.

    network    the trained network
    token_sequence  the row of an example
    decode     the JSON of a row, the ids of its tags, and the probabilities of the sentence_labels or None
    """

    def __init__(
        self,
        network: TaggerNetwork,
        words: Words,
        features: Sequence[TokenFeature],
        token_sequence: Callable[[Any], TokenSequence],
        decode: Callable[[TokenSequence, Sequence[int], Tensor | None], dict[str, Any]],
    ) -> None:
        self.network, self.words, self.features = network, words, features
        self.token_sequence, self.decode = token_sequence, decode
        self.of_text: bool | None = None  # or of lists: the first piece decides
        self.tokens: list[str] = []
        self.offsets: list[tuple[int, int]] = []
        self.path: list[int] = []
        self.text = ""
        self.pending = ""  # the end of the text, whose last token may still grow
        self.sentence_label: Tensor | None = None
        self.states: States | None = None

    def push(self, piece: Any) -> None:
        row = None if isinstance(piece, str) and not self.features else self.token_sequence(piece)
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
        saved = self.states, self.sentence_label, len(self.tokens), self.pending  # pending text is taken for this result only
        self._run_text(self.pending, len(self.text) - len(self.pending))
        text = None if self.of_text is False else self.text
        offsets = None if text is None else list(self.offsets)
        result = self.decode(TokenSequence(list(self.tokens), offsets, text, []), self.path, self.sentence_label)
        self.states, self.sentence_label, count, self.pending = saved
        del self.tokens[count:], self.offsets[count:], self.path[count:]
        return result

    def _push_text(self, piece: str) -> None:
        searched = len(self.pending)
        self.text += piece
        self.pending += piece
        at = len(self.pending) if self.words.tokenization == "characters" else last_word_boundary(self.pending, searched)
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
        self.sentence_label = None if scores.sentence_label is None else scores.sentence_label[0].float().softmax(0).cpu()
