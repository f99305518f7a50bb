"""What a task is, said once.

A task turns a person's file into batches, batches into a network's outputs, and outputs into JSON. It owns

    settings    the groups Data, Model, Training: its own fields are flags of `recurra train TASK`
    reading     read() fits vocabularies and encodes rows once; choose() fills every setting left open, from what was read
    network     network(): an nn.Module made of parts that stream
    first       first_weights(): where a new network does not begin at random
    training    train_batches(), batch(), loss(); `carries_state` if one batch continues the one before
    figures     evaluate(): the metrics of a part; `metric` is the one that picks the best weights; calibrate(): the
                last numbers, which the validation part decides
    use         predict() to JSON, example() from a line of text, session() to push a stream through

The loop, checkpoints, runs, the command line and the server know these names only, so a new task is one file.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError
from ..settings import DataSettings, ModelSettings, Settings, TrainingSettings

if TYPE_CHECKING:
    from ..cells import Cell

Say = Callable[[str], None]
USUAL_CELL = "lstm"


@dataclass
class Batch:
    """Tensors of one step. `computed` counts the steps of time the network runs, padding included, `live` those that count."""

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    live: int
    computed: int

    def to(self, device: torch.device) -> Batch:
        if device.type == "cpu":
            return self
        move = {"device": device, "non_blocking": True}
        return Batch(
            {name: tensor.to(**move) for name, tensor in self.inputs.items()},  # type: ignore[call-overload]
            {name: tensor.to(**move) for name, tensor in self.targets.items()},  # type: ignore[call-overload]
            self.live,
            self.computed,
        )


@dataclass
class Reading:
    """What was learnt while reading: numbers a task chooses its defaults from, and lines for the user."""

    rows: int = 0
    valid_rows: int = 0
    steps_of_time: int = 0  # live time steps of the training part
    facts: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


class Session(ABC):
    """One stream: push pieces as they come, ask for the result so far at any time."""

    @abstractmethod
    def push(self, piece: Any) -> None: ...

    @abstractmethod
    def result(self) -> dict[str, Any]:
        """The result of all that was pushed, as if it ended here; pushing may go on."""

    def close(self) -> None:  # noqa: B027  nothing to release is the usual case
        """Nothing is held outside the object."""

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Task(ABC):
    """See the module's docstring. `name`, `structure` and `summary` are what `recurra train --help` shows."""

    name: ClassVar[str]
    structure: ClassVar[str]
    summary: ClassVar[str]
    metric: ClassVar[str] = "loss"
    higher_is_better: ClassVar[bool] = False
    carries_state: ClassVar[bool] = False
    calibration: float = 0.0  # evaluations' time of calibrate() and the figures after it; 0: it is not asked
    Data: ClassVar[type[DataSettings]] = DataSettings
    Model: ClassVar[type[ModelSettings]] = ModelSettings
    Training: ClassVar[type[TrainingSettings]] = TrainingSettings
    inputs_are_rows: ClassVar[bool] = True  # each of `inputs` is one row of its file
    in_use: ClassVar[tuple[str, ...]] = ()  # settings, group.name, that a trained run may be given another value of
    progress: float = 0.0  # of the training, 0 to 1, before each step; what a schedule of the loss is a function of

    def __init__(self, settings: Settings, *, cell: Cell | None = None) -> None:
        """`cell` is given when the cell is the user's own, else it is found by the name in the settings."""
        self.settings, self.own_cell = settings, cell
        self.reading = Reading()
        self.cell = self.find_cell()  # what cannot be had is told before anything is read

    def find_cell(self) -> Cell:
        """The cell that the settings name; while they leave it open, the usual one."""
        from .. import cells

        model = self.settings.model
        return self.own_cell or cells.get(model.cell or USUAL_CELL, **model.cell_options)

    # reading -------------------------------------------------------------------------------------------------------
    @abstractmethod
    def read(
        self, data: str | Path, valid: str | Path | None, cache: Path, say: Say, tick: Callable[[int], None]
    ) -> Reading:
        """Fit vocabularies on `data` and encode it, and `valid` or a part held back, into `cache`."""

    @abstractmethod
    def open(self, cache: Path) -> None:
        """Open what `read` left in `cache` (resuming); the vocabulary is loaded already."""

    @abstractmethod
    def choose(self, reading: Reading) -> Settings:
        """The settings with every open field chosen from what was read."""

    @abstractmethod
    def save_vocabulary(self, folder: Path) -> None: ...

    @abstractmethod
    def load_vocabulary(self, folder: Path) -> None: ...

    # training ------------------------------------------------------------------------------------------------------
    @abstractmethod
    def network(self) -> torch.nn.Module: ...

    def first_weights(self, network: torch.nn.Module, tick: Callable[[int], None]) -> list[str]:
        """Put into a new network what was learnt elsewhere: once, before training. Lines for the user.

        Opening and resuming a run never ask it: what came from elsewhere is by then in the run folder.
        """
        return []

    @abstractmethod
    def train_batches(self, epoch: int) -> Sequence[Any]:
        """The keys of an epoch's batches: a pure function of the settings and the epoch, so that a run can be repeated."""

    @abstractmethod
    def cost(self, keys: Sequence[Any]) -> np.ndarray:
        """Time steps each batch computes, padding included: what the expected time is reckoned from."""

    @abstractmethod
    def batch(self, key: Any) -> Batch:
        """The training batch of a key."""

    @abstractmethod
    def loss(self, network: torch.nn.Module, batch: Batch, state: Any) -> tuple[Tensor, Any]:
        """Mean loss in nats (or squared error) to descend, and the state to hand to the next batch, detached."""

    def descend(
        self, network: torch.nn.Module, batch: Batch, state: Any, backward: Callable[[Tensor], None]
    ) -> tuple[Tensor, Any]:
        """The gradient of a training step: `backward(loss)`, once or, where the gradient itself is needed, more often.

        What `loss` returns; its gradients are added to those of the parameters.
        """
        loss, state = self.loss(network, batch, state)
        backward(loss)
        return loss.detach(), state

    # figures -------------------------------------------------------------------------------------------------------
    @abstractmethod
    def evaluate(
        self, network: torch.nn.Module, data: str | Path | None, tick: Callable[[int], None]
    ) -> dict[str, Any]:
        """The metrics on the validation part (`data` None) or on another file. `loss` is always among them."""

    def calibrate(self, network: torch.nn.Module) -> list[str]:
        """After training, with the best weights in evaluation mode: fit what is not learnt by descent to the validation
        part, in the network's buffers. Lines that say what was chosen. Asked where `calibration` is above 0."""
        return []

    # use -----------------------------------------------------------------------------------------------------------
    @abstractmethod
    def predict(self, network: torch.nn.Module, examples: Sequence[Any]) -> list[dict[str, Any]]: ...

    json_opens: ClassVar[str] = "{"  # what an input begins with that may be JSON

    def example(self, line: str) -> Any:
        """The input that one line of a file of inputs stands for: what it says where it is JSON, else the line itself.

        Raises DataError where it begins as an object with names, as text hardly does, and is none.
        """
        begin = line.lstrip()
        if begin.startswith(tuple(self.json_opens)):
            try:
                return json.loads(line)
            except json.JSONDecodeError as error:
                if begin.startswith('{"'):
                    what = f"begins as a JSON object and is none ({error.msg}, character {error.pos + 1})"
                    raise DataError(f"{what}; wanted an object, or plain text") from None
        return line

    def inputs(self, file: str) -> Iterator[Any] | None:
        """The inputs in a file that is more than lines, such as a table; None where each line is one."""
        return None

    def streams(self) -> tuple[bool, str]:
        """Whether the run can be used as a stream, and why not, in words."""
        return False, f"{self.name} has no streaming parts"

    def session(self, network: torch.nn.Module) -> Session:
        streams, why = self.streams()
        raise DataError(f"this run does not stream: {why}" if not streams else f"{self.name} has no session")


def device_of(network: torch.nn.Module) -> torch.device:
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
