"""Vocabularies: tokenization, ids, round trips, bounded counting, and streams."""

from __future__ import annotations

import json
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recurra.data.words import count
from recurra.data.words.vocabulary import Tokenization, Vocabulary, build
from recurra.errors import RunError, SettingError

TOKENIZATIONS: tuple[Tokenization, ...] = get_args(Tokenization)
TEXTS = [
    "I don't like it at all.<br /><br />He did NOT either!!! It's 3.5 of 10...",
    "他说：“这部电影很好看，我们都喜欢。” 第二行",
    "Café naïve, déjà vu — crème brûlée; e\u0301 and a\u0300\n\nnew\tline",
    "한국어 문장 그리고 日本語のテキスト、カタカナ。ภาษาไทย 😀👍🏽",
]


def _words(text: str, **options: bool) -> list[str]:
    vocabulary = build([text], "words", **options)
    return [vocabulary.tokens[i] for i in vocabulary.encode(text)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I don't know.", ["i", "don't", "know", "."]),
        ("the ‘ rock ’n’ roll", ["the", "‘", "rock", "’", "n", "’", "roll"]),
        ("bad!!! so... ,,", ["bad", "!!!", "so", "...", ",,"]),
        ("well!!!!", ["well", "!!!", "!"]),
        ("film.<br /><br/></b>x", ["film", ".", "<br", "/>", "<br", "/>", "</b", ">", "x"]),
        ("a < b > 3", ["a", "<", "b", ">", "3"]),
        ("我喜欢LSTM，真的", ["我", "喜", "欢", "lstm", "，", "真", "的"]),
        ("𠮷野家", ["𠮷", "野", "家"]),
        ("かな 한국어", ["か", "な", "한국어"]),
        ("cafe\u0301 ΑΣ", ["caf\u00e9", "ασ"]),
        ("", []),
        (" \n\t\u3000", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert _words(text) == words


def test_case_is_preserved_without_lowercase() -> None:
    assert _words("The the", lowercase=False) == ["The", "the"]
    assert _words("The the") == ["the", "the"]


def test_tokens_are_sorted_by_count_and_then_alphabetically() -> None:
    vocabulary = build(["b a c c a d", "c b"], "words")
    assert vocabulary.tokens == ["<pad>", "<unknown>", "<end>", "c", "a", "b", "d"]
    assert (vocabulary.pad, vocabulary.unknown, vocabulary.end, len(vocabulary)) == (0, 1, 2, 7)
    assert build(["b a c c a d", "c b"], "words", size=5).tokens[3:] == ["c", "a"]
    assert build(["b a c c a d", "c b"], "words", min_count=2).tokens[3:] == ["c", "a", "b"]


@pytest.mark.parametrize("tokenization", TOKENIZATIONS)
def test_ids(tokenization: Tokenization) -> None:
    vocabulary = build(TEXTS, tokenization, size=600)
    single = [vocabulary.encode(text) for text in TEXTS]
    assert all(ids.dtype == np.int32 and ids.ndim == 1 for ids in single)
    for one, of_batch in zip(single, vocabulary.encode_batch(iter(TEXTS)), strict=True):
        np.testing.assert_array_equal(one, of_batch)
    assert min(ids.min() for ids in single) > vocabulary.end
    assert max(ids.max() for ids in single) < len(vocabulary)
    assert vocabulary.encode("").shape == (0,)


@pytest.mark.parametrize("tokenization", ["characters", "words"])
def test_unknown(tokenization: Tokenization) -> None:
    vocabulary = build(["ab ab cd"], tokenization)
    assert vocabulary.encode("Ж").tolist() == [vocabulary.unknown]
    assert vocabulary.decode([vocabulary.unknown, vocabulary.pad, vocabulary.end]) == "\ufffd"


@pytest.mark.parametrize("tokenization", TOKENIZATIONS)
def test_text_cannot_contain_special_tokens(tokenization: Tokenization) -> None:
    special = "<pad> <unknown> <end> <pad><end> "
    vocabulary = build([special * 50, "plain text"], tokenization)
    assert not set(vocabulary.encode(special).tolist()) & {0, 1, 2}


@pytest.mark.parametrize("tokenization", ["characters", "subwords"])
@given(text=st.text())
@settings(deadline=None)
def test_round_trip(tokenization: Tokenization, text: str) -> None:
    vocabulary = _BUILT[tokenization] if tokenization == "subwords" else build([text], tokenization)
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_words_are_joined_with_the_usual_spaces() -> None:
    vocabulary = build(TEXTS, "words", lowercase=False)
    for text in ("I like it. He did NOT!!!", "他说：“这部电影很好看，我们都喜欢。”"):
        assert vocabulary.decode(vocabulary.encode(text)) == text


def test_lone_surrogates_are_encoded() -> None:
    for tokenization in TOKENIZATIONS:
        vocabulary = _BUILT[tokenization]
        assert len(vocabulary.encode("a\ud83d b"))
        stream = vocabulary.stream()
        assert [*stream.push("a\ud83d"), *stream.push(" b"), *stream.flush()] == vocabulary.encode("a\ud83d b").tolist()


@pytest.mark.parametrize("tokenization", TOKENIZATIONS)
def test_a_saved_vocabulary_can_be_loaded(tmp_path: Path, tokenization: Tokenization) -> None:
    vocabulary = build(TEXTS, tokenization, size=500, lowercase=tokenization != "words")
    vocabulary.save(tmp_path / "vocabulary", "text")
    loaded = Vocabulary.load(tmp_path / "vocabulary", "text")
    assert (loaded.tokenization, loaded.tokens, loaded.lowercase) == (
        tokenization,
        vocabulary.tokens,
        vocabulary.lowercase,
    )
    for text in [*TEXTS, "Ж unseen ÆØ"]:
        np.testing.assert_array_equal(loaded.encode(text), vocabulary.encode(text))


def test_a_vocabulary_that_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"text\.json does not exist"):
        Vocabulary.load(tmp_path, "text")
    build(TEXTS, "subwords").save(tmp_path, "text")
    path = tmp_path / "text.json"
    record = json.loads(path.read_text())
    damaged = [
        {"tokens": record["tokens"][5:]},
        {"tokens": [*record["tokens"], "a"]},
        {"tokens": 3},
        {"tokenization": "wrods"},
    ]
    for change in damaged:
        path.write_text(json.dumps(record | change))
        with pytest.raises(RunError, match="the vocabulary is damaged"):
            Vocabulary.load(tmp_path, "text")
    path.write_text(path.read_text()[:-20])
    with pytest.raises(RunError, match="the vocabulary is damaged"):
        Vocabulary.load(tmp_path, "text")
    path.write_text(json.dumps(record | {"format": 99}))
    with pytest.raises(RunError, match="format 99 is newer than this version of recurra reads"):
        Vocabulary.load(tmp_path, "text")


def test_invalid_arguments() -> None:
    with pytest.raises(
        SettingError, match="unknown tokenization 'letters'; expected one of characters, words, subwords"
    ):
        build([], "letters")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="more than 3 entries, not 3"):
        build([], "words", size=3)
    with pytest.raises(SettingError, match=r"at least 259 entries .* not 258"):
        build([], "subwords", size=258)


def test_counting_is_bounded_and_preserves_frequent_tokens() -> None:
    counter = count.LossyCounter(limit=1000)
    for at in range(5000):
        counter.add([f"rare{at}", "often", "often", f"some{at % 50}"])
        assert len(counter.counts) <= 1000
    frequent = counter.most_frequent(None, 1)
    assert frequent[0] == "often"
    assert {f"some{at}" for at in range(50)} <= set(frequent)
    assert 10_000 - counter.max_undercount <= counter.counts["often"] <= 10_000
    assert "dropped" in counter.notes()[0]
    assert count.LossyCounter().notes() == []


def test_dropped_tokens_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    counter = count.LossyCounter
    monkeypatch.setattr(count, "LossyCounter", lambda: counter(limit=200))
    vocabulary = build((f"the word{at}x" for at in range(1000)), "words")
    assert len(vocabulary) <= 203
    assert vocabulary.tokens[3] == "the"
    assert "rare tokens were dropped" in vocabulary.notes[0]


def test_subwords_are_learnt_from_a_bounded_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count, "SAMPLE", 10_000)
    texts = [f"sentence number {at} of a long text " * 5 for at in range(500)]
    first, second = build(texts, "subwords", size=300), build(texts, "subwords", size=300)
    assert first.tokens == second.tokens
    assert "sample" in first.notes[0]
    frequent, share = count._sample(texts)
    assert sum(map(len, frequent)) <= 10_000
    assert sum(map(len, texts)) * share == pytest.approx(sum(map(len, frequent)), rel=0.5)


_BUILT: dict[Tokenization, Vocabulary] = {
    tokenization: build(TEXTS * 3, tokenization, size=700) for tokenization in TOKENIZATIONS
}
_PARTS = ["don't", "<br />", "很好", " ", "  ", "e\u0301", "!!!!", "\u1100\u1161\u11a8", "。", "\n\n", "x" * 9]
_SIGNS = "ab'’ <br/>!.\n\t很好か\u3099\u0301e한ก็\u3000\r\x1c\x85\u2028\u00a0_7٣。；Σσİi̇\U0002f800\ufa10"
_NASTY = st.one_of(
    st.text(max_size=40, alphabet=_SIGNS),
    st.text(max_size=30),
    st.lists(st.sampled_from(_PARTS)).map("".join),
)


@pytest.mark.parametrize("tokenization", TOKENIZATIONS)
@given(text=_NASTY, cuts=st.lists(st.integers(0, 40)))
@settings(deadline=None, max_examples=300)
@example(text="rock 'n' roll", cuts=[5, 6, 7, 8])
@example(text="か\u3099 e\u0301\u0323 \u0301x", cuts=[1, 4, 5, 6, 7])
@example(text="<br /><br/>", cuts=list(range(11)))
def test_streamed_ids_equal_those_of_the_complete_text(tokenization: Tokenization, text: str, cuts: list[int]) -> None:
    vocabulary = _BUILT[tokenization]
    # All unknown words have the same id. The tokens of the text are added, so that a wrong boundary changes the ids.
    if tokenization == "words":
        vocabulary = build([*TEXTS, text, *(text[:at] for at in cuts), *(text[at:] for at in cuts)], tokenization)
    stream = vocabulary.stream()
    places = [0, *sorted(min(at, len(text)) for at in cuts), len(text)]
    ids: list[int] = []
    for begin, end in pairwise(places):
        ids += stream.push(text[begin:end])
    assert ids == vocabulary.encode(text).tolist()[: len(ids)], "ids that were returned are final"
    ids += stream.flush()
    assert ids == vocabulary.encode(text).tolist()
    assert stream.flush() == [], "after a flush the stream is empty"


def test_a_stream_returns_ids_before_the_end() -> None:
    for tokenization, text in (
        ("words", "a dull film"),
        ("subwords", "a dull film"),
        ("words", "很好看"),
        ("characters", "abc"),
    ):
        vocabulary = build([text], tokenization)  # type: ignore[arg-type]
        pushed = vocabulary.stream().push(text)
        assert len(pushed) >= len(vocabulary.encode(text)) * (1 / 3), (tokenization, text)
    stream = build(["很好看"], "words").stream()
    assert [len(stream.push(character)) for character in "很好看"] == [1, 1, 1]


def test_words_are_normalized_before_they_are_split() -> None:
    word = "Việt"
    vocabulary = build([word], "words")
    assert vocabulary.encode(unicodedata.normalize("NFD", word)).tolist() == vocabulary.encode(word).tolist()
