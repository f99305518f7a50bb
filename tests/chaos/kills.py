"""Processes that are killed at random moments with SIGKILL."""

from __future__ import annotations

import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tiny_runs import inputs

from chaos.compare import difference
from chaos.runs import resumed, train


def forked(work: Callable[[], Any]) -> int:
    """Do `work` in a child process. Returns its ID."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return child


EARLY = 0.1  # probability of a kill at any moment, also before there is a run folder


def killed(work: Callable[[], Any], seconds: float, begin: Path | None = None) -> bool:
    """Do `work` in a child process, which is killed after `seconds`. Returns whether it was killed before its end.

    begin   a folder; the time counts from the moment at which it exists
    """
    child = forked(work)
    while begin is not None and not begin.exists():
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            break
        time.sleep(0.001)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def trial(task: str, folder: Path, name: str, expected: Any, duration: float, draw: random.Random) -> str:
    """Kill a run at a random moment, and the resumed run with a probability of a third; then resume it to its end.

    duration   seconds of the training, from the run folder to its end

    Returns "killed", "early" (there was no run folder yet) or "ended" if the result is that of the uninterrupted run
    `expected`; otherwise what differs.
    """
    path = folder / name
    begin = None if draw.random() < EARLY else path
    was_killed = killed(lambda: train(task, folder, name), draw.uniform(0, duration), begin)
    while path.exists() and (path / "cache").exists() and draw.random() < 1 / 3:
        killed(lambda: resumed(path), draw.uniform(0, duration))
    run = resumed(path)
    early = run is None
    run = train(task, folder, name) if run is None else run
    if problem := difference(path, expected.path):
        return f"differs: {problem}"
    if run.predict(inputs(run, 2)) != expected.predict(inputs(expected, 2)):
        return "differs: predictions"
    return "early" if early else "killed" if was_killed else "ended"
