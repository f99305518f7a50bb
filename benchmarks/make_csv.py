"""Writes a public dataset of labeled sentences as CSV with the columns text and label.

RECURRA_DATA=FOLDER python benchmarks/make_csv.py rt_polarity|trec OUT.csv
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from common import data_folder, say
from splits import Row, write_csv


def lines(path: Path) -> Iterator[str]:
    r"""Yield the lines that are not empty. Only \n ends a line, because some lines contain other Unicode line separators."""
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.strip():
            yield line.strip()


def rt_polarity(data: Path) -> Iterator[Row]:
    """Yield sentences from film reviews with the label positive or negative."""
    for label, name in (("positive", "rt-polarity.pos"), ("negative", "rt-polarity.neg")):
        for line in lines(data / "rt_polarity" / name):
            yield line, label


def trec(data: Path) -> Iterator[Row]:
    """Yield questions with their coarse class, one of six: `DESC:manner How did ...` has the label DESC."""
    for line in lines(data / "trec_qc" / "train.txt"):
        label, _, text = line.partition(" ")
        yield text, label.partition(":")[0]


SETS = {"rt_polarity": rt_polarity, "trec": trec}


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a dataset of labeled sentences as CSV (columns text, label).")
    parser.add_argument("name", choices=sorted(SETS), help="Name of the dataset.")
    parser.add_argument("out", type=Path, help="Output file.")
    options = parser.parse_args()
    rows = list(SETS[options.name](data_folder()))
    write_csv(options.out, rows)
    say(f"{options.out}: {len(rows)} rows")


if __name__ == "__main__":
    main()
