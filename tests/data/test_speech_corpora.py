"""Tables of public speech corpora: where their files are, and which rows are refused."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from recurra.data.sources.sources import open_source
from recurra.errors import DataError
from recurra.fields.audio import Audio


def recording(path: Path, hz: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (8000 * np.sin(2 * np.pi * hz * np.arange(4000) / 8000)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())


def found(table: Path) -> list[str]:
    source, audio = open_source(table), Audio("audio", None)
    column = audio.find(source, ())
    return [audio.value(row, column) for row in source.rows()]


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


@pytest.mark.parametrize("offset", [None, 0, 0.0, "0.0", 1.5, "2", 10])
def test_nemo_manifest(tmp_path: Path, offset: float | str | None) -> None:
    recording(tmp_path / "audio/one.wav", 200)
    row = {"audio_filepath": "audio/one.wav", "duration": 0.5, "text": "one"}
    row |= {} if offset is None else {"offset": offset}
    (tmp_path / "manifest.json").write_text(json.dumps(row) + "\n" + json.dumps(row) + "\n")
    if offset in (None, 0, "0.0"):
        assert found(tmp_path / "manifest.json") == [str(tmp_path / "audio/one.wav")] * 2
    else:
        with pytest.raises(DataError, match=r"begins at .* s of the file; segments are not read"):
            found(tmp_path / "manifest.json")


@pytest.mark.parametrize(
    ("duration", "is_whole"), [(0.5, True), (0.45, True), ("0.5", True), (None, True), (0.3, False)]
)
def test_a_duration_shorter_than_the_file_is_a_segment(tmp_path: Path, duration: object, is_whole: bool) -> None:
    recording(tmp_path / "one.wav", 200)
    row = json.dumps({"audio_filepath": "one.wav", "duration": duration, "offset": 0, "text": "one"})
    (tmp_path / "manifest.json").write_text(f"{row}\n{row}\n")
    if is_whole:
        assert found(tmp_path / "manifest.json") == [str(tmp_path / "one.wav")] * 2
    else:
        with pytest.raises(
            DataError, match=r"a duration of 0\.3 s, and the file is 0\.50 s long; segments are not read"
        ):
            found(tmp_path / "manifest.json")


def test_a_segment_is_refused_as_an_example_too() -> None:
    """Only the columns of a NeMo manifest have this meaning."""
    audio = Audio("audio", None)
    with pytest.raises(DataError, match=r"begins at 1\.5 s of the file"):
        audio.of_mapping({"audio_filepath": "one.wav", "offset": 1.5}, "audio_filepath")
    assert audio.of_mapping({"audio_filepath": "one.wav", "offset": 0}, "audio_filepath") == "one.wav"
    assert audio.of_mapping({"file": "one.wav", "offset": 1.5}, "file") == "one.wav"
