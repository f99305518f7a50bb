"""A run whose weights begin another run: its settings, its vocabulary and its weights, for `recurra finetune`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import torch

from ..cells import Cell
from ..data.sources.reading import READ_SETTINGS
from ..errors import RunError, SettingError
from ..files import check_evaluated
from ..run_folder import load_vocabulary, open_task
from ..settings import GROUPS, Settings, as_given, full_name, settings_from
from ..tasks.base import Dataset, Task
from ..weights import fill, load_tensors

LENGTH = ("steps", "epochs", "step_schedule", "max_minutes", "num_evaluations")  # of the training of the parent
MACHINE = ("device", "devices", "threads")
RATE_FACTOR = 0.3  # the default learning rate, as a fraction of that of the parent
# Settings besides those of inference that leave the network and the encoding of the data as they are
FREE = {
    "data": ("validation_fraction", "on_error", "batching", "bptt_length", "truncation_length", "label", "target", "tags",
             *READ_SETTINGS),
    "model": ("backend", "adversarial_epsilon"),
}  # fmt: skip
REGULARIZATION = ("drop", "zoneout")  # parts of the names of settings of the model that do not change its weights


@final
class Parent:
    """The run that a fine-tuned run begins with.

    Raises RunError if it cannot be opened or was never evaluated, or if the dataset of its task cannot keep a vocabulary.
    """

    def __init__(self, path: Path, cells: Sequence[type[Cell]] = (), tasks: Sequence[type[Task[Any]]] = ()) -> None:
        self.path = path
        self.config, self.task = open_task(path, cells=cells, tasks=tasks)
        check_evaluated(path)
        self.file = path / "model.safetensors"
        if not self.task.dataset.keeps_vocabulary:
            raise RunError(
                f"{path}: runs of {self.task.name} cannot be fine-tuned, because its dataset cannot keep a vocabulary "
                "(keeps_vocabulary of the class is False)"
            )

    @property
    def kind(self) -> type[Task[Any]]:
        """The class of the task."""
        return type(self.task)

    def given(self, changes: Mapping[str, Any]) -> Settings[Any, Any, Any]:
        """The settings of the new run: those of the parent, except for its length, and `changes` over them.

        Raises SettingError for a change of the network, or of the encoding of the data.
        """
        cls = as_given(self.kind.settings_class)
        values = self.task.settings.model_dump(mode="json")
        for name in (*LENGTH, *MACHINE):
            values["training"].pop(name, None)
        for name in ("batching", "bptt_length"):
            values["data"].pop(name, None)
        values["training"]["learning_rate"] *= RATE_FACTOR
        before = settings_from(cls, values)
        after = settings_from(cls, values, changes)
        for key in changes:
            group, _, name = full_name(cls, key).partition(".")
            old, new = (getattr(getattr(settings, group), name) for settings in (before, after))
            if old != new and not self._may_change(group, name):
                raise SettingError(self._fixed(group, name, old, new))
        return after

    def _may_change(self, group: str, name: str) -> bool:
        if group == "training" or name in FREE[group] or f"{group}.{name}" in self.kind.inference_settings:
            return True
        return group == "model" and any(part in name for part in REGULARIZATION)

    def _fixed(self, group: str, name: str, old: Any, new: Any) -> str:
        kept = "the network" if group == "model" else "the encoding of the data"
        names = [
            short
            for one in GROUPS[:2]
            for short in type(getattr(self.task.settings, one)).model_fields
            if self._may_change(one, short)
        ]
        return (
            f"{name} = {new!r}: finetune keeps {kept} of {self.path}, where it is {old!r}; train a new model to change it. "
            f"It can change training settings, and {', '.join(names)}"
        )

    def load_vocabulary(self, dataset: Dataset, changes: Mapping[str, Any]) -> None:
        """Load the vocabulary into the dataset of the new run, which then reads files as the parent does."""
        cls = as_given(self.kind.settings_class)
        load_vocabulary(dataset, self.path, self.config, {full_name(cls, key).partition(".")[2] for key in changes})

    def fill(self, network: torch.nn.Module, precision: str) -> None:
        """Copy the weights into the network of the new run, which is trained in `precision`."""
        if precision == "64":
            network.double()  # before the weights are copied, which would otherwise lose half of their digits
        fill(network, load_tensors(self.file), self.path)

    def record(self) -> dict[str, Any]:
        """What config.yaml of the new run says about its parent, and about the parents of that."""
        earlier = {"parent": self.config["parent"]} if isinstance(self.config.get("parent"), dict) else {}
        return {
            "run": str(self.path.resolve()),
            "weights": hashlib.sha256(self.file.read_bytes()).hexdigest(),
            "source": self.config["source"],
            **earlier,
        }
