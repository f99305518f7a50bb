"""An opened run folder: the trained model with everything that its use needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from .data.sources.files import suffixes
from .data.sources.folders import media_column
from .data.sources.reading import READ_SETTINGS
from .data.sources.sources import TABLES
from .errors import CallError, DataError, SettingError
from .evaluation import evaluate, weakness
from .files import absolute, check_evaluated, read_json
from .nn.patch import patched
from .progress import Progress, Silent
from .run_folder import load_vocabulary, open_task
from .settings import full_name
from .tasks.base import HasGeneration, Session, Task, chunked
from .tasks.contract import check_decoded, own_code
from .weights import NoRandomWeights, fill, load_tensors

if TYPE_CHECKING:
    from .cells import Cell

FILE_SUFFIXES = {*TABLES, ".txt", ".conll", ".conllu", ".conllup", ".npy"}  # of files with several examples
MAX_PATH = 1000  # characters of a file name


class Run:
    """A trained model. `recurra.train` and `recurra.load` return it.

    Attributes:
        path: the run folder.
        task: the task with its resolved settings and its dataset.
        network: the `torch.nn.Module` with the best weights, in evaluation mode.
        config: the content of `config.yaml`.
        settings: the resolved settings, in the groups `data`, `model` and `training`.

    Example:
        >>> import recurra, tempfile
        >>> from pathlib import Path
        >>> folder = Path(tempfile.mkdtemp())
        >>> lines = [f"a {word} film,{word}" for word in ("good", "bad") * 10]
        >>> _ = (folder / "reviews.csv").write_text("\\n".join(["text,label", *lines]))
        >>> run = recurra.train("classify", folder / "reviews.csv", out=folder / "run", steps=3, hidden_size=4)
        >>> sorted(run.predict(["a good film"])[0])
        ['label', 'probabilities', 'probability']
    """

    def __init__(self, path: Path, task: Task[Any], network: torch.nn.Module, config: dict[str, Any]) -> None:
        self.path, self.task, self.network, self.config = path, task, network.eval(), config
        self.settings = task.settings
        self.changed: set[str] = set()  # settings of the data, by `change`

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.task.name})"

    @property
    def metrics(self) -> dict[str, Any]:
        """The final metrics on the validation data, with keys such as `valid/loss`."""
        return dict(read_json(self.path / "metrics.json"))

    @property
    def streams(self) -> tuple[bool, str]:
        """Whether the run can be used as a stream, and the reason if not."""
        streaming = self.task.streaming()
        return streaming.open is not None, streaming.reason

    @property
    def generates(self) -> bool:
        """Whether the run generates text."""
        return isinstance(self.task, HasGeneration)

    def was_trained_on(self, data: str | Path) -> bool:
        """Return whether `data` is the file, folder or dataset that this run was trained on."""
        source = self.config.get("source")
        return isinstance(source, dict) and source.get("data") == absolute(data)

    def change(self, **settings: Any) -> None:
        """Change settings of inference, such as `beam_size`. They apply to this object; the folder is not changed.

        Raises:
            SettingError: the setting does not exist, has a wrong value, or was fixed by the training.
        """
        kind, groups = type(self.task), dict[str, dict[str, Any]]()
        for key, value in settings.items():
            name = full_name(kind.settings_class, key)
            allowed = dict.fromkeys([*kind.inference_settings, *(f"data.{one}" for one in READ_SETTINGS)])
            if name not in allowed:
                can = ", ".join(one.partition(".")[2] for one in allowed)
                raise SettingError(f"{key} was fixed by the training; settings that can be changed at inference: {can}")
            group, _, short = name.partition(".")
            groups.setdefault(group, {})[short] = value
        if not groups:
            return
        self.settings = self.settings.with_(**groups)
        self.task = kind(self.settings, kind.dataset_for(self.settings), self.task.cell)
        self.changed |= groups.get("data", {}).keys()
        load_vocabulary(self.task.dataset, self.path, self.config, self.changed)

    def predict(self, examples: Sequence[Any]) -> list[dict[str, Any]]:
        """Predict examples in batches.

        Args:
            examples: inputs of the task: texts, lists of numbers, or mappings with the columns of the training data.

        Returns:
            A dict for each example, in order. The keys depend on the task.

        Raises:
            CallError: an example cannot be used; the message contains its number, counted from 1. Or `examples` is the name of
                a file of inputs.
        """
        if isinstance(examples, str | Path):
            examples = [self._single_example(str(examples))]
        with torch.inference_mode(), own_code(self.task, self.task.cell):
            return check_decoded(self.task, "predict", self.task.predict(self.network, examples), len(examples))

    def _single_example(self, text: str) -> str:
        """Return an example that is not in a list. Raises CallError if it is the name of a file of several examples."""
        if media_column(text):
            return text  # an audio file or an image is an example
        is_name = "\n" not in text and len(text) < MAX_PATH and not any(map(str.isspace, Path(text).suffix))
        if is_name and (suffixes(Path(text))[0] in FILE_SUFFIXES or Path(text).is_file()):
            raise CallError(
                f"run.predict expects examples, but {text!r} is the name of a file: read the file and pass a list, use "
                f"`recurra predict {self.path} {text}`, or pass [{text!r}] if this is the text of an example"
            )
        return text

    def predict_iter(self, examples: Iterable[Any], batch_size: int = 64) -> Iterator[dict[str, Any]]:
        """Predict lazily: `batch_size` examples are taken from the iterable at a time. See `predict`."""
        for part in chunked(examples, batch_size):
            yield from self.predict(part)

    def evaluate(self, data: str | Path, progress: Progress | None = None) -> dict[str, Any]:
        """Compute the metrics of the task on another file, folder or dataset.

        Raises:
            DataError: the data cannot be read, or an example cannot be used.
        """
        with (progress or Silent()).bar("evaluating") as bar:
            done = 0

            def on_progress(n: int) -> None:
                nonlocal done
                done += n
                bar.update(done, f"{done:,}")

            with own_code(self.task, self.task.cell):
                metrics = evaluate(self.task, self.network, data, on_progress)
        if progress is not None and (warning := weakness(metrics)):
            progress.message(warning)
        return metrics

    def generate(
        self,
        prompt: str = "",
        length: int | None = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        pattern: str | None = None,
    ) -> str:
        """Generate text that continues `prompt`.

        Args:
            prompt: the beginning of the text; it is not part of the result.
            length: number of tokens. None: one short text (a poem, a line) if the training text consists of short texts,
                else 200 tokens.
            temperature: divisor of the logits; 0 always takes the most probable token.
            top_k: sample from this number of most probable tokens.
            top_p: sample from the most probable tokens with this total probability.
            seed: random seed; None gives a different text at each call.
            pattern: tones, rhymes and punctuation of a Chinese poem, such as "仄仄平平仄，平平仄仄平。"; docs/language.md.

        Raises:
            SettingError: the task does not generate text, or a value is out of range.
        """
        options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed, "pattern": pattern}
        return "".join(self.generate_iter(prompt, length, **options))

    def generate_iter(self, prompt: str = "", length: int | None = None, **options: Any) -> Iterator[str]:
        """Generate text in pieces, as they are sampled. See `generate`."""
        if not isinstance(self.task, HasGeneration):
            raise SettingError(f"{self.path}: a run of {self.task.name} does not generate text; runs of language do")
        with torch.inference_mode():
            yield from self.task.generate(self.network, prompt, length, **options)

    def patch(
        self, layer: int = 0, unit: int | Sequence[int] | None = None, value: Any = None, **options: Any
    ) -> AbstractContextManager[None]:
        """Change the state of the recurrent layer inside a `with` block, to compare predictions.

        Inside the block the layer runs in a plain loop, in which the state after each time step is changed.

        Args:
            layer: index of the layer.
            unit: a unit or several. Default: None, all units.
            value: the number to which they are set, or one number for each unit, such as a recorded state.
            **options: `shift`, a number that is added instead of `value`; `steps`, the time steps of a call at which this is
                done, all by default; `direction`, "forward" or "reverse"; `component` of the state, such as "c", by default
                the output; `module`, the name of the recurrent layer in the network, by default the first one.

        Raises:
            CallError: there is no such layer, unit, direction, component or module.

        Example:
            >>> with run.patch(layer=0, unit=17, value=0.0):  # doctest: +SKIP
            ...     run.predict(["a good film"])
        """
        return patched(self.network, layer, unit, value, **options)

    def stream(self) -> Session:
        """Open a session that takes the input in pieces.

        Raises:
            DataError: the run cannot be used as a stream; the message contains the reason.
        """
        streaming = self.task.streaming()
        if streaming.open is None:
            raise DataError(f"this run does not stream: {streaming.reason}")
        return streaming.open(self.network)

    def summary(self) -> list[str]:
        """Describe the run in two lines, and in a third one warn if it has learned nothing."""
        metrics = {name: value for name, value in self.metrics.items() if isinstance(value, int | float)}
        shown = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        streams, reason = self.streams
        lines = [f"{self.path}: {self.task.name}, {shown}", f"streaming: {'yes' if streams else f'no ({reason})'}"]
        return [*lines, warning] if (warning := weakness(self.metrics)) else lines


def load(path: str | Path, *, cells: Sequence[type[Cell]] = (), tasks: Sequence[type[Task[Any]]] = ()) -> Run:
    """Open a run folder.

    Args:
        path: the run folder.
        cells: custom cells that the run was trained with.
        tasks: custom tasks that the run was trained with.

    Returns:
        The run with its best weights, on the CPU. Nothing in the folder is executed, and no random numbers are drawn.

    Raises:
        RunError: the folder is missing or damaged, has another format, needs a custom class that was not passed, or belongs to
            a training that ended before its first evaluation.
    """
    path = Path(path)
    config, task = open_task(path, cells=cells, tasks=tasks)
    check_evaluated(path)
    load_vocabulary(task.dataset, path, config)
    with NoRandomWeights(), own_code(task, task.cell):
        network = task.network()
    if task.settings.training.precision == "64":
        network.double()  # before the weights are loaded, which would otherwise lose half of their digits
    fill(network, load_tensors(path / "model.safetensors"), path)
    return Run(path, task, network, config)
