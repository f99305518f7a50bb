"""`compare`: trains each cell with each seed, with equal budgets, and keeps what is finished."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import cells as known_cells
from .. import tasks as known_tasks
from ..errors import CallError, RunError, TrainingError
from ..files import absolute, read_json, write_json
from ..inspection.texts import catalog
from ..progress import Progress, Silent
from ..run import load
from ..training import train
from .measure import as_json, curve_of, from_json, measure
from .page import PAGE, write_page
from .results import Candidate, Comparison, RunNumbers

RECORD = "comparison.json"
OWN = ("cell", "model.cell", "seed", "training.seed")  # settings that the comparison sets


def compare(
    task: str,
    data: str | Path,
    cells: Sequence[str],
    *,
    seeds: int = 3,
    max_minutes: float | None = None,
    out: str | Path | None = None,
    language: str = "en",
    progress: Progress | None = None,
    **settings: Any,
) -> Comparison:
    """Train each cell with several seeds on the same data, and compare the runs.

    Every run has the same settings and the same budget: `max_minutes` each, otherwise the same number of epochs. Runs are
    folders of `out`; finished ones are not repeated when the same comparison is called again.

    Args:
        task: the name of a built-in task.
        data: the training data, as for `recurra.train`.
        cells: names of built-in cells.
        seeds: number of seeds, 0 to seeds - 1.
        max_minutes: time limit of each run in minutes. Default: None, no limit.
        out: the folder of the comparison. Default: None, `runs/compare-NAME`.
        language: of the page `out`/comparison.html: "en" or "zh".
        progress: where progress is reported. Default: None, nowhere.
        **settings: settings of all runs, such as `hidden_size=64`.

    Returns:
        The comparison. A run whose loss is not finite is listed as failed.

    Raises:
        UserError: the data or a setting are wrong, or `out` holds another comparison.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from recurra.comparison import compare
        >>> folder = Path(tempfile.mkdtemp())
        >>> lines = [f"a {word} film,{word}" for word in ("good", "bad") * 10]
        >>> _ = (folder / "reviews.csv").write_text("\\n".join(["text,label", *lines]))
        >>> out, small = folder / "out", {"steps": 3, "hidden_size": 4}
        >>> found = compare("classify", folder / "reviews.csv", ["rnn", "gru"], seeds=1, out=out, **small)
        >>> [one.cell for one in found.candidates]
        ['rnn', 'gru']
    """
    progress, selection = progress or Silent(), None
    catalog(language)
    kind = known_tasks.get(task)
    if len(set(cells)) < 2 or len(set(cells)) < len(cells):
        raise CallError(f"cells is {', '.join(cells) or 'empty'}; expected at least two different cells")
    for cell in cells:
        known_cells.get(cell)
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise CallError(f"seeds is {seeds!r}; expected an integer of at least 1")
    if given := [name for name in OWN if name in settings]:
        raise CallError(f"{given[0]} is set by the comparison itself; remove it")
    folder = Path("runs") / f"compare-{Path(str(data)).name.partition('.')[0]}" if out is None else Path(out)
    plan = {"task": kind.name, "data": absolute(data), "max_minutes": max_minutes, "settings": settings}
    record = _record(folder, plan)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / RECORD, record)  # so that an interrupted comparison is known when the command is repeated
    for seed in range(seeds):
        for cell in cells:
            name = f"{cell}-{seed}"
            if name in record["runs"]:
                continue
            progress.message(f"{name}:")
            run_folder = folder / name
            shutil.rmtree(run_folder, ignore_errors=True)  # of a run that was interrupted
            try:
                run = train(
                    task,
                    data,
                    cell=cell,
                    seed=seed,
                    max_minutes=max_minutes,
                    out=run_folder,
                    progress=progress,
                    **settings,
                )
                record["runs"][name] = as_json(measure(run))
            except TrainingError as error:
                record["runs"][name] = as_json(RunNumbers(failed=str(error)))
            write_json(folder / RECORD, record)
    candidates = [
        Candidate(cell, [from_json(record["runs"][f"{cell}-{seed}"]) for seed in range(seeds)]) for cell in cells
    ]
    curves = {}
    for cell in cells:
        if (folder / f"{cell}-0" / "metrics.json").exists():
            run = load(folder / f"{cell}-0")
            selection, curves[cell] = run.task.selection, curve_of(run)
    metric, higher = (selection.metric, selection.higher_is_better) if selection else ("loss", False)
    comparison = Comparison(kind.name, metric, higher, candidates, folder / PAGE, max_minutes, curves)
    write_page(comparison, str(data), language)
    return comparison


def _record(folder: Path, plan: dict[str, Any]) -> dict[str, Any]:
    """Return the record of the folder, or a new one. Raises RunError if it belongs to another comparison."""
    file = folder / RECORD
    if not file.exists():
        if folder.exists() and any(folder.iterdir()):
            raise RunError(f"{folder} is not empty and holds no comparison; choose another --out")
        return {"plan": plan, "runs": {}}
    record: dict[str, Any] = read_json(file)
    if record.get("plan") != plan:
        changed = [name for name in plan if record.get("plan", {}).get(name) != plan[name]]
        raise RunError(f"{folder} holds a comparison with another {' and '.join(changed)}; choose another --out")
    return record
