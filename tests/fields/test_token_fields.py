"""Fields of token lists: columns, fitting, encoding and saving of words, tags and token features."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recurra.data.sources.tagged import open_tagged
from recurra.data.words.ngrams import MAX_NGRAMS
from recurra.data.words.vocabulary import build
from recurra.errors import DataError, SettingError
from recurra.fields.character_ngrams import CONTEXT_NGRAMS, context_ngrams, normalize, word_ngrams
from recurra.fields.tags import Tags
from recurra.fields.token_features import TokenFeature
from recurra.fields.token_lists import describe_unseen, free_columns, resolve_column, token_texts
from recurra.fields.words import Words


def words(**settings: Any) -> Words:
    defaults: dict[str, Any] = {
        "tokenization": None,
        "size": 100,
        "min_count": None,
        "character_ngrams": True,
        "lookahead": True,
    }
    return Words("words", None, **(defaults | settings))


# n-grams --------------------------------------------------------------------------------------------------------------
def test_tokens_are_normalized_to_nfc_lower_case_and_zeros() -> None:
    assert normalize("Cafe\u0301 1998") == "café 0000"


def test_ngrams_of_a_chinese_word_include_its_characters() -> None:
    assert "北" in word_ngrams("北京") and "a" not in word_ngrams("ab")


def test_ngrams_that_contain_a_character() -> None:
    both = list(context_ngrams("abc", 0, lookahead=True))
    assert both[1] == ["-1ab", "-2^ab", "0bc", "0bc$", "-1abc"]
    assert all(len(ngrams) == CONTEXT_NGRAMS for ngrams in both)
    before = list(context_ngrams("abc", 1, lookahead=False))
    assert before == [["-1ab", "-2^ab"], ["-1bc", "-2abc"]]


# columns --------------------------------------------------------------------------------------------------------------
def test_columns_by_name_and_by_number(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"a": ["x"], "tags": ["O"], "3": ["y"]}) + "\n")
    source = open_tagged(path)
    assert [resolve_column(source, column) for column in ("tags", "1", "3")] == ["tags", "a", "3"]
    assert free_columns(source, ["1", "3"]) == ["tags"]
    with pytest.raises(DataError, match="unknown column '4'"):
        resolve_column(source, "4")


def test_columns_are_found_by_name_content_and_position(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"number": 1, "said": ["x", "y"], "slots": ["O", "O"]}) + "\n")
    source = open_tagged(path)
    assert Tags("tags", None, None).find(source, ()) == "slots"
    assert words().find(source, ["slots"]) == "said"
    (tmp_path / "b.conll").write_text("a DT O\nb NN O\n\n")
    columns = open_tagged(tmp_path / "b.conll")
    assert (words().find(columns, ()), Tags("tags", None, None).find(columns, ["1"])) == ("1", "3")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "is missing"),
        (3, "is 3; expected a list of tokens"),
        ([], "is empty"),
        ("  ", "is empty"),
        (["a", " "], "has ' ' as token 2; expected text"),
        (["a", ["b"]], "has ['b'] as token 2; expected text"),
        (["a", 1], None),
        ("a b", None),
    ],
)
def test_cells_without_tokens(value: Any, problem: str | None) -> None:
    assert words().check(value) == problem


def test_the_tokens_of_a_cell() -> None:
    assert token_texts("a  b") == ["a", "b"] and token_texts([1, "x"]) == ["1", "x"] and token_texts(None) == []


# words ----------------------------------------------------------------------------------------------------------------
def test_words_are_normalized_and_rare_words_are_unknown() -> None:
    field = words(character_ngrams=False)
    field.fit([["The", "film", "of", "1998"], ["the", "film", "from", "2001"]])
    assert field.tokenization == "words" and field.words == ["0000", "film", "the"]
    assert field.encode([["THE", "1234", "of"]])[0].tolist() == [4, 2, 1]
    assert (field.storage, field.width, len(field)) == ("ragged:int32", 0, 5)
    assert field.empty().shape == (0,)


def test_words_have_the_ids_of_their_known_ngrams() -> None:
    field = words()
    field.fit([["walking", "walked"], ["talking", "talked"]])
    assert field.storage == f"ragged:int32:{1 + MAX_NGRAMS}" and field.empty().shape == (0, 1 + MAX_NGRAMS)
    row = field.encode_tokens(["balking"])[0]
    known = {field.ngrams[at - 1] for at in row[1:] if at}
    assert row[0] == 1 and known == set(word_ngrams("balking")) & set(field.ngrams) != set()
    assert np.array_equal(field.encode_tokens(["balking"])[0], row)  # from the cache


def test_characters_have_the_ids_of_the_ngrams_around_them() -> None:
    field = words(lookahead=False)
    field.fit([["北", "京"], ["北", "京"]])
    assert field.tokenization == "characters" and sorted(field.ngrams) == ["-1^北", "-1北京", "-2^^北", "-2^北京"]
    encoded = field.encode_tokens(["北", "京"])
    assert [[field.ngrams[at - 1] for at in row[1:] if at] for row in encoded] == [
        ["-1^北", "-2^^北"],
        ["-1北京", "-2^北京"],
    ]
    assert np.array_equal(field.encode_tokens(["京"], before=["北"]), encoded[1:])
    assert not np.array_equal(field.encode_tokens(["京"]), encoded[1:])


def test_the_tokenization_of_the_user_is_not_changed() -> None:
    field = words(tokenization="words")
    field.fit([["a", "b"], ["a", "b"]])
    assert field.tokenization == "words"


def test_words_of_a_language_model_are_added() -> None:
    field = words(character_ngrams=False)
    field.use_vocabulary(build(["a Warm film"] * 2, "words", size=10, min_count=1))
    field.fit([["film", "dull"], ["film", "dull"]])
    assert field.words[:2] == ["dull", "film"] and set(field.words) == {"dull", "film", "a", "warm"}
    assert field.lexicon().words == field.words and field.lexicon().first_id == 2
    other = words()
    other.use_vocabulary(build(["a Warm film"] * 2, "words", size=10, min_count=1))
    with pytest.raises(
        SettingError, match="the tokens are characters, but those of the language model are words; train a"
    ):
        other.fit([["a", "b"]])


def test_saved_words_can_be_loaded(tmp_path: Path) -> None:
    field, again = words(), words(tokenization="words")
    field.fit([["walking", "walked"], ["walking", "walked"]])
    field.save(tmp_path)
    assert json.loads((tmp_path / "words.json").read_text()).keys() == {"words", "ngrams", "split_at_blanks"}
    again.load(tmp_path)
    assert np.array_equal(again.encode([["walked", "talked"]])[0], field.encode([["walked", "talked"]])[0])
    assert again.describe() == field.describe() == [f"words: 2 words, {len(field.ngrams)} character n-grams"]


# tags -----------------------------------------------------------------------------------------------------------------
def test_tags_that_violate_the_scheme_are_repaired() -> None:
    field = Tags("tags", None, None)
    field.fit([["B-X", "I-X", "O"]])
    assert field.scheme == "bio" and field.tags == ["O", "B-X", "I-X"]
    assert field.encode([["O", "I-X"]])[0].tolist() == [0, 1]
    assert (field.repaired, field.repaired_example) == (1, "I-X was changed to B-X")


def test_unseen_tags_have_ids_after_the_others_and_are_counted() -> None:
    field = Tags("tags", None, "plain")
    field.fit([["a", "b"]])
    assert [ids.tolist() for ids in field.encode([["a", "z"], ["y", "z"]])] == [[0, 2], [3, 2]]
    assert field.unseen == {"z": 2, "y": 1}
    assert field.tags_of([0, 3, 2], field.unseen) == ["a", "y", "z"] and field.tags_of([1]) == ["b"]


def test_counts_of_another_file_are_separate() -> None:
    field = Tags("tags", None, "bio")
    field.fit([["B-X", "O"]])
    field.encode([["I-X", "O"], ["B-GOD"]])
    with field.separate_counts() as unseen:
        assert field.encode([["B-DEVIL"], ["I-X"]])[0].tolist() == [3]
        assert unseen == {"B-DEVIL": 1} and field.repaired == 1
    assert field.unseen == {"B-GOD": 1} and field.repaired == 1
    with pytest.raises(KeyError), field.separate_counts():
        raise KeyError
    assert field.unseen == {"B-GOD": 1}


def test_saved_tags_can_be_loaded(tmp_path: Path) -> None:
    field, again = Tags("tags", None, None), Tags("tags", None, None)
    field.fit([["B-X", "I-X", "O"]])
    field.encode([["B-Y"]])
    field.save(tmp_path)
    again.load(tmp_path)
    assert (again.scheme, again.tags, again.counts, again.unseen) == ("bio", field.tags, field.counts, {"B-Y": 1})
    assert again.describe() == field.describe()


def test_a_single_tag_raises_an_error() -> None:
    with pytest.raises(DataError, match="all tokens have the tag 'a'"):
        Tags("tags", None, None).fit([["a", "a"]])


def test_unseen_values_are_reported_the_most_frequent_first() -> None:
    field = Tags("tags", None, "plain")
    field.fit([["a", "b"]])
    field.encode([["z", "y", "z", "x", "w"]])
    assert describe_unseen(field.unseen, "tags") == [
        "4 tags of the validation data do not occur in the training data: z 2, y 1, x 1; they count as errors"
    ]
    assert describe_unseen(Tags("tags", None, None).unseen, "tags") == []


# features -------------------------------------------------------------------------------------------------------------
def test_unseen_values_of_features_are_unknown(tmp_path: Path) -> None:
    field, again = TokenFeature("token_feature1", "pos"), TokenFeature("token_feature1", "pos")
    field.fit([["NN", "DT"], ["NN"]])
    assert field.encode([["NN", "DT", "XX"]])[0].tolist() == [3, 2, 1] and len(field) == 4
    field.save(tmp_path)
    again.load(tmp_path)
    assert again.encode_tokens("DT NN").tolist() == [2, 3]
    assert field.describe() == ["token feature pos: 2 values"]
