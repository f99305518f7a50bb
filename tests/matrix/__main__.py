"""Runs the matrix: `python -m matrix FOLDER [--sample N] [MODE ...]`, from the folder `tests`. `make matrix` runs all modes.

Each mode runs in its own process, which writes FOLDER/MODE.jsonl. If an entry ends the process, it is recorded as crashed,
and a new process runs the rest. An entry that takes longer than ten minutes counts as an error. The exit status is 1 if an
entry is a defect. Results that are already in FOLDER are kept: delete the folder to run everything again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from .case import sample
from .judge import Result
from .modes import MODES
from .results import file_of, load, summary

LIMIT = 600  # seconds for one entry


def run_mode(name: str, file: Path, count: int | None) -> None:
    """Run the entries of a mode, however often the process ends: all, or `count` of each subject."""
    entries, size = sample(name, MODES[name].grid, count), [] if count is None else [str(count)]
    while (done := _lines(file)) < len(entries):
        process = subprocess.Popen([sys.executable, "-m", "matrix.worker", name, str(file), *size])
        reason = _wait(process, file)
        if process.returncode == 1:
            raise SystemExit(f"matrix: the worker of the mode {name!r} failed; its error is above")
        if process.returncode != 0 and _lines(file) < len(entries):
            at = _lines(file)
            status = "error" if reason else "crashed"
            detail = reason or f"the process ended with status {process.returncode}"
            result = Result(name, entries[at], status, detail, "unknown", False, 0.0)
            with file.open("a") as out:
                out.write(json.dumps(result.as_dict()) + "\n")
        elif _lines(file) == done:
            raise SystemExit(f"matrix: the worker of the mode {name!r} made no progress")


def _wait(process: subprocess.Popen[bytes], file: Path) -> str:
    """Wait for the end of the process. Returns why it was ended, or an empty string."""
    lines, since = _lines(file), time.monotonic()
    while process.poll() is None:
        time.sleep(0.2)
        if (now := _lines(file)) != lines:
            lines, since = now, time.monotonic()
        elif time.monotonic() - since > LIMIT:
            process.kill()
            process.wait()
            return f"no result after {LIMIT} seconds"
    return ""


def _lines(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def main() -> None:
    """Run the modes that are named, or all of them, and print what failed."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        raise SystemExit(__doc__)
    folder, names, count = Path(sys.argv[1]), sys.argv[2:], None
    if names[:1] == ["--sample"]:
        count, names = int(names[1]), names[2:]
    names = names or list(MODES)
    if unknown := [name for name in names if name not in MODES]:
        raise SystemExit(f"matrix: unknown mode {unknown[0]!r}; expected one of {', '.join(MODES)}")
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        run_mode(name, file_of(folder, name), count)
        print(summary(name, load(folder, name)), flush=True)
    failed = [entry for name in names for entry in load(folder, name) if not entry["ok"]]
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
