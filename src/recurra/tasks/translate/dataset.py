"""The dataset of `translate`: pairs of texts from two parallel files or from columns of a table, and their vocabularies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, final

from ...data.sources.inspect.json_shapes import flatten
from ...data.sources.json_line import parse_json_line
from ...data.sources.parallel_text import Joined, Parallel
from ...data.sources.reading import FileReading
from ...data.sources.sources import Source, locate
from ...data.store.store import Store
from ...errors import CallError, SettingError
from ...fields.copied_words import are_short, copies_words
from ...fields.paired_text import PairedText, RawText, choose_tokenizations, same_alphabet
from ...files import read_json, write_json
from ..base import DataQuality, Dataset, DatasetInfo, Description, OnProgress, roles_of, used_columns
from ..shared.generation import check_splits
from ..shared.paired_rows import checked_source, find_pair_columns, missing_key, source_value
from ..shared.quality import quality_of
from ..shared.row_reader import Columns, RowReader
from ..shared.target_files import TargetFiles
from .lengths import PairLengths
from .settings import PairData

PASSAGE_NAMES = ("passage", "context", "paragraph", "document", "article")  # beside the question
SAMPLE = 1000  # pairs from which tokenizations and the sharing of a vocabulary are chosen


@final
class PairDataset(Dataset):
    """Pairs of a source and a target, stored as tokens and as unmodified text. `prepare` and `load` set `lengths`."""

    keeps_vocabulary: ClassVar[bool] = True
    reading: FileReading

    def __init__(self, data: PairData) -> None:
        self.data = data
        self.source = PairedText("source", data.source, data.min_count)
        self.target = PairedText("target", data.target, data.min_count)
        self.rows = RowReader([self.source, self.target, RawText("source_text"), RawText("target_text")], data)
        self.reading = self.rows.reading
        self.source_columns = [column.strip() for column in (data.source or "").split(",")]
        self.files = TargetFiles(data.target)
        self.lengths = PairLengths()
        self.has_short_targets = False  # set by `prepare`
        self.notes: list[str] = []

    @property
    def stores(self) -> dict[str, Store]:
        """The encoded splits: train and valid."""
        return self.rows.stores

    # reading -------------------------------------------------------------------------------------------------------
    def prepare(self, data: str | Path, valid: str | Path | None, cache: Path, on_progress: OnProgress) -> DatasetInfo:
        """Read, split and encode the pairs, and choose tokenizations and vocabularies."""
        self.files.begin_training(data, valid, self.data.valid_target)
        source = self._open(data)
        columns = self._find_columns(source)
        if not self.rows.is_loaded:
            self._choose_vocabularies(source, columns)

        def validation() -> tuple[Source, Columns]:
            valid_source = self._open(str(valid))
            return valid_source, self._find_columns(valid_source)

        report = self.rows.read(
            source, columns, cache, on_progress, None if valid is None else validation, data=(data, valid)
        )
        check_splits(self.stores, "pairs", data)
        if columns["source_text"] == "source" and self.data.target and self.target.column is None:
            self.files.remember(data)
        self.lengths = PairLengths.of(self.stores)
        used = used_columns(source, {name: columns[name] for name in ("source", "target")})
        passage = next((one for one in source.columns if one.strip().lower() in PASSAGE_NAMES), None)
        if passage is not None and self.data.source is None and passage not in columns.values():
            other = f"--source {passage},{columns['source']}"
            self.notes.append(
                f"warning: column {passage!r} is not used; {other} reads it before the {columns['source']}"
            )
        return self._info([*report.lines(), *used, *self.notes, *self.rows.facts.fields])

    def describe(self, data: str | Path) -> Description:
        """Return the columns of the source and the target; see `Dataset.describe`."""
        self.files.begin_training(data, None, None)
        source = self._open(data)
        columns = self._find_columns(source)
        return Description(roles_of(source, {name: columns[name] for name in ("source", "target")}))

    def _info(self, messages: list[str]) -> DatasetInfo:
        train, valid = self.stores["train"], self.stores["valid"]
        sources, targets = train.lengths("source"), train.lengths("target")
        source, target = (
            f"{lengths.mean():.1f} {side.tokenization}"
            for lengths, side in ((sources, self.source), (targets, self.target))
        )
        return DatasetInfo(
            rows=len(train),
            valid_rows=len(valid),
            time_steps=int(sources.sum()),
            stats={"lengths": sources, "targets": targets},
            messages=[*messages, f"mean length: source {source}, target {target}"],
        )

    def _open(self, data: str | Path) -> Source:
        if not str(data).startswith("hf:"):
            path, _ = locate(data)
            if path.is_file() and self.reading.facts(data).format == "text":
                target = self.files.target_of(data)
                return Parallel(path, target, encoding=self.reading.encoding, skip_broken=self.rows.skips)
        return self._join(self.rows.open(data))

    def _join(self, source: Source) -> Source:
        """The rows with the columns of the setting `source` joined into one, if there are several."""
        return Joined(source, self.source_columns, self.data.source or "") if self._joins else source

    @property
    def _joins(self) -> bool:
        return len(self.source_columns) > 1

    def _find_columns(self, source: Source) -> Columns:
        if isinstance(source, Parallel):
            self.target.column = None
            return {"source": "source", "target": "target", "source_text": "source", "target_text": "target"}
        target = self.data.target
        is_file = target is not None and target not in source.columns and Path(target).is_file()
        self.target.column = None if is_file else target  # the run was trained on two files, and this is a table
        return find_pair_columns(self.rows, source)

    def _choose_vocabularies(self, source: Source, columns: Columns) -> None:
        """Choose the tokenizations from the first pairs, the sizes of the vocabularies, and whether both sides share one."""
        data, sample, count = self.data, list[list[Any]](), 0
        for row in self.rows.values(source, columns):
            if len(sample) < SAMPLE:
                sample.append(row)
            count += 1
        sources, targets = [row[0] for row in sample], [row[1] for row in sample]
        source_tokenization, target_tokenization = choose_tokenizations(sources, targets)
        self.has_short_targets = are_short(targets)
        if copies_words(sources, targets):
            source_tokenization = target_tokenization = "words"
            if not any((data.tokenization, data.source_tokenization, data.target_tokenization)):
                self.notes = [
                    "tokenization: words (the targets are a few words of their source); --tokenization changes it"
                ]
        self.source.tokenization = data.source_tokenization or data.tokenization or source_tokenization
        self.target.tokenization = data.target_tokenization or data.tokenization or target_tokenization
        same = self.source.tokenization == self.target.tokenization
        if data.shared_vocabulary and not same:
            raise SettingError(
                f"shared_vocabulary is true, but the source is split into {self.source.tokenization} and the target into "
                f"{self.target.tokenization}; set one tokenization for both, or leave shared_vocabulary out"
            )
        shared = data.shared_vocabulary
        if shared is None:
            shared = same and self.source.tokenization == "subwords" and same_alphabet(sources, targets)
        size = 2_000 if count < 5_000 else 4_000 if count < 15_000 else 8_000 if count < 300_000 else 16_000
        for side in (self.source, self.target):
            side.size = data.vocabulary_size or (size if side.tokenization == "subwords" else 30_000)
        if shared:
            self.target.share_vocabulary(self.source, lambda: (row[1] for row in self.rows.values(source, columns)))

    @contextmanager
    def encoded(self, data: str | Path) -> Iterator[Store]:
        """The encoded pairs of another file, during its evaluation."""
        source = self._open(data)
        with self.rows.encoded(source, self._find_columns(source)) as store:
            yield store

    # the run folder ------------------------------------------------------------------------------------------------
    def load_cache(self, cache: Path) -> None:
        """Open the encoded splits of an interrupted run."""
        self.rows.load_cache(cache)

    def quality(self) -> DataQuality:
        """Return facts about the encoded parts; see `Dataset.quality`."""
        return quality_of(self.rows.stores, self.rows.fields)

    def save(self, folder: Path) -> None:
        """Write the vocabularies, the lengths and the names of the training files."""
        self.rows.save(folder)
        write_json(folder / "translate.json", {"trained_on": list(self.files.trained_on), **asdict(self.lengths)})

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        self.rows.load(folder)
        saved = read_json(folder / "translate.json")
        self.files.trained_on = [str(file) for file in saved["trained_on"]]
        self.lengths = PairLengths(
            ratio=float(saved["ratio"]),
            max_target_length=int(saved["max_target_length"]),
            max_source_length=int(saved["max_source_length"]),
        )

    # use -----------------------------------------------------------------------------------------------------------
    def inputs(self, file: str) -> Iterator[Any] | None:
        """The sources of a table, or None for a file that is not a table."""
        if not self.reading.is_table(file):
            return None
        return self.rows.inputs_in(self._join(self.rows.open(file)))

    def parse_line(self, line: str) -> Any:
        """The source in a line of input: JSON where the line is JSON, else its text."""
        return parse_json_line(line)

    def source_values(self, examples: Sequence[Any]) -> list[Any]:
        """The sources of examples, checked. CallError with the number of the first one that cannot be used."""
        return [self._source_value(example, number) for number, example in enumerate(examples, 1)]

    def _source_value(self, example: Any, number: int) -> Any:
        """The source of an example: a text, or a tuple of texts if the source consists of several columns."""
        columns = self.source_columns
        if not self._joins:
            return source_value(self.rows, example, number)
        if isinstance(example, dict):
            example = flatten(example)
            texts = [example[name] for name in columns if name in example]
            if len(texts) < len(columns):
                raise missing_key(example, number, " and ".join(map(repr, columns)))
            example = texts
        if not isinstance(example, (list, tuple)) or len(example) != len(columns):
            raise CallError(
                f"example {number}: the source consists of {' and '.join(columns)}; pass a JSON object with each of these keys"
            )
        return checked_source(self.rows, tuple(example), number)
