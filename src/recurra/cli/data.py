"""`recurra data`: the built-in datasets."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Annotated

import typer

from ..errors import SettingError

ROWS, WIDTH = 4, 96


def data(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Name of the built-in dataset to write, such as names or adding:500."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File or folder to write (a file in the user's cache).")
    ] = None,
) -> None:
    """List the built-in datasets, or write one and show its first rows."""
    from ..data import sets

    known = sets.known()
    if name is None and out is not None:
        raise SettingError(f"--out {out}: name the dataset to write, as in recurra data names --out {out}")
    if name is None:
        width = max(map(len, known))
        for each, line in known.items():
            print(f"{each:<{width}}  {line}")
        print(
            "\nrecurra data NAME writes a dataset and shows its first rows. NAME can be used as DATA of recurra train."
        )
        return
    path = sets.make(name)
    if out is not None:
        path = _copied(path, out)
    line = known[name.partition(":")[0]]
    print(f"{name}: {line}")
    print(path)
    for row in _first_lines(path):
        print(f"  {row}")
    print(_command(name if out is None else str(path), line))


def _copied(path: Path, out: Path) -> Path:
    """Copy a dataset to `out`. Returns the file to read. Raises SettingError if it cannot be written there."""
    if out.exists():
        raise SettingError(f"--out {out}: exists already; choose another name")
    is_folder = path.name == "manifest.csv"
    if not is_folder and out.suffix != path.suffix:
        raise SettingError(f"--out {out}: the dataset is a {path.suffix} file; name it {out.with_suffix(path.suffix)}")
    try:
        if is_folder:
            shutil.copytree(path.parent, out)
            return out / path.name
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, out)
    except OSError as error:
        raise SettingError(f"--out {out}: cannot be written ({error.strerror})") from None
    return out


def _first_lines(path: Path) -> list[str]:
    if path.suffix == ".npz":
        from ..data.sources.sources import open_source

        rows = open_source(path).first_rows()[:ROWS]
        return [", ".join(f"{name}: {_shown(value)}" for name, value in row.values.items()) for row in rows]
    with path.open(encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in itertools.islice(file, ROWS)]
    return [line if len(line) <= WIDTH else line[: WIDTH - 1] + "…" for line in lines]


def _shown(value: object) -> str:
    shape = getattr(value, "shape", ())
    return f"{' x '.join(map(str, shape))} numbers" if shape else str(value)


def _command(name: str, description: str) -> str:
    """The command that trains on the dataset. A description begins with the task that the dataset is made for."""
    return f"train on it:  recurra train {description.partition(':')[0]} {name}"
