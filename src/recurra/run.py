"""A run: a folder that anybody can open. Nothing in it is executed, and no code is imported that the caller did not name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from . import cells as known_cells
from . import tasks as known_tasks
from .errors import DataError, RunError, SettingError, UserError
from .evaluation import evaluate
from .files import FORMAT, absolute, read_json, read_yaml
from .progress import Progress, Silent
from .provenance import warn_if_changed
from .settings import GROUPS, Settings, as_given, as_resolved, fields, full_name, is_required, settings_from
from .tasks.base import HasGeneration, Session, Task, chunked
from .tasks.contract import check_decoded, own_code
from .weights import NoRandomWeights, fill, load_tensors

if TYPE_CHECKING:
    from .cells import Cell


class Run:
    """A trained model with all that its use needs. Made by `recurra.train` and `recurra.load`."""

    def __init__(self, path: Path, task: Task[Any], network: torch.nn.Module, config: dict[str, Any]) -> None:
        self.path, self.task, self.network, self.config = path, task, network.eval(), config
        self.settings = task.settings

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.task.name})"

    @property
    def metrics(self) -> dict[str, Any]:
        """The final figures, keyed `valid/NAME`."""
        return dict(read_json(self.path / "metrics.json"))

    @property
    def streams(self) -> tuple[bool, str]:
        """Whether it can be used as a stream, and why not."""
        streaming = self.task.streaming()
        return streaming.open is not None, streaming.reason

    @property
    def writes(self) -> bool:
        """Whether it generates text."""
        return isinstance(self.task, HasGeneration)

    def knows(self, data: str | Path) -> bool:
        """Whether `data` is the file, folder or set that this run was trained on."""
        source = self.config.get("source")
        return isinstance(source, dict) and source.get("data") == absolute(data)

    def change(self, **settings: Any) -> None:
        """Other values for settings that act in use, such as the width of a search. SettingError for any other."""
        kind, groups = type(self.task), dict[str, dict[str, Any]]()
        for key, value in settings.items():
            name = full_name(kind.settings_class, key)
            if name not in kind.inference_settings:
                can = ", ".join(name.partition(".")[2] for name in kind.inference_settings) or "none"
                raise SettingError(f"{key} was settled by the training; what can be changed in use: {can}")
            group, _, short = name.partition(".")
            groups.setdefault(group, {})[short] = value
        if not groups:
            return
        self.settings = self.settings.with_(**groups)
        self.task = kind(self.settings, kind.dataset_for(self.settings), self.task.cell)
        load_vocabulary(self.task, self.path)

    def predict(self, examples: Sequence[Any]) -> list[dict[str, Any]]:
        """A JSON-like object for each example, in order."""
        if isinstance(examples, str):
            examples = [examples]
        with torch.inference_mode(), own_code(self.task, self.task.cell):
            return check_decoded(self.task, "predict", self.task.predict(self.network, examples), len(examples))

    def predict_iter(self, examples: Iterable[Any], batch_size: int = 64) -> Iterator[dict[str, Any]]:
        """As `predict`, lazily: `batch_size` examples are taken at a time."""
        for part in chunked(examples, batch_size):
            yield from self.predict(part)

    def evaluate(self, data: str | Path, progress: Progress | None = None) -> dict[str, Any]:
        """The task's figures on another file."""
        with (progress or Silent()).bar("evaluating") as bar:
            done = 0

            def on_progress(n: int) -> None:
                nonlocal done
                done += n
                bar.at(done, f"{done:,}")

            with own_code(self.task, self.task.cell):
                return evaluate(self.task, self.network, data, on_progress)

    def generate(
        self,
        prompt: str = "",
        length: int | None = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> str:
        """Text that follows `prompt`; see the task's `generate`."""
        return "".join(self.generate_iter(prompt, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed))

    def generate_iter(self, prompt: str = "", length: int | None = None, **options: Any) -> Iterator[str]:
        """As `generate`, in pieces as they are drawn. Raises SettingError for a task that writes nothing."""
        if not isinstance(self.task, HasGeneration):
            raise SettingError(f"{self.path}: a {self.task.name} run does not write text; language runs do")
        with torch.inference_mode():
            yield from self.task.generate(self.network, prompt, length, **options)

    def stream(self) -> Session:
        """A session to push pieces through. Raises DataError with the reason where the run does not stream."""
        streaming = self.task.streaming()
        if streaming.open is None:
            raise DataError(f"this run does not stream: {streaming.reason}")
        return streaming.open(self.network)

    def summary(self) -> list[str]:
        """What this run is, in a few lines."""
        figures = {name: value for name, value in self.metrics.items() if isinstance(value, int | float)}
        shown = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        streams, why = self.streams
        return [f"{self.path}: {self.task.name}, {shown}", f"streams: {'yes' if streams else f'no, {why}'}"]


def load(path: str | Path, *, cells: Sequence[type[Cell]] = (), tasks: Sequence[type[Task[Any]]] = ()) -> Run:
    """Open a run folder. `cells` and `tasks` are classes of one's own that it was trained with.

    Raises RunError when it is missing, damaged, of a newer format, or wants code that was not named.
    """
    path = Path(path)
    config, task = open_task(path, cells=cells, tasks=tasks)
    load_vocabulary(task, path)
    with NoRandomWeights(), own_code(task, task.cell):
        network = task.network()
    if task.settings.training.precision == "64":
        network.double()  # before the weights come, which would lose half their digits
    fill(network, load_tensors(path / "model.safetensors"), path)
    return Run(path, task, network, config)


def load_vocabulary(task: Task[Any], path: Path) -> None:
    """What the task saved in the run folder. Raises RunError when it is missing or damaged."""
    try:
        task.dataset.load(path / "vocabulary")
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # JSON, but not what was saved
        raise RunError(f"{path}/vocabulary: is damaged ({type(error).__name__}: {error})") from None


def open_task(
    path: Path, *, cells: Sequence[type[Cell]] = (), tasks: Sequence[type[Task[Any]]] = ()
) -> tuple[dict[str, Any], Task[Any]]:
    """config.yaml of a run, checked, and its task without its vocabulary."""
    if not path.is_dir():
        raise RunError(f"{path}: there is no such run folder")
    if not (path / "config.yaml").exists():
        raise RunError(f"{path}: is not a run folder, it has no config.yaml")
    config = read_yaml(path / "config.yaml")
    if not isinstance(config, dict) or not isinstance(config.get("format"), int):
        raise RunError(f"{path}/config.yaml: is damaged, it names no format")
    if config["format"] > FORMAT:
        raise RunError(
            f"{path}: run format {config['format']} is newer than this recurra reads ({FORMAT}); update recurra"
        )
    if not isinstance(config.get("resolved"), dict):  # written last: settings may be lost that the weights do not tell
        raise RunError(f"{path}/config.yaml: is damaged, its end is missing")
    name = str(config.get("task"))
    try:
        kind = _own(name, "task", tasks, path) if ":" in name else known_tasks.get(name)
        settings = _settings(kind, config, path)
        spec = settings.model.cell
        cell = known_cells.get(_own(spec, "cell", cells, path) if ":" in spec else spec, **settings.model.cell_options)
    except RunError:
        raise
    except UserError as error:
        raise RunError(f"{path}/config.yaml: {error}") from None
    warn_if_changed(path, config.get("code"), task=kind, cell=type(cell))
    with own_code(kind, cell):
        return config, kind(settings, kind.dataset_for(settings), cell)


def _settings(kind: type[Task[Any]], config: dict[str, Any], path: Path) -> Settings[Any, Any, Any]:
    """The settings of a run, which leave none of those open that training has resolved."""
    found = {group: config.get(group) or {} for group in GROUPS}
    given = settings_from(as_given(kind.settings_class), found)  # which raises for a setting that does not exist
    required = [name for name, (_, field) in fields(kind.settings_class).items() if is_required(field)]
    values = given.model_dump()
    lost = [name for name in required if values[name.partition(".")[0]][name.partition(".")[2]] is None]
    if lost:
        raise RunError(f"{path}/config.yaml: is damaged, it lacks {', '.join(lost[:3])}")
    return settings_from(as_resolved(kind.settings_class), found)


def _own(spec: str, what: str, given: Sequence[type[Any]], path: Path) -> Any:
    """The class of the user's own that `spec`, `file.py:Class` or `module:Class`, asks for, if it was handed over."""
    wanted = spec.rpartition(":")[2]
    for one in given:
        if wanted in (one.__name__, one.__qualname__):
            return one
    source = spec.rpartition(":")[0]
    raise RunError(
        f"{path}: was trained with code of its own, the {what} {spec}. If you trust it, open it with --import {source} "
        f"(in Python: load(path, {what}s=[{wanted}]))"
    )
