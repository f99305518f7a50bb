"""`recurra predict`: one JSON object for each line of a file or a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, cast

import typer

from ..data.sources.files import wrong_characters
from ..errors import DataError, UserError
from .common import (
    Encoding,
    HeaderOption,
    Import,
    InUse,
    Root,
    RunFolder,
    Separator,
    open_run,
    progress,
    read_settings,
)
from .lines import batches, open_lines, output

if TYPE_CHECKING:
    from ..run import Run


def predict(
    run: RunFolder,
    input_: Annotated[
        str,
        typer.Argument(metavar="INPUT", help="A file of lines, a CSV, TSV or Parquet table, or - for standard input."),
    ] = "-",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Output file (standard output).")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", metavar="", help="Replace the output file if it exists.")
    ] = False,
    encoding: Encoding = None,
    separator: Separator = None,
    header: HeaderOption = None,
    root: Root = None,
    set_: InUse = None,
    import_: Import = None,
) -> None:
    """Predict: one JSON object for each input line.

    A line is plain text or a JSON object with the fields. Every line has one result, also an empty one.
    Lines of a pipe are processed as they arrive:
    echo "a dull film" | recurra predict runs/reviews
    """
    with output(out, overwrite=overwrite) as target:  # a wrong --out is reported before anything is loaded
        loaded = open_run(run, import_, set_, read_settings(encoding, separator, header, root))
        bars = progress() if out is not None or not sys.stdout.isatty() else None
        count, failed = 0, list[DataError]()
        with _Counter(bars, input_) as tick:
            for examples, first in _examples(loaded, input_):
                for result in _predict(loaded, examples, input_, first, failed):
                    target.write(json.dumps(result, ensure_ascii=False) + "\n")
                target.flush()
                count += len(examples)
                tick(count)
    if count == 0:
        print(
            f"recurra: {'the input' if input_ == '-' else input_} is empty: there is nothing to predict",
            file=sys.stderr,
        )
    elif out is not None:
        print(f"{out}: {count:,} predictions")
    if failed:
        error, name = failed[0], "standard input" if input_ == "-" else input_
        more = f"; {len(failed)} of {count:,} have an error instead of a result" if len(failed) > 1 else ""
        raise DataError(f"{error.message}{more}", file=name, row=error.row, field=error.field)


class _Counter:
    """A progress bar that counts lines, for files; none for a pipe, whose length is unknown."""

    def __init__(self, bars: Any, input_: str) -> None:
        self.context = None if bars is None or input_ == "-" else bars.bar("predicting", None)

    def __enter__(self) -> Any:
        if self.context is None:
            return lambda lines: None
        bar = self.context.__enter__()
        return lambda lines: bar.update(lines, f"{lines:,} lines")

    def __exit__(self, *error: Any) -> None:
        if self.context:
            self.context.__exit__(*error)


def _examples(run: Run, input_: str) -> Iterator[tuple[list[Any], int | None]]:
    """Batches of inputs, and the row number of the first of each; None where an input is not a row, such as a series."""
    from ..data.sources.reading import FileReading
    from ..tasks.base import chunked

    row = 1
    if input_ != "-" and (inputs := run.task.dataset.inputs(input_)) is not None:
        for part in chunked(inputs, 256):
            yield part, row if run.task.dataset.inputs_are_rows else None
            row += len(part)
        return
    reading = run.task.dataset.reading or FileReading(run.settings.data)
    stream = cast(BinaryIO, sys.stdin.buffer) if input_ == "-" else open_lines(Path(input_))
    with stream:
        name = "standard input" if input_ == "-" else input_
        for lines, encoding in batches(stream, name=name, encoding=reading.encoding_of, full=input_ != "-"):
            yield [_example(run, line, encoding) for line in lines], row
            row += len(lines)


def _example(run: Run, line: str, encoding: str) -> Any:
    """The input of a line, or the error of a line that cannot be read: the other lines are predicted nevertheless."""
    if wrong := wrong_characters(line, encoding):
        return DataError(wrong)
    try:
        return run.task.dataset.parse_line(line)
    except DataError as error:
        return error


def _results(run: Run, examples: list[Any]) -> list[dict[str, Any]]:
    for example in examples:
        if isinstance(example, DataError):
            raise example
    return run.predict(examples)


def _predict(
    run: Run, examples: list[Any], input_: str, first: int | None, failed: list[DataError]
) -> list[dict[str, Any]]:
    """The results of a batch, in order. A row that cannot be predicted gets its error, which is also added to `failed`."""
    try:
        return _results(run, examples)
    except UserError:
        results: list[dict[str, Any]] = []
        for at, example in enumerate(examples):
            try:
                results += _results(run, [example])
            except UserError as error:
                why = str(error).removeprefix("example 1: ")
                if isinstance(error, DataError) and error.row is not None and str(error.file) == input_:
                    failed.append(error)  # an example of several rows names the wrong one
                else:
                    failed.append(DataError(why, row=None if first is None else first + at))
                results.append({"error": why})
        return results
