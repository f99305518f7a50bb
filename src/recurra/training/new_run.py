"""The folder of a run while it is trained: where it is made, and its config.yaml."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml

from .. import __version__
from ..data import sets
from ..errors import RunError
from ..files import FORMAT, write_text
from ..ops.timings import state_of_table
from ..tasks.base import DatasetInfo, Sampler, Task
from .loop import Loop
from .malloc import keep_freed_memory


def choose_folder(data: str | Path, out: str | Path | None, overwrite: bool) -> Path:
    """Where the run goes. One that was named is never written over without `overwrite`."""
    if out is not None:
        folder = Path(out)
        if folder.exists() and not folder.is_dir():
            raise RunError(f"{folder}: is a file; give --out the name of a folder")
        if folder.exists() and any(folder.iterdir()):
            if not overwrite:
                raise RunError(f"{folder}: exists already; choose another --out, or write over it with --overwrite")
            if not (folder / "config.yaml").exists():
                raise RunError(
                    f"{folder}: holds something else than a run; it is not written over. Choose another --out"
                )
        return folder
    named = sets.file_name(str(data)) if sets.is_built_in(data) else str(data).rstrip("/").rpartition(":")[2]
    stem = Path(named).name.split(".")[0] or "run"
    folder = Path("runs") / stem
    number = 2
    while folder.exists() and not (overwrite and (folder / "config.yaml").exists()):
        folder = Path("runs") / f"{stem}-{number}"
        number += 1
    return folder


@contextmanager
def built_beside(folder: Path) -> Iterator[Path]:
    """A folder that becomes `folder` when the block ends well, and is removed otherwise.

    An older run at `folder`, which `choose_folder` has allowed to be written over, is kept until then.
    """
    part, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{end}") for end in ("part", "old"))
    try:
        try:
            part.mkdir(parents=True)
        except OSError as error:
            raise RunError(f"{folder}: cannot be made ({error.strerror})") from None
        yield part
        try:
            if folder.exists() and any(folder.iterdir()):  # a run that is written over
                folder.replace(old)
            part.replace(folder)  # also where there is an empty folder
        except OSError as error:
            raise RunError(f"{folder}: cannot be made ({error.strerror})") from None
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise RunError(f"{folder}: cannot be made ({error.strerror})") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_config(
    folder: Path, task: Task[Any], network: torch.nn.Module, info: DatasetInfo, source: dict[str, Any]
) -> None:
    """config.yaml of a run that begins: `source` names the task and the data."""
    _write(folder, source, task.settings.model_dump(mode="json"), _resolved(task, network, info))


def write_final_config(loop: Loop, source: dict[str, Any], sampler: Sampler) -> None:
    """config.yaml of a run that has ended or was stopped: with all that repeats it, and what was resolved."""
    settings = loop.task.settings.model_dump(mode="json")
    settings["training"] |= {  # what repeats the run, whatever the clock says next time
        "step_schedule": [list(entry) for entry in loop.schedule.record],
        "num_evaluations": loop.clock.evaluations,
    }
    resolved = _resolved(loop.task, loop.module, loop.info)
    if (padding := sampler.padding_fraction()) is not None:
        resolved["padding"] = round(padding, 4)
    resolved |= {
        "backend": loop.backend,
        "timings": state_of_table(),
        "device": str(loop.fabric.device),
        "malloc": keep_freed_memory(),
        "steps": loop.step,
        "seconds": round(loop.clock.seconds, 1),
    }
    _write(loop.folder, source, settings, resolved)


def _resolved(task: Task[Any], network: torch.nn.Module, info: DatasetInfo) -> dict[str, Any]:
    streaming = task.streaming()
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "streaming": True if streaming.open else f"no: {streaming.reason}",
        "threads": torch.get_num_threads(),
        "versions": {"recurra": __version__, "torch": str(torch.__version__)},
        "dataset": {"rows": info.rows, "valid_rows": info.valid_rows, "time_steps": info.time_steps},
        **({} if info.file is None else {"file": info.file.to_config()}),
    }


def _write(folder: Path, source: dict[str, Any], settings: dict[str, Any], resolved: dict[str, Any]) -> None:
    values = {"format": FORMAT, "recurra": __version__, **source, **settings, "resolved": resolved}
    write_text(folder / "config.yaml", yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
