"""Words that are split, counted and numbered in batches by several workers: the same as splitting each text alone."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data.words import count, word_numbers
from recurra.data.words.count import LossyCounter, count_words
from recurra.data.words.pretokenize import clean, split_ascii, word_normalizer, word_pretokenizer
from recurra.data.words.vocabulary import build
from recurra.data.words.word_numbers import WordNumbers, WordSplitter

OTHERS = ["café", "naïve", "很好看", "e\u0301t", "İstanbul", "ẞ", "“so”", "ﬁn", "\u3000", "ไทย", "\u0301x", "🙂"]


def plain_split(text: str, lowercase: bool) -> list[str]:
    normalized = word_normalizer(lowercase).normalize_str(text)
    return [word for word, _ in word_pretokenizer().pre_tokenize_str(normalized)]


def plain_count(texts: list[str], lowercase: bool, counter: LossyCounter) -> LossyCounter:
    for text in texts:
        counter.add(plain_split(clean(text), lowercase))
    return counter


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(max_codepoint=127)), st.booleans())
def test_python_patterns_split_ascii_as_the_library(text: str, lowercase: bool) -> None:
    assert split_ascii(text, lowercase) == plain_split(text, lowercase)


def test_every_pair_of_ascii_characters_is_split_as_by_the_library() -> None:
    for first in map(chr, range(128)):
        text = "".join(f"a{first}{second}b1{first}{first}{second} " for second in map(chr, range(128)))
        assert split_ascii(text, True) == plain_split(text, True)


def random_texts(seed: int, many: int, distinct: int) -> list[str]:
    draw = random.Random(seed)
    words = (
        [f"{draw.choice(['w', 'Ab', 'don’t', 'é'])}{at}" for at in range(distinct)] + OTHERS + ["</b", "!!", "\ud800"]
    )
    return [" ".join(draw.choices(words, k=draw.randint(0, 12))) for _ in range(many)]


@pytest.fixture(params=["one core", "library", "python", "in turns"])
def workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets each worker, or both in turns, split the batches, which are small."""
    monkeypatch.setattr(count, "_BATCH", 8)
    monkeypatch.setattr(word_numbers, "available_cores", lambda: 1 if request.param == "one core" else 2)
    if request.param == "library":
        monkeypatch.setattr(word_numbers, "_WAITING", 0)
    elif request.param == "in turns":
        encode = word_numbers._encode

        def slowly(*arguments: object) -> list[list[int]]:
            time.sleep(0.001)  # the next batches are split by Python
            return encode(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(word_numbers, "_encode", slowly)
    elif request.param == "python":
        monkeypatch.setattr(WordSplitter, "learn", lambda self: None)


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("limit", [10**6, 60])  # without and with rare words that are dropped while they are counted
@pytest.mark.parametrize("lowercase", [True, False])
def test_counts_and_ids_are_those_of_each_text_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, lowercase: bool
) -> None:
    make: Callable[[], LossyCounter] = lambda: LossyCounter(limit)  # noqa: E731
    monkeypatch.setattr(count, "LossyCounter", make)
    for seed in range(3):
        texts = random_texts(seed, 400, 150)
        expected = plain_count(texts, lowercase, LossyCounter(limit))
        found, _ = count_words(iter(texts), lowercase)
        assert found.counts == expected.counts
        assert (found.dropped, found.max_undercount) == (expected.dropped, expected.max_undercount)
        assert bool(found.dropped) == (limit == 60)
        numbers = WordNumbers(tmp_path / f"{seed} {lowercase}")
        vocabulary = build(iter(texts), "words", size=40, lowercase=lowercase, numbers=numbers)
        assert vocabulary.tokens[3:] == expected.most_frequent(37, 1)
        for begin, end in ((0, 400), (0, 1), (17, 17), (399, 400), (100, 333)):
            ids, alone = numbers.encode(begin, end), vocabulary.encode_batch(texts[begin:end])
            assert [one.tolist() for one in ids] == [one.tolist() for one in alone]


def test_an_error_of_the_texts_is_raised() -> None:
    def texts() -> object:
        yield from ["a b"] * 5000
        raise ValueError("row 5001")

    with pytest.raises(ValueError, match="row 5001"):
        count_words(texts(), True)  # type: ignore[arg-type]


def test_counts_of_many_texts_at_once() -> None:
    counter = LossyCounter(limit=3)
    counter.add_counts({"a": 2, "b": 1}, [["a", "b"], ["a"]])
    assert counter.counts == Counter(a=2, b=1) and not counter.dropped
    counter.add_counts({"c": 1, "d": 1, "a": 1}, [["c"], ["d", "a"]])  # the second text exceeds the limit
    assert counter.counts == Counter(a=3) and counter.dropped == 3
