"""Word tokenizers of NLTK and jieba, stop words and parts of speech: in training, in the run folder and at inference."""

from __future__ import annotations

import json
import marshal
import os
import pickle
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import reviews

import recurra
from recurra.config import read_config
from recurra.data.words import tokenizers
from recurra.data.words.tokenizers import WordTokenizer, choose_tokenizer
from recurra.data.words.vocabulary import Vocabulary, build
from recurra.errors import DataError, RunError, SettingError
from recurra.settings import as_given, settings_from
from recurra.tasks.classify.task import Classify

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def nltk_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the NLTK data in RECURRA_DATA; skip the test if it is missing."""
    if find_spec("nltk") is None:
        pytest.skip("NLTK is not installed")
    folder = Path(os.environ.get("RECURRA_DATA", "")) / "nltk_data"
    if "RECURRA_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("RECURRA_DATA names no folder with nltk_data")
    monkeypatch.setattr(tokenizers._nltk().data, "path", [str(folder)])


@pytest.fixture
def jieba() -> None:
    if find_spec("jieba") is None:
        pytest.skip("jieba is not installed")


def forbidden(*_: Any, **__: Any) -> Any:
    raise AssertionError("a pickle was read")


def test_nltk_tokenizes_without_reading_pickles(nltk_data: None, monkeypatch: pytest.MonkeyPatch) -> None:
    nltk = tokenizers._nltk()
    nltk.tokenize._get_punkt_tokenizer.cache_clear()
    nltk.tag._get_tagger.cache_clear()
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, forbidden)
    text = "It's a <br />dull film. Isn't it?"
    assert WordTokenizer("nltk")(text) == ["It", "'s", "a", "dull", "film", ".", "Is", "n't", "it", "?"]
    nouns = choose_tokenizer("nltk", "english", "english", "noun, adjective")
    assert nouns is not None and nouns("The actors gave a good performance.") == ["actors", "good", "performance"]


def test_stop_words_are_removed_in_any_case(nltk_data: None) -> None:
    tokenizer = choose_tokenizer("nltk", "english", "english", None)
    assert tokenizer is not None and tokenizer("THE film was not The best") == ["film", "best"]
    own = choose_tokenizer("recurra", "english", "chinese", None)
    expected = [word for word in "一部好电影。" if own is not None and word not in own.stop_words]
    assert own is not None and own("一部好电影。The end") == [*expected, "The", "end"]


def test_jieba_prints_nothing_and_leaves_no_files(
    jieba: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It also reads no cache in the folder for temporary files, where others may have written it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    planted = marshal.dumps(({}, 1))  # an empty dictionary in the format of jieba's cache
    (tmp_path / "jieba.cache").write_bytes(planted)
    tokenizers._jieba.cache_clear()
    tokenizers._jieba_tagger.cache_clear()
    text = "我来到北京清华大学 and stay"
    assert WordTokenizer("jieba")(text) == ["我", "来到", "北京", "清华大学", "and", "stay"]
    assert WordTokenizer("jieba", keep_pos=("noun",))("我来到北京清华大学") == ["北京", "清华大学"]
    assert [path.name for path in tmp_path.iterdir()] == ["jieba.cache"]
    assert (tmp_path / "jieba.cache").read_bytes() == planted
    assert capfd.readouterr() == ("", "")


def test_the_tokenizer_is_saved_with_the_vocabulary(tmp_path: Path) -> None:
    tokenizer = WordTokenizer(stop_words=("the", "a"))
    vocabulary = build(["The film", "a FILM, the end"], "words", tokenizer=tokenizer)
    assert vocabulary.tokens[3:] == ["film", ",", "end"]
    vocabulary.save(tmp_path, "text")
    again = Vocabulary.load(tmp_path, "text")
    assert again.tokenizer == tokenizer and again.decode(again.encode("The film the End")) == "film end"
    spelt = again.encode_with_ngrams(["The film"])[0]
    assert spelt.shape[0] == 1 and spelt[0, 0] == 3 and spelt[0, 1:].any()
    plain = build(["The film"], "words").encode_with_ngrams(["film"])[0]
    assert (spelt[0, 1:] == plain[0, 1:]).all()
    record = json.loads((tmp_path / "text.json").read_text(encoding="utf-8"))
    for spoilt in ({"name": "other"}, {"stop_words": [1]}, {"keep_pos": ["noun"]}, {"more": 1}):
        (tmp_path / "text.json").write_text(
            json.dumps(record | {"tokenizer": record["tokenizer"] | spoilt}), encoding="utf-8"
        )
        with pytest.raises(RunError, match="the vocabulary is damaged"):
            Vocabulary.load(tmp_path, "text")


def test_a_run_uses_the_tokenizer_of_its_training(nltk_data: None, tmp_path: Path) -> None:
    run = reviews(tmp_path, tokenizer="nltk", stop_words="english", bidirectional=False, steps=2, ensemble_size=1)
    field = run.task.dataset.input.field
    assert "and" not in field.vocabulary.tokens and "film" in field.vocabulary.tokens
    (line,) = field.describe()
    assert "tokenized by NLTK (english), without" in line
    streams, why = run.streams
    assert not streams and "nltk tokenizes complete texts only" in why
    with pytest.raises(DataError, match="does not stream: nltk tokenizes complete texts only"):
        run.stream()
    again = recurra.load(run.path)
    assert again.predict(["and the dull film"]) == run.predict(["dull film"])  # stop words have no effect
    assert again.evaluate(tmp_path / "reviews.csv") == run.evaluate(tmp_path / "reviews.csv")


def test_a_run_with_stop_words_can_be_streamed(nltk_data: None, tmp_path: Path) -> None:
    run = reviews(tmp_path, stop_words="english", bidirectional=False, steps=2, ensemble_size=1)
    text = "a dull film, and the 电影 was warm"
    whole = run.predict([text])[0]
    for size in (1, 3, 100):
        with run.stream() as stream:
            for at in range(0, len(text), size):
                stream.push(text[at : at + size])
            assert stream.result()["probability"] == pytest.approx(whole["probability"], abs=2e-6)


def test_invalid_settings(nltk_data: None, tmp_path: Path) -> None:
    for arguments, problem in (
        (
            ("recurra", "english", None, "noun"),
            "keep_pos requires a tokenizer that tags parts of speech: --tokenizer nltk",
        ),
        (("nltk", "english", None, "nuon"), "keep_pos has 'nuon'; did you mean 'noun'"),
        (("jieba", "french", None, None), "tokenizer_language requires --tokenizer nltk"),
        (("nltk", "french", None, "noun"), "NLTK tags parts of speech in English"),
        (
            ("nltk", "finnish", None, None),
            "NLTK data is missing .punkt_tab.; install it with python -m nltk.downloader punkt_tab",
        ),
        (("nltk", "english", "klingon", None), "NLTK has no stop words for 'klingon'"),
    ):
        with pytest.raises(SettingError, match=problem):
            choose_tokenizer(*arguments)
    with pytest.raises(
        SettingError, match="tokenizer and stop_words require tokenization=words, but tokenization is characters"
    ):
        reviews(tmp_path, tokenizer="nltk", tokenization="characters")
    assert choose_tokenizer("recurra", "english", None, None) is None


def test_missing_nltk_data(nltk_data: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nltk = tokenizers._nltk()
    assert WordTokenizer("nltk")("A film") == ["A", "film"]
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])  # the data of the sentence tokenizer is in memory now
    nltk.tag._get_tagger.cache_clear()
    with pytest.raises(SettingError, match=r"nltk.downloader averaged_perceptron_tagger_eng; .* set NLTK_DATA"):
        WordTokenizer("nltk", keep_pos=("noun",))("A film")


def test_the_example_configuration() -> None:
    settings = settings_from(as_given(Classify.settings_class), read_config(EXAMPLES / "imdb_nltk.yaml"))
    data, model = settings.data, settings.model
    assert (data.tokenizer, data.stop_words, model.num_layers, model.bidirectional) == ("nltk", "english", 2, True)


def test_the_configuration_of_the_lesson_has_its_settings() -> None:
    settings = settings_from(as_given(Classify.settings_class), read_config(EXAMPLES / "imdb_lesson.yaml"))
    data, model, training = settings.data, settings.model, settings.training
    assert (data.tokenizer, data.stop_words, data.keep_pos, data.validation_fraction) == (
        "nltk",
        "english",
        "noun",
        0.2,
    )
    assert (model.cell, model.embedding_size, model.hidden_size, model.num_layers) == ("rnn", 300, 20, 2)
    assert model.bidirectional and model.pooling == "last"
    assert (training.optimizer, training.learning_rate, training.batch_size, training.epochs) == ("adam", 1e-3, 16, 10)
    assert (training.schedule, training.warmup, training.weight_decay, training.clip_norm) == ("constant", 0, 0, None)
    assert not any((model.dropout, model.input_dropout, model.token_dropout, training.ema_decay))
