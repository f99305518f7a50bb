"""The invariants of all tasks: results do not depend on padding, on the composition or order of a batch, or on how an input is
chunked, and a loaded run equals the trained one."""

from __future__ import annotations

import random
import wave
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_runs import TINY, couplets, inputs, language, reviews, write_text

import recurra
from recurra import tasks
from recurra.errors import CallError, DataError
from recurra.run import Run

TOKENIZATIONS = ("characters", "words", "subwords")
POOLINGS = ("last", "mean", "max", "attention", "mean_max")
TEXTS = (
    "a dull film 难看的片子 and so on and so on 12",
    "电影",
    "a",
    "  warm,   bright!  故事不错……  ",
    "words that nobody ever saw, 没有见过的字",
    "don't stop — a film\nof two lines\r\n",
    "",
)
# Values in float32 that were computed in another order: a few dozen roundings of numbers below 10. Results have 6 decimals.
CLOSE = 64 * torch.finfo(torch.float32).eps * 10 + 1e-6


def random_pieces(text: str, seed: int) -> list[str]:
    """Split `text` into pieces of zero to four characters."""
    draw, pieces = random.Random(seed), []
    while text:
        n = draw.randint(0, 4)
        pieces.append(text[:n])
        text = text[n:]
    return pieces


def alike(one: Any, other: Any, tolerance: float = CLOSE) -> None:
    """Check that two results are equal except for rounding. The order of equally probable entries may differ."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            alike(one[key], other[key], tolerance)
    elif isinstance(one, list) and isinstance(other, list):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            alike(a, b, tolerance)
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=tolerance, abs=tolerance)
    else:
        assert one == other


def streamed(run: Run, pieces: Iterable[Any]) -> dict[str, Any]:
    """The result of a stream into which the pieces were pushed."""
    with run.stream() as session:
        for piece in pieces:
            session.push(piece)
        return session.result()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """A function that trains a run of `classify`, `regress`, `language` or `couplet`, each once."""
    runs: dict[Any, Run] = {}

    def make(task: str, **settings: Any) -> Run:
        key = (task, *sorted(settings.items()))
        if key not in runs:
            folder = tmp_path_factory.mktemp("invariants")
            other = {"language": language, "couplet": couplets}.get(task)
            runs[key] = reviews(folder, task=task, **settings) if other is None else other(folder, **settings)
        return runs[key]

    return make


# every task -----------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """A function that trains the run of `TINY` for a task, each once."""
    runs: dict[str, Run] = {}

    def train(task: str) -> Run:
        if task not in runs:
            runs[task] = TINY[task](tmp_path_factory.mktemp(task))
        return runs[task]

    return train


def test_every_built_in_task_has_a_tiny_run() -> None:
    assert set(TINY) == set(tasks.names()), "add an entry for the task to TINY in tests/tiny_runs.py"


@pytest.mark.parametrize("task", TINY)
def test_a_loaded_run_predicts_what_the_trained_run_predicts(tiny: Callable[[str], Run], task: str) -> None:
    run = tiny(task)
    examples = inputs(run)
    assert run.task.name == task
    assert recurra.load(run.path).predict(examples) == run.predict(examples)


@pytest.mark.parametrize("task", TINY)
def test_the_result_of_an_example_does_not_depend_on_the_batch(tiny: Callable[[str], Run], task: str) -> None:
    run = tiny(task)
    examples = inputs(run)
    alone = [run.predict([example])[0] for example in examples]
    assert len(alone) > 1
    for seed in range(3):
        order = random.Random(seed).sample(range(len(examples)), len(examples))
        for result, i in zip(run.predict([examples[i] for i in order]), order, strict=True):
            alike(result, alone[i], 1e-5)


# Settings with which a task streams; a task that is not listed streams without settings, or reports why it does not.
STREAMING: dict[str, dict[str, Any]] = {
    "classify": {"bidirectional": False},
    "language": {},
    "regress": {"bidirectional": False},
    "tag": {"bidirectional": False, "crf": False},
    "transcribe": {"bidirectional": False},
}


@pytest.mark.parametrize("task", TINY)
def test_chunks_equal_the_whole_input(tmp_path: Path, task: str) -> None:
    run = TINY[task](tmp_path, **STREAMING.get(task, {}))
    streams, reason = run.streams
    assert streams != bool(reason)
    if not streams:
        assert task not in STREAMING
        return
    for example in inputs(run, 3):
        sequence = example["tokens"] if task == "tag" else recording(example) if task == "transcribe" else example
        for size in (1, 3) if len(sequence) < 100 else (160, 1000):
            pieces = (sequence[at : at + size] for at in range(0, len(sequence), size))
            alike(streamed(run, pieces), run.predict([example])[0], 1e-4)


def recording(path: Any) -> np.ndarray:
    """The samples of a WAV file with 16 bits, in [-1, 1)."""
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 2**15


# tasks with text ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("tokenization", TOKENIZATIONS)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_chunks_equal_the_whole_text_for_classify(made: Callable[..., Run], tokenization: str, pooling: str) -> None:
    run = made("classify", tokenization=tokenization, pooling=pooling, bidirectional=False, vocabulary_size=300)
    assert run.streams == (True, "")
    for text in TEXTS:
        whole = run.predict([text])[0]
        for seed in range(3):
            alike(streamed(run, random_pieces(text, seed)), whole)
        alike(streamed(run, list(text)), whole)
        alike(streamed(run, [text]), whole)


@pytest.mark.parametrize("tokenization", TOKENIZATIONS)
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_chunks_equal_the_whole_text_for_regress(made: Callable[..., Run], tokenization: str, cell: str) -> None:
    run = made("regress", tokenization=tokenization, cell=cell, num_layers=2, bidirectional=False, vocabulary_size=300)
    for text in TEXTS:
        whole = run.predict([text])[0]
        for seed in range(3):
            alike(streamed(run, random_pieces(text, seed)), whole)


@pytest.mark.parametrize("tokenization", TOKENIZATIONS)
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_chunks_equal_the_whole_text_for_language(made: Callable[..., Run], tokenization: str, cell: str) -> None:
    run = made(
        "language",
        tokenization=tokenization,
        cell=cell,
        num_layers=2,
        vocabulary_size=300 if tokenization == "subwords" else None,
    )
    for text in TEXTS:
        whole = run.predict([text])[0]
        for seed in range(3):
            alike(streamed(run, random_pieces(text, seed)), whole, 1e-5)  # up to 50 losses are summed in another order


def test_the_result_so_far_is_that_of_the_text_so_far(made: Callable[..., Run]) -> None:
    """Requesting the result does not change the stream, not even within a word."""
    for task in ("classify", "regress", "language"):
        run = made(task, tokenization="words", **({} if task == "language" else {"bidirectional": False}))
        text = "a dull film and so on 很好"
        with run.stream() as session:
            for at, letter in enumerate(text, 1):
                session.push(letter)
                alike(session.result(), run.predict([text[:at]])[0], 1e-5)


def test_a_bidirectional_network_does_not_stream(made: Callable[..., Run]) -> None:
    run = made("classify", bidirectional=True, tokenization="words")
    streams, reason = run.streams
    assert not streams and "backward direction" in reason
    with pytest.raises(DataError, match="does not stream: the backward direction"):
        run.stream()


@pytest.mark.parametrize("task", ["classify", "regress"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_batch_equals_single_texts_in_any_order(made: Callable[..., Run], task: str, bidirectional: bool) -> None:
    """Texts of 0 to 46 tokens are padded to the longest, so this also tests that padding has no effect."""
    run = made(task, tokenization="words", bidirectional=bidirectional)
    alone = [run.predict([text])[0] for text in TEXTS]
    for seed in range(3):
        order = random.Random(seed).sample(range(len(TEXTS)), len(TEXTS))
        for one, at in zip(run.predict([TEXTS[i] for i in order]), order, strict=True):
            alike(one, alone[at])
    for one, expected in zip(run.predict_iter(iter(TEXTS), batch_size=2), alone, strict=True):
        alike(one, expected)


@pytest.mark.parametrize("precision", ["32", "64"])
def test_couplets_alone_in_a_batch_and_of_a_loaded_run_are_equal(made: Callable[..., Run], precision: str) -> None:
    run = made("couplet", precision=precision)
    assert recurra.load(run.path).predict(list(TEXTS)) == run.predict(list(TEXTS))
    assert next(run.network.parameters()).dtype is (torch.float64 if precision == "64" else torch.float32)
    alone = [run.predict([text])[0] for text in TEXTS]
    for seed in range(3):
        order = random.Random(seed).sample(range(len(TEXTS)), len(TEXTS))
        for one, at in zip(run.predict([TEXTS[i] for i in order]), order, strict=True):
            assert len(one["text"]) == len(TEXTS[at])
            alike(one, alone[at])


def test_padding_changes_neither_values_nor_gradients(made: Callable[..., Run]) -> None:
    for pooling in POOLINGS:
        network = made("classify", tokenization="words", pooling=pooling, bidirectional=True).network
        sequences = [torch.tensor([[3, 4, 5, 6, 7]]), torch.tensor([[8]]), torch.tensor([[9, 3, 4]])]
        x = torch.zeros(3, 9, dtype=torch.long)
        for b, sequence in enumerate(sequences):
            x[b, : sequence.shape[1]] = sequence
        weight = torch.linspace(-1, 1, 6).reshape(3, 2)
        network.zero_grad()
        together = network(x, torch.tensor([5, 1, 3]))
        (together * weight).sum().backward()
        expected = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
        network.zero_grad()
        alone = torch.cat([network(sequence) for sequence in sequences])
        (alone * weight).sum().backward()
        torch.testing.assert_close(together, alone, rtol=0, atol=CLOSE)
        for name, p in network.named_parameters():
            if p.grad is not None:
                torch.testing.assert_close(expected[name], p.grad, rtol=1e-5, atol=CLOSE, msg=name)
        network.zero_grad()


@pytest.mark.parametrize("task", ["classify", "regress", "language"])
@pytest.mark.parametrize("precision", ["32", "64"])
def test_a_loaded_network_is_bit_identical(made: Callable[..., Run], task: str, precision: str) -> None:
    run = made(task, precision=precision)
    again = recurra.load(run.path)
    assert again.predict(list(TEXTS)) == run.predict(list(TEXTS))
    x = torch.tensor([[3, 4, 5, 1, 0]])
    with torch.no_grad():
        one, other = run.network(x), again.network(x)
    one, other = (value[0] if isinstance(value, tuple) else value for value in (one, other))
    assert one.dtype is (torch.float64 if precision == "64" else torch.float32)
    assert torch.equal(one, other)
    trained = run.metrics["valid/loss"]
    assert recurra.train.__module__ and np.isfinite(trained)


def test_a_language_model_with_tied_weights_is_saved_and_loaded(tmp_path: Path) -> None:
    run = language(tmp_path, tie_weights=True, embedding_size=6)
    assert run.network.output.weight is run.network.embedding.weight  # type: ignore[union-attr]
    assert recurra.load(run.path).predict(["the sea"]) == run.predict(["the sea"])
    assert not torch.equal(run.network.output.weight, torch.zeros(1))  # type: ignore[arg-type]


def test_evaluating_a_file_equals_streaming_its_text(made: Callable[..., Run], tmp_path: Path) -> None:
    """The nats of `evaluate FILE` are those of a stream of the same text. Perplexity and bits are derived from them."""
    run = made("language", tokenization="characters")
    text = write_text(tmp_path / "other.txt", 30).read_text(encoding="utf-8")
    metrics, read = run.evaluate(tmp_path / "other.txt"), run.predict([text])[0]
    assert read["tokens"] == len(text) > 256
    assert metrics["loss"] * len(text) == pytest.approx(read["nats"], rel=1e-5)
    assert metrics["perplexity"] == pytest.approx(np.exp(metrics["loss"]))
    assert metrics["nats_per_character"] == pytest.approx(metrics["loss"])
    assert metrics["bits_per_character"] == pytest.approx(metrics["loss"] / np.log(2))


def test_metrics_of_classify_by_hand(made: Callable[..., Run], tmp_path: Path) -> None:
    run = made("classify", tokenization="words")
    rows = ["a dull film", "a warm film", "an empty film", "a bright film", "a film"]
    labels = ["bad", "good", "good", "good", "bad"]
    (tmp_path / "t.csv").write_text("text,label\n" + "".join(f"{a},{b}\n" for a, b in zip(rows, labels, strict=True)))
    predicted = run.predict(rows)
    metrics = run.evaluate(tmp_path / "t.csv")
    hits = [one["label"] == label for one, label in zip(predicted, labels, strict=True)]
    assert metrics["accuracy"] == pytest.approx(np.mean(hits))
    table = np.zeros((2, 2), int)
    for one, label in zip(predicted, labels, strict=True):
        table[["bad", "good"].index(label), ["bad", "good"].index(one["label"])] += 1
    assert metrics["confusion"] == {"classes": ["bad", "good"], "table": table.tolist()}
    f1 = [2 * table[k, k] / max(table[k].sum() + table[:, k].sum(), 1) for k in range(2)]
    assert metrics["macro_f1"] == pytest.approx(np.mean(f1))
    nats = [-np.log(one["probabilities"][label]) for one, label in zip(predicted, labels, strict=True)]
    assert metrics["loss"] == pytest.approx(np.mean(nats), abs=1e-4)


def test_metrics_of_regress_are_in_the_units_of_the_data(made: Callable[..., Run], tmp_path: Path) -> None:
    run = made("regress", tokenization="words")
    rows, stars = ["a dull film", "a warm film", "a film"], np.array([1.0, 4.5, 2.0])
    (tmp_path / "t.csv").write_text("text,stars\n" + "".join(f"{a},{b}\n" for a, b in zip(rows, stars, strict=True)))
    error = np.array([one["prediction"] for one in run.predict(rows)]) - stars
    metrics = run.evaluate(tmp_path / "t.csv")
    assert metrics["mse"] == pytest.approx((error**2).mean(), rel=1e-5)
    assert metrics["rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
    assert metrics["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-5)
    assert metrics["r2"] == pytest.approx(1 - (error**2).mean() / stars.var(), rel=1e-4)


def test_an_input_that_is_not_text_raises(made: Callable[..., Run]) -> None:
    run = made("classify", tokenization="words")
    with pytest.raises(CallError, match="example 2: text is 7, not text"):
        run.predict(["a film", 7])
    with pytest.raises(CallError, match="an input object requires the key 'text'; this one has 'txt'"):
        run.predict([{"txt": "a film"}])
    assert run.predict([]) == []
    assert run.predict("a film") == run.predict(["a film"])


def test_long_texts_are_truncated_to_their_two_ends_in_training(tmp_path: Path) -> None:
    """`max_length` 5: the first three and the last two time steps. At inference nothing is truncated."""
    from recurra.data.store.store import Store, StoreWriter
    from recurra.fields.label import Label
    from recurra.fields.text import Text
    from recurra.tasks.shared.collate import collate

    text, label = Text("text", None, "words", 10, 1), Label("label", None)
    with StoreWriter(tmp_path / "store", {"text": "ragged:int32", "label": "int64"}) as writer:
        for length in (9, 5, 3, 6):
            writer.append(text=np.arange(10, 10 + length), label=0)
    rows = np.array([3, 0, 1, 2])
    x = collate(Store(tmp_path / "store"), rows, text, [label], max_length=5).inputs["x"]
    assert x.tolist() == [[10, 11, 12, 14, 15], [10, 11, 12, 17, 18], [10, 11, 12, 13, 14], [10, 11, 12, 0, 0]]
    whole = collate(Store(tmp_path / "store"), rows, text, [label]).inputs["lengths"]
    assert whole.tolist() == [6, 9, 5, 3]
