"""The components of the task `language`, each by itself: tokenizer, sampler, scorer, calibration, generation, defaults."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recurra.cells import LSTM
from recurra.data.store.store import Store, StoreWriter
from recurra.data.store.windows import AlignedWindows, MixtureWindows, RandomWindows, SequentialWindows
from recurra.data.words.vocabulary import Vocabulary, build
from recurra.errors import DataError, SettingError
from recurra.nn import State
from recurra.settings import as_given, settings_from
from recurra.tasks.base import DatasetInfo, HasCalibration, HasGeneration, ignore_progress
from recurra.tasks.language.calibration import fit_cache
from recurra.tasks.language.dataset import COLUMNS, TextDataset
from recurra.tasks.language.defaults import language_defaults
from recurra.tasks.language.generation import decode_lines, generate_text
from recurra.tasks.language.model import CHUNK_STEPS, LanguageNetwork, language_network
from recurra.tasks.language.sampler import Batching, WindowSampler, text_beginnings
from recurra.tasks.language.scoring import IGNORED, TextScorer, text_metrics
from recurra.tasks.language.session import LanguageSession
from recurra.tasks.language.settings import LanguageSettings
from recurra.tasks.language.task import Language
from recurra.tasks.language.tokenizer import TextTokenizer

V = 9


class Counting(nn.Module):
    """Logits (B, T, V) that predict the next number: 2 for it, 0 for others. The state counts the steps of each stream."""

    def __init__(self, size: int = V) -> None:
        super().__init__()
        self.size = nn.Parameter(torch.tensor(float(size)))
        self.streams: list[int] = []

    def forward(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        self.streams.append(len(ids))
        size = int(self.size)
        before = torch.zeros(len(ids), 1) if state is None else state["steps"]
        logits = 2.0 * torch.eye(size)[(ids + 1) % size]
        return logits, State({"steps": before + ids.shape[1]})


RIGHT = math.log(math.exp(2) + V - 1) - 2  # nats of a number that `Counting` predicts
WRONG = RIGHT + 2


def stored(folder: Path, *rows: list[int], characters: int = 1) -> Store:
    with StoreWriter(folder, COLUMNS) as writer:
        for row in rows:
            writer.append(tokens=np.array(row, np.int32), characters=characters * len(row), words=len(row))
    return Store(folder)


def given(**settings: Any) -> LanguageSettings:
    return settings_from(as_given(LanguageSettings), settings)


# tokenizer ------------------------------------------------------------------------------------------------------------
def test_line_breaks_are_end_tokens_in_a_vocabulary_of_words() -> None:
    vocabulary = build(["open read close"], "words")
    ids = {token: at for at, token in enumerate(vocabulary.tokens)}
    tokenizer = TextTokenizer(vocabulary)
    found = tokenizer.push("open re") + tokenizer.push("ad\n\nclo") + tokenizer.push("se") + tokenizer.flush()
    assert found == [ids["open"], ids["read"], vocabulary.end, vocabulary.end, ids["close"]]
    letters = build(["ab\n"], "characters")
    assert TextTokenizer(letters).push("a\nb") == letters.encode("a\nb").tolist()


def test_flushing_a_copy_does_not_change_the_tokenizer() -> None:
    vocabulary = build(["open opening"], "words")
    opening = vocabulary.tokens.index("opening")
    tokenizer = TextTokenizer(vocabulary)
    assert tokenizer.push("open") == []  # the word may continue
    assert tokenizer.copy().flush() == [vocabulary.tokens.index("open")]
    assert tokenizer.push("ing") + tokenizer.flush() == [opening]


# sampler --------------------------------------------------------------------------------------------------------------
def test_texts_begin_after_the_start_tokens() -> None:
    tokens = np.array([5, 5, 1, 5, 5, 5, 2])
    assert text_beginnings(tokens, [5, 5]).tolist() == [0, 3, 4]
    assert text_beginnings(tokens, [5]).tolist() == [0, 1, 3, 4, 5]
    assert text_beginnings(tokens, [7]).tolist() == []


@pytest.mark.parametrize("epoch", [0, 1, 3])
@pytest.mark.parametrize("batching", ["sequential", "random", "aligned", "mixture"])
def test_the_sampler_uses_the_windows_of_its_batching(batching: Batching, epoch: int) -> None:
    tokens = np.resize([1, 2, 3, 4, 0, 0], 500)
    sampler = WindowSampler(tokens, batching, 3, 20, seed=4, text_start=[0, 0])
    expected = {
        "sequential": SequentialWindows(500, 3, 20, seed=4),
        "random": RandomWindows(500, 3, 20, seed=4),
        "aligned": AlignedWindows(500, 3, 20, np.arange(4, 499, 6), seed=4),
        "mixture": MixtureWindows(500, 3, 20, seed=4),
    }[batching]
    keys, windows = list(sampler.epoch(epoch)), list(expected.epoch(epoch))
    for window, other in zip(keys, windows, strict=True):
        np.testing.assert_array_equal(window.starts, other.starts)
    assert sampler.time_steps(keys).tolist() == [3 * window.length for window in windows]
    assert sampler.padding_fraction() is None
    if batching == "sequential":
        assert all((after.starts - before.starts == 20).all() for before, after in pairwise(keys))


# scoring --------------------------------------------------------------------------------------------------------------
def test_a_text_is_read_in_chunks_after_the_start_tokens(tmp_path: Path) -> None:
    tokens = [n % V for n in range(CHUNK_STEPS + 3)]
    start, *chunks = TextScorer([7, 8]).chunks(stored(tmp_path / "s", tokens), 16)
    assert start[0].tolist() == [[7]] and start[1].tolist() == [[IGNORED]]
    inputs, targets = (torch.cat(parts, 1) for parts in zip(*chunks, strict=True))
    assert [part[0].shape[1] for part in chunks] == [CHUNK_STEPS, 3]
    assert inputs.tolist() == [[8, *tokens[:-1]]] and targets.tolist() == [tokens]


def test_streams_predict_each_token_once(tmp_path: Path) -> None:
    tokens = list(range(2 * CHUNK_STEPS + 1))  # too few for a third stream
    ((inputs, targets), *rest) = TextScorer([9]).chunks(stored(tmp_path / "s", tokens), 16)
    assert inputs[:, 0].tolist() == [9, 9] and targets[:, 0].tolist() == [0, CHUNK_STEPS + 1]
    every = torch.cat([targets, *(part for _, part in rest)], 1)
    assert every[every != IGNORED].tolist() == tokens and every[1, -1] == IGNORED
    ((inputs, targets),) = TextScorer([9]).chunks(stored(tmp_path / "t", tokens), 16, max_tokens=5)
    assert targets.tolist() == [[0, 1, 2, 3, 4]]


def test_a_score_by_hand(tmp_path: Path) -> None:
    """After 8 follows 0, as predicted. Only the 5 after the 2 is not predicted."""
    progress: list[int] = []
    store = stored(tmp_path / "s", [0, 1, 2, 5], [6, 7], characters=3)
    found = TextScorer([8]).score(Counting(), store, 16, progress.append)
    nats = 5 * RIGHT + WRONG
    assert found == pytest.approx(
        {
            "loss": nats / 6,
            "perplexity": math.exp(nats / 6),
            "word_perplexity": math.exp(nats / 6),
            "nats_per_character": nats / 18,
            "bits_per_character": nats / 18 / math.log(2),
        },
        rel=1e-6,
    )
    assert progress == [6]
    first = TextScorer([8]).score(Counting(), store, 16, ignore_progress, max_tokens=2)
    assert first["loss"] == pytest.approx((3 * RIGHT + WRONG) / 4, rel=1e-6), (
        "complete rows that contain so many tokens"
    )


def test_the_score_equals_that_of_a_session(tmp_path: Path) -> None:
    vocabulary = build(["abcdef"], "characters")
    ids = vocabulary.encode("abdcfeab" * 80).tolist()
    network = Counting(len(vocabulary))
    whole = TextScorer([vocabulary.end]).score(network, stored(tmp_path / "s", ids), 1, ignore_progress)
    session = LanguageSession(network, vocabulary, [vocabulary.end])
    session.push("abdcfeab" * 80)
    assert whole["loss"] * len(ids) == pytest.approx(session.result()["nats"], rel=1e-6)
    assert set(network.streams) == {1}
    TextScorer([vocabulary.end]).score(network, stored(tmp_path / "t", ids), 16, ignore_progress)
    assert network.streams[-1] == len(ids) // CHUNK_STEPS == 2


def test_a_text_of_one_token_is_empty(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the text to evaluate on is empty"):
        TextScorer([8]).score(Counting(), stored(tmp_path / "s", [1]), 1, ignore_progress)


def test_metrics_of_an_impossible_text_are_finite() -> None:
    found = text_metrics(1e6, 10, 0, 0)
    assert found["perplexity"] == math.exp(700) and found["nats_per_character"] == 1e6


# the network and its cache --------------------------------------------------------------------------------------------
def make_network(neural_cache_size: int, **options: Any) -> LanguageNetwork:
    torch.manual_seed(0)
    sizes = {
        "hidden_size": 6,
        "num_layers": 1,
        "dropout": 0.0,
        "input_dropout": 0.0,
        "weight_drop": 0.0,
        "tie_weights": False,
    }
    return LanguageNetwork(
        V, 5, LSTM(), **sizes | {"backend": "auto", "neural_cache_size": neural_cache_size} | options
    ).eval()


def test_the_network_is_found_inside_another() -> None:
    network = make_network(0)
    assert language_network(network) is network is language_network(nn.Sequential(network))


def test_logits_are_computed_by_the_layers() -> None:
    network, ids = make_network(0, tie_weights=True), torch.tensor([[3, 4, 5]])
    logits, after = network(ids)
    y, state = network.recurrent(network.embedding(ids))
    torch.testing.assert_close(logits, network.bridge(y) @ network.embedding.weight.T + network.output.bias)
    assert after.tensors().keys() == state.tensors().keys()
    features, outputs, _ = network.features(ids, None)
    torch.testing.assert_close(features, network.bridge(y))
    torch.testing.assert_close(outputs, y)


def test_the_sampled_loss_of_the_whole_vocabulary_is_the_cross_entropy() -> None:
    network, ids, targets = make_network(0), torch.tensor([[3, 4, 5]]), torch.tensor([[4, 5, 6]])
    loss, _ = network(ids, None, targets, V)
    torch.testing.assert_close(loss, nn.functional.cross_entropy(network(ids)[0].flatten(0, 1), targets.flatten()))


def test_the_cache_is_fitted_to_the_text_and_used(tmp_path: Path) -> None:
    """The text is periodic, which an untrained network does not predict."""
    store = stored(tmp_path / "s", [3, 4, 5, 6, 7, 8, 4, 6, 3, 5] * 40)
    network, scorer = make_network(60), TextScorer([2])
    assert not network.uses_cache
    before = scorer.score(network, store, 4, ignore_progress)["loss"]
    (line,) = fit_cache(network, scorer, store, 4)
    after = scorer.score(network, store, 4, ignore_progress)["loss"]
    assert network.uses_cache and not network.train().uses_cache
    assert after < before - 0.1
    weight = float(network.cache.max_weight) if network.cache is not None else 0.0
    assert line == (
        f"neural cache of 60 tokens with a weight of up to {weight:.0%}: "
        f"the loss falls from {before:.3f} to {after:.3f} nats per token"
    )


def test_a_cache_that_does_not_help_is_not_used(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    network = make_network(60)
    nn.init.zeros_(network.output.weight)
    nn.init.zeros_(network.output.bias)  # the prediction is uniform, and so are the tokens
    text = np.concatenate([draw.permutation(V) for _ in range(300)]).tolist()
    lines = fit_cache(network, TextScorer([2]), stored(tmp_path / "s", text), 4)
    assert lines == ["the neural cache is not used: it does not lower the loss on the validation text"]
    assert not network.uses_cache
    assert fit_cache(make_network(0), TextScorer([2]), stored(tmp_path / "t", text), 4) == []


# generation -----------------------------------------------------------------------------------------------------------
def session_of(vocabulary: Vocabulary) -> LanguageSession:
    return LanguageSession(Counting(len(vocabulary)), vocabulary, [vocabulary.end])


def test_the_most_probable_text() -> None:
    vocabulary = build(["abcdef"], "characters")

    def written(prompt: str, length: int | None, separator: str = "") -> list[str]:
        return list(generate_text(session_of(vocabulary), prompt, length, separator, temperature=0.0))

    first = vocabulary.tokens[3:]
    assert written(first[1], 4) == first[2:6], "the prompt is not part of the result"
    assert written(first[1], 0) == []
    assert "".join(written(first[1], None, separator=first[4])) == "".join(first[2:4]), (
        "a text ends before its separator"
    )
    assert len(written(first[1], None)) == 200
    assert len(written(first[1], 30, separator=first[4])) == 30, "with a length, generation continues after a separator"


def test_special_tokens_are_not_sampled_except_the_line_end_of_words() -> None:
    words = build(["open read close"], "words")
    text = "".join(generate_text(session_of(words), "", 60, "", seed=1))
    assert "\n" in text and "\ufffd" not in text and set(text.split()) == {"open", "read", "close"}
    letters = build(["abc"], "characters")
    text = "".join(generate_text(session_of(letters), "", 60, "", seed=1))
    assert len(text) == 60 and set(text) == set("abc")
    assert text == "".join(generate_text(session_of(letters), "", 60, "", seed=1))
    with pytest.raises(SettingError, match="length = -1: it must be 0 or more tokens"):
        next(generate_text(session_of(letters), "", -1, ""))


def test_lines_are_decoded() -> None:
    words = build(["open read close"], "words")
    ids = {token: at for at, token in enumerate(words.tokens)}
    line = [ids["open"], ids["close"]]
    assert decode_lines(words, [*line, words.end, words.end, *line]) == "open close\n\nopen close"
    letters = build(["ab\n"], "characters")
    assert decode_lines(letters, letters.encode("a\nb").tolist()) == "a\nb"


# settings and the dataset ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("tokens", "vocabulary", "independent", "expected"),
    [
        (50_000, 100, False, (64, "sequential", 128, 64, 0.5, False, 4000, 8, 0)),
        (1_000, 100, False, (8, "sequential", 128, 64, 0.5, False, 4000, 8, 0)),
        (5_000_000, 100, False, (64, "sequential", 512, 64, 0.3, False, 4000, 64, 0)),
        (5_000_000, 9_000, False, (64, "sequential", 384, 128, 0.2, True, 4000, 32, 500)),
        (200_000, 1_000, True, (128, "aligned", 256, 128, 0.2, True, 0, 8, 0)),
        (5_000_000, 100, True, (128, "aligned", 512, 64, 0.3, False, 0, 32, 0)),
    ],
)
def test_defaults(tokens: int, vocabulary: int, independent: bool, expected: tuple[Any, ...]) -> None:
    info = DatasetInfo(rows=tokens)
    found = language_defaults(given(), info, vocabulary_size=vocabulary, independent_texts=independent)
    data, model, training = found["data"], found["model"], found["training"]
    chosen = [model[key] for key in ("hidden_size", "embedding_size", "dropout", "tie_weights", "neural_cache_size")]
    assert (
        data["bptt_length"],
        data["batching"],
        *chosen,
        training["batch_size"],
        training["sampled_softmax"],
    ) == expected


def test_defaults_depend_on_the_other_settings() -> None:
    info = DatasetInfo(rows=5_000_000)
    smooth = language_defaults(given(label_smoothing=0.1), info, vocabulary_size=9_000, independent_texts=False)
    assert smooth["training"]["sampled_softmax"] == 0
    aligned = language_defaults(given(batching="aligned"), info, vocabulary_size=100, independent_texts=False)
    assert aligned["model"]["neural_cache_size"] == 0 and aligned["data"]["bptt_length"] == 128


def prepared(folder: Path, text: str, valid: str | None = None, **settings: Any) -> tuple[TextDataset, DatasetInfo]:
    (folder / "text.txt").write_text(text, encoding="utf-8")
    if valid is not None:
        (folder / "valid.txt").write_text(valid, encoding="utf-8")
    dataset = TextDataset(given(**settings))
    valid_file = None if valid is None else folder / "valid.txt"
    return dataset, dataset.prepare(folder / "text.txt", valid_file, folder / "cache", ignore_progress)


def test_the_end_of_the_text_is_the_validation_part(tmp_path: Path) -> None:
    text = "".join("abcdefghij"[n * n % 10] for n in range(500))
    dataset, info = prepared(tmp_path, text, validation_fraction=0.2)
    decode = dataset.vocabulary.decode
    assert decode(dataset.stores["train"].flat("tokens")) == text[:400]
    assert decode(dataset.stores["valid"].flat("tokens")) == text[400:]
    assert dataset.stores["valid"].column("characters").sum() == 100
    assert (info.rows, info.valid_rows, info.time_steps) == (400, 100, 400)
    assert info.messages[0] == "500 characters: 400 characters for training, 100 for validation"
    with dataset.encoded(tmp_path / "text.txt") as store:
        assert decode(store.flat("tokens")) == text
        folder = store.folder
    assert not folder.exists()


def test_a_separate_validation_text(tmp_path: Path) -> None:
    dataset, info = prepared(tmp_path, "abcd" * 50, valid="dcba")
    assert (info.rows, info.valid_rows) == (200, 4)
    assert dataset.vocabulary.decode(dataset.stores["valid"].flat("tokens")) == "dcba"
    again = TextDataset(given())
    dataset.save(tmp_path)
    again.load(tmp_path)
    again.load_cache(tmp_path / "cache")
    assert again.vocabulary.tokens == dataset.vocabulary.tokens and again.separator == dataset.separator
    assert again.stores["train"].flat("tokens").tolist() == dataset.stores["train"].flat("tokens").tolist()


def test_too_little_text_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="60 characters are too few to train a language model; use a longer text"):
        prepared(tmp_path, "abc" * 20)


@pytest.mark.parametrize(
    ("tokenization", "separator", "expected"),
    [("characters", "", "\n"), ("characters", "\n\n", "\n\n"), ("subwords", "", "\n"), ("words", "\n", None)],
)
def test_the_tokens_before_a_text(tokenization: Any, separator: str, expected: str | None) -> None:
    dataset = TextDataset(given(tokenization=tokenization))
    dataset.vocabulary = build(
        ["to be or\nnot to be\n\n"] * 3, tokenization, size=300 if tokenization == "subwords" else None
    )
    dataset.separator = separator
    expected_ids = [dataset.vocabulary.end] if expected is None else dataset.vocabulary.encode(expected).tolist()
    assert dataset.text_start == expected_ids
    if tokenization == "characters":
        dataset.vocabulary = build(["no line ends"], tokenization)
        assert dataset.text_start == [dataset.vocabulary.end]


def test_lines_are_parsed() -> None:
    parse = TextDataset(given()).parse_line
    assert parse(json.dumps({"text": "the sea"})) == "the sea"
    for line in ("the sea", '{"name": broken', '{"name": 1}', "[1, 2]"):
        assert parse(line) == line
    assert TextDataset(given()).inputs("a.csv") is None


def test_the_task_calibrates_and_generates() -> None:
    assert issubclass(Language, HasGeneration)
    settings = given(neural_cache_size=0)
    task = Language(settings, Language.dataset_for(settings), LSTM())
    assert isinstance(task, HasCalibration) and task.calibration_time == 0.0
    assert Language(given(neural_cache_size=10), task.dataset, LSTM()).calibration_time == 8.0
