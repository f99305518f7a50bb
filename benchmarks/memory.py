"""Compares the anonymous memory during training on a file 50 times the size of IMDB with that of the same command on IMDB.

    RECURRA_DATA=FOLDER python benchmarks/memory.py [--times 50] [--steps 30]

The large file contains many copies of the training part of IMDB. In each copy a different suffix is added to the rare
words, and a different word to each row, so that the vocabulary grows with the file and no row occurs twice. The result is
the peak of RssAnon of the training process and its children, from /proc, including reading and encoding. Mapped files are
not included, because the kernel can drop their pages.
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
RARE = 5  # maximum count of the words to which the suffix of a copy is added
MARK = "\x00"  # placeholder of the suffix in the templates
WORD = re.compile(r"[A-Za-z]+")


def ending(copy: int) -> str:
    """Return the suffix of a copy as letters, so that a word with the suffix is one word: 0 -> `qaa`."""
    return "q" + chr(ord("a") + copy // 26) + chr(ord("a") + copy % 26)


def templates(rows: list[list[str]]) -> list[tuple[str, str]]:
    """Return (text, label) with placeholders of the suffix: after each rare word, and in one more word at the end."""
    counts = Counter(word for text, _ in rows for word in WORD.findall(text.lower()))
    rare = {word for word, count in counts.items() if count <= RARE}

    def mark(match: re.Match[str]) -> str:
        word = match.group()
        return word + MARK if word.lower() in rare else word

    return [(WORD.sub(mark, text) + " copy" + MARK, label) for text, label in rows]


def enlarge(source: Path, target: Path, times: int) -> None:
    """Write `times` copies of the rows of `source` to `target`, one copy after another."""
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
    part.rename(target)  # a file with this name is complete


def rss_anon(pid: int) -> int:
    """Return RssAnon of a process and its children in bytes, or 0 if the process has exited."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    children: set[int] = set()
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has just exited
            children.update(map(int, thread.read_text().split()))
    own = next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon:")), 0)
    return own + sum(map(rss_anon, children))


def peak(words: list[object], every: float = 0.05) -> tuple[int, float]:
    """Run the command line. Return the peak of RssAnon in bytes, and the time in seconds."""
    say("$ recurra " + " ".join(map(str, words)))
    begin = time.monotonic()
    with subprocess.Popen([sys.executable, "-m", "recurra", *map(str, words)], stdout=subprocess.DEVNULL) as process:
        most = 0
        while process.poll() is None:
            most = max(most, rss_anon(process.pid))
            time.sleep(every)
    if process.returncode:
        stop(f"`recurra train` exited with status {process.returncode}; its error message is above")
    return most, time.monotonic() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=50, help="Number of copies of IMDB in the large file (50).")
    parser.add_argument("--steps", type=int, default=30, help="Number of optimizer steps after the encoding (30).")
    parser.add_argument("--rows", type=int, help="Number of rows of IMDB to use, for a trial; all by default.")
    options = parser.parse_args()
    if not Path("/proc/self/status").exists():
        stop("this benchmark measures RssAnon, which is available only on Linux (/proc/PID/status)")
    data = data_folder()
    CACHE.mkdir(exist_ok=True)
    with lock(), tempfile.TemporaryDirectory(dir=CACHE, prefix="memory-") as folder:
        parts = SETS["imdb"].write(data, CACHE / "imdb")
        small = cut(parts["train"], Path(folder) / "imdb.csv", options.rows)
        valid = cut(parts["select"], Path(folder) / "valid.csv", 500)
        need = int(1.1 * options.times * small.stat().st_size)
        if shutil.disk_usage(folder).free < 4 * need:  # the file, and the encoded copy of the run with a margin
            stop(
                f"this benchmark requires about {4 * need / 2**30:.1f} GiB in {CACHE}; free disk space or use --times 5"
            )
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
    """Write the first `rows` rows of a CSV file, or all rows for None, to `target` and return its path."""
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
