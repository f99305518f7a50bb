"""Fields of pairs of texts: tokenizations chosen from the data, shared vocabularies, unmodified texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.data.store.store import Store, StoreWriter
from recurra.errors import DataError
from recurra.fields.paired_text import (
    CodePoints,
    PairedText,
    RawText,
    build_vocabulary,
    choose_tokenizations,
    is_closed_vocabulary,
    same_alphabet,
)


def test_tokenizations_are_chosen_from_the_data() -> None:
    sentences = [f"A man number {n} is walking in the park, slowly." for n in range(50)]
    german = [f"Ein Mann mit der Nummer {n} geht langsam im Park." for n in range(50)]
    sounds = ["HH AH L OW", "W ER L D", "K AE T"] * 60
    assert choose_tokenizations(sentences, german) == ("subwords", "subwords")
    assert choose_tokenizations(["hello", "world", "cat"] * 60, sounds) == ("characters", "words")
    assert choose_tokenizations(["1 May 1970", "May 2, 71"], ["1970-05-01", "1971-05-02"]) == (
        "characters",
        "characters",
    )
    assert choose_tokenizations(sentences, ["一个人在公园里慢慢地走"] * 50) == ("subwords", "characters")
    assert choose_tokenizations([("a passage of text", "a question")] * 3, german) == ("subwords", "subwords")
    assert same_alphabet(sentences, german) and not same_alphabet(sentences, ["一个人在公园里慢慢地走"])


def test_a_closed_vocabulary() -> None:
    assert is_closed_vocabulary(["one two", "two one"] * 10)
    assert not is_closed_vocabulary(["one two", "three four"])  # each word occurs once
    assert not is_closed_vocabulary(["one-two"] * 20)  # not only letters and digits


def test_a_vocabulary_is_case_sensitive_and_excludes_rare_words() -> None:
    texts = ["The cat", "the cat", "the dog", "The end"]
    assert sorted(build_vocabulary(texts, "words", name="text").tokens[3:]) == ["The", "cat", "the"]
    assert sorted(build_vocabulary(texts, "words", name="text", min_count=1).tokens[3:]) == [
        "The",
        "cat",
        "dog",
        "end",
        "the",
    ]
    assert build_vocabulary(texts, "words", name="text", size=4).tokens[3:] in (["The"], ["the"], ["cat"])
    assert set(build_vocabulary(["ab", "c"], "characters", name="text").tokens[3:]) == {"a", "b", "c"}
    with pytest.raises(DataError, match="no words of the text occur 2 times; train on more rows"):
        build_vocabulary(["once"], "words", name="text")


def test_two_fields_with_one_vocabulary() -> None:
    source, target = PairedText("source", None, None), PairedText("target", None, None)
    target.share_vocabulary(source, lambda: iter(["xy"]))
    source.fit(iter(["ab", ("ab", "c")]))
    target.fit(iter(["xy"]))
    assert target.vocabulary is source.vocabulary
    assert set(source.vocabulary.tokens[3:]) == set("abcxy")
    assert source.describe() == ["source and target: 8 characters"] and target.describe() == []
    alone = PairedText("target", None, None)
    alone.fit(iter(["xy"]))
    assert alone.describe() == ["target: 5 characters"]


def test_several_texts_are_encoded_with_an_end_token_between(tmp_path: Path) -> None:
    field = PairedText("source", None, None)
    field.fit(iter(["abc"]))
    a, b, c = (field.vocabulary.encode(letter)[0] for letter in "abc")
    values: list[Any] = ["ab", ("a", "bc"), ("", "c"), ""]
    assert [row.tolist() for row in field.encode(values)] == [[a, b], [a, 2, b, c], [2, c], []]
    assert field.tokenize(("a", "bc")) == ["a", "|", "b", "c"]
    field.save(tmp_path)
    again = PairedText("source", None, None, "words")
    again.load(tmp_path)
    assert again.tokenization == "characters" and again.vocabulary.tokens == field.vocabulary.tokens


@pytest.mark.parametrize(
    ("value", "trained_on", "predicted_from"),
    [("a", None, None), (" ", "is empty", None), (None, "is empty", "is None, not text"), (7, *["is 7, not text"] * 2),
     (("a", "b"), None, None), (("a", ""), "is empty", None), (("a", 7), *["is 7, not text"] * 2)],
)  # fmt: skip
def test_values_that_a_field_accepts(value: Any, trained_on: str | None, predicted_from: str | None) -> None:
    field = PairedText("source", None, None)
    assert field.check(value) == trained_on and field.check_input(value) == predicted_from


def test_texts_are_stored_unmodified(tmp_path: Path) -> None:
    values: list[Any] = ["a  b\n", "", ("x", "囧"), "\ud800"]
    raw, letters = RawText("raw"), CodePoints("letters")
    texts = ["囧a", "", "𝄞", "\ud800"]
    with StoreWriter(tmp_path / "store", {"raw": raw.storage, "letters": letters.storage}) as writer:
        for one, other in zip(raw.encode(values), letters.encode(texts), strict=True):
            writer.append(raw=one, letters=other)
    store, rows = Store(tmp_path / "store"), np.array([3, 0, 2, 1])
    assert RawText.read(store, "raw", rows) == [values[row] for row in rows]
    assert CodePoints.read(store, "letters", rows) == [texts[row] for row in rows]
    assert letters.encode(["𝄞a"])[0].tolist() == [0x1D11E, ord("a")]
