"""The dataset of `couplet`: pairs of texts of equal length, and the constraints that their answers satisfy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, final

from ...data.sources.json_line import parse_json_line
from ...data.sources.reading import FileReading
from ...data.sources.sources import Source
from ...data.store.store import Store
from ...data.words.vocabulary import Vocabulary
from ...fields.base import Field
from ...fields.paired_text import CodePoints, PairedText
from ...files import read_json, write_json
from ..base import DataQuality, Dataset, DatasetInfo, Description, OnProgress, roles_of
from ..shared.generation import check_splits
from ..shared.paired_rows import find_pair_columns, source_value
from ..shared.quality import quality_of
from ..shared.row_reader import Columns, RowReader
from ..shared.target_files import TargetFiles
from .constraints import strictest_rule
from .pair_files import join_characters, open_pairs
from .settings import CoupletData

SAMPLE = 10_000  # pairs from which the default constraints are determined
MIN_SATISFIED = 0.8  # fraction of the pairs that must satisfy constraints for them to be the default


@final
class CoupletDataset(Dataset):
    """Pairs of a question (`source`) and an answer (`target`), as tokens of one vocabulary of characters and as text."""

    keeps_vocabulary: ClassVar[bool] = True
    reading: FileReading

    def __init__(self, data: CoupletData) -> None:
        self.data = data
        self.source = PairedText("source", data.source, data.min_count, "characters")
        self.target = PairedText("target", data.target, data.min_count, "characters")
        fields = [self.source, self.target, CodePoints("source_text"), CodePoints("target_text")]
        self.rows = RowReader(fields, data, problem=self._problem)
        self.reading = self.rows.reading
        self.files = TargetFiles(data.target)

    @property
    def stores(self) -> dict[str, Store]:
        """The encoded splits: train and valid."""
        return self.rows.stores

    @property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary of characters, shared by questions and answers."""
        return self.source.vocabulary

    # reading -------------------------------------------------------------------------------------------------------
    def prepare(self, data: str | Path, valid: str | Path | None, cache: Path, on_progress: OnProgress) -> DatasetInfo:
        """Read, split and encode the pairs, and determine the default constraints."""
        self.files.begin_training(data, valid, self.data.valid_target)
        source = self._open(data)
        columns = find_pair_columns(self.rows, source)

        def validation() -> tuple[Source, Columns]:
            other = self._open(str(valid))
            return other, find_pair_columns(self.rows, other)

        if not self.rows.is_loaded:
            self.target.share_vocabulary(self.source, lambda: (row[1] for row in self.rows.values(source, columns)))
        report = self.rows.read(
            source, columns, cache, on_progress, None if valid is None else validation, data=(data, valid)
        )
        check_splits(self.stores, "pairs", data)
        if self.data.target and self.target.column is None:
            self.files.remember(data)
        rule, rule_message = self._rule_of_most(source, columns)
        lengths = self.stores["train"].lengths("source")
        info = DatasetInfo(
            rows=len(self.stores["train"]),
            valid_rows=len(self.stores["valid"]),
            time_steps=int(lengths.sum()),
            stats={"lengths": lengths, "constraints": rule},
            messages=[
                *report.lines(),
                *self.rows.facts.fields,
                f"questions in column {columns['source']!r}, answers in {columns['target']!r}, "
                f"mean length {lengths.mean():.1f} characters",
                rule_message,
            ],
        )
        return info

    def _open(self, data: str | Path) -> Source:
        source = open_pairs(data, self.reading, self.files)
        is_file = self.data.target is not None and self.data.target not in source.columns
        self.target.column = None if is_file and Path(str(self.data.target)).is_file() else self.data.target
        return source

    def describe(self, data: str | Path) -> Description:
        """Return the columns of the questions and the answers; see `Dataset.describe`."""
        self.files.begin_training(data, None, None)
        source = self._open(data)
        columns = find_pair_columns(self.rows, source)
        return Description(roles_of(source, {name: columns[name] for name in ("source", "target")}))

    def _problem(self, values: Sequence[Any]) -> tuple[Field, str] | None:
        if problem := self.rows.first_problem(values):
            return problem
        question, answer = len(values[0]), len(values[1])
        if question != answer:
            return self.target, f"has {answer} character{'s' * (answer != 1)}, and the question has {question}"
        return None

    def _rule_of_most(self, source: Source, columns: Columns) -> tuple[str, str]:
        """The strictest constraints that most of the first pairs satisfy, and a message with the fractions that do."""
        counts = Counter(strictest_rule(row[0], row[1]) for row in islice(self.rows.values(source, columns), SAMPLE))
        couplets, marks = counts["couplet"] / counts.total(), 1 - counts["none"] / counts.total()
        rule = "couplet" if couplets >= MIN_SATISFIED else "punctuation" if marks >= MIN_SATISFIED else "none"
        return (
            rule,
            f"{marks:.1%} of the pairs satisfy the constraints punctuation, {couplets:.1%} the constraints couplet",
        )

    @contextmanager
    def encoded(self, data: str | Path) -> Iterator[Store]:
        """The encoded pairs of another file, during its evaluation."""
        source = self._open(data)
        with self.rows.encoded(source, find_pair_columns(self.rows, source)) as store:
            yield store

    # the run folder ------------------------------------------------------------------------------------------------
    def load_cache(self, cache: Path) -> None:
        """Open the encoded splits of an interrupted run."""
        self.rows.load_cache(cache)

    def quality(self) -> DataQuality:
        """Return facts about the encoded parts; see `Dataset.quality`."""
        return quality_of(self.rows.stores, self.rows.fields)

    def save(self, folder: Path) -> None:
        """Write the vocabulary."""
        self.rows.save(folder, [self.source])
        write_json(folder / "couplet.json", {"trained_on": list(self.files.trained_on)})

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        self.rows.load(folder, [self.source])
        self.target.vocabulary = self.source.vocabulary
        if (file := folder / "couplet.json").exists():
            self.files.trained_on = [str(one) for one in read_json(file)["trained_on"]]

    # use -----------------------------------------------------------------------------------------------------------
    def inputs(self, file: str) -> Iterator[Any] | None:
        """The questions of a table, or None for a file that is not a table."""
        return self.rows.inputs_in(self._open(file)) if self.reading.is_table(file) else None

    def parse_line(self, line: str) -> Any:
        """The question in a line of input: JSON where the line is JSON, else its text."""
        return parse_json_line(line)

    def questions(self, examples: Sequence[Any]) -> list[str]:
        """The questions of examples, checked. CallError with the number of the first one that cannot be used."""
        return [join_characters(source_value(self.rows, one, number)) for number, one in enumerate(examples, 1)]
