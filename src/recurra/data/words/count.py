"""One streaming pass over texts to the tokens of a vocabulary, in memory that does not grow with the text."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from recurra.data.words.pretokenize import clean, piece_cutter, word_cutter, word_normalizer
from recurra.errors import SettingError

Merges = list[tuple[str, str]]

MOST_COUNTED = 300_000  # entries of the counter before the rare ones are dropped
SAMPLE = 20_000_000  # characters that subwords are learnt from
_PIECE = 1 << 14  # characters


class LossyCounter:
    """Counts of tokens, at most `limit` of them: when there are more, the rarest are dropped until half are left.

    A token's count is short by at most `missed` (Manku and Motwani 2002, lossy counting), so only rare ones suffer.
    """

    def __init__(self, limit: int = MOST_COUNTED) -> None:
        self.limit, self.missed, self.dropped = limit, 0, 0
        self.counts: Counter[str] = Counter()

    def add(self, tokens: Iterable[str]) -> None:
        self.counts.update(tokens)
        if len(self.counts) > self.limit:
            self._prune()

    def _prune(self) -> None:
        by_count = Counter(self.counts.values())
        left, least = len(self.counts), 0
        while left > self.limit // 2:
            least = min(count for count in by_count if count > least)
            left -= by_count[least]
        self.dropped += len(self.counts) - left
        self.missed += least
        self.counts = Counter({token: count for token, count in self.counts.items() if count > least})

    def notes(self) -> list[str]:
        if not self.dropped:
            return []
        return [f"rare tokens were dropped while counting ({self.dropped:,}); a count may be {self.missed:,} short"]

    def kept(self, size: int | None, min_count: int) -> list[str]:
        """The tokens by falling count, then by themselves."""
        ranked = sorted((-count, token) for token, count in self.counts.items() if count >= min_count)
        return [token for _, token in ranked[:size]]


def count_characters(texts: Iterable[str]) -> LossyCounter:
    counter = LossyCounter()
    for text in texts:
        for piece in _pieces(clean(text)):
            counter.add(piece)
    return counter


def count_words(texts: Iterable[str], lowercase: bool, cut: Callable[[str], list[str]] | None = None) -> LossyCounter:
    """`cut` gives the words where our own patterns are not to."""
    counter = LossyCounter()
    normalizer, tokenizer = word_normalizer(lowercase), word_cutter()
    for text in texts:
        if cut is not None:
            counter.add([normalizer.normalize_str(word) for word in cut(text)])
            continue
        counter.add([word for word, _ in tokenizer.pre_tokenize_str(normalizer.normalize_str(clean(text)))])
    return counter


def learn_subwords(texts: Iterable[str], size: int, min_count: int) -> tuple[dict[str, int], Merges, list[str]]:
    """Byte-level BPE (Sennrich et al. 2016, arXiv:1508.07909): token -> id from 0, the merges in order, notes."""
    if size < 256:
        raise SettingError(f"a subword vocabulary needs at least 259 entries (256 bytes and 3 marks), not {size + 3}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = piece_cutter()
    sample, share = _sample(texts)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=max(2, min_count),
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[],  # the library would look for them in every text
    )
    tokenizer.train_from_iterator(sample, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    notes = [] if share == 1 else [f"subwords were learnt from a sample, about 1/{round(1 / share)} of the text"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]], notes


def _sample(texts: Iterable[str]) -> tuple[list[str], float]:
    """Pieces of the texts, each kept with the same chance, and that chance; at most SAMPLE characters, seed fixed."""
    random_state = random.Random(0)
    kept: list[str] = []
    size, share = 0, 1.0
    for text in texts:
        for piece in _pieces(clean(text)):
            if share < 1 and random_state.random() >= share:
                continue
            kept.append(piece)
            size += len(piece)
            while size > SAMPLE:
                kept = [old for old in kept if random_state.random() < 0.5]
                size, share = sum(map(len, kept)), share / 2
    return kept, share


def _pieces(text: str) -> Iterator[str]:
    if len(text) <= _PIECE:
        yield text
    else:
        yield from (text[at : at + _PIECE] for at in range(0, len(text), _PIECE))
