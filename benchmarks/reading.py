"""Reading and encoding a CSV of short texts, compared with pandas and the tokenizers library.

    RECURRA_DATA=FOLDER python benchmarks/reading.py [--rows 1000000] [--cores 1 2] [--rounds 3] [--file FILE.csv]

The table has the columns text and label. Its texts are made of two pieces of film reviews, about 140 characters together.
`recurra` is all that `recurra train classify` does with the file before it builds a network, with the defaults: inspection,
vocabulary, split by the hash of the text, statistics, and the encoded store, without the cache. `pandas and tokenizers` is
`pandas.read_csv` and `encode_batch_fast` with the same vocabulary, normalization and patterns of words: it has no vocabulary to
build, no split and nothing to write. Each measurement is a process of its own that may use the given number of cores; the two
take turns. If pandas is not installed (pip install pandas), this part is skipped with a message.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import importlib.util
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from common import add_options, alone, data_folder, record, say

PIECE = 70  # characters
WANTED = 5.0  # MB/s on two cores
OURS, PEER = "recurra", "pandas and tokenizers"


def pieces(text: str) -> Iterator[str]:
    """Yield pieces of a text of about `PIECE` characters, which end between words."""
    words: list[str] = []
    size = 0
    for word in text.split():
        words.append(word)
        size += len(word) + 1
        if size >= PIECE:
            yield " ".join(words)
            words, size = [], 0


def write_table(path: Path, reviews: Path, rows: int) -> None:
    """Write a CSV of `rows` texts, each of two pieces of reviews that were drawn by a fixed seed."""
    parts: list[tuple[str, str]] = []
    with gzip.open(reviews, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            parts += [(piece, row["sentiment"]) for piece in pieces(row["review"])]
    draw = random.Random(0)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["text", "label"])
        for _ in range(rows):
            (first, label), (second, _) = draw.choices(parts, k=2)
            writer.writerow([f"{first} {second}", label])


def make_ours(file: Path, folder: Path) -> Callable[[], int]:
    """Return a function that reads and encodes the table as `recurra train classify`, and returns the number of tokens."""
    from recurra.settings import as_given, settings_from
    from recurra.tasks.classify.task import Classify

    def read() -> int:
        dataset = Classify.dataset_for(settings_from(as_given(Classify.settings_class), {}))
        dataset.reading.facts(file)
        info = dataset.prepare(file, None, folder / "cache", lambda _: None)
        dataset.save(folder / "vocabulary")
        return int(info.time_steps)

    return read


def make_peer(file: Path, folder: Path) -> Callable[[], int]:
    """Return a function that reads the table with pandas and encodes its texts, and returns the number of tokens."""
    import pandas
    from tokenizers import Tokenizer, models

    from recurra.data.words.pretokenize import word_normalizer, word_pretokenizer

    saved = json.loads((folder / "vocabulary" / "text.json").read_text(encoding="utf-8"))
    tokens = ["<pad>", "<unknown>", "<end>", *saved["tokens"]]
    encoder = Tokenizer(models.WordLevel({token: at for at, token in enumerate(tokens)}, unk_token="<unknown>"))
    encoder.normalizer, encoder.pre_tokenizer = word_normalizer(saved["lowercase"]), word_pretokenizer()

    def read() -> int:
        table = pandas.read_csv(file)
        table["label"].astype("category")
        encodings = encoder.encode_batch_fast(table["text"].tolist(), add_special_tokens=False)
        return sum(len(encoding.ids) for encoding in encodings)

    return read


def work(name: str, file: Path, folder: Path, cores: int) -> dict[str, Any]:
    """Measure one of the two in this process, with some of its cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    read = (make_ours if name == OURS else make_peer)(file, folder)
    begin, cpu = time.perf_counter(), time.process_time()
    tokens = read()
    return {
        "seconds": time.perf_counter() - begin,
        "cpu": time.process_time() - cpu,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "tokens": tokens,
    }


def measure(name: str, file: Path, folder: Path, cores: int) -> dict[str, Any]:
    """Measure one of the two in a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--work",
        name,
        "--file",
        str(file),
        "--folder",
        str(folder),
        "--cores",
        str(cores),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    say(f"{name}, {cores} core{'s' * (cores > 1)}: {found['seconds']:.1f} s, {found['cpu']:.1f} s of processor time")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="Number of rows of the table (1000000).")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2], help="Numbers of cores (1 2).")
    parser.add_argument("--rounds", type=int, default=3, help="Number of rounds (3).")
    parser.add_argument("--file", type=Path, help="Read this table instead of a new one.")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    add_options(parser)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(work(options.work, options.file, options.folder, options.cores[0])))
        return
    names = [OURS, *([PEER] if importlib.util.find_spec("pandas") else [])]
    if PEER not in names:
        say(f"{PEER} is skipped: pandas is not installed (pip install pandas)")
    with alone(options.even_if_busy) as watch, tempfile.TemporaryDirectory(prefix="recurra-reading-") as name:
        folder = Path(name)
        file = options.file or folder / "texts.csv"
        if options.file is None:
            write_table(file, data_folder() / "imdb" / "train.csv.gz", options.rows)
        megabytes = file.stat().st_size / 1e6
        say(f"{file}: {megabytes:.0f} MB")
        found: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for cores in options.cores:
            rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
            for _ in range(options.rounds):
                for one in names:
                    rounds[one].append(measure(one, file, folder, cores))
            found[str(cores)] = rounds
        figures: dict[str, Any] = {"megabytes": megabytes, "rounds": found, "mb_per_second": {}}
        for cores, rounds in found.items():
            speeds = {
                one: megabytes / statistics.median(r["seconds"] for r in measured) for one, measured in rounds.items()
            }
            figures["mb_per_second"][cores] = speeds
            for one, speed in speeds.items():
                memory = max(r["memory_mb"] for r in rounds[one])
                print(f"{cores} cores, {one}: {speed:.2f} MB/s, {memory:,.0f} MB of memory")
            if PEER in speeds:
                ratio = statistics.median(
                    a["seconds"] / b["seconds"] for a, b in zip(rounds[OURS], rounds[PEER], strict=True)
                )
                print(f"{cores} cores: {OURS} takes {ratio:.2f} times the time of {PEER}")
            if cores == "2":
                figures["target"] = {"wanted": WANTED, "met": speeds[OURS] >= WANTED}
                print(f"2 cores: target {WANTED:g} MB/s{'' if speeds[OURS] >= WANTED else '  MISSED'}")
        record("reading", figures, watch=watch, threads=max(options.cores))


if __name__ == "__main__":
    main()
