"""The training loop.

    for each step: batch -> loss -> backward -> clip -> step -> moving average; at intervals evaluate, record, save

Everything in a step is a function of the settings, the step, and the content of the checkpoint. The clock may correct the
number of steps, which is recorded, and end the run between two steps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from .. import evaluation
from ..errors import TrainingError
from ..evaluation import named, numbers
from ..ops import watch
from ..progress import Bar, Progress
from ..settings import TrainingSettings
from ..tasks.base import DatasetInfo, HasCalibration, HasRehearsal, Task
from ..tasks.contract import check_batch
from ..weights import load_results
from . import checkpoint
from .best import BestWeights
from .clipping import clip_gradients
from .clock import TrainingClock
from .ema import WeightEMA
from .gradient import BatchGradient
from .history import History
from .loop_state import restore, state_of
from .messages import described
from .optimizers import optimizer_for
from .regularizer import Regularizer
from .schedule import StepSchedule, learning_rate_factor
from .signals import Interrupts

ENDED_EARLY = 0.9  # fraction of the planned steps: a run that takes fewer reports the reason


class Loop:
    """The training of one network. `run()` trains to the end; `save()` may be called between steps."""

    def __init__(
        self,
        task: Task[Any],
        network: torch.nn.Module,
        fabric: Fabric,
        folder: Path,
        started: float,
        info: DatasetInfo,
    ) -> None:
        self.task, self.fabric, self.folder, self.info = task, fabric, folder, info
        self.sampler = task.sampler()
        self.training: TrainingSettings = task.settings.training
        self.module, penalties = network, Regularizer(network, task.settings)
        optimizer = optimizer_for(network, self.training)
        self.network, self.optimizer = fabric.setup(network, optimizer)
        self.gradient = BatchGradient(task, self.network, network, fabric, penalties)
        self.ema = WeightEMA(network, self.training.ema_decay)  # the weights are now on the device, in its precision
        self.step = self.epoch = self.index = 0
        self.state: Any = None
        self.best = BestWeights(folder, task.selection, self.training.patience)
        self.history = History(folder / "history.jsonl")
        self.last_evaluation = -1  # the step of the last evaluation
        self.backend = "none"  # what ran the recurrent layers in the dry run
        self.running_loss: float | None = None  # a running mean of the loss
        self.keys = self.sampler.epoch(0)
        record = self.training.step_schedule
        self.schedule = StepSchedule(list(record)) if record else StepSchedule.of(self.max_steps())
        self.restored = False
        work = float(self.sampler.time_steps(self.keys).mean())
        valid_work = info.valid_rows / max(info.rows, 1) * len(self.keys) * work
        calibration = task.calibration_time if isinstance(task, HasCalibration) else 0.0
        evaluations = self.training.num_evaluations or min(max(round(self.max_steps() / len(self.keys)), 10), 20)
        self.clock = TrainingClock(started, self.training.max_minutes, work, valid_work, evaluations, calibration)

    def max_steps(self) -> int:
        """The number of steps without a time limit."""
        if self.training.steps is not None:
            return self.training.steps
        return max(1, math.ceil(self.training.epochs * len(self.keys)))

    def remaining_total(self) -> int:
        """The total number of steps that the time limit allows, at most `max_steps()`."""
        more = self.clock.remaining_steps()
        return self.max_steps() if more is None else min(self.step + more, self.max_steps())

    @property
    def timed(self) -> bool:
        """Whether the clock sets the number of steps; if not, it can only end the run."""
        return self.clock.budget is not None and self.training.steps is None and not self.training.step_schedule

    # the loop ------------------------------------------------------------------------------------------------------
    def run(self, progress: Progress) -> None:
        """Train to the end. Raises TrainingError, and KeyboardInterrupt after Ctrl-C, with a checkpoint saved."""
        clock = self.clock
        with Interrupts() as interrupts:
            with progress.bar("timing the first steps") as bar:
                self._go(bar, interrupts, lambda: clock.work > 0)  # the first step also allocates and compiles
                clock.reset_timer()
                self._go(bar, interrupts, lambda: clock.work > 0 and clock.train_seconds >= clock.min_timing_seconds)
            if not self.restored and self.timed and not interrupts.requested:
                self._set_total_steps()
            progress.message(
                described(
                    self.training, self.schedule, clock, step=self.step, epoch_steps=len(self.keys),
                    max_steps=self.max_steps(), timed=self.timed,
                )
            )  # fmt: skip
            planned = self.schedule.total
            with progress.bar("training", 1.0) as bar:
                self._go(bar, interrupts, lambda: False)
                if not interrupts.requested and self.last_evaluation != self.step:
                    self.evaluate()
            self.save()
            if not interrupts.requested and self.step < ENDED_EARLY * planned:
                why = self.best.reason_to_stop if self.best.should_stop else "the time limit is reached"
                progress.message(f"ended after {self.step:,} steps: {why}")
            resume = f"checkpoint saved; to continue: recurra train --resume {self.folder}"
            interrupts.at_once = True  # the checkpoint is saved
            if interrupts.requested:
                raise KeyboardInterrupt(f"interrupted at step {self.step:,}, {resume}")
            try:
                self.calibrate(progress)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(f"interrupted during the calibration after training, {resume}") from None

    def calibrate(self, progress: Progress) -> None:
        """Fit the calibration of the task to the validation data, with the best weights, and save both with the new metrics."""
        if not isinstance(self.task, HasCalibration) or not self.task.calibration_time:
            return
        load_results(self.module, self.best.weights)
        self.module.eval()
        with torch.no_grad():
            lines = self.task.calibrate(self.module)
        metrics = evaluation.evaluate(self.task, self.module) if lines else {}
        for line in lines:
            progress.message(line)
        if lines:
            self.record({"calibrated": lines, **named(numbers(metrics))})
            self.best.write(metrics, self.module)

    def _go(self, bar: Bar, interrupts: Interrupts, until: Callable[[], bool]) -> None:
        """Take steps and evaluate, to the end of the schedule or until `until()` is true."""
        while (
            self.step < self.schedule.total and not self.best.should_stop and not interrupts.requested and not until()
        ):
            if self.step and self.clock.out_of_time():
                self._update_total_steps(self.step)
                return
            self.take_step()
            bar.update(done := self.schedule.progress(self.step), self._progress_text())
            if self.clock.due(done) and self.step < self.schedule.total:
                self.evaluate()
                if self.best.should_stop:
                    self.record({"stopped": self.best.reason_to_stop})
                elif self.timed:
                    self._update_total_steps(self.remaining_total())
                self.clock.reset_timer()
                self.save()

    def _set_total_steps(self) -> None:
        """Set the number of steps, now that the time of a step is known."""
        if self.training.num_evaluations is None and not self.clock.evaluated:
            self.clock.fewer_evaluations()
        self._update_total_steps(self.remaining_total())

    def _update_total_steps(self, total: int) -> None:
        if abs(total - self.schedule.total) > 0.01 * self.schedule.total or total == self.step:
            self.schedule.correct(self.step, total)
            self.record({"steps": self.schedule.total})

    def take_step(self, rate: float | None = None) -> float:
        """Take one optimizer step, with a learning rate or that of the schedule, and return the loss.

        Raises TrainingError when the loss is not a finite number.
        """
        began = time.perf_counter()
        key = self._next_key()
        batch = self.task.batch(key).to(self.fabric.device)
        if rate is None:
            rate = self.training.learning_rate * learning_rate_factor(
                self.training.schedule, self.training.warmup, self.schedule.progress(self.step)
            )
        for group in self.optimizer.param_groups:
            group["lr"] = rate * self.gradient.rate(batch)
        self.optimizer.zero_grad()
        loss, self.state = self.gradient(batch, self.state, self.schedule.progress(self.step))
        value = loss.item()
        if not math.isfinite(value):
            self.record({"not_finite": str(value)})
            raise TrainingError(self.best.not_finite(value, self.step, self.training.learning_rate))
        clip_gradients(self.fabric, self.network, self.optimizer, self.training)
        self.optimizer.step()
        self.ema.update()
        self.step += 1
        self.index += 1
        self.clock.step_done(time.perf_counter() - began, batch.computed)
        self.running_loss = value if self.running_loss is None else 0.98 * self.running_loss + 0.02 * value
        return value

    def dry_run(self) -> None:
        """Compute loss and gradients of the first batch and discard them: errors appear before a run folder is created."""
        cuda = [self.fabric.device] if self.fabric.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda), watch() as ran:
            batch = check_batch(self.task, self.task.batch(self.keys[0])).to(self.fabric.device)
            self.gradient.check(batch)
            self.gradient(batch, None, 0.0)
            if isinstance(self.task, HasRehearsal):
                self.network.eval()
                with torch.no_grad():
                    self.task.rehearse(self.module)
                self.network.train()
        self.optimizer.zero_grad()
        self.backend = ", ".join(sorted(set(ran))) or "none"

    def _next_key(self) -> Any:
        if self.index >= len(self.keys):
            self.epoch, self.index, self.state = self.epoch + 1, 0, None
            self.keys = self.sampler.epoch(self.epoch)
        return self.keys[self.index]

    def _progress_text(self) -> str:
        return f"{self.step:,}/{self.schedule.total:,} loss {self.running_loss or 0.0:.3f}{self.best.note()}"

    def evaluate(self) -> None:
        """Evaluate the averaged weights, write a line of the history, and keep the weights if they are the best."""
        began = time.perf_counter()
        with self.ema.applied():
            metrics = evaluation.evaluate(self.task, self.module)
            self.last_evaluation = self.step
            self.clock.evaluation_done(time.perf_counter() - began)
            self.record({"train/loss": self.running_loss, **named(numbers(metrics))})
            if not math.isfinite(metrics["loss"]):
                raise TrainingError(self.best.not_finite(metrics["loss"], self.step, self.training.learning_rate))
            self.best.offer(self.step, metrics, self.module)

    def record(self, facts: dict[str, Any]) -> None:
        """Write a line of history.jsonl."""
        rate = float(self.optimizer.param_groups[0]["lr"])
        seconds = round(self.clock.seconds, 2)
        self.history.append({"step": self.step, "seconds": seconds, "learning_rate": rate, **facts})

    # checkpoints ---------------------------------------------------------------------------------------------------
    def save(self, folder: Path | None = None) -> None:
        """Write checkpoint/, from which a run continues as if it had not been interrupted; `folder` is another run folder."""
        best = self.best.weights if self.best.best else None
        checkpoint.save((folder or self.folder) / "checkpoint", *state_of(self), best)

    def load(self) -> str:
        """Restore what `save` wrote. Returns the type of device that the run was on."""
        folder = self.folder / "checkpoint"
        return restore(self, *checkpoint.load(folder), folder / checkpoint.BEST)
