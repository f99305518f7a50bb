"""Folders of speech corpora that consist of several files: those of Kaldi and of LibriSpeech.

Kaldi: `wav.scp` (recording, file), optionally `segments` (utterance, recording, begin, end) and `text` (utterance, text).
LibriSpeech: files `NAME.trans.txt` (utterance, text) in any subfolder, with the recordings beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from recurra.data.media.segments import Segment
from recurra.data.sources.files import open_lines, reading, wrong_characters
from recurra.data.sources.folders import MEDIA_SUFFIXES
from recurra.data.sources.rows import Row, Source
from recurra.errors import DataError

SCP, SEGMENTS, TEXT = "wav.scp", "segments", "text"
TRANSCRIPTS = "*.trans.txt"
COLUMNS = ["utterance", "audio", "text"]
Entry = tuple[int, str, str]  # of a file: the line, the first word, and the rest


def is_kaldi(folder: Path) -> bool:
    """Whether a folder is a data folder of Kaldi."""
    return (folder / SCP).is_file()


def is_librispeech(folder: Path) -> bool:
    """Whether a folder contains transcripts as those of LibriSpeech."""
    return next(folder.rglob(TRANSCRIPTS), None) is not None


def _entries(path: Path, encoding: str) -> Iterator[Entry | DataError]:
    """The lines of a file whose first word is a key. Blank lines are none."""
    with reading(path), open_lines(path, encoding, "\n") as stream:
        for line, raw in enumerate(stream, 1):
            parts = raw.split(maxsplit=1)
            if not parts:
                continue
            if wrong := wrong_characters(raw, encoding):
                yield DataError(wrong, file=path, row=line)
            else:
                yield line, parts[0], parts[1].strip() if len(parts) > 1 else ""


class KaldiFolder(Source):
    """One row per utterance: `utterance`, `audio` (a file or a segment) and `text`, which is None where there is none.

    A command in `wav.scp` is never executed: its rows are errors.
    """

    format = "kaldi"

    @property
    def columns(self) -> list[str]:
        """`utterance`, `audio` and, if there is a file `text`, `text`."""
        return COLUMNS if (self.path / TEXT).is_file() else COLUMNS[:2]

    def _table(self, name: str) -> dict[str, Entry]:
        """The lines of a file by their first word. Raises DataError for a line that cannot be read or a repeated word."""
        found: dict[str, Entry] = {}
        for entry in _entries(self.path / name, self.encoding):
            if isinstance(entry, DataError):
                raise entry
            if entry[1] in found:
                raise DataError(f"{entry[1]!r} occurs again", file=self.path / name, row=entry[0])
            found[entry[1]] = entry
        return found

    @cached_property
    def _recordings(self) -> dict[str, Entry]:
        return self._table(SCP)

    @cached_property
    def _texts(self) -> dict[str, Entry]:
        return self._table(TEXT) if (self.path / TEXT).is_file() else {}

    def _read(self) -> Iterator[Row | DataError]:
        has_segments = (self.path / SEGMENTS).is_file()
        file = self.path / (SEGMENTS if has_segments else SCP)
        number, without_audio = 0, dict(self._texts)
        for entry in _entries(file, self.encoding):
            number += 1
            if isinstance(entry, DataError):
                yield entry
                continue
            line, utterance, rest = entry
            without_audio.pop(utterance, None)
            row = Row(number, {}, self.path, line, {None: file, "audio": file, "text": self.path / TEXT})
            audio = self._segment(row, rest) if has_segments else self._recording(row, utterance)
            if isinstance(audio, DataError):
                yield audio
                continue
            text = self._texts.get(utterance)
            row.values = {"utterance": utterance, "audio": audio, "text": text[2] if text else None}
            yield row
        for line, utterance, _ in without_audio.values():
            number += 1
            row = Row(number, {}, self.path, line, {"text": self.path / TEXT})
            yield row.error(f"the utterance {utterance!r} is not in {file.name}", "text")

    def _recording(self, row: Row, recording: str) -> str | DataError:
        """The file of a recording."""
        if recording not in self._recordings:
            return row.error(f"the recording {recording!r} is not in {SCP}", "audio")
        line, _, name = self._recordings[recording]
        if name.endswith("|") or name.startswith("|"):
            return DataError(
                f"{name[:40]!r} is a command, which is not executed; write the audio into files and name them",
                file=self.path / SCP,
                row=line,
            )
        return name or DataError(f"the recording {recording!r} has no file", file=self.path / SCP, row=line)

    def _segment(self, row: Row, rest: str) -> object:
        """The segment that a line of `segments` describes."""
        parts = rest.split()
        try:
            begin, end = (float(part) for part in parts[1:])
        except ValueError:
            return row.error(f"{rest[:40]!r} is no segment; expected RECORDING BEGIN END", "audio")
        if end < 0:  # Kaldi: the end of the recording
            end = float("inf")
        name = self._recording(row, parts[0])
        if isinstance(name, DataError):
            return name
        if not 0 <= begin < end:
            return row.error(f"the segment begins at {begin:g} s and ends at {end:g} s", "audio")
        return Segment(name, begin, None if end == float("inf") else end)


class LibriSpeech(Source):
    """One row per line of the transcripts: `utterance`, `audio` and `text`."""

    format = "librispeech"

    @property
    def columns(self) -> list[str]:
        """`utterance`, `audio` and `text`."""
        return COLUMNS

    def _read(self) -> Iterator[Row | DataError]:
        number = 0
        for path in sorted(self.path.rglob(TRANSCRIPTS)):
            for entry in _entries(path, self.encoding):
                number += 1
                if isinstance(entry, DataError):
                    yield entry
                    continue
                line, utterance, text = entry
                names = (f"{utterance}{end}" for end in MEDIA_SUFFIXES["audio"])
                name = next((name for name in names if (path.parent / name).is_file()), f"{utterance}.flac")
                yield Row(number, {"utterance": utterance, "audio": name, "text": text}, path, line)
