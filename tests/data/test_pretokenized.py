"""Text whose tokens are separated by blanks: recognized, split at blanks, and scored per word."""

from __future__ import annotations

import math
import os
import random
from pathlib import Path
from typing import Any

import pytest

import recurra
from recurra.data.words.blank_words import BlankWordCounter
from recurra.data.words.pretokenized import detect_pretokenized
from recurra.data.words.tokenizers import WordTokenizer
from recurra.data.words.vocabulary import Vocabulary, build
from recurra.errors import SettingError
from recurra.settings import as_given, settings_from
from recurra.tasks.language.dataset import TextDataset
from recurra.tasks.language.settings import LanguageSettings

PTB = (
    " the <unk> company said N people 'll leave <unk> inc. by oct. N \n" * 4
    + " mr. <unk> is chairman of elsevier n.v. \n" * 4
)
WIKI = " = Valkyria = \n The game 's 10 @,@ 000 players began in 2010 , with a half @-@ full box . \n" * 8
PROSE = "In NLP the token <unk> stands for rare words, and N for numbers. It is common; ask anybody! \n"
CODE = 'def encode(word, ids):\n    return ids.get(word, ids["<unk>"])  # the id of <unk> , if it is rare\n'


def prepared(folder: Path, data: Path, valid: Path | None = None, **settings: Any) -> tuple[TextDataset, Any]:
    dataset = TextDataset(settings_from(as_given(LanguageSettings), settings))
    return dataset, dataset.prepare(data, valid, folder / "cache", lambda n: None)


# detection ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", [PTB, WIKI, "a b <UNK> c\n" * 5])
def test_tokenized_text_is_recognized(text: str) -> None:
    assert detect_pretokenized(text).found


@pytest.mark.parametrize(
    "text",
    ["", PROSE, PROSE * 20, PROSE.replace("<unk>", "N") * 20, CODE * 20, "N N N\n" * 50,
     "the <unk> of it\n" + "it is so\n" * 50,
     "see <unk> now\n" * 6 + "plain words without marks\n" * 5000],
)  # fmt: skip
def test_text_that_merely_has_a_marker_is_not(text: str) -> None:
    """One `<unk>`, some between attached punctuation or quotes, or fewer than one word in a thousand."""
    assert not detect_pretokenized(text).found


# the tokenizer --------------------------------------------------------------------------------------------------------
def vocabulary_of(text: str) -> Vocabulary:
    return build([text], "words", tokenizer=WordTokenizer("blanks"))


def test_words_are_kept_as_they_are_and_unk_is_unknown(tmp_path: Path) -> None:
    vocabulary = vocabulary_of("The <unk> 'll N n @-@ e\u0301 <unk>")
    assert set(vocabulary.tokens[3:]) == {"The", "'ll", "N", "n", "@-@", "e\u0301"}
    ids = vocabulary.encode("The <unk> N n the").tolist()
    assert [vocabulary.tokens[i] for i in ids] == ["The", "<unknown>", "N", "n", "<unknown>"]
    vocabulary.save(tmp_path, "text")
    loaded = Vocabulary.load(tmp_path, "text")
    assert loaded.encode("The <unk> 'll").tolist() == vocabulary.encode("The <unk> 'll").tolist()
    assert loaded.decode(loaded.encode("The 'll @-@ N")) == "The 'll @-@ N"


def test_a_stream_splits_at_blanks_alone() -> None:
    text = "The com\u4e2dpany 's N @-@ <unk> end"
    vocabulary, draw = vocabulary_of(text), random.Random(0)
    for _ in range(20):
        stream, ids, rest = vocabulary.stream(), list[int](), text
        while rest:
            n = draw.randint(1, 4)
            ids += stream.push(rest[:n])
            rest = rest[n:]
        assert ids + stream.flush() == vocabulary.encode(text).tolist()


def test_words_are_counted_however_a_text_is_cut() -> None:
    draw = random.Random(0)
    for _ in range(50):
        text = "".join(draw.choice("ab \n\t") for _ in range(60))
        counter, at, found = BlankWordCounter(), 0, 0
        while at < len(text):
            n = draw.randint(1, 9)
            found += counter.push(text[at : at + n])
            at += n
            assert found <= len(text[:at].split()) + text[:at].count("\n")
        assert found + counter.flush() == len(text.split()) + text.count("\n")


# the task language ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("settings", "unit", "tokenizer"),
    [({}, "words", "blanks"), ({"tokenization": "words"}, "words", "blanks"), ({"tokenizer": "blanks"}, "words", "blanks"),
     ({"tokenizer": "recurra"}, "words", "recurra"), ({"tokenization": "characters"}, "characters", None)],
)  # fmt: skip
def test_the_choice_is_visible_and_can_be_overridden(
    tmp_path: Path, settings: dict[str, Any], unit: str, tokenizer: str | None
) -> None:
    (tmp_path / "ptb.txt").write_text(PTB * 5)
    dataset, info = prepared(tmp_path, tmp_path / "ptb.txt", **settings)
    assert info.settings["data"] == {"tokenization": unit, "tokenizer": tokenizer}
    said = [line for line in info.messages if line.startswith("tokenized text")]
    assert bool(said) == (tokenizer == "blanks" and "tokenizer" not in settings)
    if said:
        assert said == [f"tokenized text (60 of 400 words are <unk>): words are split at blanks and keep their case; "
                        f"{'--tokenizer recurra' if settings else '--tokenization characters'} changes this"]  # fmt: skip
    assert ("N" in dataset.vocabulary.tokens) == (tokenizer != "recurra")


def test_other_text_is_split_as_before(tmp_path: Path) -> None:
    (tmp_path / "prose.txt").write_text(PROSE * 20)
    assert prepared(tmp_path, tmp_path / "prose.txt")[1].settings["data"] == {
        "tokenization": "characters",
        "tokenizer": None,
    }
    words = prepared(tmp_path, tmp_path / "prose.txt", tokenization="words")[1]
    assert words.settings["data"] == {"tokenization": "words", "tokenizer": "recurra"}


def test_a_tokenizer_requires_words(tmp_path: Path) -> None:
    (tmp_path / "ptb.txt").write_text(PTB)
    with pytest.raises(SettingError, match="tokenizer = 'blanks' splits text into words, but tokenization is subwords"):
        prepared(tmp_path, tmp_path / "ptb.txt", tokenizer="blanks", tokenization="subwords")


def test_a_chunk_does_not_cut_words_of_the_vocabulary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recurra.data.sources.text.CHUNK_CHARACTERS", 7)
    (tmp_path / "text.txt").write_text("company companies accompany \n" * 20)
    dataset, _ = prepared(tmp_path, tmp_path / "text.txt", tokenization="words")
    assert set(dataset.vocabulary.tokens[3:]) == {"company", "companies", "accompany"}


@pytest.mark.parametrize("tokenization", ["words", "characters"])
def test_the_perplexity_per_word(tmp_path: Path, tokenization: str) -> None:
    """It is that of a token where tokens are words, and otherwise follows from the nats per character."""
    (tmp_path / "ptb.txt").write_text(PTB * 5)
    run = recurra.train(
        "language", tmp_path / "ptb.txt", out=tmp_path / "run", tokenization=tokenization, steps=2, hidden_size=4
    )
    (tmp_path / "other.txt").write_text(PTB)
    metrics = run.evaluate(tmp_path / "other.txt")
    words = len(PTB.split()) + PTB.count("\n")
    assert metrics["word_perplexity"] == pytest.approx(math.exp(metrics["nats_per_character"] * len(PTB) / words))
    if tokenization == "words":
        assert metrics["word_perplexity"] == metrics["perplexity"]
    assert "valid/word_perplexity" in run.metrics
    (tmp_path / "chinese.txt").write_text(
        "春江潮水连海平海上明月共潮生滟滟随波千万里何处春江无月明\n" * 3, encoding="utf-8"
    )
    assert "word_perplexity" not in run.evaluate(tmp_path / "chinese.txt")


@pytest.mark.skipif("RECURRA_DATA" not in os.environ, reason="RECURRA_DATA names no folder of datasets")
@pytest.mark.parametrize(
    ("train", "valid", "counts"),
    [
        ("ptb/ptb.train.txt.gz", "ptb/ptb.valid.txt", (929_589, 73_760, 10_000)),
        ("wikitext2/valid.txt", None, (217_646, 0, 13_777)),
    ],
)
def test_published_counts(tmp_path: Path, train: str, valid: str | None, counts: tuple[int, int, int]) -> None:
    """Tokens with line ends, and the vocabulary with the unknown word and the line end."""
    folder = Path(os.environ["RECURRA_DATA"])
    data = folder / train
    dataset, info = prepared(
        tmp_path, data, folder / valid if valid else None, **({} if valid else {"validation_fraction": 0.01})
    )
    total = info.rows + (0 if valid else info.valid_rows)
    if valid is None:
        total -= total - counts[0] == 1  # the end of the training part may divide one word
    assert (total, info.valid_rows if valid else 0, len(dataset.vocabulary) - 1) == counts
    assert dataset.stores["train"].column("words").sum() == info.rows
