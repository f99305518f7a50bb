"""The gradient rules: one file per rule. docs/regimes.md describes them.

bptt            ordinary autograd, or in segments: checkpointed.py
tbptt           tbptt.py
artbp           random_windows.py
random_length   random_windows.py
snap1           snap1.py
rtrl            rtrl.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import SettingError
from ...settings import Settings, TrainingSettings
from ...tasks.base import HasObjectives, Task
from .base import GradientRule as GradientRule
from .checkpointed import CheckpointedBPTT as CheckpointedBPTT
from .random_windows import ARTBP as ARTBP
from .random_windows import RandomLength as RandomLength
from .rtrl import RTRL as RTRL
from .snap1 import SnAp1 as SnAp1
from .tbptt import TBPTT as TBPTT

RULES: dict[str, Callable[[TrainingSettings], GradientRule | None]] = {
    "bptt": lambda training: (
        None if training.checkpoint_segments is None else CheckpointedBPTT(training.checkpoint_segments)
    ),
    "tbptt": lambda training: TBPTT(*training.windows),
    "artbp": lambda training: ARTBP(*training.windows),
    "random_length": lambda training: RandomLength(*training.windows),
    "snap1": lambda training: SnAp1(),
    "rtrl": lambda training: RTRL(),
}


def rule_of(training: TrainingSettings) -> GradientRule | None:
    """The rule of the settings; None for the loss of the task and ordinary autograd."""
    return RULES[training.rule](training)


def check_rule(task: type[Task[Any]], settings: Settings[Any, Any, Any]) -> None:
    """Raise SettingError where the settings of the user contain a rule that the task or its network does not support."""
    training: TrainingSettings = settings.training
    training.check()
    if not training.reads_windows:
        return
    what = "checkpoint_segments" if training.rule == "bptt" else f"gradient={training.rule}"
    if not issubclass(task, HasObjectives):
        from ... import tasks

        able = [name for name in tasks.names() if issubclass(tasks.get(name), HasObjectives)]
        raise SettingError(f"{what} is not available for {task.name}, whose network does not read one sequence in windows; "
                           f"the tasks with gradient rules are {', '.join(able)}")  # fmt: skip
    if getattr(settings.model, "bidirectional", False):
        raise SettingError(f"{what} reads a sequence in windows, and a bidirectional encoder needs all of it; "
                           "set bidirectional=false")  # fmt: skip
    if training.rule in ("snap1", "rtrl") and training.precision == "16":
        raise SettingError(f"{what} is not available with precision 16; use 32, bf16 or 64")
