"""The task caption: learning, invariances of batches, padding, search and run folders, and error messages."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import recurra
from recurra.errors import CallError, DataError, SettingError
from recurra.fields.image import Image
from recurra.fields.paired_text import RawText
from recurra.files import write_json
from recurra.metrics.text import multi_reference_metrics
from recurra.progress import Silent
from recurra.run import Run
from recurra.settings import as_given, settings_from
from recurra.tasks.base import ignore_progress
from recurra.tasks.caption.fields import rows_of_images
from recurra.tasks.caption.task import Caption

WORDS = ("dark", "bright")
SMALL: dict[str, Any] = {"hidden_size": 24, "embedding_size": 8, "encoder_size": 16, "threads": 1, "ema_decay": 0.9}


def scenes(count: int, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """One to three boxes side by side in 16 x 32 pixels; the captions name each as dark or bright, from left to right."""
    draw = np.random.default_rng(seed)
    images, texts = np.zeros((count, 16, 32), np.uint8), []
    for image in images:
        boxes = draw.integers(0, 2, draw.integers(1, 4))
        for at, bright in enumerate(boxes):
            top, left = draw.integers(0, 8), at * 11 + draw.integers(0, 3)
            image[top : top + 8, left : left + 8] = 250 if bright else 110
        texts.append(" ".join(WORDS[bright] for bright in boxes))
    return images, texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("caption")
    for name, count, seed in (("train", 600, 0), ("test", 60, 1)):
        images, texts = scenes(count, seed)
        np.savez(folder / f"{name}.npz", image=images, text=np.array(texts))
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return recurra.train("caption", folder / "train.npz", out=folder / "run", steps=420, num_evaluations=1,
                         learning_rate=5e-3, validation_fraction=0.1, **SMALL)  # fmt: skip


@pytest.fixture
def examples() -> list[np.ndarray]:
    return list(scenes(9, 2)[0])


class Lines(Silent):
    """Stores the printed lines."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    def message(self, line: str) -> None:
        self.lines.append(line)


def assert_same_result(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one["text"] == other["text"]
    assert one["score"] == pytest.approx(other["score"], abs=1e-5)


def test_it_learns(run: Run, folder: Path) -> None:
    metrics = run.evaluate(folder / "test.npz")
    assert metrics["exact_match"] >= 0.9, metrics
    images, texts = scenes(60, 1)
    distinct = {image.tobytes(): (image, text) for image, text in zip(images, texts, strict=True)}  # some occur twice
    predicted = [answer["text"] for answer in run.predict([image for image, _ in distinct.values()])]
    correct = [a == b for a, (_, b) in zip(predicted, distinct.values(), strict=True)]
    assert np.mean(correct) == pytest.approx(metrics["exact_match"])


def test_results_do_not_depend_on_the_batch(run: Run, examples: list[np.ndarray]) -> None:
    together = run.predict(examples)
    for at in (4, 0, 8):
        assert_same_result(run.predict([examples[at]])[0], together[at])
    for one, other in zip(run.predict(examples[::-1]), together[::-1], strict=True):
        assert_same_result(one, other)


def test_the_loss_does_not_depend_on_the_batch(run: Run, folder: Path, tmp_path: Path) -> None:
    """The loss of a file is the mean over the tokens of its examples, each evaluated alone: no norm depends on the batch."""
    images, texts = scenes(5, 3)
    total = tokens = 0.0
    for at in range(5):
        np.savez(tmp_path / f"{at}.npz", image=images[at : at + 1], text=np.array(texts[at : at + 1]))
        count = len(texts[at].split()) + 1
        total, tokens = total + count * run.evaluate(tmp_path / f"{at}.npz")["loss"], tokens + count
    np.savez(tmp_path / "all.npz", image=images, text=np.array(texts))
    assert run.evaluate(tmp_path / "all.npz")["loss"] == pytest.approx(total / tokens, rel=1e-4)


def test_results_do_not_depend_on_padding(run: Run) -> None:
    """Texts of one batch have different lengths; padding does not change the scores."""
    network = run.network
    x = torch.from_numpy(scenes(2, 5)[0].reshape(2, 16, 32))
    tokens, steps = torch.tensor([[1, 3, 4, 3], [1, 4, 0, 0]]), torch.tensor([4, 2])
    together = network(x, None, tokens, steps)
    alone = [network(x[:1], None, tokens[:1], steps[:1]), network(x[1:], None, tokens[1:, :2], steps[1:])]
    torch.testing.assert_close(together.scores, torch.cat([one.scores for one in alone]), rtol=1e-4, atol=1e-5)


def test_a_loaded_run_predicts_the_same(run: Run, examples: list[np.ndarray]) -> None:
    assert recurra.load(run.path).predict(examples) == run.predict(examples)


def test_attention_is_at_the_described_box(run: Run) -> None:
    """The attention of the words moves from left to right over three boxes; rows and columns give the position of a weight."""
    image = np.zeros((16, 32), np.uint8)
    image[4:12, 0:8], image[4:12, 11:19], image[4:12, 23:31] = 250, 110, 250
    opened = recurra.load(run.path)
    opened.change(return_attention=True)
    answer = opened.predict([image])[0]
    shown = answer["attention"]
    assert shown["text"] == [*answer["text"].split(), "<end>"]
    weights = np.array(shown["weights"]).reshape(len(shown["text"]), shown["rows"], shown["columns"])
    assert (shown["rows"], shown["columns"]) == (8, 16)
    np.testing.assert_allclose(weights.sum((1, 2)), 1, atol=0.01)
    if answer["text"] == "bright dark bright":
        middle = (weights.sum(1) * (np.arange(16) + 0.5)).sum(1)  # center of the attention of each step, from the left
        assert middle[0] < middle[1] < middle[2]


def test_beam_search_scores_at_least_as_high_as_greedy_search(run: Run, examples: list[np.ndarray]) -> None:
    wide, greedy = recurra.load(run.path), recurra.load(run.path)
    wide.change(beam_size=4, length_penalty=0.0)
    greedy.change(beam_size=1, length_penalty=0.0)
    for one, other in zip(wide.predict(examples), greedy.predict(examples), strict=True):
        assert one["score"] >= other["score"] - 1e-6


@pytest.mark.parametrize(
    "options",
    [
        {"attention": "none"},
        {"attention": "none", "context_at": "initial_state"},
        {"attention": "dot", "context_injection": "output"},
        {"context_injection": "between", "num_layers": 2, "tie_weights": True},
        {"teacher_forcing_ratio": 0.5},
        {"cell": "gru", "random_shift": 1},
    ],
)
def test_every_option_trains_and_loads(folder: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    trained = recurra.train("caption", folder / "test.npz", out=tmp_path / "run", **(SMALL | {"steps": 3} | options))
    loaded = recurra.load(trained.path)
    examples = list(scenes(2, 4)[0])
    assert loaded.predict(examples) == trained.predict(examples)


def test_the_context_is_in_the_initial_state_or_in_every_step(folder: Path, tmp_path: Path) -> None:
    """With `initial_state` the steps do not read the image: the context is zero, and only the initial state depends on it."""
    steps = {"attention": "none", "steps": 2}
    for context_at, is_read in (("initial_state", False), ("every_step", True)):
        run = recurra.train("caption", folder / "test.npz", out=tmp_path / context_at, context_at=context_at,
                            **(SMALL | steps))  # fmt: skip
        state = run.network.start(torch.from_numpy(scenes(1)[0]))  # type: ignore[operator]
        assert bool(state.context.abs().sum() > 0) is is_read
        assert all(part.abs().sum() > 0 for part in state.layers[0].tensors().values())
    with pytest.raises(
        SettingError, match="context_at = initial_state excludes attention; set attention=none or context_at=every_step"
    ):
        recurra.train(
            "caption", folder / "test.npz", out=tmp_path / "no", context_at="initial_state", attention="dot", steps=1
        )


def test_precomputed_features(tmp_path: Path) -> None:
    """One vector per example, then several per example in files that a table names."""
    draw = np.random.default_rng(0)
    kinds = draw.integers(0, 3, 150)
    vectors = (np.eye(3)[kinds] * 5 + draw.normal(0, 0.3, (150, 3))).astype(np.float32)
    texts = np.array([("a cat", "two dogs", "no birds here")[kind] for kind in kinds])
    np.savez(tmp_path / "one.npz", features=vectors, text=texts)
    run = recurra.train("caption", tmp_path / "one.npz", out=tmp_path / "run", steps=60, learning_rate=0.01, **SMALL)
    assert run.settings.model.attention == "none"  # type: ignore[attr-defined]
    assert run.evaluate(tmp_path / "one.npz")["exact_match"] == 1
    assert run.predict([{"features": [5, 0, 0]}])[0]["text"] == "a cat"
    with pytest.raises(CallError, match="features has 2 features per vector, others have 3"):
        run.predict([[1, 2]])
    with (tmp_path / "several.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["features", "text"])
        for n in range(30):
            np.save(tmp_path / f"{n}.npy", np.tile(vectors[n], (1 + n % 3, 1)))
            table.writerow([f"{n}.npy", texts[n]])
    several = recurra.train("caption", tmp_path / "several.csv", out=tmp_path / "more", steps=3, **SMALL)
    assert several.settings.model.attention == "additive"  # type: ignore[attr-defined]
    files = [str(tmp_path / f"{n}.npy") for n in range(3)]
    together = several.predict(files)  # 1, 2 and 3 vectors: results do not depend on padding
    for file, one in zip(files, together, strict=True):
        assert_same_result(several.predict([file])[0], one)
    (tmp_path / "5.npy").unlink()
    with pytest.raises(
        DataError, match=r"several.csv, row 6, field 'features': names the file .*5.npy, which does not exist"
    ):
        recurra.train("caption", tmp_path / "several.csv", out=tmp_path / "again", steps=1, **SMALL)


def test_images_in_a_folder_with_a_table(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    images, texts = scenes(24)
    with (tmp_path / "captions.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "caption"])
        for n, (pixels, text) in enumerate(zip(images, texts, strict=True)):
            image.fromarray(pixels).save(tmp_path / f"{n}.png")
            table.writerow([f"{n}.png", text])
    run = recurra.train("caption", tmp_path, out=tmp_path / "run", steps=2, **SMALL)
    answers = run.predict([{"file": str(tmp_path / "3.png")}, str(tmp_path / "3.png"), images[3].tolist()])
    assert answers[0] == answers[1] == answers[2]
    assert run.evaluate(tmp_path)["loss"] > 0
    (tmp_path / "7.png").unlink()
    (tmp_path / "9.png").write_bytes((tmp_path / "8.png").read_bytes()[:40])
    with pytest.raises(DataError) as raised:
        run.evaluate(tmp_path)
    message = str(raised.value)
    assert "captions.csv, row 8, field 'file': names the file" in message and "7.png, which does not exist" in message
    assert "1 more row cannot be used (row 10)" in message and "on_error=skip" in message
    lines: list[str] = []
    recurra.train("caption", tmp_path, out=tmp_path / "skip", steps=2, on_error="skip", progress=Lines(lines), **SMALL)
    assert any("22 captions of 2" in line for line in lines) and any("2 invalid rows skipped" in line for line in lines)


def test_invalid_settings_and_inputs(folder: Path, run: Run, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="image_features replaces images"):
        recurra.train("caption", folder / "train.npz", out=tmp_path / "run", image_features="image", grayscale=True)
    with pytest.raises(SettingError, match=r"image_size = 'big': .*rows x columns, for example 28x28"):
        recurra.train("caption", folder / "train.npz", out=tmp_path / "run", image_size="big")
    with pytest.raises(CallError, match="example 2: image is an image of 8x8 pixels, others are 16x32"):
        run.predict([scenes(1)[0][0], np.zeros((8, 8), np.uint8)])
    with pytest.raises(CallError, match=re.escape("an input object requires the key 'image'; this one has 'picture'")):
        run.predict([{"picture": "a.png"}])
    np.savez(tmp_path / "none.npz", text=np.array(["a", "b"]))
    with pytest.raises(DataError, match="no image column was found"):
        recurra.train("caption", tmp_path / "none.npz", out=tmp_path / "run", steps=1)


# several captions per image ------------------------------------------------------------------------------------------
def write_captions(folder: Path, captions: dict[int, list[str]], form: str) -> Path:
    """Write scenes with their captions: as rows of a table in random order, or as lists in JSON lines."""
    for n, image in enumerate(scenes(max(captions) + 1)[0]):
        np.save(folder / f"{n}.npy", image)
    rows = [(n, text) for n, texts in captions.items() for text in texts]
    if form == "rows":
        np.random.default_rng(0).shuffle(rows)
        path = folder / "captions.csv"
        path.write_text("file,caption\n" + "".join(f"{n}.npy,{text}\n" for n, text in rows))
        return path
    path = folder / "captions.jsonl"
    lines = [{"image": f"{n}.npy", "captions": texts} for n, texts in captions.items()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("form", ["rows", "lists"])
def test_all_captions_are_examples_and_an_image_is_in_one_part(tmp_path: Path, form: str) -> None:
    captions = {n: [f"dark {n}", f"bright {n}", f"the {n}"][: 1 + n % 3] for n in range(30)}
    given = {"image": "file" if form == "rows" else "image", "validation_fraction": 0.3}
    dataset = Caption.dataset_for(settings_from(as_given(Caption.settings_class), given))
    info = dataset.prepare(write_captions(tmp_path, captions, form), None, tmp_path / "cache", ignore_progress)
    parts = {name: RawText.read(store, "raw_text", np.arange(len(store))) for name, store in dataset.stores.items()}
    assert sorted(parts["train"] + parts["valid"]) == sorted(text for texts in captions.values() for text in texts)
    numbers = {name: {int(text.split()[1]) for text in texts} for name, texts in parts.items()}
    assert not numbers["train"] & numbers["valid"]
    different = len({scenes(30)[0][n].tobytes() for n in captions})
    assert info.messages[0] == f"60 captions of {different} images"
    store = dataset.stores["valid"]
    assert len(rows_of_images(store.column("image_id"))) == round(0.3 * different)
    for rows in rows_of_images(store.column("image_id")):  # the rows of an image are all of its captions
        images = {scenes(30)[0][int(text.split()[1])].tobytes() for text in RawText.read(store, "raw_text", rows)}
        assert len(images) == 1
        assert len(rows) == sum(len(captions[n]) for n in captions if scenes(30)[0][n].tobytes() in images)


def test_all_forms_of_captions_train_the_same(tmp_path: Path) -> None:
    """Lists, rows in the same order, and a text array with an axis of captions are the same dataset."""
    images, texts = scenes(24)
    doubled = [[text, f"{text} too"] for text in texts]
    for n, image in enumerate(images):
        np.save(tmp_path / f"{n}.npy", image)
    lists = [{"image": f"{n}.npy", "text": both} for n, both in enumerate(doubled)]
    (tmp_path / "lists.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lists))
    rows = [{"image": f"{n}.npy", "text": text} for n, both in enumerate(doubled) for text in both]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    np.savez(tmp_path / "arrays.npz", image=images, text=np.array(doubled))
    options = SMALL | {"image": "image", "steps": 3, "valid": tmp_path / "lists.jsonl"}
    runs = [recurra.train("caption", tmp_path / name, out=tmp_path / f"run-{name}", **options)
            for name in ("lists.jsonl", "rows.jsonl", "arrays.npz")]  # fmt: skip
    answers = [run.predict(list(images[:4])) for run in runs]
    assert answers[0] == answers[1] == answers[2]
    assert runs[0].metrics == runs[1].metrics == runs[2].metrics
    metrics = [runs[0].evaluate(tmp_path / name) for name in ("lists.jsonl", "rows.jsonl", "arrays.npz")]
    assert metrics[0] == metrics[1] == metrics[2]


def test_an_image_counts_once_and_any_of_its_captions_is_correct(run: Run, tmp_path: Path) -> None:
    images = list({image.tobytes(): image for image in scenes(6, 8)[0]}.values())
    predicted = [answer["text"] for answer in run.predict(images)]
    # correct for the second of two captions, for none of three, and for the only caption of the others
    captions = [["a horse", predicted[0]], ["no", "no no", "none at all"], *([text] for text in predicted[2:])]
    for n, image in enumerate(images):
        np.save(tmp_path / f"{n}.npy", image)
    lines = [{"image": f"{n}.npy", "text": texts} for n, texts in enumerate(captions)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    metrics = run.evaluate(tmp_path / "a.jsonl")
    assert metrics["exact_match"] == pytest.approx(1 - 1 / len(images))
    assert metrics["sequence_error_rate"] == pytest.approx(1 / len(images))
    assert {name: metrics[name] for name in ("bleu", "chrf", "token_error_rate")} == {
        name: pytest.approx(value) for name, value in multi_reference_metrics(predicted, captions, by_character=False).items()
        if name in ("bleu", "chrf", "token_error_rate")
    }  # fmt: skip
    # the loss is over all captions: that of a file with one row per caption
    alone = [{"image": f"{n}.npy", "text": text} for n, texts in enumerate(captions) for text in texts]
    total = tokens = 0.0
    for at, line in enumerate(alone):
        (tmp_path / f"{at}.jsonl").write_text(json.dumps(line) + "\n")
        count = len(line["text"].split()) + 1
        total += count * run.evaluate(tmp_path / f"{at}.jsonl")["loss"]
        tokens += count
    assert metrics["loss"] == pytest.approx(total / tokens, rel=1e-4)


def test_rows_of_images_are_ordered_by_their_first_row() -> None:
    rows = rows_of_images(np.array([9, 4, 9, 7, 4, 9]))
    assert [part.tolist() for part in rows] == [[0, 2, 5], [1, 4], [3]]


@pytest.mark.parametrize(
    ("captions", "problem"),
    [
        ("[]", "is an empty list; each image needs a caption"),
        ('["dark", " ", "bright"]', "has 3 captions; number 2 is empty"),
        ('["dark", 7]', "has 2 captions; number 2 is 7, not text"),
        ('""', "is empty"),
        ("null", "is empty"),
    ],
)
def test_an_image_without_a_caption_is_reported_with_its_row(tmp_path: Path, captions: str, problem: str) -> None:
    path = write_captions(tmp_path, {n: ["dark", "bright"] for n in range(12)}, "lists")
    lines = path.read_text().splitlines()
    lines[4] = re.sub(r'"captions": .*}', f'"captions": {captions}}}', lines[4])
    path.write_text("\n".join(lines) + "\n")
    options = SMALL | {"image": "image", "out": tmp_path / "run", "steps": 1}
    with pytest.raises(DataError) as raised:
        recurra.train("caption", path, **options)
    assert f"captions.jsonl, row 5, field 'captions': {problem} (line 5)" in str(raised.value)
    assert "on_error=skip" in str(raised.value) and not (tmp_path / "run").exists()
    shown: list[str] = []
    recurra.train("caption", path, on_error="skip", progress=Lines(shown), **options)
    assert "22 captions of 11 images" in shown and any("1 invalid row skipped" in line for line in shown)


def test_an_image_in_several_rows_is_read_once(tmp_path: Path) -> None:
    """Both a repeated name and one array for several captions."""
    field = Image("image", None)
    write_json(tmp_path / "image.json", {"shape": [2, 2, 1], "mean": 0.0, "std": 1.0})
    field.load(tmp_path)
    one, other = np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8)
    images = list(field.images([one, one, other, one]))
    assert images[0] is images[1] and [int(image.max()) for image in images] == [0, 0, 1, 0]
