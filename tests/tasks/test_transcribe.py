"""The task transcribe: learning of tones, streaming, errors of a manifest, and invariances."""

from __future__ import annotations

import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import recurra
from recurra import training
from recurra.data import sets
from recurra.data.sets.tones import write_folder
from recurra.decoding.ctc import min_steps
from recurra.errors import CallError, DataError
from recurra.progress import Silent
from recurra.run import Run
from recurra.settings import as_given, settings_from
from recurra.tasks.base import ignore_progress
from recurra.tasks.transcribe.ctc_loss import min_steps_of_texts
from recurra.tasks.transcribe.task import Transcribe
from recurra.training.loop import Loop

TINY: dict[str, Any] = {"hidden_size": 8, "num_layers": 1, "steps": 2, "batch_size": 8, "sample_rate": 8000}
# Log-probabilities of a few dozen steps in float32, summed in a different order; JSON has 6 decimals.
CLOSE = 1e-4


class Lines(Silent):
    """Stores the lines that training prints."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tones")
    write_folder(folder, 160)
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def run(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A streaming run that is trained on the tones."""
    settings: dict[str, Any] = {
        "bidirectional": False,
        "hidden_size": 48,
        "num_layers": 1,
        "dropout": 0.0,
        "speed_perturbation": 0.0,
    }
    settings |= {"specaugment_masks": 0, "learning_rate": 2e-2, "ema_decay": 0.9, "steps": 150, "batch_size": 8}
    return recurra.train("transcribe", tones, out=tmp_path_factory.mktemp("runs") / "tones", **settings)


def some(tones: Path, count: int = 6) -> list[str]:
    return [str(tones.parent / f"{n:03}.wav") for n in range(count)]


def assert_same_result(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one["text"] == other["text"]
    assert one["score"] == pytest.approx(other["score"], abs=CLOSE, rel=CLOSE)


# learning -------------------------------------------------------------------------------------------------------------


def test_it_learns_tones(run: Run, tones: Path) -> None:
    assert run.metrics["valid/wer"] < 0.1, "tones of the validation part"
    metrics = run.evaluate(tones)
    assert metrics["wer"] < 0.1 and metrics["cer"] < 0.1 and metrics["loss"] < 0.3
    assert run.task.selection.metric == "wer"


def test_error_rates_are_those_of_the_texts(run: Run, tones: Path, tmp_path: Path) -> None:
    """References with four more digits give four deletions; two of five texts are correct."""
    predicted = [row["text"] for row in run.predict(some(tones, 5))]
    references = [predicted[0], predicted[1] + " 1 2", predicted[2] + " 3", "0 " + predicted[3], predicted[4]]
    lines = [f"{name},{text}" for name, text in zip(some(tones, 5), references, strict=True)]
    (tmp_path / "m.csv").write_text("audio,text\n" + "\n".join(lines) + "\n")
    metrics = run.evaluate(tmp_path / "m.csv")
    assert metrics["wer"] == pytest.approx(4 / sum(len(text.split()) for text in references))
    assert metrics["cer"] == pytest.approx(8 / sum(map(len, references)))
    assert metrics["exact_match"] == pytest.approx(2 / 5)


def test_the_loss_is_that_of_the_texts(run: Run, tones: Path, tmp_path: Path) -> None:
    """The loss is in nats per unit and equals torch's loss of each recording alone."""
    names, texts = some(tones, 3), ["1 2 3", "5", "7 7 7 7"]
    (tmp_path / "m.csv").write_text("audio,text\n" + "".join(f"{n},{t}\n" for n, t in zip(names, texts, strict=True)))
    dataset = run.task.dataset
    nats = 0.0
    for name, text in zip(names, texts, strict=True):
        x = torch.from_numpy(dataset.audio.encode([dataset.audio.normalize_input(name)])[0])[None]
        log_probs, _ = run.network(x, torch.tensor([x.shape[1]]))
        ids = torch.from_numpy(dataset.text.vocabulary.encode(text)).long()
        nats += float(
            torch.nn.functional.ctc_loss(
                log_probs[0].detach(), ids, (log_probs.shape[1],), (len(ids),), reduction="sum"
            )
        )
    assert run.evaluate(tmp_path / "m.csv")["loss"] == pytest.approx(nats / 8, rel=1e-4)


def test_choices_are_printed(tones: Path, tmp_path: Path) -> None:
    lines = Lines()
    recurra.train("transcribe", tones, out=tmp_path / "run", progress=lines, **TINY)
    printed = "\n".join(lines.lines)
    for expected in (
        "text: 10 distinct words",
        "audio: 8,000 samples per second, 40 log-mel bands every 10 ms",
        "minutes of training audio",
        "a time step of the network is 3 frames, 30 ms",
    ):
        assert expected in printed
    assert "streaming: no (the backward direction" in printed


# invariances -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beam_size", [1, 4])
def test_results_do_not_depend_on_chunking(run: Run, tones: Path, beam_size: int) -> None:
    run.change(beam_size=beam_size)
    assert run.streams == (True, "")
    for at, name in enumerate(some(tones, 3)):
        samples, _ = soundfile.read(name, dtype="int16")
        whole = run.predict([name])[0]
        assert_same_result(run.predict([samples / 32768])[0], whole)
        draw = random.Random(at)
        with run.stream() as session:
            begin = 0
            while begin < len(samples):
                n = draw.choice([0, 1, 50, 300, 2000])
                session.push(samples[begin : begin + n])
                begin += n
                if draw.random() < 0.3:
                    session.result()  # reading the result changes nothing
            assert_same_result(session.result(), whole)
    run.change(beam_size=8)


def test_the_result_so_far_is_that_of_the_samples_so_far(run: Run, tones: Path) -> None:
    samples, _ = soundfile.read(some(tones)[1], dtype="float32")
    with run.stream() as session:
        assert session.result() == {"text": "", "score": 0.0}
        for begin in range(0, len(samples), 1500):
            session.push(samples[begin : begin + 1500])
            assert_same_result(session.result(), run.predict([samples[: begin + 1500]])[0])


def test_results_do_not_depend_on_the_batch(run: Run, tones: Path) -> None:
    names = some(tones, 8)
    alone = [run.predict([name])[0] for name in names]
    order = random.Random(0).sample(range(len(names)), len(names))
    for one, at in zip(run.predict([names[i] for i in order]), order, strict=True):
        assert_same_result(one, alone[at])


def test_values_and_gradients_do_not_depend_on_padding() -> None:
    from recurra.cells import get
    from recurra.tasks.transcribe.model import Transcriber

    torch.manual_seed(0)
    sizes = {"frame_stacking": 3, "hidden_size": 5, "num_layers": 2, "bidirectional": True}
    network = Transcriber(
        4, get("lstm"), 6, **sizes, dropout=0.0, input_dropout=0.0, speed_perturbation=0.0, specaugment_masks=0
    ).double()
    lengths, x = [11, 3, 7], torch.zeros(3, 14, 4)
    rows = [torch.randn(n, 4) for n in lengths]
    for b, row in enumerate(rows):
        x[b, : len(row)] = row
    log_probs, steps = network(x, torch.tensor(lengths))
    assert steps.tolist() == [4, 1, 3]
    weight = torch.randn(6, dtype=torch.float64)
    sum((log_probs[b, :n] * weight).sum() for b, n in enumerate(steps.tolist())).backward()
    expected = {name: p.grad.clone() for name, p in network.named_parameters()}
    network.zero_grad()
    for b, row in enumerate(rows):
        alone, _ = network(row[None], torch.tensor([len(row)]))
        torch.testing.assert_close(alone[0], log_probs[b, : steps[b]], rtol=0, atol=1e-12)
        (alone * weight).sum().backward()
    for name, p in network.named_parameters():
        torch.testing.assert_close(p.grad, expected[name], rtol=0, atol=1e-11, msg=name)


def test_a_loaded_run_predicts_the_same(run: Run, tones: Path) -> None:
    assert recurra.load(run.path).predict(some(tones)) == run.predict(some(tones))


def test_a_resumed_run_equals_an_uninterrupted_one(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equality is bitwise, although each epoch augments the recordings differently."""
    settings = TINY | {"steps": 6, "num_evaluations": 2, "bidirectional": False}
    whole = recurra.train("transcribe", tones, out=tmp_path / "whole", **settings)
    original, steps_taken = Loop.take_step, 0

    def step(self: Loop) -> float:
        nonlocal steps_taken
        steps_taken += 1
        if steps_taken == 3:
            signal.raise_signal(signal.SIGINT)
        return original(self)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "take_step", step)
        with pytest.raises(KeyboardInterrupt):
            recurra.train("transcribe", tones, out=tmp_path / "cut", **settings)
    resumed = training.resume(tmp_path / "cut")
    assert resumed.predict(some(tones)) == whole.predict(some(tones))
    assert resumed.metrics == whole.metrics


def test_beam_search_scores_at_least_as_high_as_greedy_search(run: Run, tones: Path) -> None:
    run.change(beam_size=1)
    greedy = run.predict(some(tones))
    run.change(beam_size=8)
    for one, other in zip(run.predict(some(tones)), greedy, strict=True):
        assert one["score"] >= other["score"] - CLOSE


# units ----------------------------------------------------------------------------------------------------------------


def noise_manifest(folder: Path, texts: list[str], seconds: float = 0.5) -> Path:
    """Write a manifest of noise with these texts."""
    draw = np.random.default_rng(0)
    lines = ["audio\ttext"]
    for n, text in enumerate(texts):
        soundfile.write(folder / f"{n}.wav", 0.1 * draw.standard_normal(round(8000 * seconds)), 8000)
        lines.append(f"{n}.wav\t{text}")
    (folder / "m.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "m.tsv"


def test_units_of_many_words_and_of_chinese_are_characters(tmp_path: Path) -> None:
    texts = ["打开 空调", "关灯", "It's on", "播放音乐"] * 3
    run = recurra.train("transcribe", noise_manifest(tmp_path, texts), out=tmp_path / "run", **TINY)
    assert run.settings.data.tokenization == "characters"
    vocabulary = run.task.dataset.text.vocabulary
    assert vocabulary.decode(vocabulary.encode("打开 空调")) == "打开 空调"
    assert set("打开空调关灯播放音乐It's on") == set(vocabulary.tokens[3:])


def test_units_of_few_chinese_words_with_spaces_are_characters(tmp_path: Path) -> None:
    """A word that the tokenizer splits in two would be decoded without its space."""
    run = recurra.train(
        "transcribe", noise_manifest(tmp_path, ["打开 空调", "关闭 空调"] * 20), out=tmp_path / "run", **TINY
    )
    assert run.settings.data.tokenization == "characters" and run.task.selection.metric == "wer"


def test_minimal_steps_of_texts() -> None:
    rows = ["aab", "", "b", "bbb", ""]
    flat = np.array([ord(unit) for row in rows for unit in row])
    assert min_steps_of_texts(flat, np.array([len(row) for row in rows])).tolist() == [min_steps(row) for row in rows]
    assert min_steps_of_texts(flat[:0], np.array([0])).tolist() == [0]


def test_without_spaces_the_character_error_rate_selects(tmp_path: Path) -> None:
    texts = ["打开空调", "关灯", "开门", "播放音乐"] * 3
    run = recurra.train("transcribe", noise_manifest(tmp_path, texts), out=tmp_path / "run", **TINY)
    assert run.task.selection.metric == "cer" and recurra.load(run.path).task.selection.metric == "cer"


def test_fast_speech_gets_short_steps(tmp_path: Path) -> None:
    """48 frames for 20 characters result in steps of one frame."""
    run = recurra.train(
        "transcribe", noise_manifest(tmp_path, ["abcdefghijklmnopqrst"] * 8), out=tmp_path / "run", **TINY
    )
    assert run.settings.model.frame_stacking == 1  # type: ignore[attr-defined]


# errors --------------------------------------------------------------------------------------------------------


def manifest_with_row(folder: Path, row: str, rows: int = 8) -> Path:
    """Write a manifest with `row` as its third row."""
    path = noise_manifest(folder, ["one two"] * rows)
    lines = path.read_text().splitlines()
    lines.insert(3, row)
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("gone.wav\tone", "gone.wav: there is no such file"),
        ("text.wav\tone", "text.wav: cannot be read as audio"),
        ("empty.wav\tone", "empty.wav: contains no samples"),
        ("short.wav\tone", "row 3, field 'audio': has 10.0 ms of audio; a frame needs 25 ms"),
        ("\tone", "row 3, field 'audio': is empty"),
        ("0.wav\t", "row 3, field 'text': is empty"),
        ("0.wav\t" + "no " * 40, "row 3, field 'text': has 119 characters, which need 119 steps, but 0.wav has 48"),
    ],
)
def test_an_invalid_row(tmp_path: Path, row: str, problem: str) -> None:
    (tmp_path / "text.wav").write_text("not sound")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 8000)
    soundfile.write(tmp_path / "short.wav", np.zeros(80), 8000)
    path = manifest_with_row(tmp_path, row)
    with pytest.raises(DataError) as error:
        recurra.train("transcribe", path, out=tmp_path / "run", tokenization="characters", **TINY)
    assert problem in str(error.value) and "--set on_error=skip" in str(error.value)
    assert "row 3, field " in str(error.value)
    assert not (tmp_path / "run").exists()
    lines = Lines()
    recurra.train(
        "transcribe", path, out=tmp_path / "run", tokenization="characters", on_error="skip", progress=lines, **TINY
    )
    assert any("1" in line and "row 3" in line for line in lines.lines), lines.lines


def test_invalid_rows_are_counted(tmp_path: Path) -> None:
    path = noise_manifest(tmp_path, ["one"] * 9)
    for n in (1, 4, 5, 7):
        (tmp_path / f"{n}.wav").unlink()
    with pytest.raises(DataError, match=r"row 2, field 'audio': .*3 more rows cannot be used \(row 5, 6, ...\)"):
        recurra.train("transcribe", path, out=tmp_path / "run", **TINY)


def test_unknown_units_are_counted(run: Run, tones: Path, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(f"audio,text\n{some(tones)[0]},one 2 two\n{some(tones)[1]},1 2\n")
    metrics = run.evaluate(tmp_path / "m.csv")
    assert metrics["unknown_units"] == 2 and np.isfinite(metrics["loss"]) and metrics["wer"] > 0.5


def test_invalid_inputs(run: Run, tmp_path: Path) -> None:
    for example, problem in {
        "gone.wav": "example 1: audio gone.wav: there is no such file",
        "": "example 1: audio is empty",
        7: "example 1: audio is 7, not the name of a file",
    }.items():
        with pytest.raises(CallError) as error:
            run.predict([example])
        assert problem in str(error.value)
    with pytest.raises(CallError, match=r"has 1\.2 ms of audio"):
        run.predict([np.zeros(10)])
    with pytest.raises(CallError, match="an input object requires the key 'audio'; this one has 'wav'"):
        run.predict([{"wav": "a.wav"}])
    assert run.predict([]) == []


def test_inputs_are_a_table_or_a_file(run: Run, tones: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    first = some(tones)[0]
    assert list(run.task.dataset.inputs(first) or ()) == [first]
    table = list(run.task.dataset.inputs(str(tones)) or ())
    assert len(table) == 160
    assert run.predict(table[:2]) == run.predict(some(tones, 2))
    assert run.predict([{"audio": first}]) == run.predict([first])


def test_a_bidirectional_run_does_not_stream(tones: Path, tmp_path: Path) -> None:
    run = recurra.train("transcribe", tones, out=tmp_path / "run", **TINY)
    with pytest.raises(DataError, match="does not stream: the backward direction"):
        run.stream()


def test_the_split_depends_on_the_content_and_not_on_the_path(tmp_path: Path) -> None:
    valid = []
    for name in ("here", "there"):
        folder = tmp_path / name
        folder.mkdir()
        noise_manifest(folder, ["one two"] * 12)
        dataset = Transcribe.dataset_for(settings_from(as_given(Transcribe.settings_class), {"sample_rate": 8000}))
        dataset.prepare(folder / "m.tsv", None, folder / "cache", ignore_progress)
        valid.append(dataset.stores["valid"].flat("audio").tobytes())
    assert valid[0] == valid[1] and valid[0]


def test_a_built_in_dataset_is_for_transcribe() -> None:
    assert sets.known()["tones"].startswith("transcribe: ")
