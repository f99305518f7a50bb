"""Fine-tuning: a new run on new data that begins with the weights, the vocabulary and the settings of a run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..cells import Cell
from ..config import read_config
from ..progress import Progress, Silent
from ..run import Run
from ..settings import GROUPS, full_name
from ..tasks.base import Task
from ..tasks.contract import own_code
from .given import RECORD, named_options
from .malloc import keep_freed_memory
from .new_run import choose_folder
from .parent import RATE_FACTOR, Parent
from .trainer import train_in


def finetune(
    run: str | Path | Run,
    data: str | Path,
    *,
    valid: str | Path | None = None,
    out: str | Path | None = None,
    config: str | Path | None = None,
    seed: int | None = None,
    max_minutes: float | None = None,
    device: str | None = None,
    precision: str | None = None,
    devices: int | None = None,
    find_lr: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    started: float | None = None,
    cells: Sequence[type[Cell]] = (),
    tasks: Sequence[type[Task[Any]]] = (),
    **settings: Any,
) -> Run:
    """Continue training from the weights of a run on new data, and write a new run folder. `recurra finetune` calls this.

    The network, the vocabulary and the classes are those of the run. The learning rate is by default 0.3 times that of the run;
    the number of epochs depends on the new data.

    Args:
        run: the run folder, or the opened run. It is not changed.
        data: the new data, of the same task.
        valid: validation data; None holds out a part of `data`.
        out: the run folder to write; None: `runs/NAME`.
        config: a YAML file with settings.
        seed, max_minutes, device, precision, devices, find_lr, overwrite, progress, started: as for `train`.
        cells, tasks: custom classes of the run.
        **settings: settings by name. Those that would change the network or the encoding of the data are rejected.

    Raises:
        UserError: the run cannot be opened, a setting cannot be changed, or the data do not fit, such as a class that the run
            does not have.

    Example:
        >>> import recurra, tempfile
        >>> from pathlib import Path
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "one.txt").write_text("the sea and the sky\\n" * 40)
        >>> _ = (folder / "other.txt").write_text("the sand and the tide\\n" * 40)
        >>> run = recurra.train("language", folder / "one.txt", out=folder / "run", steps=3, hidden_size=4)
        >>> tuned = recurra.finetune(run, folder / "other.txt", out=folder / "tuned", steps=3)
        >>> tuned.config["parent"]["run"] == str((folder / "run").resolve())
        True
    """
    started, progress = started or time.time(), progress or Silent()
    keep_freed_memory()
    parent = Parent(run.path if isinstance(run, Run) else Path(run), cells, tasks)
    cls = parent.kind.settings_class
    file = {} if config is None else {key: value for key, value in read_config(config).items() if key not in RECORD}
    options = named_options(seed, max_minutes, device, precision, devices)
    changes = {full_name(cls, key): value for key, value in (_flat(file) | settings | options).items()}
    given = parent.given(changes)
    if "training.learning_rate" not in changes and not find_lr:
        progress.message(
            f"learning rate {given.training.learning_rate:g}, {RATE_FACTOR:g} times that of {parent.path}; "
            "--set learning_rate=X changes it"
        )
    with own_code(parent.task, parent.task.cell):
        return train_in(
            parent.kind, given, type(parent.task.cell) if ":" in given.model.cell else None, data, valid,
            choose_folder(data, out, overwrite), progress,
            started=started, spec=str(parent.config["task"]), find_lr=find_lr, parent=parent,
            changes=changes,
        )  # fmt: skip


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Settings nested by group as `group.name`."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        nested = key in GROUPS and isinstance(value, dict)
        flat |= {f"{key}.{name}": inner for name, inner in value.items()} if nested else {key: value}
    return flat
