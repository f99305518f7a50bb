"""The components of transcribe: the field of transcripts, CTC loss and search of batches, collation, defaults, dataset."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recurra.cells import get
from recurra.data.sets.tones import write_folder
from recurra.data.sources.sources import open_source
from recurra.data.store.store import Store, StoreWriter
from recurra.settings import as_given, settings_from
from recurra.tasks.base import Batch, DatasetInfo, ignore_progress
from recurra.tasks.transcribe.collate import collate
from recurra.tasks.transcribe.ctc_loss import mask_unwritable, search_texts, text_losses
from recurra.tasks.transcribe.defaults import frame_stacking_messages, transcribe_defaults
from recurra.tasks.transcribe.evaluation import unknown_units
from recurra.tasks.transcribe.settings import TranscribeSettings
from recurra.tasks.transcribe.task import Transcribe
from recurra.tasks.transcribe.transcript import Transcript


def settings(**values: Any) -> TranscribeSettings:
    return settings_from(as_given(Transcribe.settings_class), values)


# the transcript -------------------------------------------------------------------------------------------------------
def test_units_are_words_if_there_are_few_else_characters(tmp_path: Path) -> None:
    words, characters = Transcript("text", None, None), Transcript("text", None, None)
    words.choose_tokenization(["one two", "two one"] * 10)
    characters.choose_tokenization(["it is another", "sentence each time"])
    assert (words.tokenization, characters.tokenization) == ("words", "characters")
    assert words.tokenize("one  two") == ["one", "two"] and characters.tokenize(" a  b ") == ["a", " ", "b"]
    words.fit(["one  two", "Two"])
    assert sorted(words.vocabulary.tokens[3:]) == ["Two", "one", "two"]
    first, second = words.encode([" two   one ", "one three"])
    assert words.vocabulary.decode(first) == "two one" and second[1] == words.vocabulary.unknown
    assert words.describe() == ["text: 3 distinct words"]
    words.save(tmp_path)
    loaded = Transcript("text", None, None)
    loaded.load(tmp_path)
    assert loaded.tokenization == "words" and loaded.encode(["two one"])[0].tolist() == first.tolist()


def test_a_tokenization_of_the_user_is_kept() -> None:
    field = Transcript("text", None, "characters")
    field.choose_tokenization(["one two", "two one"] * 10)
    assert field.tokenization == "characters"


def test_invalid_transcripts() -> None:
    field = Transcript("text", None, "words")
    assert [field.check(value) for value in ("a", " ", None, 7)] == [None, "is empty", "is empty", "is 7, not text"]


def test_the_column_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("audio,words,speaker\na.wav,12 7,ann\n")
    source = open_source(tmp_path / "a.csv")
    assert Transcript("text", None, None).find(source, ("audio",)) == "words"
    assert Transcript("text", "speaker", None).find(source, ("audio",)) == "speaker"


# loss and search ------------------------------------------------------------------------------------------------------
def log_probs(seed: int, rows: int, steps: int, units: int) -> torch.Tensor:
    return torch.randn(rows, steps, units, generator=torch.Generator().manual_seed(seed)).log_softmax(-1)


def test_the_loss_is_the_sum_over_all_paths() -> None:
    """It is 0 for a text that needs more steps than there are."""
    scores, texts = log_probs(0, 3, 4, 5), [[3, 4], [3, 3], [3, 3, 3]]
    target = torch.zeros(3, 3, dtype=torch.long)
    for row, text in zip(target, texts, strict=True):
        row[: len(text)] = torch.tensor(text)
    batch = Batch({}, {"text": target, "ends": torch.tensor([2, 2, 3])}, 0, 0)
    losses = text_losses(scores, torch.tensor([4, 3, 4]), batch).tolist()
    for n, (text, steps) in enumerate(zip(texts[:2], (4, 3), strict=True)):
        total = 0.0
        for path in itertools.product(range(5), repeat=steps):
            if [unit for unit, _ in itertools.groupby(path) if unit] == text:
                total += math.exp(sum(float(scores[n, t, unit]) for t, unit in enumerate(path)))
        assert losses[n] == pytest.approx(-math.log(total), rel=1e-5)
    assert losses[2] == 0  # the text needs five steps


def test_unknown_unit_and_end_token_are_never_decoded() -> None:
    scores = log_probs(1, 2, 6, 5)
    original = scores.clone()
    masked = mask_unwritable(scores)
    assert np.isneginf(masked[..., [1, 2]]).all() and np.array_equal(masked[..., [0, 3, 4]], scores[..., [0, 3, 4]])
    assert torch.equal(scores, original)
    for beam_size in (1, 4):
        assert all(
            set(hypothesis.units) <= {3, 4} for hypothesis in search_texts(scores, torch.tensor([6, 6]), beam_size)
        )


def test_padding_steps_are_not_searched() -> None:
    scores = log_probs(2, 2, 6, 5)
    for beam_size in (1, 4):
        together = search_texts(scores, torch.tensor([6, 2]), beam_size)
        assert [together[0]] == search_texts(scores[:1], torch.tensor([6]), beam_size)
        assert [together[1]] == search_texts(scores[1:, :2], torch.tensor([2]), beam_size)


# batches, defaults ----------------------------------------------------------------------------------------------------
def test_a_batch_contains_frames_and_units(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", {"audio": "ragged:float32:2", "text": "ragged:int32"}) as writer:
        writer.append(audio=np.ones((3, 2), np.float32), text=np.array([5, 1], np.int32))
        writer.append(audio=np.full((1, 2), 2, np.float32), text=np.array([8], np.int32))
    store = Store(tmp_path / "store")
    batch = collate(store, np.array([1, 0]))
    assert batch.inputs["lengths"].tolist() == [1, 3] and batch.inputs["x"][0].tolist() == [[2, 2], [0, 0], [0, 0]]
    assert batch.targets["text"].tolist() == [[8, 0], [5, 1]] and batch.targets["ends"].tolist() == [1, 2]
    assert batch.targets["text"].dtype is torch.long and (batch.valid, batch.computed) == (4, 6)
    assert unknown_units(store) == 1  # the number 1


@pytest.mark.parametrize(("min_steps", "frame_stacking"), [(10, 3), (20, 3), (21, 2), (30, 2), (31, 1), (200, 1)])
def test_frame_stacking_leaves_twice_the_minimal_steps(min_steps: int, frame_stacking: int) -> None:
    info = DatasetInfo(rows=5, stats={"lengths": np.full(5, 120), "min_steps": np.full(5, min_steps)})
    assert transcribe_defaults(info)[0]["frame_stacking"] == frame_stacking


def test_recordings_that_are_too_short_are_counted() -> None:
    info = DatasetInfo(rows=3, stats={"lengths": np.array([30, 31, 60]), "min_steps": np.array([10, 11, 21])})
    assert frame_stacking_messages(info, 3) == [
        "1 recordings have fewer steps of 30 ms than their text needs; they are ignored",
        "a time step of the network is 3 frames, 30 ms",
    ]
    assert frame_stacking_messages(info, 1) == ["a time step of the network is 1 frames, 10 ms"]


# the dataset ----------------------------------------------------------------------------------------------------------
def test_data_and_settings_are_resolved(tmp_path: Path) -> None:
    write_folder(tmp_path, 40)
    given = settings(beam_size=2)
    dataset = Transcribe.dataset_for(given)
    info = dataset.prepare(tmp_path / "manifest.csv", None, tmp_path / "cache", ignore_progress)
    assert dataset.rows.columns == {"audio": "audio", "text": "text", "reference": "text"}
    lengths = dataset.stores["train"].lengths("audio")
    assert (info.rows + info.valid_rows, info.time_steps) == (40, int(lengths.sum()))
    assert info.messages[-1].endswith(f"minutes of training audio, {lengths.mean() / 100:.1f} s per recording")
    resolved = Transcribe.resolve(given, dataset, info)
    assert (resolved.data.tokenization, resolved.data.sample_rate, resolved.data.n_mels) == ("words", 8000, 40)
    assert (resolved.model.frame_stacking, resolved.model.beam_size, resolved.model.cell) == (3, 2, "lstm")
    assert info.messages[-1] == "a time step of the network is 3 frames, 30 ms"
    task = Transcribe(resolved, dataset, get("lstm"))
    keys = task.sampler().epoch(0)
    assert sorted(np.concatenate(keys).tolist()) == list(range(info.rows))
    assert task.sampler().time_steps(keys).tolist() == [len(key) * int(lengths[key].max()) for key in keys]
    assert task.selection.metric == "wer" and task.streaming().open is None
    dataset.save(tmp_path)
    loaded = Transcribe.dataset_for(resolved)
    loaded.load(tmp_path)
    assert loaded.has_words and loaded.frame_stacking == 3 and loaded.audio.sample_rate == 8000
