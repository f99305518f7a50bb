"""A recurrent network learns a sine wave from its samples, in NumPy, its gradients worked out by hand.

    python examples/sine_from_scratch.py [--sampling both] [--cell rnn] [--out sine.svg] [--seed 0]

The network reads a sample and foretells the next. It learns from windows of the first part of the wave, taken in one of
two ways:

    random       windows begin anywhere; each begins with a state of zeros
    sequential   rows are read side by side, each window goes on where the one before it ended and begins with its last
                 state; the gradient stops there (truncated BPTT, k1 = k2)

The gradient is clipped to a ball, Adagrad takes the steps. Then the network reads on past what it learned from: one step
ahead, given the true wave at each step, and running free, where each answer is its next input. The picture shows both.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from recurra.bptt import (
    GRU,
    LSTM,
    RNN,
    Adagrad,
    Array,
    Cell,
    Params,
    State,
    backward,
    clip_norm,
    forward,
    linear,
    linear_backward,
    linear_parameters,
    squared_error,
)

CELLS: dict[str, Cell] = {"rnn": RNN(), "lstm": LSTM(), "gru": GRU()}
SAMPLINGS = ("random", "sequential")
LEARNED, WARM, FREE = 1000, 100, 100  # samples to learn from; then to read, to come into the state; then to run free
BLIND = 8  # steps after a state of zeros that are not judged: one sample does not tell whether the wave rises or falls


class Model:
    """A sample of the wave in, the next one out."""

    def __init__(self, cell: Cell, hidden: int, rng: np.random.Generator) -> None:
        self.cell = cell
        self.p: Params = cell.parameters(1, hidden, rng)
        self.q: Params = linear_parameters(hidden, 1, rng)

    def gradients(self, inputs: Array, targets: Array, state: State, blind: int) -> tuple[float, list[Array], State]:
        """inputs and targets (B, T) -> mean squared error of the steps after the first `blind`, gradients of the
        parameters, the state after the window."""
        ran = forward(self.cell, self.p, inputs[:, :, None], state)
        judged = ran.y[:, blind:]
        loss, dz = squared_error(linear(judged, self.q), targets[:, blind:, None])
        dy = np.zeros_like(ran.y)
        dy[:, blind:], dq = linear_backward(dz, judged, self.q)
        dp = backward(self.cell, self.p, ran, dy).params
        return loss, [*dp.values(), *dq.values()], ran.last

    def one_step_ahead(self, wave: Array) -> tuple[Array, State]:
        """wave (N,) -> what is foretold for the sample after each, (N,), and the state at the end."""
        ran = forward(self.cell, self.p, wave[None, :, None])
        return linear(ran.y, self.q)[0, :, 0], ran.last

    def run_free(self, value: float, state: State, steps: int) -> Array:
        """Go on alone from the last answer, each answer the next input: (steps,), of which `value` is the first."""
        values = [value]
        while len(values) < steps:
            state, _ = self.cell.step(np.array([[values[-1]]]), state, self.p)
            values.append(float(linear(state[0], self.q)[0, 0]))
        return np.array(values)


def random_windows(
    wave: Array, rows: int, length: int, rng: np.random.Generator
) -> Iterator[tuple[Array, Array, bool]]:
    """For ever: inputs and targets (B, T) that begin anywhere, and that the state begins anew."""
    while True:
        at = rng.integers(0, len(wave) - length, rows)[:, None] + np.arange(length)
        yield wave[at], wave[at + 1], True


def sequential_windows(
    wave: Array, rows: int, length: int, rng: np.random.Generator
) -> Iterator[tuple[Array, Array, bool]]:
    """For ever: inputs and targets (B, T), each window after the one before; True where a pass over the wave begins, at
    another offset each time."""
    while True:
        offset = rng.integers(0, length)
        stretch = (len(wave) - 1 - offset) // rows
        starts = offset + stretch * np.arange(rows)[:, None] + np.arange(length)
        for at in range(0, stretch - length + 1, length):
            yield wave[starts + at], wave[starts + at + 1], at == 0


def learn(model: Model, wave: Array, sampling: str, options: argparse.Namespace, rng: np.random.Generator) -> None:
    descent = Adagrad([*model.p.values(), *model.q.values()], options.learning_rate)
    windows = {"random": random_windows, "sequential": sequential_windows}[sampling]
    taken = windows(wave, options.rows, options.window, rng)
    state, losses = model.cell.zero_state(options.rows, model.p), []
    for step, (inputs, targets, anew) in zip(range(1, options.steps + 1), taken, strict=False):
        if anew:
            state = model.cell.zero_state(options.rows, model.p)
        loss, grads, state = model.gradients(inputs, targets, state, BLIND if anew else 0)
        if not np.isfinite(loss):
            raise SystemExit(f"the loss is {loss} at step {step}; a smaller --learning-rate may help")
        clip_norm(grads, options.clip)
        descent.rate = options.learning_rate * (1 - (step - 1) / options.steps)  # falls to zero: the end is a quiet one
        descent.step(grads)
        losses.append(loss)
        if step % max(1, options.steps // 5) == 0:
            print(f"{sampling}, step {step}: mean squared error {np.mean(losses):.2e}", flush=True)
            losses = []


class Outcome(NamedTuple):
    """The part of the wave that was not learned from: WARM samples that are read, then FREE more."""

    sampling: str
    wave: Array  # (WARM + FREE,)
    ahead: Array  # (WARM + FREE,), of the same samples, each foretold from the true ones before it; NaN for the first
    free: Array  # (FREE,), of the last ones, foretold without seeing any of them


def foretell(model: Model, wave: Array, sampling: str) -> Outcome:
    ahead, _ = model.one_step_ahead(wave[:-1])
    value, state = model.one_step_ahead(wave[:WARM])
    return Outcome(sampling, wave, np.array([np.nan, *ahead]), model.run_free(float(value[-1]), state, FREE))


def worst(outcome: Outcome) -> tuple[float, float]:
    """The largest error over the last FREE steps, one step ahead and running free, in per cent of the amplitude, 1."""
    truth = outcome.wave[WARM:]
    return tuple(100 * float(np.abs(values[-FREE:] - truth).max()) for values in (outcome.ahead, outcome.free))


# The picture, SVG by hand: per sampling the waves, and below them the errors.

TRUTH, AHEAD, FREELY = (
    'stroke="#c3c8d0" stroke-width="6"',
    'stroke="#1d4ed8" stroke-width="1.6" stroke-dasharray="5 4"',
    'stroke="#f08c3a" stroke-width="2.6"',
)
GREY = 'text-anchor="middle" fill="#6b7280"'
LEFT, WIDTH, HEAD, WAVES, ERRORS = 70, 800, 70, 190, 90  # of the axes, in pixels; ERRORS and WAVES are heights


def text(x: float, y: float, words: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{words}</text>'


def panel(
    top: float, height: float, ticks: list[float], curves: list[tuple[Array, str]], name: str, numbered: bool
) -> list[str]:
    """Axes over the last WARM + FREE steps, from the lowest tick to the highest; each curve ends at the last step."""
    low, high, steps = ticks[0], ticks[-1], WARM + FREE

    def across(step: float) -> float:
        return LEFT + WIDTH * step / steps

    def up(value: float) -> float:
        return top + height * (high - value) / (high - low)

    box = f'x="{LEFT}" y="{top}" width="{WIDTH}" height="{height}"'
    out = [f'<clipPath id="at{top}"><rect {box}/></clipPath>', f'<rect {box} fill="none" stroke="#9aa1ac"/>']
    for tick in ticks:
        out.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{up(tick):.1f}" y2="{up(tick):.1f}" stroke="#e6e8ec"/>')
        out.append(text(LEFT - 8, up(tick) + 4, f"{tick:g}", 'text-anchor="end"'))
    x = across(WARM)
    out.append(
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + height}" stroke="#6b7280" stroke-dasharray="2 3"/>'
    )
    for values, look in curves:
        first = steps - len(values)
        points = " ".join(f"{across(first + k):.1f},{up(v):.1f}" for k, v in enumerate(values) if np.isfinite(v))
        out.append(
            f'<polyline points="{points}" fill="none" stroke-linejoin="round" clip-path="url(#at{top})" {look}/>'
        )
    for step in range(0, steps + 1, 20) if numbered else ():
        out.append(text(across(step), top + height + 17, f"{LEARNED + step}", 'text-anchor="middle"'))
    middle = top + height / 2
    out.append(text(20, middle, name, f'text-anchor="middle" transform="rotate(-90 20 {middle})"'))
    return out


def draw(outcomes: list[Outcome], title: str) -> str:
    largest = max(max(worst(outcome)) for outcome in outcomes)
    most = next((limit for limit in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0) if largest <= limit), 100.0)
    each = HEAD - 20 + WAVES + 15 + ERRORS + 45
    height, width = HEAD + each * len(outcomes), LEFT + WIDTH + 30
    out = [text(LEFT, 26, title, 'font-size="17" font-weight="bold"')]
    for x, look, words in ((0, TRUTH, "true wave"), (150, AHEAD, "one step ahead"), (330, FREELY, "running free")):
        out.append(f'<line x1="{LEFT + x}" x2="{LEFT + x + 34}" y1="48" y2="48" {look}/>')
        out.append(text(LEFT + x + 42, 52, words))
    for k, outcome in enumerate(outcomes):
        top = HEAD + each * k + 30
        ahead, free = worst(outcome)
        told = (
            f"largest error over {FREE} steps: one step ahead {ahead:.2f} %, running free {free:.2f} % of the amplitude"
        )
        out.append(text(LEFT, top - 10, f"{outcome.sampling} sampling", 'font-weight="bold"'))
        out.append(text(LEFT + WIDTH, top - 10, told, 'text-anchor="end"'))
        waves = [(outcome.wave, TRUTH), (outcome.free, FREELY), (outcome.ahead, AHEAD)]
        out += panel(top, WAVES, [-1.5, -1, -0.5, 0, 0.5, 1, 1.5], waves, "wave", False)
        out.append(text(LEFT + WIDTH / 4, top + 16, "reads the wave", GREY))
        out.append(text(LEFT + WIDTH * 3 / 4, top + 16, "running free sees none of it", GREY))
        errors = [
            (100 * np.abs(outcome.free - outcome.wave[WARM:]), FREELY),
            (100 * np.abs(outcome.ahead - outcome.wave), AHEAD),
        ]
        out += panel(top + WAVES + 15, ERRORS, [0, most / 2, most], errors, "error, %", True)
        out.append(text(LEFT + WIDTH / 2, top + WAVES + 15 + ERRORS + 36, "step", 'text-anchor="middle"'))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#1f2937">\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n' + "\n".join(out) + "\n</svg>\n"
    )


class Parser(argparse.ArgumentParser):
    """Bad input is told in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def above_zero(kind: type) -> Any:
    def read(word: str) -> Any:
        number = kind(word)
        if not 0 < number < float("inf"):
            raise argparse.ArgumentTypeError(f"{word} is not a number above 0")
        return number

    read.__name__ = {int: "whole number", float: "number"}[kind]
    return read


def parse(words: list[str] | None) -> tuple[Parser, argparse.Namespace]:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--sampling", choices=[*SAMPLINGS, "both"], default="both", help="where windows begin (%(default)s)")
    add("--cell", choices=list(CELLS), default="rnn", help="(%(default)s)")
    add("--hidden", type=above_zero(int), default=32, help="features of the hidden state (%(default)s)")
    add("--rows", type=above_zero(int), default=16, help="windows taken together (%(default)s)")
    add("--measurements", type=above_zero(int), default=32, help="steps of a window: how far gradients reach (%(default)s)")
    add("--steps", type=above_zero(int), default=2000, help="steps of descent (%(default)s)")
    add("--learning-rate", type=above_zero(float), default=0.03, help="of Adagrad, falling to zero (%(default)s)")
    add("--clip", type=above_zero(float), default=1.0, help="radius of the ball of gradients (%(default)s)")
    add("--period", type=above_zero(float), default=25.7, help="of the wave, in samples (%(default)s)")
    add("--seed", type=int, default=0, help="of the first parameters and of where windows begin (%(default)s)")
    add("--out", type=Path, default=Path("sine.svg"), metavar="FILE", help="the picture (%(default)s)")
    options = parser.parse_args(words)
    if options.seed < 0:
        parser.error(f"--seed is {options.seed}; wanted 0 or more")
    if options.period <= 2:
        parser.error(f"--period is {options.period:g}; wanted more than 2, or the samples do not show the wave")
    if options.window <= BLIND:
        parser.error(f"--measurements is {options.window}; wanted more than {BLIND}: so many steps are not judged")
    if options.window * (options.rows + 1) >= LEARNED:
        parser.error(f"{options.rows} --rows of a --measurements of {options.window} do not fit into {LEARNED} samples")
    if options.out.is_dir() or not options.out.parent.is_dir():
        parser.error(f"--out {options.out}: {'a folder' if options.out.is_dir() else 'no such folder'}")
    return parser, options


def main(words: list[str] | None = None) -> int:
    parser, options = parse(words)
    wave = np.sin(2 * np.pi * np.arange(LEARNED + WARM + FREE) / options.period)
    outcomes = []
    try:
        for sampling in SAMPLINGS if options.sampling == "both" else (options.sampling,):
            rng = np.random.default_rng(options.seed)
            model = Model(CELLS[options.cell], options.hidden, rng)
            learn(model, wave[:LEARNED], sampling, options, rng)
            outcomes.append(foretell(model, wave[LEARNED:], sampling))
            ahead, free = worst(outcomes[-1])
            print(
                f"{sampling}: off by at most {ahead:.2f} % of the amplitude one step ahead, {free:.2f} % running free"
            )
        title = f"A sine wave of period {options.period:g}, foretold by {options.cell} with {options.hidden} units"
        options.out.write_text(draw(outcomes, title), encoding="utf-8")
    except OSError as error:
        parser.error(f"--out {options.out}: {error.strerror or error}")
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print(f"wrote {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
