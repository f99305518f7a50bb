"""Images: idx files, files in folders and tables, and sizes; classification of images row by row."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import recurra
from recurra.data.media.idx import read_idx
from recurra.data.media.images import convert_channels, read_image, resize
from recurra.data.sources.sources import open_source
from recurra.errors import CallError, DataError
from recurra.models.image_augmentation import ImageNormalization, shift_randomly
from recurra.run import Run

SMALL: dict[str, Any] = {"hidden_size": 8, "num_layers": 1, "steps": 4, "threads": 1}


def idx(path: Path, array: np.ndarray) -> Path:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    data = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def bars(count: int, seed: int = 0, *, rows: int = 6, columns: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Images with a bright row (class 0) or a bright column (1) and some noise."""
    draw = np.random.default_rng(seed)
    images, labels = draw.integers(0, 60, (count, rows, columns)), np.arange(count) % 2
    for image, label in zip(images, labels, strict=True):
        if label:
            image[:, draw.integers(columns)] = 250
        else:
            image[draw.integers(rows)] = 250
    return images.astype(np.uint8), labels


def pair(folder: Path, count: int = 80, name: str = "train", **options: Any) -> Path:
    images, labels = bars(count, **options)
    idx(folder / f"{name}-labels-idx1-ubyte", labels)
    return idx(folder / f"{name}-images-idx3-ubyte.gz", images)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("bars")
    options = SMALL | {"hidden_size": 16, "steps": 150, "learning_rate": 0.01, "random_shift": 0, "ema_decay": 0.9}
    return recurra.train("classify", pair(folder, 200), out=folder / "run", **options)


def test_it_learns_and_all_forms_of_an_image_give_the_same(run: Run, tmp_path: Path) -> None:
    assert run.evaluate(pair(tmp_path, 100, "test", seed=1))["accuracy"] >= 0.95
    images, labels = bars(4, 2)
    answers = run.predict(list(images))
    assert [answer["label"] for answer in answers] == [str(label) for label in labels]
    assert run.predict([image.tolist() for image in images]) == answers
    assert run.predict([{"image": images[0]}])[0] == answers[0]
    loaded = recurra.load(run.path)
    assert loaded.predict(list(images)) == answers
    alone = [run.predict([image])[0] for image in images]
    for one, other in zip(alone, answers, strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)


def test_a_folder_with_a_pair_of_idx_files(tmp_path: Path) -> None:
    path = pair(tmp_path, 6)
    rows = list(open_source(tmp_path).rows())
    assert [row.values["label"] for row in rows] == ["0", "1"] * 3
    np.testing.assert_array_equal(rows[4].values["image"], read_idx(path)[4])
    pair(tmp_path, 6, "t10k")
    with pytest.raises(DataError, match=r"several files of images .*t10k-images-idx3-ubyte.gz, train"):
        open_source(tmp_path)


def test_invalid_idx_files(tmp_path: Path) -> None:
    path = pair(tmp_path, 6)
    idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(5))
    with pytest.raises(
        DataError, match=r"has 6 images, but train-labels-idx1-ubyte has 5 labels; do the two files belong together"
    ):
        recurra.train("classify", path, out=tmp_path / "run", **SMALL)
    original = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(original[:-7]))
    with pytest.raises(
        DataError, match=r"is damaged: the header declares 6 x 6 x 5 numbers, 180 bytes, but 173 bytes follow"
    ):
        recurra.train("classify", path, out=tmp_path / "run", **SMALL)
    path.write_bytes(gzip.compress(b"PNG" + original))
    with pytest.raises(DataError, match="is not an idx file"):
        recurra.train("classify", path, out=tmp_path / "run", **SMALL)
    lone = idx(tmp_path / "lone-images-idx3-ubyte", bars(6)[0])
    with pytest.raises(DataError, match="no column looks like the label"):
        recurra.train("classify", lone, out=tmp_path / "run", **SMALL)


def test_a_file_of_texts_belongs_to_images(tmp_path: Path) -> None:
    path = idx(tmp_path / "a-images-idx3-ubyte", bars(3)[0])
    (tmp_path / "a-captions.txt").write_text("one\n二\nthree\n", encoding="utf-8")
    source = open_source(path)
    assert source.columns == ["image", "text"]
    assert [row.values["text"] for row in source.rows()] == ["one", "二", "three"]


def save(path: Path, image: np.ndarray) -> str:
    pillow = pytest.importorskip("PIL.Image")
    path.parent.mkdir(parents=True, exist_ok=True)
    pillow.fromarray(image).save(path)
    return path.name


def test_a_folder_of_classes(tmp_path: Path) -> None:
    images, labels = bars(24)
    for n, (image, label) in enumerate(zip(images, labels, strict=True)):
        save(tmp_path / "data" / ("column" if label else "row") / f"{n}.png", image)
    run = recurra.train("classify", tmp_path / "data", out=tmp_path / "run", **SMALL)
    assert run.settings.data.input == "image"  # type: ignore[attr-defined]
    file = tmp_path / "data" / "row" / "0.png"
    assert run.predict([str(file)]) == run.predict([images[0]])
    assert list(run.task.dataset.inputs(str(file))) == [str(file)]
    assert run.evaluate(tmp_path / "data")["loss"] > 0


def listed(folder: Path, count: int = 12, size: tuple[int, int] = (6, 5)) -> Path:
    folder.mkdir(exist_ok=True)
    images, labels = bars(count)
    with (folder / "list.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "label"])
        for n, (image, label) in enumerate(zip(images, labels, strict=True)):
            table.writerow([save(folder / f"{n}.png", image if n != 4 else np.resize(image, size)), label])
    return folder / "list.csv"


def test_a_table_of_image_files_and_its_errors(tmp_path: Path) -> None:
    table = listed(tmp_path / "a")
    recurra.train("classify", table, out=tmp_path / "fine", **SMALL)
    (tmp_path / "a" / "2.png").unlink()
    (tmp_path / "a" / "7.png").write_bytes(b"no image at all")
    with pytest.raises(DataError) as raised:
        recurra.train("classify", table, out=tmp_path / "run", **SMALL)
    message = str(raised.value)
    assert "list.csv, row 3, field 'file': names the file" in message
    assert "2.png, which does not exist (line 4)" in message
    assert "1 more row cannot be used (row 8)" in message and "--set on_error=skip" in message
    run = recurra.train("classify", table, out=tmp_path / "run", on_error="skip", **SMALL)
    with pytest.raises(CallError, match=r"7.png, which is not a complete image"):
        run.predict([str(tmp_path / "a" / "7.png")])


def test_other_sizes_are_reported_or_resized(tmp_path: Path) -> None:
    table = listed(tmp_path / "a", size=(9, 8))
    with pytest.raises(
        DataError,
        match=r"row 5, .* is an image of 9x8 pixels, others are 6x5; --image-size 6x5 resizes all \(.*\.png\)",
    ):
        recurra.train("classify", table, out=tmp_path / "run", **SMALL)
    run = recurra.train("classify", table, out=tmp_path / "run", image_size="6x5", **SMALL)
    assert run.predict([np.zeros((20, 30), np.uint8)])[0]["label"] in "01"
    assert run.task.dataset.input.field.shape == (6, 5, 1)


def test_images_are_arrays_of_bytes() -> None:
    gray = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert read_image(gray).shape == (2, 3, 1)
    assert read_image([[0, 255.0]]).tolist() == [[[0], [255]]]
    assert convert_channels(read_image(gray), 3)[1, 2].tolist() == [5, 5, 5]
    red = np.zeros((1, 1, 3), np.uint8)
    red[..., 0] = 200
    assert convert_channels(red, 1).tolist() == [[[60]]]  # 0.299 of it
    for value, problem in (([1, 2], "shape"), ([[300]], "0 to 255"), ([[-1]], "0 to 255"), ("x.png", "does not exist")):
        with pytest.raises(ValueError, match=problem):
            read_image(value)


def test_resizing_averages_neighbors() -> None:
    pytest.importorskip("PIL")
    image = np.array([[0, 0, 200, 200], [0, 0, 200, 200]], np.uint8)[..., None]
    small = resize(image, 1, 2)
    assert small.shape == (1, 2, 1) and small[0, 0, 0] < 60 and small[0, 1, 0] > 140
    assert resize(image, 2, 4) is image


def test_random_shift_translates_images() -> None:
    torch.manual_seed(0)
    images = torch.arange(1, 13).reshape(1, 3, 4, 1).repeat(200, 1, 1, 1)
    shifted = {tuple(one.flatten().tolist()) for one in shift_randomly(images, 1)}
    assert len(shifted) == 9 and tuple(range(1, 13)) in shifted
    assert (0, 0, 0, 0, 0, 1, 2, 3, 0, 5, 6, 7) in shifted  # down and right by one


def test_images_are_standardized_and_shifted_only_in_training() -> None:
    normalization = ImageNormalization((3, 4, 1), 100.0, 50.0, random_shift=1)
    x = torch.full((5, 3, 4), 150, dtype=torch.uint8)
    torch.manual_seed(1)
    assert (normalization.train()(x) == -2).any()  # zeros enter at a border: (0 - 100) / 50
    assert (normalization.eval()(x) == 1).all()


def test_streaming_of_rows(tmp_path: Path) -> None:
    run = recurra.train("classify", pair(tmp_path), out=tmp_path / "run", bidirectional=False, **SMALL)
    image = bars(1, 3)[0][0]
    whole = run.predict([image])[0]
    with run.stream() as session:
        session.push(image[0].tolist())
        session.push(image[1:4])
        session.push(image[4:].tolist())
        assert session.result()["probabilities"] == pytest.approx(whole["probabilities"], abs=1e-5)
        with pytest.raises(CallError, match="expected rows of 5 numbers from 0 to 255"):
            session.push([1, 2])


@pytest.mark.skipif("RECURRA_DATA" not in os.environ, reason="needs RECURRA_DATA")
def test_mnist_is_read() -> None:
    source = open_source(Path(os.environ["RECURRA_DATA"]) / "mnist")
    rows = source.first_rows()
    assert [row.values["label"] for row in rows[:5]] == ["5", "0", "4", "1", "9"]
    assert rows[0].values["image"].shape == (28, 28)
