"""Tables and folders of public speech corpora: where their files are, which rows are segments, and which are refused."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import recurra
from recurra.cli.main import run as command
from recurra.data.media.segments import Segment
from recurra.data.sources.sources import open_source
from recurra.errors import DataError
from recurra.fields.audio import Audio
from recurra.tasks.transcribe.transcript import Transcript

TEXTS = ["one", "two two", "three"]


def recording(path: Path, hz: int, seconds: float = 0.5) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (8000 * np.sin(2 * np.pi * hz * np.arange(int(8000 * seconds)) / 8000)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())


def found(data: Path, root: Path | None = None) -> list[Any]:
    """The recording of each row of a table or a folder."""
    source, audio = open_source(data), Audio("audio", None, root=None if root is None else str(root))
    column = audio.find(source, ())
    return [audio.value(row, column) for row in source.rows()]


def texts(data: Path) -> list[str]:
    """The transcript of each row of a table or a folder."""
    source = open_source(data)
    column = Transcript("text", None, None).find(source, [Audio("audio", None).find(source, ())])
    return [row.values[column] for row in source.rows()]


def test_common_voice(tmp_path: Path) -> None:
    names = ["common_voice_en_1.wav", "common_voice_en_2.wav"]
    lines = ["client_id\tpath\tsentence\tup_votes"]
    for n, name in enumerate(names):
        recording(tmp_path / "clips" / name, 200 + n)
        lines.append(f"a{n}\t{name}\tthe sentence {n}\t2")
    (tmp_path / "train.tsv").write_text("\n".join(lines) + "\n")
    assert found(tmp_path / "train.tsv") == [str(tmp_path / "clips" / name) for name in names]
    recording(tmp_path / names[0], 900)  # beside the table: the name itself is meant
    assert found(tmp_path / "train.tsv")[0] == str(tmp_path / names[0])


def ljspeech(folder: Path) -> Path:
    """A table as LJSpeech: no header, IDs without a suffix, the text, and the normalized text; one text begins with a quote."""
    lines = []
    for n in range(9):
        recording(folder / "wavs" / f"LJ001-{n:04}.wav", 200 + 50 * n)
        written = ("No. 1", '"Two," two', "Three")[n % 3]
        lines.append(f"LJ001-{n:04}|{written}|{written.replace('No. 1', 'number one: No. 1')}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder / "metadata.csv"


def test_ljspeech(tmp_path: Path) -> None:
    table = ljspeech(tmp_path)
    for data in (table, tmp_path):  # a folder with one table and its recordings is this table
        assert found(data) == [str(tmp_path / f"wavs/LJ001-{n:04}.wav") for n in range(9)]
        assert texts(data)[:3] == ["number one: No. 1", '"Two," two', "Three"]


@pytest.mark.parametrize("name", ["table.csv", "lists/table.csv"])
def test_names_are_relative_to_the_table_or_to_the_root(tmp_path: Path, name: str) -> None:
    recording(tmp_path / "audio/one.wav", 200)
    table = tmp_path / name
    table.parent.mkdir(exist_ok=True)
    table.write_text("audio,text\naudio/one.wav,one\n")
    assert found(table, tmp_path) == [str(tmp_path / "audio/one.wav")]
    assert found(table) == [str(table.parent / "audio/one.wav")]


# segments --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, None),
        ({"offset": 0, "duration": 0.5}, None),
        ({"offset": "0.0", "duration": "0.45"}, None),  # rounded
        ({"offset": 0, "duration": 0.3}, (0.0, 0.3)),
        ({"offset": 0.25}, (0.25, None)),
        ({"offset": "0.25", "duration": 0.2}, (0.25, 0.45)),
    ],
)
def test_nemo_manifest(tmp_path: Path, values: dict[str, Any], expected: tuple[float, float | None] | None) -> None:
    recording(tmp_path / "audio/one.wav", 200)
    row = json.dumps({"audio_filepath": "audio/one.wav", "text": "one", **values})
    (tmp_path / "manifest.json").write_text(f"{row}\n{row}\n")
    path = str(tmp_path / "audio/one.wav")
    assert found(tmp_path / "manifest.json") == [path if expected is None else Segment(path, *expected)] * 2


def test_a_segment_has_the_samples_of_the_file_from_its_begin_to_its_end(tmp_path: Path) -> None:
    recording(tmp_path / "one.wav", 200)
    audio, path = Audio("audio", None, 8000), str(tmp_path / "one.wav")
    whole, part = audio.samples(path), audio.samples(Segment(path, 0.1, 0.35))
    np.testing.assert_array_equal(part, whole[800:2800])
    np.testing.assert_array_equal(audio.samples(Segment(path, 0.1)), whole[800:])
    assert audio.num_frames(Segment(path, 0.1, 0.35)) == audio.num_frames(part)
    assert len({audio.key(value) for value in (path, Segment(path, 0.1, 0.35), Segment(path, 0.0, 0.3))}) == 3
    assert audio.key(Segment(path, 0.1, 0.35)) == audio.key(Segment(path, 0.1, 0.35))


@pytest.mark.parametrize(
    ("segment", "problem"),
    [
        ((0.3, 0.9), r"ends at 0\.9 s, but the file is 0\.50 s long"),
        ((0.7, None), r"begins at 0\.7 s and ends at 0\.5 s"),
        ((0.3, 0.2), r"begins at 0\.3 s and ends at 0\.2 s"),
        ((0.49, None), r"has 10\.0 ms of audio"),
    ],
)
def test_a_segment_outside_its_file_is_refused(
    tmp_path: Path, segment: tuple[float, float | None], problem: str
) -> None:
    recording(tmp_path / "one.wav", 200)
    with pytest.raises(DataError, match=problem):
        raise DataError(str(Audio("audio", None, 8000).check(Segment(str(tmp_path / "one.wav"), *segment))))


@pytest.mark.parametrize("offset", ["much", -1, "nan"])
def test_an_offset_that_is_no_number_of_seconds_is_an_error_of_its_row(tmp_path: Path, offset: object) -> None:
    recording(tmp_path / "one.wav", 200)
    audio = Audio("audio", None, 8000)
    (tmp_path / "a.json").write_text(json.dumps({"audio_filepath": "one.wav", "offset": offset}) + "\n")
    (value,) = found(tmp_path / "a.json")
    assert isinstance(value, DataError) and "expected a number of seconds" in str(audio.check(value))
    with pytest.raises(DataError, match="expected a number of seconds"):
        audio.of_mapping({"audio_filepath": "one.wav", "offset": offset}, "audio_filepath")
    assert audio.of_mapping({"file": "one.wav", "offset": 1.5}, "file") == "one.wav", "another format has no segments"


# folders ---------------------------------------------------------------------------------------------------------------
def kaldi(folder: Path, names: list[str] | None = None) -> Path:
    """A data folder of Kaldi whose recordings are beside it."""
    folder.mkdir(exist_ok=True)
    for n in range(9):
        recording(folder / "audio" / f"{n}.wav", 200 + 50 * n)
    names = names or [f"audio/{n}.wav" for n in range(9)]
    (folder / "wav.scp").write_text("".join(f"u{n} {name}\n" for n, name in enumerate(names)))
    (folder / "text").write_text("".join(f"u{n} {TEXTS[n % 3]}\n" for n in reversed(range(9))))
    return folder


def test_kaldi(tmp_path: Path) -> None:
    folder = kaldi(tmp_path / "train")
    assert found(folder) == [str(folder / f"audio/{n}.wav") for n in range(9)]
    assert texts(folder) == TEXTS * 3


def test_kaldi_segments(tmp_path: Path) -> None:
    folder = kaldi(tmp_path / "train")
    (folder / "segments").write_text("u0 u3 0.1 0.3\nu1 u4 0.2 -1\nu2 u9 0 1\nu3 u3 x y\n")
    rows = list(open_source(folder).rows_or_errors())
    values = [str(row) if isinstance(row, DataError) else row.values["audio"] for row in rows]
    assert values[:2] == [Segment("audio/3.wav", 0.1, 0.3), Segment("audio/4.wav", 0.2)]
    assert "segments, row 3, field 'audio': the recording 'u9' is not in wav.scp (line 3)" in values[2]
    assert "'u3 x y' is no segment; expected RECORDING BEGIN END" in values[3]
    assert all("is not in segments" in value for value in values[4:]) and len(values) == 9


def test_a_command_in_wav_scp_is_refused_and_not_executed(tmp_path: Path) -> None:
    folder = kaldi(tmp_path / "train", ["audio/0.wav", f"touch {tmp_path}/executed |"])
    values = list(open_source(folder).rows_or_errors())
    assert "wav.scp, row 2: " in str(values[1]) and "is a command, which is not executed" in str(values[1])
    assert not (tmp_path / "executed").exists()


def test_librispeech(tmp_path: Path) -> None:
    folder = tmp_path / "train-clean/61/70968"
    for n in range(3):
        recording(folder / f"61-70968-{n:04}.wav", 200 + 50 * n)
    (folder / "61-70968.trans.txt").write_text("".join(f"61-70968-{n:04} {TEXTS[n]}\n" for n in range(3)))
    assert found(tmp_path / "train-clean") == [str(folder / f"61-70968-{n:04}.wav") for n in range(3)]
    assert texts(tmp_path / "train-clean") == TEXTS


# the command line ------------------------------------------------------------------------------------------------------
TINY = ["--set", "steps=1", "--set", "hidden_size=4", "--set", "num_layers=1", "--set", "validation_fraction=0.3"]


def test_train_predict_and_evaluate_read_a_folder_of_kaldi(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = kaldi(tmp_path / "train"), tmp_path / "run"
    assert command(["train", "transcribe", str(folder), "--out", str(out), *TINY]) == 0
    assert command(["evaluate", str(out), str(folder)]) == 0
    capsys.readouterr()
    assert command(["predict", str(out), str(folder)]) == 0
    expected = capsys.readouterr().out.splitlines()
    assert len(expected) == 9
    files = {
        "names.txt": "".join(f"audio/{n}.wav\n" for n in range(9)),
        "lines.jsonl": "".join(json.dumps({"audio": f"audio/{n}.wav"}) + "\n" for n in range(9)),
        "table.csv": "audio\n" + "".join(f"audio/{n}.wav\n" for n in range(9)),
    }
    run, rooted, elsewhere = recurra.load(out), recurra.load(out), tmp_path / "elsewhere"
    rooted.change(root=str(folder))
    elsewhere.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
        (elsewhere / name).write_text(text)
        for one, file in ((run, folder / name), (rooted, elsewhere / name)):
            inputs = list(one.task.dataset.inputs(str(file)) or ())
            assert inputs == [str(folder / f"audio/{n}.wav") for n in range(9)], (
                "of the folder of the file, or the root"
            )
    lines = ['{"audio": "audio/0.wav"}', "", '{"sound": 1}', '{"audio": ', "audio/1.wav", '"audio/2.wav"', "none.wav"]
    (elsewhere / "lines.jsonl").write_text("\n".join(lines) + "\n")
    assert command(["predict", str(out), str(elsewhere / "lines.jsonl"), "--root", str(folder)]) == 2
    answers = capsys.readouterr().out.splitlines()
    assert ["error" in json.loads(answer) for answer in answers] == [False, True, True, True, False, False, True]
    assert [answers[0], *answers[4:6]] == expected[:3]
