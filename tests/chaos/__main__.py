"""python -m chaos [--states TASK] [--kills N] [--seed N] [--steps N] [--in FOLDER] [TASK ...], from the folder tests/.

Prints a line for each task. The exit status is 1 if a resumed run differs from the uninterrupted one.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from chaos import compare, kills, runs, states


def every_state(task: str, folder: Path) -> list[str]:
    """Resume from every state that a kill can leave. Returns what differs."""
    expected = runs.train(task, folder, "whole")
    problems, count, early, ended = list[str](), 0, 0, 0
    for state in states.record(folder, "cut", lambda: runs.train(task, folder, "cut")):
        count += 1
        path = state / "cut"
        early += not path.exists()
        ended += path.exists() and not (path / "cache").exists()
        try:
            run = runs.resumed(path)
        except Exception as error:
            problems.append(f"state {state.name}: {type(error).__name__}: {error}")
            continue
        if run is not None and (problem := compare.difference(path, expected.path)):
            problems.append(f"state {state.name}: {problem}")
        shutil.rmtree(state)
    print(
        f"{task}: {count} states, {early} before there was a run folder, {ended} after the end; {len(problems)} differ"
    )
    return problems


def random_kills(task: str, folder: Path, count: int, seed: int) -> list[str]:
    """Kill `count` processes at random moments. Returns what differs."""
    expected = runs.train(task, folder, "whole")
    draw, found = random.Random(f"{seed} {task}"), Counter[str]()
    runs.train(task, folder, "timed")
    duration = time.time() - (folder / "timed/vocabulary").stat().st_mtime
    for number in range(count):
        found[kills.trial(task, folder, f"cut{number}", expected, duration, draw)] += 1
        shutil.rmtree(folder / f"cut{number}")
    print(f"{task}: {count} kills, {', '.join(f'{n} {what}' for what, n in sorted(found.items()))}")
    return [what for what in found if what.startswith("differs")]


def main() -> int:
    """Run what the arguments name."""
    parser = argparse.ArgumentParser(prog="chaos")
    parser.add_argument("tasks", nargs="*", default=list(runs.RUNS))
    parser.add_argument("--states", action="append", default=[])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=runs.COMMON["steps"])
    parser.add_argument("--in", dest="folder", default=None)
    given = parser.parse_args()
    for settings in runs.RUNS.values():
        settings["steps"] = given.steps
    problems = list[str]()
    with tempfile.TemporaryDirectory(prefix="chaos-", dir=given.folder) as folder:
        for task in given.states:
            (inside := Path(folder) / f"states-{task}").mkdir()
            problems += every_state(task, inside)
        for at, task in enumerate(given.tasks):
            (inside := Path(folder) / task).mkdir()
            share = given.kills // len(given.tasks) + (at < given.kills % len(given.tasks))
            problems += random_kills(task, inside, share, given.seed) if share else []
    print("\n".join(problems) or "every resumed run equals the uninterrupted one")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
