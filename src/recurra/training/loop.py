"""The training loop.

    for each step: batch -> loss -> backward -> clip -> step -> average; now and then evaluate, record, checkpoint

Everything a step does is a function of (settings, step, what the checkpoint holds); the clock may correct how many
steps there will be, writes that into the record, and ends the run at a step boundary, nothing else.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from ..errors import TrainingError
from ..evaluation import evaluate, named, numbers
from ..files import append_line
from ..nn import State
from ..ops import watch
from ..progress import Bar, Progress
from ..settings import TrainingSettings
from ..tasks.base import Batch, DatasetInfo, HasCalibration, HasRehearsal, HasTrainingStep, Task
from ..tasks.contract import check_batch, check_loss
from ..weights import load_tensors
from . import checkpoint
from .best import BestWeights
from .clock import Clock
from .ema import Average
from .messages import described
from .optimizers import optimizer_for
from .schedule import Plan, scale
from .signals import Interrupts

ENDED_EARLY = 0.9  # of the planned steps: a run that takes fewer says so


class Loop:
    """One run of a task's network, from a step to the end. `run()` trains; `save()` may be called between steps."""

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
        self.bare = network
        optimizer = optimizer_for(network, self.training)
        self.network, self.optimizer = fabric.setup(network, optimizer)
        self.average = Average(network, self.training.ema_decay)  # now on the device, in its arithmetic
        self.step = self.epoch = self.index = 0
        self.state: Any = None
        self.best = BestWeights(folder, task.selection, self.training.patience)
        self.checked = -1  # the step of the last evaluation
        self.back_end = "none"  # what ran the recurrent layers, when the first step was rehearsed
        self.losses: float | None = None  # a running mean of the loss
        self.keys = self.sampler.epoch(0)
        self.plan = Plan(list(self.training.step_schedule)) if self.training.step_schedule else Plan.of(self.longest())
        self.restored = False
        work = float(self.sampler.time_steps(self.keys).mean())
        share = info.valid_rows / max(info.rows, 1)
        calibration = task.calibration_time if isinstance(task, HasCalibration) else 0.0
        evaluations = self.training.num_evaluations or min(max(round(self.longest() / len(self.keys)), 10), 20)
        self.clock = Clock(
            started, self.training.max_minutes, work, share * len(self.keys) * work, evaluations, calibration
        )

    # length --------------------------------------------------------------------------------------------------------
    def longest(self) -> int:
        """The steps of a run that no clock ends."""
        if self.training.steps is not None:
            return self.training.steps
        return max(1, math.ceil(self.training.epochs * len(self.keys)))

    def affordable(self) -> int:
        """The steps of this run: as many as the budget pays for, `longest()` at most."""
        more = self.clock.affordable()
        return self.longest() if more is None else min(self.step + more, self.longest())

    @property
    def timed(self) -> bool:
        """Whether the clock fixes the number of steps; if not, it may only end the run."""
        return self.clock.budget is not None and self.training.steps is None and not self.training.step_schedule

    # the loop ------------------------------------------------------------------------------------------------------
    def run(self, progress: Progress) -> None:
        """Train to the end. Raises KeyboardInterrupt after Ctrl-C, with a checkpoint saved, and TrainingError."""
        clock = self.clock
        with Interrupts() as interrupts:
            with progress.bar("timing the first steps") as bar:
                self._go(bar, interrupts, lambda: clock.work > 0)  # the first step also allocates and compiles
                clock.lap()
                self._go(bar, interrupts, lambda: clock.work > 0 and clock.train_seconds >= clock.enough)
            if not self.restored and self.timed and not interrupts.asked:
                self._fix()
            progress.say(
                described(
                    self.training, self.plan, clock, step=self.step, epoch_steps=len(self.keys),
                    longest=self.longest(), timed=self.timed,
                )
            )  # fmt: skip
            planned = self.plan.total
            with progress.bar("training", 1.0) as bar:
                self._go(bar, interrupts, lambda: False)
                if not interrupts.asked and self.checked != self.step:
                    self.check()
            self.save()
            if not interrupts.asked and self.step < ENDED_EARLY * planned:
                why = self.best.reason_to_stop if self.best.should_stop else "the time is over"
                progress.say(f"ended after {self.step:,} steps: {why}")
            if interrupts.asked:
                raise KeyboardInterrupt(
                    f"stopped at step {self.step:,} and saved; recurra train --resume {self.folder}"
                )
            self.calibrate(progress)

    def calibrate(self, progress: Progress) -> None:
        """With the best weights: what the task fits to the validation part, kept with them, and the figures it gives."""
        if not isinstance(self.task, HasCalibration) or not self.task.calibration_time:
            return
        self.bare.load_state_dict(load_tensors(self.best.weights), strict=False)  # tied weights have one name there
        self.bare.eval()
        with torch.no_grad():
            lines = self.task.calibrate(self.bare)
        if not lines:
            return
        metrics = evaluate(self.task, self.bare)
        for line in lines:
            progress.say(line)
        self.record({"calibrated": lines, **named(numbers(metrics))})
        self.best.write(metrics, self.bare)

    def _go(self, bar: Bar, interrupts: Interrupts, until: Callable[[], bool]) -> None:
        """Take steps, and evaluate when it is time, to the end of the plan or `until` says so."""
        while self.step < self.plan.total and not self.best.should_stop and not interrupts.asked and not until():
            if self.step and self.clock.over():
                self._correct(self.step)
                return
            loss = self.take_step()
            done = self.plan.progress(self.step)
            bar.at(done, self._note(loss))
            if self.clock.due(done) and self.step < self.plan.total:
                self.check()
                if self.best.should_stop:
                    self.record({"stopped": self.best.reason_to_stop})
                elif self.timed:
                    self._correct(self.affordable())
                self.clock.lap()
                self.save()

    def _fix(self) -> None:
        """Fix the number of steps, now that the speed is known."""
        if self.training.num_evaluations is None and not self.clock.evaluated:
            self.clock.fewer_evaluations()
        self._correct(self.affordable())

    def _correct(self, total: int) -> None:
        if abs(total - self.plan.total) > 0.01 * self.plan.total or total == self.step:
            self.plan.correct(self.step, total)
            self.record({"steps": self.plan.total})

    def take_step(self) -> float:
        """One optimiser step; the loss in the task's unit. Raises TrainingError when it is not a finite number."""
        began = time.perf_counter()
        key = self._next_key()
        batch = self.task.batch(key).to(self.fabric.device)
        rate = self.training.learning_rate * scale(
            self.training.schedule, self.training.warmup, self.plan.progress(self.step)
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        loss, self.state = self._gradient(batch, self.state, self.plan.progress(self.step))
        value = loss.item()
        if not math.isfinite(value):
            raise self._not_finite(value)
        if self.training.clip_value is not None:
            self.fabric.clip_gradients(self.network, self.optimizer, clip_val=self.training.clip_value)
        if self.training.clip_norm is not None:
            self.fabric.clip_gradients(
                self.network, self.optimizer, max_norm=self.training.clip_norm, error_if_nonfinite=False
            )
        self.optimizer.step()
        self.average.update()
        self.step += 1
        self.index += 1
        self.clock.trained(time.perf_counter() - began, batch.computed)
        self.losses = value if self.losses is None else 0.98 * self.losses + 0.02 * value
        return value

    def _gradient(self, batch: Batch, state: Any, progress: float) -> tuple[torch.Tensor, Any]:
        """Add the gradient of a batch. Returns the loss, detached, and the state to hand on."""
        backward = self.fabric.backward
        if isinstance(self.task, HasTrainingStep):
            return self.task.training_step(self.network, batch, state, progress, backward)
        loss, state = self.task.loss(self.network, batch, state, progress)
        backward(check_loss(self.task, loss))
        return loss.detach(), state

    def rehearse(self) -> None:
        """The loss and gradients of the first batch, thrown away: what cannot train says so before a folder is made."""
        cuda = [self.fabric.device] if self.fabric.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda), watch() as ran:
            batch = check_batch(self.task, self.task.batch(self.keys[0])).to(self.fabric.device)
            self._gradient(batch, None, 0.0)
            if isinstance(self.task, HasRehearsal):
                self.network.eval()
                with torch.no_grad():
                    self.task.rehearse(self.bare)
                self.network.train()
        self.optimizer.zero_grad()
        self.back_end = ", ".join(sorted(set(ran))) or "none"

    def _next_key(self) -> Any:
        if self.index >= len(self.keys):
            self.epoch, self.index, self.state = self.epoch + 1, 0, None
            self.keys = self.sampler.epoch(self.epoch)
        return self.keys[self.index]

    def _note(self, loss: float) -> str:
        shown = loss if self.losses is None else self.losses
        return f"{self.step:,}/{self.plan.total:,} loss {shown:.3f}{self.best.note()}"

    def _not_finite(self, value: float) -> TrainingError:
        return TrainingError(self.best.not_finite(value, self.step, self.training.learning_rate))

    # figures -------------------------------------------------------------------------------------------------------
    def check(self) -> None:
        """Evaluate the averaged weights, write a line of history, keep the weights if they are the best."""
        began = time.perf_counter()
        with self.average.applied():
            metrics = evaluate(self.task, self.bare)
            self.checked = self.step
            self.clock.checked(time.perf_counter() - began)
            self.record({"train/loss": self.losses, **named(numbers(metrics))})
            if not math.isfinite(metrics["loss"]):
                raise self._not_finite(metrics["loss"])
            self.best.offer(self.step, metrics, self.bare)

    def record(self, facts: dict[str, Any]) -> None:
        """A line of history.jsonl."""
        rate = float(self.optimizer.param_groups[0]["lr"])
        line = {"step": self.step, "seconds": round(self.clock.seconds, 2), "learning_rate": rate, **facts}
        append_line(self.folder / "history.jsonl", json.dumps(line, ensure_ascii=False))

    # checkpoints ---------------------------------------------------------------------------------------------------
    def save(self) -> None:
        """Write checkpoint/: from it a run goes on as if it had never stopped."""
        tensors = {f"weights/{name}": value for name, value in self.bare.state_dict().items()}
        tensors |= {f"average/{name}": value for name, value in self.average.tensors().items()}
        optimizer, optimizer_facts = checkpoint.pack_optimizer(self.optimizer)
        tensors |= {f"optimizer/{name}": value for name, value in optimizer.items()}
        tensors["random/cpu"] = torch.get_rng_state()
        if self.fabric.device.type == "cuda":
            tensors["random/cuda"] = torch.cuda.get_rng_state(self.fabric.device)
        if isinstance(self.state, State):
            tensors |= {f"state/{name}": value for name, value in self.state.tensors().items()}
        facts = {
            "step": self.step,
            "epoch": self.epoch,
            "index": self.index,
            "plan": self.plan.record,
            "best": self.best.best,
            "waited": self.best.bad_evaluations,
            "checked": self.checked,
            "losses": self.losses,
            "average_updates": self.average.updates,
            "optimizer": optimizer_facts,
            **self.clock.record(),
        }
        checkpoint.save(self.folder / "checkpoint", tensors, facts)

    def load(self) -> None:
        """Take up what `save` wrote."""
        tensors, facts = checkpoint.load(self.folder / "checkpoint")

        def part(prefix: str) -> dict[str, torch.Tensor]:
            return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}

        self.bare.load_state_dict(part("weights/"))
        self.average.restore(part("average/"), facts["average_updates"])
        checkpoint.unpack_optimizer(self.optimizer, part("optimizer/"), facts["optimizer"])
        torch.set_rng_state(tensors["random/cpu"].cpu())
        if "random/cuda" in tensors and self.fabric.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random/cuda"].cpu(), self.fabric.device)
        state = part("state/")
        self.state = State.from_tensors(state).to(self.fabric.device) if state else None
        self.step, self.epoch, self.index = facts["step"], facts["epoch"], facts["index"]
        self.keys = self.sampler.epoch(self.epoch)
        self.restored = True
        self.plan = Plan([(int(s), float(p), int(t)) for s, p, t in facts["plan"]])
        self.best.best, self.best.bad_evaluations = facts["best"], facts["waited"]
        self.checked, self.losses = facts["checked"], facts["losses"]
        self.clock.restore(facts)
