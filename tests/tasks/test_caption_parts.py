"""The components of caption: the fields of captions and image ids, the two types of input, batches, defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recurra.cells import get
from recurra.data.sources.sources import open_source
from recurra.data.store.split import digest
from recurra.data.store.store import Store, StoreWriter
from recurra.data.words.vocabulary import Vocabulary
from recurra.errors import DataError, SettingError
from recurra.fields.image_features import ImageFeatures
from recurra.files import write_json
from recurra.settings import as_given, settings_from
from recurra.tasks.base import DatasetInfo, ignore_progress
from recurra.tasks.caption.collate import collate
from recurra.tasks.caption.dataset import CaptionDataset
from recurra.tasks.caption.defaults import caption_defaults
from recurra.tasks.caption.fields import Captions, ImageId, captions_of
from recurra.tasks.caption.inputs import CaptionFeaturesInput, CaptionImageInput, input_for
from recurra.tasks.caption.model import caption_network
from recurra.tasks.caption.settings import CaptionSettings
from recurra.tasks.caption.task import Caption


def settings(**values: Any) -> CaptionSettings:
    return settings_from(as_given(Caption.settings_class), values)


def captions(tokenization: Any = None, size: int = 100, min_count: int | None = 1) -> Captions:
    return Captions("text", None, tokenization, size, min_count)


# fields ---------------------------------------------------------------------------------------------------------------
def test_the_captions_of_a_cell() -> None:
    assert captions_of("a dog") == ["a dog"] and captions_of(None) == [None]
    assert captions_of(["a", "b"]) == ["a", "b"] and captions_of(np.array(["a", "b"])) == ["a", "b"]


def test_captions_are_words_or_chinese_characters(tmp_path: Path) -> None:
    words, characters = captions(), captions()
    words.fit(["A dog runs", "a dog"])
    characters.fit(["一只狗", "一只猫 cat"])
    assert (words.tokenization, characters.tokenization) == ("words", "characters")
    assert sorted(words.vocabulary.tokens[3:]) == ["A", "a", "dog", "runs"]  # the case is kept
    first, second = words.encode(["a dog", "a cat"])
    assert words.vocabulary.decode(first) == "a dog" and second[1] == words.vocabulary.unknown
    words.save(tmp_path)
    loaded = captions()
    loaded.load(tmp_path)
    assert (
        loaded.tokenization == "words"
        and loaded.encode(["a dog runs"])[0].tolist() == words.encode(["a dog runs"])[0].tolist()
    )
    assert loaded.describe() == ["text: 7 words"]


def test_rare_words_are_unknown_by_default() -> None:
    field = captions("words", min_count=None)
    field.fit(["a dog", "a cat", "a dog"])
    assert sorted(field.vocabulary.tokens[3:]) == ["a", "dog"]
    with pytest.raises(DataError, match="no words of the text occur 2 times; use more training data"):
        captions("words", min_count=None).fit(["a dog"])


def test_the_column_of_captions(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("picture,caption,note\n1.png,a,b\n")
    (tmp_path / "b.csv").write_text("picture,note,other\n1.png,a,b\n")
    one, other = (open_source(tmp_path / name) for name in ("a.csv", "b.csv"))
    assert captions().find(one, ("picture",)) == "caption"
    assert captions().find(one, ("picture", "caption")) == "note"  # the only remaining column
    assert Captions("text", "note", None, 10, None).find(one, ()) == "note"
    with pytest.raises(
        DataError, match=r"no column looks like the captions; name it with --text \(columns: picture, note, oth"
    ):
        captions().find(other, ("picture",))


def test_the_image_id_depends_on_the_content(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([1.0, 2.0]))
    image = ImageFeatures("features", None)
    field = ImageId("image_id", image)
    name, same, other = field.encode([f"{tmp_path}/a.npy", [1.0, 2.0], [1.0, 3.0]])
    assert name == same == digest(image.key([1.0, 2.0])) >> 1 != other
    (tmp_path / "a.csv").write_text("features,text\na.npy,a\n")
    source = open_source(tmp_path / "a.csv")
    assert field.find(source, ("features",)) == "features"
    assert field.value(source.first_rows()[0], "features") == str(tmp_path / "a.npy") and field.check(None) is None


# inputs, network ------------------------------------------------------------------------------------------------------
def test_features_replace_images() -> None:
    assert isinstance(input_for(settings().data), CaptionImageInput)
    assert isinstance(input_for(settings(image_features="v").data), CaptionFeaturesInput)
    for other in ({"image": "i"}, {"image_size": "8x8"}, {"grayscale": False}):
        with pytest.raises(SettingError, match="image_features replaces images"):
            input_for(settings(image_features="v", **other).data)


def test_features_are_found_if_no_column_contains_images(tmp_path: Path) -> None:
    """The columns and the name of the input are recorded in the run; a setting of images raises here as well."""
    vectors = np.random.default_rng(0).normal(size=(12, 3))
    np.savez(tmp_path / "a.npz", vectors=vectors, text=np.array(["a dog", "a cat"] * 6))
    dataset = CaptionDataset(settings(validation_fraction=0.3))
    info = dataset.prepare(tmp_path / "a.npz", None, tmp_path / "cache", ignore_progress)
    assert info.settings == {"data": {"image_features": "vectors"}}
    assert not dataset.has_several_steps and dataset.max_length == 2
    assert dataset.rows.columns == {"features": "vectors", "text": "text", "raw_text": "text", "image_id": "vectors"}
    assert info.messages[0] == "12 captions of 12 different features"
    assert info.messages[-1] == "captions have 2.0 words on average, 2 at most"
    assert info.time_steps == 3 * info.rows and info.rows + info.valid_rows == 12
    dataset.save(tmp_path)
    loaded = CaptionDataset(settings(image_features="vectors"))
    loaded.load(tmp_path)
    assert (loaded.max_length, loaded.has_several_steps, loaded.text.tokenization) == (2, False, "words")
    with pytest.raises(SettingError, match="image_features replaces images"):
        CaptionDataset(settings(grayscale=True)).prepare(tmp_path / "a.npz", None, tmp_path / "other", ignore_progress)


def test_the_grid_of_attention(tmp_path: Path) -> None:
    write_json(tmp_path / "image.json", {"shape": [16, 32, 1], "mean": 0.0, "std": 1.0})
    images = CaptionImageInput(settings().data)
    images.field.load(tmp_path)
    assert images.grid(16) == (8, 16) and CaptionFeaturesInput(settings().data).grid(5) == (1, 5)


def test_attention_is_the_default_for_several_vectors() -> None:
    images, features = CaptionImageInput(settings().data), CaptionFeaturesInput(settings().data)
    cases = [(images, False, "every_step", "additive", 96), (images, False, "initial_state", "none", 96),
             (features, False, "every_step", "none", 192), (features, True, "every_step", "additive", 192)]  # fmt: skip
    for input, has_several_steps, context_at, attention, size in cases:
        model, _ = caption_defaults(
            settings(context_at=context_at).model, input, has_several_steps=has_several_steps, captions=1
        )
        assert (model["attention"], model["encoder_size"]) == (attention, size)
    epochs = [
        caption_defaults(settings().model, images, has_several_steps=True, captions=n)[1]["epochs"]
        for n in (1, 30_000, 10**6)
    ]
    assert epochs == [100, 20, 12]


@pytest.mark.parametrize("context_at", ["initial_state", "every_step"])
def test_the_summary_is_in_the_initial_state_or_in_every_step(context_at: str) -> None:
    """Two inputs with equal initial states have different steps only if the steps read the summary."""
    text = captions()
    text.fit(["a dog"])
    given = settings(context_at=context_at, image_features="v", cell="lstm", hidden_size=5, num_layers=1, dropout=0.0,
                     embedding_size=4, encoder_size=8, attention="none")  # fmt: skip
    network = caption_network(CaptionFeaturesInput(given.data), given.model, get("lstm"), text.vocabulary)
    state, other = (network.start(torch.full((1, 1, 1), value), torch.tensor([1])) for value in (0.5, -0.5))
    initial = [list(one.layers[0].tensors().values()) for one in (state, other)]
    assert not any(torch.equal(a, b) for a, b in zip(*initial, strict=True))
    token, same = torch.tensor([Vocabulary.end]), other._replace(layers=state.layers)
    assert torch.equal(network.step(token, state)[0], network.step(token, same)[0]) is (context_at == "initial_state")


# batches --------------------------------------------------------------------------------------------------------------
def test_a_batch_contains_input_and_next_tokens(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", {"features": "ragged:float32:2", "text": "ragged:int32"}) as writer:
        writer.append(features=np.ones((1, 2), np.float32), text=np.array([5, 6, 7], np.int32))
        writer.append(features=np.full((3, 2), 2, np.float32), text=np.array([8], np.int32))
    batch = collate(Store(tmp_path / "store"), np.array([1, 0]), CaptionFeaturesInput(settings().data))
    assert batch.inputs["lengths"].tolist() == [3, 1] and batch.inputs["steps"].tolist() == [2, 4]
    assert batch.inputs["tokens"].tolist() == [[2, 8, 0, 0], [2, 5, 6, 7]]
    assert batch.targets["next"].tolist() == [[8, 2, 0, 0], [5, 6, 7, 2]]
    assert (batch.valid, batch.computed) == (6, 8)
    assert batch.inputs["x"][1].tolist() == [[1, 1], [0, 0], [0, 0]]


def test_settings_are_resolved_from_the_data(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(12, 3))
    np.savez(tmp_path / "a.npz", vectors=vectors, text=np.array(["a dog", "a cat"] * 6))
    given = settings(hidden_size=7)
    dataset = Caption.dataset_for(given)
    info: DatasetInfo = dataset.prepare(tmp_path / "a.npz", None, tmp_path / "cache", ignore_progress)
    resolved = Caption.resolve(given.with_(**info.settings), dataset, info)
    assert (resolved.data.image_features, resolved.data.tokenization, resolved.model.hidden_size) == (
        "vectors",
        "words",
        7,
    )
    task = Caption(resolved, dataset, get("lstm"))
    assert (task.selection.metric, task.selection.higher_is_better) == ("token_error_rate", False)
    keys = task.sampler().epoch(0)
    assert sorted(np.concatenate(keys).tolist()) == list(range(info.rows))
    assert task.sampler().time_steps(keys).tolist() == [3 * len(key) for key in keys]
    assert dataset.parse_line("[1, 2]") == [1, 2] and dataset.parse_line("a.npy") == "a.npy"
