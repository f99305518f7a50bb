"""Counting of tokens and learning of subwords in one streaming pass, with memory that does not grow with the text."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from recurra.data.store.store import Flat
from recurra.data.words.pretokenize import clean, subword_pretokenizer, word_normalizer
from recurra.data.words.tokenizers import WordTokenizer
from recurra.data.words.word_numbers import WordSplitter
from recurra.errors import SettingError

Merges = list[tuple[str, str]]

MAX_COUNTED = 300_000  # entries of the counter before the rare ones are dropped
SAMPLE = 20_000_000  # characters from which subwords are learnt
_CHUNK = 1 << 14  # characters
_BATCH, _BATCH_CHARACTERS = 1024, 1 << 20  # texts, and characters, whose words are counted at once


class LossyCounter:
    """Counts of at most `limit` different tokens (lossy counting, Manku and Motwani 2002).

    When there are more, the rarest tokens are dropped until half of the limit is left. A count is too small by at most
    `max_undercount`, so that only rare tokens are affected. `dropped` is the number of entries that were dropped.
    """

    def __init__(self, limit: int = MAX_COUNTED) -> None:
        self.limit, self.max_undercount, self.dropped = limit, 0, 0
        self.counts: Counter[str] = Counter()

    def add(self, tokens: Iterable[str]) -> None:
        """Count tokens."""
        self.counts.update(tokens)
        if len(self.counts) > self.limit:
            self._prune()

    def add_counts(self, counts: Mapping[str, int], texts: Iterable[Iterable[str]]) -> None:
        """Add the tokens of several texts at once: `counts` of all, or `texts` one by one if tokens have to be dropped."""
        if len(self.counts) + sum(token not in self.counts for token in counts) <= self.limit:
            self.counts.update(counts)
            return
        for tokens in texts:
            self.add(tokens)

    def _prune(self) -> None:
        by_count = Counter(self.counts.values())
        left, least = len(self.counts), 0
        while left > self.limit // 2:
            least = min(count for count in by_count if count > least)
            left -= by_count[least]
        self.dropped += len(self.counts) - left
        self.max_undercount += least
        self.counts = Counter({token: count for token, count in self.counts.items() if count > least})

    def notes(self) -> list[str]:
        """A line for the user when tokens were dropped, else nothing."""
        if not self.dropped:
            return []
        return [
            f"{self.dropped:,} rare tokens were dropped while counting; a count may be too small by {self.max_undercount:,}"
        ]

    def most_frequent(self, size: int | None, min_count: int) -> list[str]:
        """At most `size` tokens that occur at least `min_count` times, by descending count and then alphabetically."""
        ranked = sorted((-count, token) for token, count in self.counts.items() if count >= min_count)
        return [token for _, token in ranked[:size]]


def count_characters(texts: Iterable[str]) -> LossyCounter:
    """Count the characters of texts."""
    counter = LossyCounter()
    for text in texts:
        for chunk in _chunks(clean(text)):
            counter.add(chunk)
    return counter


def count_words(
    texts: Iterable[str],
    lowercase: bool,
    tokenizer: WordTokenizer | None = None,
    keep: Callable[[Flat], None] = lambda numbers: None,
) -> tuple[LossyCounter, Sequence[int]]:
    """Count the words of texts.

    Args:
        texts: The texts.
        lowercase: Whether words are converted to lower case.
        tokenizer: Replaces the built-in patterns; its unknown words are not counted.
        keep: Called with the numbers of the words of texts, in order, for the built-in patterns.

    Returns:
        The counts, and the hash of the word of each number.
    """
    counter = LossyCounter()
    if tokenizer is not None:
        normalizer = word_normalizer(lowercase)
        for text in texts:
            found = tokenizer(text)
            counter.add(found if tokenizer.is_exact else [normalizer.normalize_str(word) for word in found])
        for word in tokenizer.unknown_words:
            counter.counts.pop(word, None)
        return counter, ()
    splitter = WordSplitter(lowercase)
    for _, numbers in splitter.number(_batches(map(clean, texts))):
        flat = Flat.of(numbers, np.int32)
        keep(flat)
        words, dropped = splitter.words, counter.dropped
        distinct, counts = np.unique(flat.values, return_counts=True)
        by_word = {words[number]: count for number, count in zip(distinct.tolist(), counts.tolist(), strict=True)}
        counter.add_counts(by_word, ([words[number] for number in text] for text in numbers))
        if counter.dropped != dropped:
            splitter.forget(counter.counts)
        splitter.learn()
    return counter, splitter.hashes


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if len(batch) == _BATCH or size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def learn_subwords(texts: Iterable[str], size: int, min_count: int) -> tuple[dict[str, int], Merges, list[str]]:
    """Learn byte-level BPE (Sennrich et al. 2016, arXiv:1508.07909).

    Returns the id of each token, from 0; the merges in order; and notes for the user.
    """
    if size < 256:
        raise SettingError(
            f"a subword vocabulary needs at least 259 entries (256 bytes and 3 special tokens), not {size + 3}"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = subword_pretokenizer()
    sample, fraction = _sample(texts)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=max(2, min_count),
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[],  # the library would look for them in every text
    )
    tokenizer.train_from_iterator(sample, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    notes = (
        [] if fraction == 1 else [f"subwords were learnt from a sample of about 1/{round(1 / fraction)} of the text"]
    )
    return model["vocab"], [tuple(pair) for pair in model["merges"]], notes


def _sample(texts: Iterable[str]) -> tuple[list[str], float]:
    """A uniform sample of the chunks of texts, of at most SAMPLE characters, and its fraction; the seed is fixed."""
    random_state = random.Random(0)
    sample: list[str] = []
    size, fraction = 0, 1.0
    for text in texts:
        for chunk in _chunks(clean(text)):
            if fraction < 1 and random_state.random() >= fraction:
                continue
            sample.append(chunk)
            size += len(chunk)
            while size > SAMPLE:
                sample = [old for old in sample if random_state.random() < 0.5]
                size, fraction = sum(map(len, sample)), fraction / 2
    return sample, fraction


def _chunks(text: str) -> Iterator[str]:
    if len(text) <= _CHUNK:
        yield text
    else:
        yield from (text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK))
