"""Audio: reading, resampling, log-mel features of files and streams, the field, augmentation."""

from __future__ import annotations

import math
import random
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import recurra
from recurra.data.media import audio
from recurra.data.media.audio import LogMel, read_audio, resample
from recurra.data.sources.sources import open_source
from recurra.errors import CallError, DataError, SettingError
from recurra.fields.audio import Audio
from recurra.models.frames import FrameStacking, SpectrogramAugmentation, interpolate, perturb_speed
from recurra.progress import Silent


class Lines(Silent):
    """Stores the lines that training prints."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, line: str) -> None:
        self.lines.append(line)


def noise(seconds: float, rate: int = 8000, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))).astype(np.float32)


def sine(hertz: float, rate: int, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate).astype(np.float32)


# reading --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_files_are_read(tmp_path: Path, suffix: str) -> None:
    x = np.round(noise(0.1) * 32768) / 32768
    soundfile.write(tmp_path / f"a{suffix}", x, 8000, subtype="PCM_16")
    samples, rate, channels = read_audio(tmp_path / f"a{suffix}")
    assert (rate, channels, samples.dtype) == (8000, 1, np.float32)
    assert np.array_equal(samples, x)
    assert audio.sample_rate_of(tmp_path / f"a{suffix}") == 8000


def test_channels_are_mixed_to_their_mean(tmp_path: Path) -> None:
    left, right = noise(0.1), noise(0.1, seed=1)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], 1), 8000, subtype="FLOAT")
    samples, _, channels = read_audio(tmp_path / "a.wav")
    assert channels == 2
    np.testing.assert_allclose(samples, (left + right) / 2, atol=1e-7)


def test_invalid_files(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("not sound")
    (tmp_path / "nothing.wav").touch()
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 8000)
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, math.nan]), 8000, subtype="FLOAT")
    for name, problem in {
        "text.wav": "cannot be read as audio",
        "nothing.wav": "the file is empty",
        "empty.wav": "contains no samples",
        "nan.wav": "not finite numbers",
        "missing.wav": "there is no such file",
    }.items():
        with pytest.raises(DataError, match=f"{name}: .*{problem}"):
            read_audio(tmp_path / name)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    with pytest.raises(DataError, match=r"audio needs the library soundfile .*pip install 'recurra\[audio\]'"):
        read_audio(tmp_path / "a.wav")


# resampling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("from_rate", "to_rate"), [(8000, 16000), (16000, 8000), (44100, 16000), (48000, 8000), (11025, 8000)]
)
def test_a_resampled_tone_is_the_same_tone(from_rate: int, to_rate: int) -> None:
    resampled = resample(sine(440, from_rate), from_rate, to_rate)
    assert len(resampled) == math.ceil(len(sine(440, from_rate)) * to_rate / from_rate)
    middle = slice(to_rate // 20, -to_rate // 20)  # near the ends the filter reads zeros
    np.testing.assert_allclose(resampled[middle], sine(440, to_rate)[: len(resampled)][middle], atol=1e-4)


def test_frequencies_above_the_new_limit_are_removed() -> None:
    resampled = resample(sine(6000, 16000), 16000, 8000)
    assert np.abs(resampled[400:-400]).max() < 1e-3


def test_the_same_rate_changes_nothing() -> None:
    x = noise(0.1)
    assert resample(x, 8000, 8000) is x
    assert len(resample(x[:0], 8000, 16000)) == 0


# features -------------------------------------------------------------------------------------------------------------


def log_mel(x: np.ndarray, rate: int, n_mels: int) -> np.ndarray:
    """Kaldi's filter bank by its definition, in float64."""
    size, shift = int(0.025 * rate), int(0.01 * rate)
    fft = 2 ** math.ceil(math.log2(size))
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / (size - 1))) ** 0.85
    mel = lambda f: 1127 * np.log(1 + f / 700)  # noqa: E731
    edges = np.linspace(mel(20), mel(rate / 2), n_mels + 2)
    at = mel(np.arange(fft // 2 + 1) * rate / fft)
    rising = (at - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - at) / (edges[2:] - edges[1:-1])[:, None]
    weights = np.clip(np.minimum(rising, falling), 0, None)
    weights[:, -1] = 0  # the last bin is not used
    rows = []
    for begin in range(0, len(x) - size + 1, shift):
        frame = x[begin : begin + size].astype(np.float64)
        frame = frame - frame.mean()
        frame = frame - 0.97 * np.concatenate([frame[:1], frame[:-1]])
        power = np.abs(np.fft.rfft(frame * window, fft)) ** 2
        rows.append(np.log(np.maximum(weights @ power, np.finfo(np.float32).eps)))
    return np.array(rows)


@pytest.mark.parametrize(("rate", "n_mels"), [(8000, 40), (16000, 80)])
def test_features_are_those_of_the_definition(rate: int, n_mels: int) -> None:
    x = noise(0.3, rate)
    features = LogMel(rate, n_mels)(x)
    assert features.shape == (LogMel(rate, n_mels).num_frames(len(x)), n_mels) == (28, n_mels)
    np.testing.assert_allclose(features, log_mel(x, rate, n_mels), atol=2e-3)  # float32 sums of several hundred squares


@pytest.mark.parametrize("seed", range(3))
def test_streamed_features_equal_offline_features_bitwise(seed: int) -> None:
    features, x, draw = LogMel(8000, 40), noise(0.7, seed=seed), random.Random(seed)
    stream, pieces, at = features.stream(), [], 0
    while at < len(x):
        n = draw.choice([0, 1, 7, 80, 333, 1000])
        pieces.append(stream.push(x[at : at + n]))
        at += n
    assert np.array_equal(np.concatenate(pieces), features(x))


def test_frames_are_complete_windows() -> None:
    features = LogMel(8000, 40)
    for samples in (0, 199, 200, 279, 280, 359, 360, 4000):
        assert features.num_frames(samples) == len(features(noise(1)[:samples]))


# the field ------------------------------------------------------------------------------------------------------------


def manifest(folder: Path, rows: list[tuple[str, np.ndarray, int]]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, samples, rate in rows:
        (folder / name).parent.mkdir(exist_ok=True)
        soundfile.write(folder / name, samples, rate)
    path = folder / "manifest.csv"
    path.write_text("id,audio,text\n" + "".join(f"{n},{row[0]},one\n" for n, row in enumerate(rows)))
    return path


def field_over(path: Path, **options: int) -> tuple[Audio, list]:
    field = Audio("audio", None, **options)
    source = open_source(path)
    column = field.find(source, ())
    assert column == "audio"
    return field, [field.value(row, column) for row in source.rows()]


def test_names_are_relative_to_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = manifest(tmp_path / "set", [("sub/a.wav", noise(0.2), 8000), ("b.wav", noise(0.3), 8000)])
    monkeypatch.chdir(tmp_path / "set" / "sub")
    field, values = field_over(path)
    assert [field.check(value) for value in values] == [None, None]
    assert [field.num_frames(value) for value in values] == [18, 28]
    assert field.num_frames(noise(0.2)) == 18 and field.num_frames(f"{tmp_path}/no.wav") == 0


def test_the_same_recording_under_two_names_has_one_key(tmp_path: Path) -> None:
    rows = [("a.wav", noise(0.2), 8000), ("b.wav", noise(0.2), 8000), ("c.wav", noise(0.2, seed=1), 8000)]
    field, values = field_over(manifest(tmp_path, rows))
    keys = [field.key(value) for value in values]
    assert keys[0] == keys[1] != keys[2]


def test_the_most_common_sample_rate_is_used_and_other_files_are_resampled(tmp_path: Path) -> None:
    rows = [("a.wav", sine(440, 8000), 8000), ("b.wav", sine(440, 8000), 8000), ("c.wav", sine(440, 16000), 16000)]
    field, values = field_over(manifest(tmp_path, rows))
    assert field.sample_rate == 8000 and field.features.n_mels == 40
    assert not any(map(field.check, values))
    assert "1 files have another sample rate and are resampled to 8,000 Hz" in field.describe()
    field.fit(values)
    first, _, other = field.encode(values)
    assert first.shape == other.shape
    loud = field.features(field.samples(values[0])) > 0  # bands of the tone, without quantization noise
    assert loud[2:-2].any() and np.abs((first - other) * field.std)[2:-2][loud[2:-2]].max() < 0.01


def test_features_are_standardised_with_the_training_data(tmp_path: Path) -> None:
    field, values = field_over(manifest(tmp_path, [(f"{n}.wav", noise(0.3, seed=n) * n, 8000) for n in (1, 2, 3)]))
    field.fit(values)
    together = np.concatenate(field.encode(values)).astype(np.float64)
    np.testing.assert_allclose(together.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(together.std(0), 1, atol=1e-5)
    field.save(tmp_path)
    loaded = Audio("audio", None)
    loaded.load(tmp_path)
    for one, other in zip(loaded.encode(values), field.encode(values), strict=True):
        assert np.array_equal(one, other)


def test_features_are_clipped_at_the_minimum_of_the_training_data(tmp_path: Path) -> None:
    """Digital silence gets the minimum of the training data, which itself does not change; also after saving and loading."""
    rows = [("a.wav", 0.01 * noise(0.5, seed=1), 8000), ("b.wav", 0.5 * noise(0.5, seed=2), 8000)]
    field, values = field_over(manifest(tmp_path, rows))
    field.fit(values)
    encoded = np.concatenate(field.encode(values))
    silent = field.standardize(field.features(np.zeros(4000, np.float32)))
    assert len(silent) and (silent == encoded.min(0)).all()
    unclipped = np.concatenate([(field.features(field.samples(value)) - field.mean) / field.std for value in values])
    np.testing.assert_allclose(encoded, unclipped, atol=1e-5)
    field.save(tmp_path)
    loaded = Audio("audio", None)
    loaded.load(tmp_path)
    assert (loaded.standardize(loaded.features(np.zeros(4000, np.float32))) == silent).all()


def test_problems_of_a_value(tmp_path: Path) -> None:
    field, values = field_over(manifest(tmp_path, [("a.wav", noise(0.2), 8000), ("short.wav", noise(0.02), 8000)]))
    (tmp_path / "text.wav").write_text("not sound")
    assert field.check(values[0]) is None
    assert field.check(values[1]) == "has 20.0 ms of audio; a frame needs 25 ms"
    assert field.check("") == "is empty" and field.check(None) == "is empty"
    assert field.check(f"{tmp_path}/no.wav") == f"{tmp_path}/no.wav: there is no such file"
    assert "text.wav: cannot be read as audio" in str(field.check(f"{tmp_path}/text.wav"))
    assert field.check(7) == "is 7, not the name of a file"
    with pytest.raises(SettingError, match=r"sample_rate = 100: must be at least 2,000 Hz"):
        Audio("audio", None, sample_rate=100).find(open_source(tmp_path / "manifest.csv"), ())
    with pytest.raises(CallError, match="expected a single channel"):
        field.as_samples(np.zeros((2, 3)))


def test_samples_of_16_bits_are_scaled() -> None:
    field = Audio("audio", None, sample_rate=8000, n_mels=40)
    whole = np.array([-32768, 0, 16384], np.int16)
    assert field.as_samples(whole).tolist() == [-1.0, 0.0, 0.5]
    assert field.as_samples([0.25, -0.5]).tolist() == [0.25, -0.5]


# frames ---------------------------------------------------------------------------------------------------------------


def test_stacking_does_not_depend_on_chunking() -> None:
    x, stacking = torch.arange(2 * 7 * 3.0).reshape(2, 7, 3), FrameStacking(3)
    whole, steps = stacking(x, torch.tensor([7, 4]))
    assert whole.shape == (2, 3, 9) and steps.tolist() == [3, 2]
    assert whole[0, 1].tolist() == x[0, 3:6].flatten().tolist()
    assert whole[0, 2].tolist() == [*x[0, 6].tolist(), *[0.0] * 6]
    pending, pieces = None, []
    for begin, end in ((0, 1), (1, 1), (1, 5), (5, 7)):
        complete, pending = stacking.split_pending(x[:, begin:end], pending)
        pieces.append(stacking(complete)[0])
    pieces.append(stacking(pending)[0])
    assert torch.equal(torch.cat(pieces, 1), whole)


def test_augmentation_only_in_training() -> None:
    x, lengths = torch.randn(3, 20, 8), torch.tensor([20, 13, 1])
    augment = SpectrogramAugmentation(0.2, 2).eval()
    unchanged, unchanged_lengths = augment(x, lengths)
    assert unchanged is x and unchanged_lengths is lengths
    torch.manual_seed(0)
    changed, new_lengths = augment.train()(x, lengths)
    assert changed.shape[1] == new_lengths.max() and not torch.equal(new_lengths, lengths)
    for row, length in zip(changed, new_lengths.tolist(), strict=True):
        assert not row[length:].any(), "padding is zero"


def test_interpolation_is_linear() -> None:
    x = torch.tensor([[[0.0, 10.0], [2.0, 20.0], [4.0, 0.0]]])
    assert interpolate(x, torch.tensor([[0.0, 0.5, 1.25, 2.0]])).tolist() == [[[0, 10], [1, 15], [2.5, 15], [4, 0]]]


def test_speed_perturbation_changes_the_length_and_keeps_the_values() -> None:
    torch.manual_seed(1)
    ramp = torch.arange(50.0).reshape(1, 50, 1).expand(8, 50, 4).contiguous()
    stretched, lengths = perturb_speed(ramp, torch.full((8,), 50), 0.2)
    assert lengths.min() < 50 < lengths.max()
    for row, length in zip(stretched, lengths.tolist(), strict=True):
        values = row[:length, 0]
        assert values[0] == 0 and float(values[-1]) == pytest.approx(49, abs=1.3)
        pace = torch.diff(values[:-1])
        torch.testing.assert_close(pace, pace[:1].expand_as(pace), atol=1e-4, rtol=0)


def test_masks_hide_spans_of_time_and_bands() -> None:
    torch.manual_seed(0)
    x = torch.ones(64, 100, 20)
    masked, _ = SpectrogramAugmentation(0.0, 1)(x, torch.full((64,), 100))
    hidden_steps, hidden_bands = (masked == 0).all(2).sum(1), (masked == 0).all(1).sum(1)
    assert 0 < hidden_steps.float().mean() < 10 and hidden_steps.max() <= 11
    assert 0 < hidden_bands.float().mean() < 4 and hidden_bands.max() <= 5
    assert set(masked.unique().tolist()) == {0.0, 1.0}


def test_wav_files_of_the_standard_library_are_read(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.array([0, 16384, -32768], "<i2").tobytes())
    assert read_audio(tmp_path / "a.wav")[0].tolist() == [0.0, 0.5, -1.0]


# a folder of classes --------------------------------------------------------------------------------------------------


def touched(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def rows_of(folder: Path) -> list[tuple[str, str]]:
    source = open_source(folder)
    assert source.columns == ["audio", "label"]
    return [(row.values["audio"], row.values["label"]) for row in source.rows()]


def test_folders_of_audio_files_are_classes(tmp_path: Path) -> None:
    touched(tmp_path, "yes/1.wav", "yes/2.FLAC", "no/1.wav", "no/.hidden.wav", ".git/x.wav", "README.txt")
    assert rows_of(tmp_path) == [("no/1.wav", "no"), ("yes/1.wav", "yes"), ("yes/2.FLAC", "yes")]
    assert open_source(tmp_path).first_rows()[0].file == tmp_path


def test_prefixes_of_audio_file_names_are_classes(tmp_path: Path) -> None:
    assert rows_of(touched(tmp_path, "7_ann_0.wav", "7_bob_1.wav", "3_ann_0.wav")) == [
        ("3_ann_0.wav", "3"), ("7_ann_0.wav", "7"), ("7_bob_1.wav", "7")
    ]  # fmt: skip


def test_ambiguous_folders(tmp_path: Path) -> None:
    for name, files, problem in (
        ("one", ("a_1.wav", "b/1.wav"), r"both files and folders of files \(a_1.wav, b/1.wav\)"),
        ("two", ("a_1.wav", "take.wav"), "the name take.wav has no class: rename it to CLASS_take.wav"),
        ("three", ("a.dat",), r"no \.txt files in this folder.* and no audio or image files"),
    ):
        with pytest.raises(DataError, match=problem):
            open_source(touched(tmp_path / name, *files))


# audio as input of classify and regress -------------------------------------------------------------------------------


def pitches(folder: Path, rows: int = 16) -> Path:
    """Folders `high` and `low` of tones of 100 to 200 ms."""
    for n in range(rows):
        name, hertz = ("high", 1500) if n % 2 else ("low", 300)
        (folder / name).mkdir(parents=True, exist_ok=True)
        tone = (
            0.3 * sine(hertz + 5 * n, 8000, 0.1 + 0.006 * n) + noise(1, seed=n)[: round((0.1 + 0.006 * n) * 8000)] / 10
        )
        soundfile.write(folder / name / f"{n}.wav", tone, 8000)
    return folder


LITTLE = {
    "hidden_size": 8,
    "ensemble_size": 1,
    "steps": 30,
    "batch_size": 8,
    "learning_rate": 2e-2,
    "bidirectional": False,
}


def test_classify_reads_a_folder_of_audio_files(tmp_path: Path) -> None:
    lines = Lines()
    run = recurra.train("classify", pitches(tmp_path / "set"), out=tmp_path / "run", progress=lines, **LITTLE)
    assert "input: audio (column 'audio' contains names of audio files)" in lines.lines
    assert run.evaluate(tmp_path / "set")["accuracy"] > 0.9
    names = [str(tmp_path / "set" / name) for name in ("high/1.wav", "low/0.wav", "low/8.wav")]
    whole = run.predict(names)
    assert [one["label"] for one in whole] == ["high", "low", "low"]
    assert recurra.load(run.path).predict(names) == whole
    for name, one in zip(names, whole, strict=True):
        samples, _ = soundfile.read(name, dtype="float32")
        with run.stream() as session:
            for begin in range(0, len(samples), 333):
                session.push(samples[begin : begin + 333])
            assert session.result()["probability"] == pytest.approx(one["probability"], abs=1e-5)
        assert run.predict([samples])[0]["probability"] == pytest.approx(one["probability"], abs=1e-5)
    with pytest.raises(CallError, match=r"example 1: audio gone\.wav: there is no such file"):
        run.predict(["gone.wav"])


def test_regress_reads_a_table_of_audio_files(tmp_path: Path) -> None:
    lines = ["clip,hertz"]
    for n in range(12):
        soundfile.write(tmp_path / f"{n}.wav", sine(300 + 100 * n, 8000, 0.15), 8000)
        lines.append(f"{n}.wav,{300 + 100 * n}")
    (tmp_path / "m.csv").write_text("\n".join(lines) + "\n")
    run = recurra.train("regress", tmp_path / "m.csv", out=tmp_path / "run", **LITTLE)
    assert run.settings.data.input == "audio" and run.settings.data.sample_rate == 8000
    assert run.evaluate(tmp_path / "m.csv")["r2"] > 0.5


def test_training_augments_and_inference_does_not(tmp_path: Path) -> None:
    from recurra.cells import get
    from recurra.settings import as_given, settings_from
    from recurra.tasks.base import ignore_progress
    from recurra.tasks.classify.task import Classify
    from recurra.tasks.shared.collate import collate

    given = settings_from(as_given(Classify.settings_class), {"input": "audio"})
    dataset = Classify.dataset_for(given)
    info = dataset.prepare(pitches(tmp_path / "set"), None, tmp_path / "cache", ignore_progress)
    task = Classify(Classify.resolve(given, dataset, info), dataset, get("lstm"))
    rows = np.array([0, 1, 2])
    torch.manual_seed(0)
    original = collate(dataset.stores["train"], rows, dataset.input.field, dataset.targets).inputs
    augmented = task.batch(rows).inputs
    assert augmented["x"].shape[2] == original["x"].shape[2] == 40
    assert not torch.equal(augmented["lengths"], original["lengths"])
