"""The clock of a run: what steps and evaluations have taken so far, and how many steps the rest of the budget pays for."""

from __future__ import annotations

import time

TIMED_SECONDS = 3.0  # of training, before the number of steps is fixed, or a twentieth of the budget if that is less
EVALUATED = 0.15  # of the budget, at most, goes into evaluations
RESERVE = 0.015  # of the budget, for saving and for what the estimate misses
FORWARD = 1 / 3  # of a training step, about, is its forward pass


class Clock:
    """Work is counted in time steps of rows, padding too, so that batches of any shape tell one speed.

    started      time.time() when the run began
    max_minutes  the budget, or None
    step_work    of an optimiser step, on the average
    valid_work   of an evaluation
    evaluations  how many are expected in all
    calibration  what the task will do at the end, in evaluations
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
        """Since the run began."""
        return time.time() - self.started

    @property
    def min_timing_seconds(self) -> float:
        """Seconds of training after which its speed is known."""
        return TIMED_SECONDS if self.budget is None else min(TIMED_SECONDS, self.budget / 20)

    def reset_timer(self) -> None:
        """The speed to go by is that of the steps from here on."""
        self.work, self.train_seconds = 0, 0.0

    def step_done(self, seconds: float, work: int) -> None:
        """An optimiser step was taken."""
        self.work, self.train_seconds = self.work + work, self.train_seconds + seconds

    def evaluation_done(self, seconds: float) -> None:
        """An evaluation was made."""
        if not self.evaluated:
            self.first_evaluation = seconds
        self.evaluated, self.evaluation_seconds = self.evaluated + 1, self.evaluation_seconds + seconds

    @property
    def per_step(self) -> float:
        """Seconds of an optimiser step; 0 when none was timed."""
        return self.step_work * self.train_seconds / max(self.work, 1)

    @property
    def per_evaluation(self) -> float:
        """Seconds of an evaluation: as seen, else reckoned. The first also loads what figures need, so later ones tell."""
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
        """How many more steps the budget pays for, with the evaluations to come; None: there is none, or no speed."""
        if self.budget is None or not self.work:
            return None
        left, one = self.budget - self.seconds, self.per_evaluation
        evaluations = one * (self.evaluations - self.evaluated + self.calibration)
        if self.evaluated == 1:  # which may have been much slower than the others will be: the next one tells
            evaluations = min(evaluations, max(EVALUATED * left, one * (1 + self.calibration)))
        return max(int((left - evaluations) / self.per_step), 0)

    def fewer_evaluations(self) -> None:
        """As many as the budget has room for, and two."""
        if self.budget is not None:
            most = EVALUATED * max(self.budget - self.seconds, 0.0) / max(self.per_evaluation, 1e-9)
            self.evaluations = max(min(self.evaluations, int(most)), 2)

    def record(self) -> dict[str, float]:
        """What a checkpoint keeps."""
        return {
            "seconds": self.seconds,
            "evaluated": self.evaluated,
            "evaluations": self.evaluations,
            "evaluation_seconds": self.evaluation_seconds,
            "first_evaluation": self.first_evaluation,
        }

    def restore(self, record: dict[str, float]) -> None:
        """Go on as if the run had never stopped."""
        self.started = time.time() - record["seconds"]
        self.evaluated, self.evaluations = int(record["evaluated"]), int(record["evaluations"])
        self.evaluation_seconds = record["evaluation_seconds"]
        self.first_evaluation = record.get("first_evaluation", 0.0)
