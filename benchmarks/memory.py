"""Anonymous memory while training on a file 50 times larger than IMDB, against the same command on IMDB.

    RECURRA_DATA=FOLDER python benchmarks/memory.py [--times 50] [--steps 30]

The large file holds IMDB's training part many times over. In each copy the rare words have an ending of their own,
and each row a word of its copy, so the vocabulary grows with the file and no row repeats. Figure: peak RssAnon of the
process that trains and of its children, from /proc, reading and encoding included. Mapped files do not count: the
kernel can drop those pages.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from common import CACHE, Watch, data_folder, lock, record, say, stop
from sets import SETS

LIMIT = 1.3
RARE = 5  # a word that occurs so often or less gets the ending of its copy
MARK = "\x00"  # stands for the ending in the templates
WORD = re.compile(r"[A-Za-z]+")


def ending(copy: int) -> str:
    """Letters that name a copy, so that a word with them stays one word: 0 -> `qaa`."""
    return "q" + chr(ord("a") + copy // 26) + chr(ord("a") + copy % 26)


def templates(rows: list[list[str]]) -> list[tuple[str, str]]:
    """(text, label) with a mark where the ending of a copy goes: after each rare word, and in one word at the end."""
    counts = Counter(word for text, _ in rows for word in WORD.findall(text.lower()))
    rare = {word for word, count in counts.items() if count <= RARE}

    def mark(match: re.Match[str]) -> str:
        word = match.group()
        return word + MARK if word.lower() in rare else word

    return [(WORD.sub(mark, text) + " copy" + MARK, label) for text, label in rows]


def enlarge(source: Path, target: Path, times: int) -> None:
    """Write `target`: `times` copies of the rows of `source`, a copy at a time."""
    csv.field_size_limit(sys.maxsize)
    with source.open(encoding="utf-8", newline="") as file:
        columns, *rows = csv.reader(file)
    marked = templates(rows)
    part = target.with_suffix(".part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for copy in range(times):
            letters = ending(copy)
            writer.writerows((text.replace(MARK, letters), label) for text, label in marked)
    part.rename(target)  # a file with its name is whole


def rss_anon(pid: int) -> int:
    """RssAnon in bytes of a process and its children; 0 when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    children: set[int] = set()
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            children.update(map(int, thread.read_text().split()))
    own = next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon:")), 0)
    return own + sum(map(rss_anon, children))


def peak(words: list[object], every: float = 0.05) -> tuple[int, float]:
    """Run the command line; peak RssAnon in bytes, and its seconds."""
    say("$ recurra " + " ".join(map(str, words)))
    begin = time.monotonic()
    with subprocess.Popen([sys.executable, "-m", "recurra", *map(str, words)], stdout=subprocess.DEVNULL) as process:
        most = 0
        while process.poll() is None:
            most = max(most, rss_anon(process.pid))
            time.sleep(every)
    if process.returncode:
        stop(f"`recurra train` ended with status {process.returncode}; its own words are above")
    return most, time.monotonic() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=50, help="how often the large file holds IMDB (50)")
    parser.add_argument("--steps", type=int, default=30, help="optimiser steps after the encoding (30)")
    parser.add_argument("--rows", type=int, help="take only so many rows of IMDB, to try this out")
    options = parser.parse_args()
    if not Path("/proc/self/status").exists():
        stop("this measures RssAnon, which only Linux tells (/proc/PID/status)")
    data = data_folder()
    CACHE.mkdir(exist_ok=True)
    with lock(), tempfile.TemporaryDirectory(dir=CACHE, prefix="memory-") as folder:
        parts = SETS["imdb"].write(data, CACHE / "imdb")
        small = cut(parts["train"], Path(folder) / "imdb.csv", options.rows)
        valid = cut(parts["select"], Path(folder) / "valid.csv", 500)
        need = int(1.1 * options.times * small.stat().st_size)
        if shutil.disk_usage(folder).free < 4 * need:  # the file, and the run's encoded copy with room to spare
            stop(f"this wants about {4 * need / 2**30:.1f} GiB in {CACHE}; make room or try --times 5")
        large = Path(folder) / f"imdb-{options.times}.csv"
        say(f"writing {options.times} copies of IMDB")
        enlarge(small, large, options.times)
        watch = Watch(None)
        figures: dict[str, object] = {"times": options.times, "steps": options.steps, "bytes": large.stat().st_size}
        peaks = {}
        for name, path in (("imdb", small), ("large", large)):
            common = ["--valid", valid, "--out", Path(folder) / name, "--set", f"steps={options.steps}", "--seed", 0]
            peaks[name], seconds = peak(["train", "classify", path, *common])
            figures |= {f"{name}_mib": round(peaks[name] / 2**20, 1), f"{name}_seconds": round(seconds, 1)}
        ratio = peaks["large"] / peaks["imdb"]
        record("memory", figures | {"ratio": ratio}, watch=watch, steps=options.steps)
    for name in ("imdb", "large"):
        print(f"{name:<6} {peaks[name] / 2**20:>8.1f} MiB anonymous, {figures[f'{name}_seconds']} s")
    print(f"ratio {ratio:.3f}, target <= {LIMIT}: {'met' if ratio <= LIMIT else 'MISSED'}")


def cut(source: Path, target: Path, rows: int | None) -> Path:
    """The first `rows` rows of a CSV file, all of them for None."""
    csv.field_size_limit(sys.maxsize)
    with source.open(encoding="utf-8", newline="") as old, target.open("w", encoding="utf-8", newline="") as new:
        writer = csv.writer(new)
        for index, row in enumerate(csv.reader(old)):
            if rows is not None and index > rows:
                break
            writer.writerow(row)
    return target


if __name__ == "__main__":
    main()
