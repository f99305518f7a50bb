"""`Clock`, which measures training steps and evaluations and estimates how many steps the remaining time allows."""

from __future__ import annotations

import time

# Seconds of training before the number of steps is fixed, or a twentieth of the budget if that is less.
TIMED_SECONDS = 3.0
EVALUATED = 0.15  # the largest fraction of the budget that evaluations may use
RESERVE = 0.015  # the fraction of the budget that is kept for saving and for errors of the estimate
FORWARD = 1 / 3  # the approximate fraction of a training step that its forward pass takes


class Clock:
    """The time that a run has used and the time that remains.

    Work is counted in time steps of all rows of a batch, padding included, so that the speed does not depend on the shape of
    the batch.

    started      time.time() at the start of the run
    max_minutes  the budget, or None
    step_work    average work of an optimizer step
    valid_work   work of an evaluation
    evaluations  expected number of evaluations
    calibration  duration of the calibration after training, in evaluations
    """

    def __init__(
        self,
        started: float,
        max_minutes: float | None,
        step_work: float,
        valid_work: float,
        evaluations: int,
        calibration: float,
    ) -> None:
        self.started, self.step_work, self.valid_work = started, step_work, valid_work
        self.budget = None if max_minutes is None else 60 * max_minutes * (1 - RESERVE)  # seconds
        self.evaluations, self.calibration = evaluations, calibration
        self.evaluated, self.evaluation_seconds, self.first_evaluation = 0, 0.0, 0.0
        self.reset_timer()

    @property
    def seconds(self) -> float:
        """Seconds since the start of the run."""
        return time.time() - self.started

    @property
    def min_timing_seconds(self) -> float:
        """Seconds of training after which the speed of training is known."""
        return TIMED_SECONDS if self.budget is None else min(TIMED_SECONDS, self.budget / 20)

    def reset_timer(self) -> None:
        """Measure the speed of training from the next step on."""
        self.work, self.train_seconds = 0, 0.0

    def step_done(self, seconds: float, work: int) -> None:
        """Record an optimizer step."""
        self.work, self.train_seconds = self.work + work, self.train_seconds + seconds

    def evaluation_done(self, seconds: float) -> None:
        """Record an evaluation."""
        if not self.evaluated:
            self.first_evaluation = seconds
        self.evaluated, self.evaluation_seconds = self.evaluated + 1, self.evaluation_seconds + seconds

    @property
    def per_step(self) -> float:
        """Seconds of an optimizer step; 0 if none was measured."""
        return self.step_work * self.train_seconds / max(self.work, 1)

    @property
    def per_evaluation(self) -> float:
        """Seconds of an evaluation, estimated until the first one. The first one is slower, so later ones replace it."""
        if self.evaluated:
            later = self.evaluation_seconds - self.first_evaluation
            return later / (self.evaluated - 1) if self.evaluated > 1 else self.first_evaluation
        return FORWARD * self.valid_work * self.train_seconds / max(self.work, 1)

    def due(self, progress: float) -> bool:
        """Whether it is time to evaluate."""
        return progress * self.evaluations >= self.evaluated + 1 - 1e-9

    def out_of_time(self) -> bool:
        """Whether the rest of the budget is needed for the last evaluation."""
        last = self.per_evaluation * (1 + self.calibration)
        return self.budget is not None and self.seconds + last > self.budget

    def remaining_steps(self) -> int | None:
        """How many more steps fit in the budget next to the remaining evaluations; None without a budget or a known speed."""
        if self.budget is None or not self.work:
            return None
        left, one = self.budget - self.seconds, self.per_evaluation
        evaluations = one * (self.evaluations - self.evaluated + self.calibration)
        if self.evaluated == 1:  # the first evaluation may be much slower than later ones
            evaluations = min(evaluations, max(EVALUATED * left, one * (1 + self.calibration)))
        return max(int((left - evaluations) / self.per_step), 0)

    def fewer_evaluations(self) -> None:
        """Reduce the number of evaluations to what the budget allows, and to no fewer than two."""
        if self.budget is not None:
            most = EVALUATED * max(self.budget - self.seconds, 0.0) / max(self.per_evaluation, 1e-9)
            self.evaluations = max(min(self.evaluations, int(most)), 2)

    def record(self) -> dict[str, float]:
        """Return the values that a checkpoint stores."""
        return {
            "seconds": self.seconds,
            "evaluated": self.evaluated,
            "evaluations": self.evaluations,
            "evaluation_seconds": self.evaluation_seconds,
            "first_evaluation": self.first_evaluation,
        }

    def restore(self, record: dict[str, float]) -> None:
        """Continue from the values of `record`, as if the run had not been interrupted."""
        self.started = time.time() - record["seconds"]
        self.evaluated, self.evaluations = int(record["evaluated"]), int(record["evaluations"])
        self.evaluation_seconds = record["evaluation_seconds"]
        self.first_evaluation = record.get("first_evaluation", 0.0)
