"""Tasks over pairs: two parallel files or two columns of a table, several source columns as one, levels, one vocabulary or two.

What is made of a pair is the task's own matter; `PairReader` reads it, splits it and encodes both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field as Setting

from ...data.report import DataReport
from ...data.sources.files import suffixes
from ...data.sources.parallel_text import Joined, Parallel
from ...data.sources.sources import TABLES, Source, locate, open_source
from ...data.words.vocabulary import Level
from ...errors import CallError, DataError, SettingError
from ...fields.paired_text import Raw, Side, alike, levels
from ...files import read_json, write_json
from ...settings import RARE, DataSettings, Settings
from ..base import Reading, Say
from ..shared.paired_rows import TwoSided


class PairData(DataSettings):
    """Pairs of texts."""

    source: str | None = Setting(None, description="source column; several joined by commas")
    target: str | None = Setting(None, description="target column; of a plain text the other file")
    valid_target: str | None = Setting(None, description="other file of --valid")
    level: Level | None = Setting(None, description="what a token is")
    source_level: Level | None = Setting(None, description="the same, of the source alone", json_schema_extra=RARE)
    target_level: Level | None = Setting(None, description="the same, of the target alone", json_schema_extra=RARE)
    vocabulary_size: int | None = Setting(None, ge=10, description="most frequent tokens kept on a side")
    min_count: int | None = Setting(None, ge=1, description="rarer tokens are unknown", json_schema_extra=RARE)
    shared: bool | None = Setting(None, description="one vocabulary for both sides")
    max_length: int | None = Setting(
        None, ge=1, description="pairs with more tokens on a side are not trained on", json_schema_extra=RARE
    )


class PairReader(TwoSided):
    """Reading of pairs. `source` and `target` are its sides; each is kept as tokens and as it is written."""

    def __init__(self, settings: Settings, **given: Any) -> None:
        super().__init__(settings, **given)
        data = self.data
        self.source = Side("source", data.source, data.min_count)
        self.target = Side("target", data.target, data.min_count)
        self.fields = [self.source, self.target, Raw("source_text"), Raw("target_text")]
        self.files: dict[str, str | None] = {}  # of a plain text the file of its other side, while training
        self.ratio, self.longest, self.positions = 1.0, 1, 1
        self.trained_on = ["", ""]  # the two files, where the run was trained on such

    @property
    def data(self) -> PairData:
        assert isinstance(self.settings.data, PairData)
        return self.settings.data

    @property
    def parts(self) -> list[str]:
        """The columns that are the source."""
        return [part.strip() for part in (self.data.source or "").split(",")]

    # reading -------------------------------------------------------------------------------------------------------
    def read(
        self, data: str | Path, valid: str | Path | None, cache: Path, say: Say, tick: Callable[[int], None]
    ) -> Reading:
        self.files = {str(data): self.data.target}
        if valid is not None:
            self.files[str(valid)] = self.data.valid_target
        reading = super().read(data, valid, cache, say, tick)
        if self.columns["source_text"] == "source" and (other := self.data.target) and self.target.asked is None:
            self.trained_on = [str(Path(file).resolve()) for file in (data, other)]
        train = self.stores["train"]
        s, t = train.lengths("source"), train.lengths("target")
        self.ratio, self.longest = float(np.quantile((t + 1) / (s + 1), 0.999)), int(t.max())
        self.positions = max(int(store.lengths("source").max()) for store in self.stores.values())
        reading.facts |= {"targets": t}
        reading.lines.append(
            f"source {s.mean():.1f} {self.source.level} on average, target {t.mean():.1f} {self.target.level}"
        )
        return reading

    def _source(self, data: str | Path) -> Source:
        settings = self.data
        skip = settings.broken == "skip"
        if not str(data).startswith("hf:"):
            path, _ = locate(data)
            if path.is_file() and suffixes(path)[0] not in TABLES:
                return Parallel(path, self._other(data), encoding=settings.encoding, skip_broken=skip)
        source = open_source(data, encoding=settings.encoding, skip_broken=skip)
        return Joined(source, self.parts, settings.source or "") if len(self.parts) > 1 else source

    def _other(self, data: str | Path) -> Path:
        """The file of the other side of a plain text."""
        flag = "--target " if str(data) == next(iter(self.files), None) else "--valid-target "
        if not self.files:  # a trained run, whose setting is the file that it was trained with
            flag = "--set target="
        other = self.files.get(str(data)) if self.files else self.data.target
        sides = [str(Path(file).resolve()) for file in (data, other or "")]
        if other is None or (not self.files and sides[1] == self.trained_on[1] and sides[0] != self.trained_on[0]):
            raise DataError(
                f"is one side of the pairs; name the file of the other, line by line, with {flag}FILE",
                file=data,
            )
        return Path(other).expanduser()

    def _columns(self, source: Source) -> dict[str, str]:
        if isinstance(source, Parallel):
            self.target.asked = None
            return {"source": "source", "target": "target", "source_text": "source", "target_text": "target"}
        named = self.data.target
        of_files = named is not None and named not in source.columns and Path(named).is_file()
        self.target.asked = None if of_files else named  # the run was trained on two files, and this is a table
        return super()._columns(source)

    def _survey(
        self, source: Source, columns: dict[str, str], tick: Callable[[int], None]
    ) -> tuple[DataReport, np.ndarray]:
        """Decide what the sides are cut into, from the first rows and their number; then as every task over rows."""
        data, sample, count = self.data, list[list[Any]](), 0
        for row in self._rows(source, columns):
            if len(sample) < 1000:
                sample.append(row)
            count += 1
        sources, targets = [row[0] for row in sample], [row[1] for row in sample]
        of_source, of_target = levels(sources, targets)
        self.source.level = data.source_level or data.level or of_source
        self.target.level = data.target_level or data.level or of_target
        same = self.source.level == self.target.level
        if data.shared and not same:
            raise SettingError(
                f"shared is true, and the source is cut into {self.source.level}, the target into {self.target.level}; "
                "set one level for both, or leave shared out"
            )
        shared = data.shared
        if shared is None:
            shared = same and self.source.level == "subwords" and alike(sources, targets)
        size = 2_000 if count < 5_000 else 4_000 if count < 15_000 else 8_000 if count < 300_000 else 16_000
        for side in (self.source, self.target):
            side.size = data.vocabulary_size or (size if side.level == "subwords" else 30_000)
        if shared:
            self.source.also = lambda: (row[1] for row in self._rows(source, columns))
            self.target.same_as = self.source
        return super()._survey(source, columns, tick)

    def save_vocabulary(self, folder: Path) -> None:
        super().save_vocabulary(folder)
        facts = {"files": self.trained_on, "ratio": self.ratio, "longest": self.longest, "positions": self.positions}
        write_json(folder / "translate.json", facts)

    def load_vocabulary(self, folder: Path) -> None:
        super().load_vocabulary(folder)
        facts = read_json(folder / "translate.json")
        self.trained_on = [str(file) for file in facts["files"]]
        self.ratio, self.longest, self.positions = float(facts["ratio"]), int(facts["longest"]), int(facts["positions"])

    # use -----------------------------------------------------------------------------------------------------------
    def _value(self, example: Any, number: int) -> Any:
        """The source that an example means: a text, or a mapping that names its columns."""
        if len(self.parts) < 2:
            return super()._value(example, number)
        if isinstance(example, dict):
            found = [example[name] for name in self.parts if name in example]
            if len(found) < len(self.parts):
                raise self._lacks(example, number, " and ".join(map(repr, self.parts)))
            example = found
        if not isinstance(example, (list, tuple)) or len(example) != len(self.parts):
            raise CallError(
                f"example {number}: the source is {' and '.join(self.parts)}; give a JSON object with each of them"
            )
        return self._usable(tuple(example), number)

    def inputs_of(self, source: Source) -> Iterator[Any]:
        return super().inputs_of(Joined(source, self.parts, self.data.source or "") if len(self.parts) > 1 else source)
