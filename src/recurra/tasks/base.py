"""The contract between a task and everything that uses it: training, runs, the command line, sessions, inspection.

A task turns a user's file into batches, batches into a network's outputs, and outputs into JSON. It is assembled once:

    given     = settings_from(as_given(MyTask.settings_class), ...)     what the user wrote
    dataset   = MyTask.dataset_for(given)                               reads, splits and encodes
    info      = dataset.prepare(...)                                    what was found in the data
    settings  = MyTask.resolve(given, dataset, info)                    every open setting chosen
    task      = MyTask(settings, dataset, cell)                         from here on nothing changes

`Task`, `Dataset` and `Sampler` are abstract; the classes that implement them are final. Optional abilities of a task are
protocols at the end of this file: a task has one when it has the method.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from ..cells import Cell
from ..settings import Settings

Log = Callable[[str], None]
OnProgress = Callable[[int], None]
S = TypeVar("S", bound=Settings[Any, Any, Any])


def ignore_progress(count: int) -> None:
    """An `on_progress` that does nothing."""


@dataclass
class Batch:
    """Tensors of one step. `computed` counts the time steps that the network runs, padding included; `valid` those without."""

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    valid: int
    computed: int

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        if device.type == "cpu":
            return self

        def moved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            return {name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()}

        return Batch(moved(self.inputs), moved(self.targets), self.valid, self.computed)


@dataclass
class DatasetInfo:
    """What `Dataset.prepare` found: counts, statistics that defaults depend on, and messages for the user.

    time_steps  valid time steps of the training part
    settings    settings that reading has determined, by group: the type of the input, the sizes of pretrained weights
    """

    rows: int = 0
    valid_rows: int = 0
    time_steps: int = 0
    stats: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Selection:
    """The metric that selects the best weights, and its direction."""

    metric: str = "loss"
    higher_is_better: bool = False


class Dataset(ABC):
    """Reads a user's data: finds the columns, fits vocabularies, splits, and encodes once into a cache."""

    inputs_are_rows: ClassVar[bool] = True  # each of `inputs` is one row of its file

    @abstractmethod
    def prepare(self, data: str | Path, valid: str | Path | None, cache: Path, on_progress: OnProgress) -> DatasetInfo:
        """Fit vocabularies on `data` and encode it, and `valid` or a part held back, into `cache`."""

    @abstractmethod
    def load_cache(self, cache: Path) -> None:
        """Open what `prepare` left in `cache`; the vocabulary is loaded already."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write vocabularies and all else that encoding needs into the run's `vocabulary/`."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""

    @abstractmethod
    def inputs(self, file: str) -> Iterator[Any] | None:
        """The inputs to predict from in a file that is more than lines, such as a table; None where each line is one."""

    @abstractmethod
    def parse_line(self, line: str) -> Any:
        """The input that one line of a file or a pipe stands for."""


class Sampler(ABC):
    """Which batches an epoch has. A pure function of the settings and the epoch, so that a run can be repeated."""

    @abstractmethod
    def epoch(self, number: int) -> Sequence[Any]:
        """The keys of an epoch's batches, in order."""

    @abstractmethod
    def time_steps(self, keys: Sequence[Any]) -> np.ndarray:
        """Time steps that each batch computes, padding included, (len(keys),): what the expected time depends on."""

    @abstractmethod
    def padding_fraction(self) -> float | None:
        """Fraction of an epoch's computed time steps that is padding; None where there is no padding."""


class Session(ABC):
    """One stream: push pieces as they arrive, request the result so far at any time."""

    @abstractmethod
    def push(self, piece: Any) -> None:
        """Take the next piece. Raises CallError where it cannot be used; the session is then as it was before."""

    @abstractmethod
    def result(self) -> dict[str, Any]:
        """The result of all that was pushed, as if the sequence ended here; pushing may continue."""

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:  # noqa: B027  nothing to release is the usual case
        """A session holds nothing outside the object."""


@dataclass(frozen=True)
class Streaming:
    """Whether a trained network can be used as a stream: `open` begins a session, or `reason` says why there is none."""

    open: Callable[[torch.nn.Module], Session] | None = None
    reason: str = ""


class Task(ABC, Generic[S]):
    """A declaration of what a task is made of. See the module's docstring and docs/custom-task.md.

    A `network` that a method takes is one that `network()` made: a task may name its class there.
    """

    name: ClassVar[str]
    structure: ClassVar[str]  # as N to 1
    summary: ClassVar[str]
    settings_class: ClassVar[type[Settings[Any, Any, Any]]]
    inference_settings: ClassVar[tuple[str, ...]] = ()  # group.name of those that may be changed for a trained run

    def __init__(self, settings: S, dataset: Any, cell: Cell) -> None:
        self.settings, self.dataset, self.cell = settings, dataset, cell

    # before training -----------------------------------------------------------------------------------------------
    @classmethod
    @abstractmethod
    def dataset_for(cls, settings: S) -> Dataset:
        """The dataset, from settings that may still be open."""

    @classmethod
    @abstractmethod
    def resolve(cls, settings: S, dataset: Any, info: DatasetInfo) -> S:
        """`settings.fill(...)`: the open settings chosen from what was read. Lines for the user go to `info.messages`."""

    @abstractmethod
    def network(self) -> torch.nn.Module:
        """A new network with random weights."""

    # training ------------------------------------------------------------------------------------------------------
    @property
    @abstractmethod
    def selection(self) -> Selection:
        """The metric that selects the best weights: one that `evaluate` returns."""

    @abstractmethod
    def sampler(self) -> Sampler:
        """The batches of the training part."""

    @abstractmethod
    def batch(self, key: Any) -> Batch:
        """The training batch of a key of the sampler."""

    @abstractmethod
    def loss(self, network: Any, batch: Batch, state: Any, progress: float) -> tuple[Tensor, Any]:
        """The mean loss in nats (or squared error), and the state to hand to the next batch, detached.

        `progress` of the training, from 0 to 1, is what schedules depend on. The state is a `recurra.nn.State` or None.
        """

    # use -----------------------------------------------------------------------------------------------------------
    @abstractmethod
    def evaluate(self, network: Any, data: str | Path | None, on_progress: OnProgress) -> dict[str, Any]:
        """The metrics on the validation part (`data` None) or on another file. While training, `loss` is among them."""

    @abstractmethod
    def predict(self, network: Any, examples: Sequence[Any]) -> list[dict[str, Any]]:
        """A JSON-like object for each example, in order."""

    @abstractmethod
    def streaming(self) -> Streaming:
        """Whether the run can be used as a stream."""


# optional abilities ----------------------------------------------------------------------------------------------------
Backward = Callable[[Tensor], None]


@runtime_checkable
class HasTrainingStep(Protocol):
    """A task that computes the gradient of a step itself, as adversarial training does."""

    def training_step(
        self, network: torch.nn.Module, batch: Batch, state: Any, progress: float, backward: Backward
    ) -> tuple[Tensor, Any]:
        """Call `backward(loss)`, once or more often, which adds to the gradients. Returns what `loss` returns."""


@runtime_checkable
class HasPretrainedWeights(Protocol):
    """A task whose new network may begin with weights from elsewhere."""

    def load_pretrained(self, network: torch.nn.Module, on_progress: OnProgress) -> list[str]:
        """Fill a new network once, before training. Lines for the user. Not called when a run is opened or resumed."""


@runtime_checkable
class HasCalibration(Protocol):
    """A task that fits buffers of the network to the validation part after training."""

    @property
    def calibration_time(self) -> float:
        """The time of `calibrate` and of the metrics after it, in evaluations; 0 skips it."""

    def calibrate(self, network: torch.nn.Module) -> list[str]:
        """Fit the buffers, with the best weights in evaluation mode. Lines that describe the result; empty for no change."""


@runtime_checkable
class HasRehearsal(Protocol):
    """A task that checks what its components return before training."""

    def rehearse(self, network: torch.nn.Module) -> None:
        """Evaluate a few examples, without gradients. Raises CallError where a component returns something wrong."""


@runtime_checkable
class HasGeneration(Protocol):
    """A task that writes text."""

    def generate(self, network: torch.nn.Module, prompt: str, length: int | None, **options: Any) -> Iterator[str]:
        """Pieces of text as they are drawn."""


# helpers ---------------------------------------------------------------------------------------------------------------
def device_of(network: torch.nn.Module) -> torch.device:
    """The device of the first parameter."""
    return next(network.parameters()).device


def chunked(items: Iterable[Any], size: int) -> Iterable[list[Any]]:
    """Lists of `size` items, the last one shorter."""
    part: list[Any] = []
    for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
