"""A stream of text or tokens. Each token is tagged as soon as no later input can change its tag."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor

from ...data.words.pretokenize import last_token_boundary, tokenize
from ...errors import CallError
from ...fields.token_features import TokenFeature
from ...fields.words import Words
from ..base import Session, device_of
from .model import States, TaggerNetwork
from .scores import best_tags
from .token_sequence import TokenSequence


@final
class TagSession(Session):
    """A session over chunks of text, split at any character, or over lists of tokens.

    `result` returns the prediction for all chunks so far, as for one sequence.

    Args:
        network: The trained network.
        words: The field of the words.
        features: The fields of the token features.
        parse: Converts an example to a sequence.
        decode: Converts a sequence, the ids of its tags and the probabilities of the sentence labels (or None) to JSON.
        delay: The number of tokens after which the network gives the tag of a token.
    """

    def __init__(
        self,
        network: TaggerNetwork,
        words: Words,
        features: Sequence[TokenFeature],
        parse: Callable[[Any], TokenSequence],
        decode: Callable[[TokenSequence, Sequence[int], Tensor | None], dict[str, Any]],
        *,
        delay: int = 0,
    ) -> None:
        self.delay = self.dropped = delay  # outputs that are dropped, and those that are still to be dropped
        self.width: tuple[int, ...] = ()  # the shape of an encoded token
        self.network, self.words, self.features = network, words, features
        self.parse, self.decode = parse, decode
        self.is_text: bool | None = None  # whether chunks are text or lists of tokens; the first chunk decides
        self.tokens: list[str] = []
        self.offsets: list[tuple[int, int]] = []
        self.path: list[int] = []
        self.text = ""
        self.pending = ""  # the end of the text, whose last token may still change
        self.label_probabilities: Tensor | None = None
        self.states: States | None = None

    def push(self, piece: Any) -> None:
        """Process a chunk. Raises CallError if it is not valid or of another kind than the first one."""
        sequence = None if isinstance(piece, str) and not self.features else self.parse(piece)
        if sequence is not None and sequence.text is not None:  # an object that contains text
            piece, sequence = sequence.text, None
        if self.is_text is (sequence is not None):
            kinds = ("text", "lists of tokens") if self.is_text else ("lists of tokens", "text")
            raise CallError(f"this stream began with {kinds[0]}; open another stream for {kinds[1]}")
        self.is_text = sequence is None
        if sequence is None:
            self._push_text(piece)
        else:
            self._run(sequence.tokens, sequence.features)

    def result(self) -> dict[str, Any]:
        """The prediction for all chunks so far, as if the sequence ended here."""
        saved = self.states, self.label_probabilities, len(self.tokens), self.pending
        tags, dropped = len(self.path), self.dropped
        self._run_text(self.pending, len(self.text) - len(self.pending))  # undone below
        self._read_empty_tokens()
        text = None if self.is_text is False else self.text
        offsets = None if text is None else list(self.offsets)
        sequence = TokenSequence(list(self.tokens), offsets, text, [])
        result = self.decode(sequence, self.path, self.label_probabilities)
        self.states, self.label_probabilities, count, self.pending = saved
        del self.tokens[count:], self.offsets[count:], self.path[tags:]
        self.dropped = dropped
        return result

    def _push_text(self, chunk: str) -> None:
        searched = len(self.pending)
        self.text += chunk
        self.pending += chunk
        at = last_token_boundary(self.pending, searched, self.words.text_tokenization)
        begin = len(self.text) - len(self.pending)
        complete, self.pending = self.pending[:at], self.pending[at:]
        self._run_text(complete, begin)

    def _run_text(self, text: str, begin: int) -> None:
        """Run the network over complete tokens of the text, from character `begin`."""
        tokens, offsets = tokenize(text, self.words.text_tokenization)
        self.offsets += [(begin + first, begin + end) for first, end in offsets]
        self._run(tokens, [])

    def _run(self, tokens: list[str], feature_values: Sequence[Any]) -> None:
        """Run the network over the next tokens."""
        if not tokens:
            return
        arrays = [self.words.encode_tokens(tokens, self.tokens[-2:])]
        arrays += [field.encode_tokens(value) for field, value in zip(self.features, feature_values, strict=True)]
        self.width = arrays[0].shape[1:]
        self._advance([torch.from_numpy(array)[None] for array in arrays])
        self.tokens += tokens

    def _read_empty_tokens(self) -> None:
        """Read what follows the end, for the tags of the last tokens."""
        if self.delay and self.tokens:
            sizes = [(1, self.delay, *self.width), *[(1, self.delay)] * len(self.features)]
            self._advance([torch.zeros(size, dtype=torch.long) for size in sizes])

    def _advance(self, inputs: list[Tensor]) -> None:
        """Run the network over encoded tokens and features, and keep the tags that it gives."""
        x, *features = (value.to(device_of(self.network)) for value in inputs)
        with torch.inference_mode():
            scores, self.states = self.network.push(x, None, features, self.states)
        tags = best_tags(scores)[0].tolist()
        drop = min(self.dropped, len(tags))
        self.dropped -= drop
        self.path += tags[drop:]
        labels = scores.sentence_label
        self.label_probabilities = None if labels is None else labels[0].float().softmax(0).cpu()
